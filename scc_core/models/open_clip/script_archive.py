"""TorchScript archives in the layout of OpenAI's CLIP: their tensors are read, and nothing in them is run.

``torch.jit.load`` compiles the archive's code and runs the ``__setstate__`` of its classes. Here the archive's record
of objects is read instead: every class of the archive becomes a bag of attributes, a tensor becomes a view of its bytes
in the file, and any other name is refused.
"""

from __future__ import annotations

import mmap
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

OPENAI_BUFFERS = ("input_resolution", "context_length", "vocab_size")
"""What OpenAI's CLIP keeps beside its weights; no other CLIP has all three."""
# The text tower makes its causal mask itself; older archives hold a copy for each layer.
_MASK = "attn_mask"
_RECORD, _CONSTANTS = "data.pkl", "constants.pkl"
_ARCHIVE_CLASS = "__torch__."
# What precedes a file's name in a zip archive, and where its two lengths stand.
_LOCAL_HEADER_SIZE, _LENGTHS_AT = 30, 26
_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_script_archive(path: Path) -> bool:
    """Tell whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(member.endswith(f"/{_CONSTANTS}") for member in archive.namelist())


def read_openai_archive(path: Path) -> dict[str, Tensor]:
    """Return the weights of an archive in the layout of OpenAI's CLIP, under the names that open_clip uses.

    Raises:
        ValueError: it is an archive of something else.
        pickle.UnpicklingError: it holds what no weights need.
        Exception: it is damaged; of many kinds.
    """
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        folder = next(name.removesuffix(_CONSTANTS) for name in archive.namelist() if name.endswith(f"/{_CONSTANTS}"))
        # Copied where it is written to, so that the file is never changed.
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        with archive.open(f"{folder}{_RECORD}") as record:
            root = _Record(record, _Storages(archive, folder, content)).load()
    attributes = root.attributes if isinstance(root, _Bag) else {}
    if not all(name in attributes for name in OPENAI_BUFFERS):
        raise ValueError(
            "it is a TorchScript archive, but not one of OpenAI's CLIP, which holds "
            f"{', '.join(OPENAI_BUFFERS)}; save its state dict with torch.save"
        )
    return {name: tensor for name, tensor in _tensors(root) if name not in OPENAI_BUFFERS}


class _Bag:
    """An object of a class that the archive defines: its attributes, and none of its code."""

    attributes: dict[str, Any]

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"the state of an object is a {type(state).__name__}")
        self.attributes = state


class _Storages:
    """The archive's storages, each as one flat tensor over its bytes in the file."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, content: mmap.mmap) -> None:
        self._archive = archive
        self._folder = folder
        self._content = content

    def get(self, dtype: torch.dtype, key: str, length: int) -> Tensor:
        """Return storage ``key`` of ``length`` elements."""
        member = self._archive.getinfo(f"{self._folder}data/{key}")
        size = length * dtype.itemsize
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != size:
            raise pickle.UnpicklingError(f"storage {key} is compressed, or not of {size} bytes")
        if length == 0:
            return torch.empty(0, dtype=dtype)
        lengths = self._content[member.header_offset + _LENGTHS_AT : member.header_offset + _LOCAL_HEADER_SIZE]
        offset = member.header_offset + _LOCAL_HEADER_SIZE + sum(struct.unpack("<HH", lengths))
        return torch.frombuffer(self._content, dtype=dtype, count=length, offset=offset)


class _Record(pickle.Unpickler):
    """Reads the archive's record; what it makes is bags, tensors and plain values."""

    def __init__(self, record: Any, storages: _Storages) -> None:
        super().__init__(record)
        self._storages = storages
        # Made anew for every file, so that what a record does to them ends with it.
        self._known: dict[str, Callable[..., Any]] = {
            "torch._utils._rebuild_tensor_v2": lambda storage, *place: _view(storage, *place[:3]),
            "torch._utils._rebuild_tensor": lambda storage, *place: _view(storage, *place[:3]),
            "collections.OrderedDict": lambda *_: {},
            "torch.jit._pickle.restore_type_tag": lambda value, _: value,
            **{
                f"torch.jit._pickle.build_{kind}list": lambda values: values
                for kind in ("int", "tensor", "double", "bool")
            },
        }

    def find_class(self, module: str, name: str) -> Any:
        """Return a fresh class of bags, a storage's element type, or one of the few functions that build tensors."""
        full = f"{module}.{name}"
        if full.startswith(_ARCHIVE_CLASS):
            return type("Bag", (_Bag,), {})
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if full not in self._known:
            raise pickle.UnpicklingError(f"it asks for {full}, which no weights need")
        return self._known[full]

    def persistent_load(self, pid: Any) -> Tensor:
        """Return the storage that a record names: ``("storage", element type, key, device, length)``."""
        _, dtype, key, _, length = pid
        return self._storages.get(dtype, str(key), int(length))


def _view(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    # torch itself refuses a view that leaves its storage.
    return torch.as_strided(storage, size, stride, offset)


def _tensors(root: _Bag) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of an object and of the objects in it, each under its dotted name."""
    waiting: list[tuple[str, _Bag]] = [("", root)]
    seen: set[int] = set()
    while waiting:
        prefix, bag = waiting.pop()
        if id(bag) in seen:
            _twice(prefix)
        seen.add(id(bag))
        for name, value in getattr(bag, "attributes", {}).items():
            if isinstance(value, _Bag):
                waiting.append((f"{prefix}{name}.", value))
            elif isinstance(value, Tensor) and name != _MASK:
                yield f"{prefix}{name}", value


def _twice(prefix: str) -> NoReturn:
    raise ValueError(f"its TorchScript archive holds one object twice, the second time as {prefix.rstrip('.')}")
