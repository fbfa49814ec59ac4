"""Files of weights: their tensors are read without running code in them, whatever they are wrapped in."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from scc_core.models.open_clip.script_archive import is_script_archive, read_openai_archive
from scc_core.models.open_clip.tables import first_line
from scc_core.models.sources import OpenClipSourceError

IMAGE_TOWER = "visual."
"""What the names of an image tower's tensors begin with in open_clip's models."""
_IMAGE_TOWER_ALONE = "vision_encoder_state_dict"
_WRAPPERS = (_IMAGE_TOWER_ALONE, "state_dict", "model_state_dict", "model", "net")
# What DataParallel, torch.compile and wrapping modules put before every name.
_MODULE_PREFIXES = ("module.", "_orig_mod.", "model.")
_IMAGE_PREFIXES = (IMAGE_TOWER, "vision_encoder.", "image_encoder.")
# What open_clip's image towers have, and no text tower: its own ViTs and ResNets, and those of timm.
_IMAGE_MARKS = ("conv1.", "class_embedding", "attnpool.", "trunk.")
_REFUSED_GLOBAL = re.compile(r"GLOBAL (\S+)")


# What the readers of damaged files raise, beside errors of their own.
_UNREADABLE = (
    UnpicklingError,
    RuntimeError,
    ValueError,
    EOFError,
    LookupError,
    OSError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    SafetensorError,
)


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds.

    Attributes:
        tensors: by name; those of an image tower alone have open_clip's prefix ``visual.``.
        image_tower_alone: whether there is no text tower among them.
        openai_archive: whether the file is a TorchScript archive of OpenAI's CLIP.
        left_aside: other state dicts of the file, which nothing reads.
    """

    tensors: Mapping[str, Tensor]
    image_tower_alone: bool = False
    openai_archive: bool = False
    left_aside: tuple[str, ...] = ()


def read_weights(path: Path) -> WeightsFile:
    """Return what a safetensors file, a file of torch or a TorchScript archive of OpenAI's CLIP holds.

    Raises:
        OpenClipSourceError: not such a file; a pickle that would run code is never loaded.
    """
    try:
        if path.suffix != ".safetensors" and is_script_archive(path):
            return WeightsFile(read_openai_archive(path), openai_archive=True)
        content = _read(path)
    except _UNREADABLE as error:
        refused = _REFUSED_GLOBAL.search(str(error)) if isinstance(error, UnpicklingError) else None
        reason = f"it asks for {refused[1]}, which could run code" if refused else first_line(error)
        raise OpenClipSourceError(
            f"{str(path)!r} is no file of plain tensors ({reason}); only safetensors, what "
            "torch.load(weights_only=True) reads, and TorchScript archives of OpenAI's CLIP are loaded"
        ) from error
    state, wrapper, left_aside = _unwrapped(content)
    if not _is_state(state):
        raise OpenClipSourceError(f"{str(path)!r} holds no state dict, a mapping from names to tensors")
    state = _without(_MODULE_PREFIXES, state)
    tower = _without(_MODULE_PREFIXES, _without(_IMAGE_PREFIXES, state))
    prefixed = tower.keys() != state.keys()
    if wrapper == _IMAGE_TOWER_ALONE or prefixed or any(name.startswith(_IMAGE_MARKS) for name in tower):
        named = {f"{IMAGE_TOWER}{name}": tensor for name, tensor in tower.items()}
        return WeightsFile(named, image_tower_alone=True, left_aside=left_aside)
    return WeightsFile(state, left_aside=left_aside)


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights by name; raises what :func:`read_weights` raises."""
    return dict(read_weights(path).tensors)


class _LeftAside:
    """Stands for a value beside the weights that nothing reads, so that no class of the file is ever made."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


# Arguments of a training script, and numbers and arrays of numpy: what training loops save beside weights.
_HARMLESS = (
    "argparse.Namespace",
    "datetime.datetime",
    "datetime.timedelta",
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")),
    *(f"pathlib._local.{name}" for name in ("Path", "PosixPath", "PurePosixPath")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    "numpy.dtype",
    "numpy.ndarray",
)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    with torch.serialization.safe_globals([(_LeftAside, name) for name in _HARMLESS]):
        if zipfile.is_zipfile(path):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return torch.load(path, map_location="cpu", weights_only=True)


def _unwrapped(content: Any) -> tuple[Any, str, tuple[str, ...]]:
    """Return the state dict in a file's content, the name that it stood under, and the other state dicts beside it."""
    wrapper, left_aside = "", []
    while isinstance(content, Mapping) and not _is_state(content):
        chosen = next((name for name in _WRAPPERS if isinstance(content.get(name), Mapping) and content[name]), None)
        if chosen is None:
            break
        left_aside += [str(name) for name, value in content.items() if name != chosen and _is_state(value)]
        wrapper, content = chosen, content[chosen]
    return content, wrapper, tuple(left_aside)


def _is_state(content: Any) -> bool:
    return bool(
        isinstance(content, Mapping)
        and content
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items())
    )


def _without(prefixes: tuple[str, ...], state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return tensors without what all of their names begin with, however often."""
    while prefix := next((one for one in prefixes if all(name.startswith(one) for name in state)), None):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state
