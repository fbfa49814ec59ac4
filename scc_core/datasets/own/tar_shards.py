"""Labelled images inside tar archives, as webdataset writes them: read in place, one seek per image, never unpacked.

The members of a sample follow one another and share their name up to the first dot: ``s0000001.jpg``,
``s0000001.cls``.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from scc_core.datasets.base import LeftOut, Uint8Image
from scc_core.datasets.files.decoding import decode_bytes
from scc_core.datasets.files.samples import Samples
from scc_core.datasets.files.stamps import stamp
from scc_core.errors import UserError
from scc_core.machine.folders import cache_folder, keep

IMAGE_ENDINGS = ("webp", "png", "jpg", "jpeg")
"""CLIP_benchmark takes the first of these that a sample has."""
LABEL_ENDING = "cls"
_LARGEST_LABEL = 20


class Slot(NamedTuple):
    """Where the image of a sample lies.

    Attributes:
        id: name of the archive and of the member.
        label: its class.
        offset: of the first byte of the file, in bytes from the start of the archive.
        size: of the file in bytes.
    """

    id: str
    label: int
    offset: int
    size: int


class Index(NamedTuple):
    """The samples of an archive, and the members that belong to no sample."""

    slots: tuple[Slot, ...]
    left_out: tuple[LeftOut, ...]


class TarSamples(Samples):
    """The samples of several archives, in the order of the archives and of their members.

    Args:
        archives: the files.
        slots: the samples of each.
    """

    def __init__(self, archives: Sequence[Path], slots: Sequence[Sequence[Slot]]) -> None:
        self.sources = tuple(archives)
        listed = [(path, slot) for path, inside in zip(archives, slots, strict=True) for slot in inside]
        self._places = tuple((path, slot.offset, slot.size) for path, slot in listed)
        self.ids = tuple(slot.id for _, slot in listed)
        self.labels = np.array([slot.label for _, slot in listed], dtype=np.int64)

    def content(self, index: int) -> bytes:
        """Return the bytes of the image file."""
        path, offset, size = self._places[index]
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def decode(self, index: int, content: bytes) -> Uint8Image:
        """Decode the image file."""
        return decode_bytes(content, self.ids[index])

    def files_of(self, index: int) -> Sequence[Path]:
        """Return the archive that holds sample ``index``."""
        return (self._places[index][0],)


class _Member(NamedTuple):
    key: str
    ending: str
    offset: int
    size: int


def index_archive(path: Path) -> Index:
    """Return where the samples of an archive lie; the answer is kept while the archive does not change.

    Raises:
        UserError: not an uncompressed tar archive, or one that breaks off or changes while it is read.
        FileNotFoundError: no such file.
    """
    before = stamp(path)
    cache = cache_folder() / "tar-indices" / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]}.json"
    valid = f"tar-index-1 {before}"
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(cache.read_text(encoding="utf-8"))
        if kept["stamp"] == valid:
            left_out = tuple(LeftOut(*pair) for pair in kept["left_out"])
            return Index(tuple(Slot(*values) for values in kept["slots"]), left_out)
    index = _build(path)
    if stamp(path) != before:
        raise UserError(f"{path} changes while it is read")
    keep(cache, json.dumps({"stamp": valid, "slots": index.slots, "left_out": index.left_out}))
    return index


def _build(path: Path) -> Index:
    slots: dict[str, Slot] = {}
    left_out: list[LeftOut] = []
    repeated: list[LeftOut] = []
    try:
        with tarfile.open(path, "r:") as archive, path.open("rb") as content:
            for key, members in groupby(_members(archive, left_out), key=lambda member: member.key):
                name = f"{path.name}/{key}"
                made = _slot(name, {member.ending: member for member in members}, content)
                if isinstance(made, LeftOut):
                    left_out.append(made)
                elif made.id in slots:
                    repeated.append(LeftOut(made.id, "its name stands in the archive before"))
                else:
                    slots[made.id] = made
            _check_end(archive, content)
    except tarfile.TarError as error:
        raise UserError(
            f"{path} is no uncompressed tar archive, or breaks off: {error}; compressed ones cannot be read in place"
        ) from None
    return Index(tuple(slots.values()), (*left_out, *repeated))


def _check_end(archive: tarfile.TarFile, content: BinaryIO) -> None:
    """Check that the mark of the end follows the last member, since tarfile takes a damaged header for the end, too.

    Raises:
        tarfile.ReadError: it is not.
    """
    members = archive.getmembers()
    last = members[-1] if members else None
    end = 0 if last is None else last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    content.seek(end)
    if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"no member and no end at byte {end:,}")


def _members(archive: tarfile.TarFile, left_out: list[LeftOut]) -> Iterator[_Member]:
    """Yield the plain files; skip folders, and note every other member in ``left_out``."""
    for entry in archive:
        folder, _, name = entry.name.rpartition("/")
        stem, dot, ending = name.partition(".")
        if entry.isdir():
            continue
        if not entry.isreg() or entry.issparse():
            left_out.append(LeftOut(entry.name, "not a plain file"))
        elif not (stem and dot):
            left_out.append(LeftOut(entry.name, "its name has no ending that says what it is"))
        else:
            yield _Member(f"{folder}/{stem}" if folder else stem, ending.lower(), entry.offset_data, entry.size)


def _slot(name: str, members: dict[str, _Member], content: BinaryIO) -> Slot | LeftOut:
    ending = next((ending for ending in IMAGE_ENDINGS if ending in members), None)
    if ending is None:
        return LeftOut(name, f"it has no image ({', '.join(IMAGE_ENDINGS)}), only {', '.join(sorted(members))}")
    if LABEL_ENDING not in members:
        return LeftOut(name, f"it has no label ({LABEL_ENDING}), only {', '.join(sorted(members))}")
    image, label = members[ending], members[LABEL_ENDING]
    content.seek(label.offset)
    digits = content.read(min(label.size, _LARGEST_LABEL + 1)).strip()
    if label.size > _LARGEST_LABEL or not digits.isdigit():
        return LeftOut(name, f"its {LABEL_ENDING} is no whole number")
    return Slot(f"{name}.{ending}", int(digits), image.offset, image.size)
