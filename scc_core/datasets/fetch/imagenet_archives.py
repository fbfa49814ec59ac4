"""Sort ImageNet's validation images, which come in one flat archive, into a folder per class."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm import tqdm

from scc_core.errors import UserError
from scc_core.machine.download import digest_fault


class _Archive(NamedTuple):
    name: str
    md5: str


VALIDATION_IMAGES = _Archive("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622")
DEVELOPMENT_KIT = _Archive("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf")
_KIT = "ILSVRC2012_devkit_t12/data/"


def sort_validation_images(folder: Path) -> None:
    """Make ``folder/val/WORDNET_ID/IMAGE`` of the two archives in ``folder``; do nothing if they are missing.

    The images are sorted in a folder beside ``val``, which is renamed to ``val`` when it is complete.

    Raises:
        UserError: an archive is not the published one, or does not have what it should.
    """
    images, kit = (folder / archive.name for archive in (VALIDATION_IMAGES, DEVELOPMENT_KIT))
    if not (images.is_file() and kit.is_file()):
        return
    for archive in (DEVELOPMENT_KIT, VALIDATION_IMAGES):
        fault = digest_fault(folder / archive.name, md5=archive.md5)
        if fault:
            raise UserError(f"{folder / archive.name} {fault}; download it again")
    try:
        wordnet_ids = _validation_classes(kit)
        scratch = Path(tempfile.mkdtemp(prefix=".sorting-", dir=folder))
        try:
            _sort(images, wordnet_ids, scratch)
            scratch.chmod(0o755)
            scratch.replace(folder / "val")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except (tarfile.TarError, EOFError, KeyError, IndexError) as error:
        raise UserError(f"the archives in {folder} are not as ImageNet's of 2012: {error}") from None
    except OSError as error:
        raise UserError(f"{images} cannot be sorted into {folder}: {error.strerror or error}") from None


def _validation_classes(kit: Path) -> list[str]:
    """Return the WordNet id of every validation image in the order of their numbers."""
    from scipy.io import loadmat

    with tarfile.open(kit) as file:
        synsets = loadmat(io.BytesIO(_content(file, _KIT + "meta.mat")), squeeze_me=True)["synsets"]
        truth = _content(file, _KIT + "ILSVRC2012_validation_ground_truth.txt").split()
    by_number = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
    return [by_number[int(number)] for number in truth]


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no file")
    return file.read()


def _sort(images: Path, wordnet_ids: list[str], target: Path) -> None:
    with tarfile.open(images) as archive:
        for member in tqdm(
            archive, desc=f"sorting {images.name}", total=len(wordnet_ids), unit=" images", disable=None
        ):
            name = PurePosixPath(member.name)
            if name.suffix != ".JPEG":
                continue
            # ILSVRC2012_val_00000293.JPEG is image 293, counted from 1.
            folder = target / wordnet_ids[int(name.stem.rpartition("_")[2]) - 1]
            folder.mkdir(exist_ok=True)
            (folder / name.name).write_bytes(_content(archive, member.name))
