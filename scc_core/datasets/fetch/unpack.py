"""Unpack archives and compressed files, each as a whole or not at all."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from scc_core.errors import UserError

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)


def unpack(archive: Path, target: Path, *, inner: str = "") -> None:
    """Unpack ``archive`` (tar in any compression, zip, or one file in gzip) into the folder ``target``.

    The archive is unpacked into a folder beside and moved when it is complete, so that a killed process leaves nothing
    that looks like a dataset. Files of the same names are replaced.

    Args:
        archive: the file.
        target: made if it is not there.
        inner: an archive inside of the archive that is unpacked instead; empty if there is none.

    Raises:
        UserError: it is no archive, it is damaged, or the disk is full.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with _scratch_folder(target) as scratch:
            _extract(archive, scratch)
            if inner:
                with _scratch_folder(target) as deeper:
                    _extract(scratch / inner, deeper)
                    _move_into(deeper, target)
            else:
                _move_into(scratch, target)
    except _BROKEN as error:
        raise UserError(f"{archive} cannot be unpacked: {error}; delete it and fetch it again") from None
    except OSError as error:
        raise UserError(f"{archive} cannot be unpacked into {target}: {error.strerror or error}") from None


@contextmanager
def _scratch_folder(target: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extract(archive: Path, target: Path) -> None:
    if tarfile.is_tarfile(archive):
        # The filter refuses members that would land outside of the target.
        with tarfile.open(archive) as file:
            for member in tqdm(file, desc=f"unpacking {archive.name}", unit=" files", disable=None):
                file.extract(member, target, filter="data")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for entry in tqdm(packed.infolist(), desc=f"unpacking {archive.name}", unit=" files", disable=None):
                packed.extract(entry, target)
    else:
        with archive.open("rb") as content:
            if content.read(2) != b"\x1f\x8b":
                raise UserError(f"{archive} is neither a tar, a zip nor a gzip file")
        with gzip.open(archive) as source, (target / archive.stem).open("wb") as unpacked:
            shutil.copyfileobj(source, unpacked)


def _move_into(source: Path, target: Path) -> None:
    for entry in source.iterdir():
        place = target / entry.name
        if entry.is_dir() and place.is_dir():
            _move_into(entry, place)
        else:
            entry.replace(place)
