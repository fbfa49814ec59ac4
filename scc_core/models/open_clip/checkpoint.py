"""Files of weights: they are read without running code in them, and loaded only if every tensor fits."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from scc_core.models.open_clip.blueprint import some
from scc_core.models.open_clip.tables import first_line
from scc_core.models.sources import OpenClipSourceError

_SHOWN = 4
# Older versions of transformers saved a buffer that newer ones make themselves; BERT towers of the hub still have it.
_OBSOLETE = "text.transformer.embeddings.position_ids"
# Batch normalisation fills in its counter of batches, which evaluation never reads.
_OPTIONAL_ENDING = "num_batches_tracked"


def load_weights(module: nn.Module, path: Path, name: str) -> None:
    """Load a file of weights into ``module``; the file must hold every tensor of the module, and no other.

    Open_clip itself interpolates position embeddings of another size and fills a missing bias with zeros; both would
    change results without a word, so here they are errors.

    Raises:
        OpenClipSourceError: the file cannot be read safely, or does not fit the architecture.
    """
    state = _converted(module, read_state(path), name)
    _check_fit(module.state_dict(), state, path, name)
    module.load_state_dict(state)


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or of a file of torch that holds nothing else.

    Raises:
        OpenClipSourceError: not such a file; a pickle that would run code is never loaded.
    """
    try:
        content = _read(path)
    except (UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, OSError, SafetensorError) as error:
        raise OpenClipSourceError(
            f"{str(path)!r} is no file of plain tensors ({first_line(error)}); only safetensors and what "
            "torch.load(weights_only=True) reads are loaded"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()) or not state:
        raise OpenClipSourceError(f"{str(path)!r} holds no state dict, a mapping from names to tensors")
    prefix = "module."
    if all(key.startswith(prefix) for key in state):
        return {key.removeprefix(prefix): value for key, value in state.items()}
    return dict(state)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    if not zipfile.is_zipfile(path):
        return torch.load(path, map_location="cpu", weights_only=True)
    with zipfile.ZipFile(path) as archive:
        if any(member.endswith("/constants.pkl") for member in archive.namelist()):
            raise ValueError("it is a TorchScript archive, such as OpenAI's own .pt files; name openai/ARCHITECTURE")
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _converted(module: Any, state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors under the names that the module uses: open_clip's own conversions, without its guesses."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    try:
        state = convert_state_dict(module, state)
    except (KeyError, RuntimeError) as error:
        raise OpenClipSourceError(f"the weights of {name!r} cannot be converted: {first_line(error)}") from error
    if "positional_embedding" in state and not hasattr(module, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for scalar in ("logit_scale", "logit_bias"):
        own = getattr(module, scalar, None)
        if scalar in state and own is not None and state[scalar].numel() == 1:
            state[scalar] = state[scalar].reshape(own.shape)
    if _OBSOLETE in state and _OBSOLETE not in module.state_dict():
        del state[_OBSOLETE]
    return state


def _check_fit(own: Mapping[str, Tensor], given: Mapping[str, Tensor], path: Path, name: str) -> None:
    missing = [key for key in own if key not in given and not key.endswith(_OPTIONAL_ENDING)]
    unexpected = [key for key in given if key not in own]
    other_shape = [
        f"{key} {tuple(given[key].shape)} for {tuple(own[key].shape)}"
        for key in own
        if key in given and given[key].shape != own[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({some(keys, _SHOWN)})"
        for keys, what in ((missing, "missing"), (unexpected, "unexpected"), (other_shape, "of another shape"))
        if keys
    ]
    if problems:
        raise OpenClipSourceError(
            f"the weights of {name!r} in {str(path)!r} do not fit its architecture: {'; '.join(problems)}"
        )
