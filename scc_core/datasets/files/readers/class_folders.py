"""One folder per class with images in it: EuroSAT, Caltech, Country211, ImageNet and its variants."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.decoding import is_image_name
from scc_core.datasets.files.samples import FileSamples, Sample, bytewise


def read(folder: Path, description: Description) -> FileSamples:
    """Read the class folders below option ``below`` (default: the dataset's folder), in label order.

    A label is a folder's place in the description, so that a missing folder shifts no other class.
    """
    root = folder / description.options.get("below", "")
    folders = (root, *(root / name for name in description.class_folders))
    return FileSamples(root, class_folder_samples(root, description.class_folders), folders)


def class_folder_samples(root: Path, class_folders: Sequence[str], inner: str = "") -> Iterator[Sample]:
    """Yield the images of every class folder in label order, within a class by the bytes of their names.

    Args:
        root: the folder of the class folders.
        class_folders: their paths below ``root``, in label order.
        inner: a folder inside of each that holds the images.

    Raises:
        FileNotFoundError: none of the class folders is there.
    """
    present = [(label, name) for label, name in enumerate(class_folders) if (root / name / inner).is_dir()]
    if not present:
        raise FileNotFoundError(2, "no class folder", str(root / class_folders[0]))
    for label, name in present:
        for path in bytewise(os.listdir(root / name / inner)):  # noqa: PTH208 -- only names are wanted
            if is_image_name(path):
                yield Sample("/".join(part for part in (name, inner, path) if part), label)
