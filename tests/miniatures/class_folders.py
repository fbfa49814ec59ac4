"""Folders of images by class, in the layouts of eight published sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scc_core.datasets.cards import describe_card
from tests.miniatures.images import Expected, Shown, write_image


def write_folders(root: Path, files: Iterable[tuple[str, int]]) -> Expected:
    """Write an image per ``(path, label)``, the last one first, and return them in the given order."""
    shown = []
    for serial, (path, label) in enumerate(files):
        shown.append((path, Shown(serial, label)))
    for path, (serial, _) in reversed(shown):
        write_image(root / path, serial)
    return [entry for _, entry in shown]


def write_caltech101(data: Path) -> Expected:
    """Write some classes, upper case before lower, and the background class, which is not part of the dataset."""
    root = data / "caltech101" / "101_ObjectCategories"
    write_image(root / "BACKGROUND_Google" / "image_0001.jpg", 900)
    classes = (("Faces", 0), ("Faces_easy", 1), ("Motorbikes", 3), ("accordion", 4), ("yin_yang", 100))
    return write_folders(
        root, [(f"{folder}/image_{number:04d}.jpg", label) for folder, label in classes for number in (1, 2)]
    )


def write_caltech256(data: Path) -> Expected:
    """Write one image of every class, with the stray file and the stray folder that the real archive has."""
    root = data / "caltech256" / "256_ObjectCategories"
    folders = describe_card("caltech256").class_folders
    shown = write_folders(root, [(f"{name}/{name[:3]}_0001.jpg", label) for label, name in enumerate(folders)])
    (root / "198.spider" / "RENAME2").write_text("no image\n")
    (root / "056.dog" / "greg" / "vision309").mkdir(parents=True)
    return shown


def write_eurosat(data: Path) -> Expected:
    """Write every class; names sort as text, so that 10 comes before 2."""
    classes = ("AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "PermanentCrop")
    classes += ("Residential", "River", "SeaLake")
    return write_folders(
        data / "eurosat" / "2750",
        [(f"{name}/{name}_{number}.jpg", label) for label, name in enumerate(classes) for number in (1, 10, 2)],
    )


def write_country211(data: Path) -> Expected:
    """Write some countries of the test split, and a training image that must not be read."""
    write_image(data / "country211" / "train" / "AD" / "1.jpg", 900)
    classes = (("AD", 0), ("DE", 49), ("XK", 206), ("ZW", 210))
    return write_folders(
        data / "country211" / "test",
        [(f"{folder}/{number}.jpg", label) for folder, label in classes for number in (1009666, 99)],
    )


def write_sun397(data: Path) -> Expected:
    """Write scenes one and two folders deep, below the folder of their initial."""
    classes = (
        ("a/abbey", 0),
        ("a/apartment_building/outdoor", 8),
        ("c/cathedral/outdoor", 85),
        ("y/youth_hostel", 396),
    )
    folder = data / "SUN397"
    folder.mkdir(parents=True)
    (folder / "ClassName.txt").write_text("".join(f"/{name}\n" for name, _ in classes))
    shown = write_folders(
        folder, [(f"{name}/sun_{code}.jpg", label) for name, label in classes for code in ("aaalbzqr", "bzqrimaf")]
    )
    (folder / "README.txt").write_text("SUN397\n")
    return shown


def write_imagenet(data: Path) -> Expected:
    """Write validation images sorted into folders by WordNet id, as torchvision leaves them."""
    classes = (("n01440764", 0), ("n01443537", 1), ("n03773504", 657), ("n15075141", 999))
    return write_folders(
        data / "imagenet" / "val",
        [(f"{name}/ILSVRC2012_val_{number:08d}.JPEG", label) for name, label in classes for number in (293, 2138)],
    )


def write_imagenet_v2(data: Path) -> Expected:
    """Write folders that are numbers: sorted as text, 10 would be the third class."""
    return write_folders(
        data / "imagenetv2-matched-frequency-format-val",
        [(f"{label}/{code}.jpeg", label) for label in (0, 1, 2, 10, 999) for code in ("0aaa", "fbbb")],
    )


def write_imagenet_a(data: Path) -> Expected:
    """Write classes of ImageNet-A, whose labels count within its own 200."""
    (data / "imagenet-a").mkdir(parents=True)
    (data / "imagenet-a" / "README.txt").write_text("n01498041 stingray\n")
    classes = (("n01498041", 0), ("n01531178", 1), ("n12267677", 199))
    return write_folders(
        data / "imagenet-a", [(f"{name}/0.00{number}_fox.jpg", label) for name, label in classes for number in (1, 2)]
    )


def write_imagenet_r(data: Path) -> Expected:
    """Write classes of ImageNet-R, whose labels count within its own 200."""
    classes = (("n01443537", 0), ("n01484850", 1), ("n12267677", 199))
    return write_folders(
        data / "imagenet-r", [(f"{name}/{kind}_0.jpg", label) for name, label in classes for kind in ("art", "toy")]
    )


def write_imagenet_sketch(data: Path) -> Expected:
    """Write classes of ImageNet-Sketch."""
    classes = (("n01440764", 0), ("n15075141", 999))
    return write_folders(
        data / "sketch", [(f"{name}/sketch_{number}.JPEG", label) for name, label in classes for number in (1, 10, 9)]
    )
