"""The medical sets: BiomedCoOp's class folders with a split file, and MedMNIST's npz archives."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tests.miniatures.images import Expected, Shown, colour, pixels


class Split(NamedTuple):
    """A set in BiomedCoOp's layout.

    Attributes:
        folder: its name.
        classes: names of the classes by the integer that the split file gives them, which is not always ours.
        labels: for each of these integers our label.
        image: the name of image ``number`` of class ``name``.
        mode: Pillow's mode of the files.
    """

    folder: str
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    image: Callable[[str, int], str]
    mode: str = "RGB"


def _numbered(pattern: str) -> Callable[[str, int], str]:
    return lambda name, number: pattern.format(name=name, first=name.split()[0], number=number)


SPLITS: Mapping[str, Split] = {
    "busi": Split(
        "BUSI", ("benign tumor", "malignant tumor", "normal scan"), (0, 1, 2), _numbered("{first} ({number}).png")
    ),
    "btmri": Split(
        "BTMRI",
        ("glioma tumor", "meningioma tumor", "pituitary tumor", "normal brain"),
        (0, 1, 3, 2),
        _numbered("image{number}.jpg"),
        "L",
    ),
    "chmnist": Split(
        "CHMNIST",
        (
            "adipose tissue",
            "complex stroma",
            "debris",
            "empty background",
            "immune cells",
            "normal mucosal glands",
            "simple stroma",
            "tumour epithelium",
        ),
        (0, 1, 2, 3, 4, 5, 6, 7),
        _numbered("9E66_CRC-Prim-HE-06_{number:03d}.tif_Row_151_Col_151.tif"),
    ),
    "covid19": Split(
        "COVID_19",
        ("covid lungs", "lung opacity lungs", "viral pneumonia lungs", "normal lungs"),
        (0, 1, 3, 2),
        _numbered("{first}-{number}.png"),
        "L",
    ),
    "kneexray": Split(
        "KneeXray",
        (
            "healthy knee",
            "doubtful osteoarthritis",
            "minimal osteoarthritis",
            "moderate osteoarthritis",
            "severe osteoarthritis",
        ),
        (0, 1, 2, 3, 4),
        _numbered("9{number:06d}L.png"),
        "L",
    ),
    "ctkidney": Split(
        "CTKidney",
        ("cyst kidney", "kidney stone", "kidney tumor", "normal kidney"),
        (0, 1, 2, 3),
        _numbered("{first}- ({number}).jpg"),
    ),
    "kvasir": Split(
        "Kvasir",
        (
            "dyed lifted polyps",
            "dyed resection margins",
            "esophagitis",
            "normal cecum",
            "normal pylorus",
            "normal z line",
            "polyps",
            "ulcerative colitis",
        ),
        (0, 1, 2, 3, 4, 5, 6, 7),
        _numbered("fdb9af61-5fba-4712-8127-{number:012d}.jpg"),
    ),
    "lungcolon": Split(
        "LungColon",
        (
            "colon adenocarcinoma",
            "colon benign tissue",
            "lung adenocarcinoma",
            "lung benign tissue",
            "lung squamous cell carcinoma",
        ),
        (0, 1, 2, 3, 4),
        _numbered("{first}{number}.jpeg"),
    ),
    "retina": Split(
        "RETINA",
        ("cataract", "diabetic retinopathy", "glaucoma", "normal retina"),
        (0, 1, 2, 3),
        _numbered("{number}_left.jpg"),
    ),
    "biomedcoop-dermamnist": Split(
        "DermaMNIST",
        (
            "actinic keratosis",
            "basal cell carcinoma",
            "benign keratosis",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevus",
            "vascular lesion",
        ),
        (0, 1, 2, 3, 4, 5, 6),
        _numbered("test{number}.png"),
    ),
    "biomedcoop-octmnist": Split(
        "OCTMNIST",
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal OCT scan"),
        (0, 1, 2, 3),
        _numbered("test{number}.png"),
        "L",
    ),
}


def write_split(name: str, data: Path) -> Expected:
    """Write a set with two test images of every class, and one each for the other splits, which must not come."""
    split = SPLITS[name]
    lists: dict[str, list[tuple[str, int, str]]] = {"train": [], "val": [], "test": []}
    shown = []
    for number, (part, integer) in enumerate(
        (part, integer) for part in ("train", "val", "test", "test") for integer in range(len(split.classes))
    ):
        class_name = split.classes[integer]
        below = f"{class_name.replace(' ', '_')}/{split.image(class_name, number)}"
        _write_image(data / split.folder / split.folder / below, number, split.mode)
        lists[part].append((below, integer, class_name))
        if part == "test":
            shown.append(Shown(number, split.labels[integer]))
    (data / split.folder / f"split_{split.folder}.json").write_text(json.dumps(lists, indent=4))
    return shown


def _write_image(path: Path, serial: int, mode: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels(serial))
    # A grey file of which every value is the serial number's: what is shown has no colour to be told apart by.
    image = Image.new("L", image.size, _grey(serial)) if mode == "L" else image
    image.save(path, **({"quality": 95} if path.suffix in (".jpg", ".jpeg") else {}))


def _grey(serial: int) -> int:
    return 8 * serial + 4


MEDMNIST: Mapping[str, tuple[int, int]] = {
    "pathmnist": (9, 3),
    "dermamnist": (7, 3),
    "octmnist": (4, 1),
    "pneumoniamnist": (2, 1),
    "retinamnist": (5, 3),
    "breastmnist": (2, 1),
    "bloodmnist": (8, 3),
    "tissuemnist": (8, 1),
    "organamnist": (11, 1),
    "organcmnist": (11, 1),
    "organsmnist": (11, 1),
}
"""Number of classes and channels of every set with one label per image."""


def write_medmnist(name: str, size: int, data: Path) -> Expected:
    """Write an archive as MedMNIST's are: three splits, grey images without a channel, labels in a column."""
    classes, channels = MEDMNIST[name]
    arrays: dict[str, np.ndarray] = {}
    shown = [Shown(serial, (serial * 13) % classes) for serial in range(2 * classes)]
    for split, samples in {"train": [Shown(31, 0)], "val": [Shown(30, 1)], "test": shown}.items():
        arrays[f"{split}_images"] = np.stack([_square(serial, size, channels) for serial, _ in samples])
        arrays[f"{split}_labels"] = np.array([[label] for _, label in samples], dtype=np.uint8)
    suffix = "" if size == 28 else f"_{size}"
    path = data / "medmnist" / f"{name}{suffix}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return shown


def _square(serial: int, size: int, channels: int) -> np.ndarray:
    return pixels(serial, size, size) if channels == 3 else np.full((size, size), _grey(serial), dtype=np.uint8)


def is_grey(name: str) -> bool:
    """Tell whether the images of a set are grey: then image ``serial`` shows ``8 * serial + 4``."""
    base = name.rpartition("-")[0] if name.rpartition("-")[2].isdigit() else name
    return SPLITS[name].mode == "L" if name in SPLITS else MEDMNIST[base][1] == 1


def expected_colour(name: str, serial: int) -> tuple[int, int, int]:
    """Return the colour that image ``serial`` of a set must show."""
    return (_grey(serial),) * 3 if is_grey(name) else colour(serial)


WRITERS: Mapping[str, Callable[[Path], Expected]] = {
    **{name: partial(write_split, name) for name in SPLITS},
    **{name: partial(write_medmnist, name, 28) for name in MEDMNIST},
    **{f"{name}-{size}": partial(write_medmnist, name, size) for name in MEDMNIST for size in (64, 128, 224)},
}
"""Writers by the name of the dataset."""
