"""Datasets whose samples a text or JSON file lists: Food-101, DTD, FGVC Aircraft, Oxford Pets, Tiny-ImageNet."""

from __future__ import annotations

import json
from pathlib import Path

from tests.miniatures.images import Expected, Shown, write_image


def write_food101(data: Path) -> Expected:
    """Write a test list whose classes are not in alphabetical order, as the published one's are not all."""
    folder = data / "food-101"
    listed = {
        "churros": ["churros/2", "churros/1"],
        "apple_pie": ["apple_pie/9"],
        "waffles": ["waffles/1", "waffles/5"],
    }
    labels = {"apple_pie": 0, "churros": 23, "waffles": 100}
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "test.json").write_text(json.dumps(listed))
    (folder / "meta" / "train.json").write_text(json.dumps({"apple_pie": ["apple_pie/77"]}))
    shown = []
    for name, paths in listed.items():
        for path in paths:
            shown.append(Shown(len(shown), labels[name]))
            write_image(folder / "images" / f"{path}.jpg", shown[-1].serial)
    write_image(folder / "images" / "apple_pie" / "77.jpg", 900)
    return shown


def write_dtd(data: Path) -> Expected:
    """Write the test list of partition 1, and one of another partition that must not be read."""
    folder = data / "dtd" / "dtd"
    lines = ["banded/banded_0002.jpg", "banded/banded_0006.jpg", "polka-dotted/polka-dotted_0039.jpg"]
    lines.append("zigzagged/zigzagged_0008.jpg")
    shown = [Shown(serial, label) for serial, label in enumerate((0, 0, 30, 46))]
    (folder / "labels").mkdir(parents=True)
    (folder / "labels" / "test1.txt").write_text("".join(f"{line}\n" for line in lines))
    (folder / "labels" / "test2.txt").write_text("banded/banded_0099.jpg\n")
    for line, (serial, _) in zip(lines, shown, strict=True):
        write_image(folder / "images" / line, serial)
    return shown


def write_fgvc_aircraft(data: Path) -> Expected:
    """Write the test list of the variants, with variants that have spaces and slashes."""
    folder = data / "fgvc-aircraft-2013b" / "data"
    listed = [("1514522", "707-320", 0), ("0747566", "F-16A/B", 72), ("1008575", "Boeing 717", 41), ("2", "Yak-42", 99)]
    (folder / "images").mkdir(parents=True)
    (folder / "images_variant_test.txt").write_text("".join(f"{number} {variant}\n" for number, variant, _ in listed))
    (folder / "variants.txt").write_text("".join(f"{variant}\n" for _, variant, _ in listed))
    (folder / "images_family_test.txt").write_text("1514522 Boeing 707\n")
    shown = []
    for serial, (number, _, label) in enumerate(listed):
        write_image(folder / "images" / f"{number}.jpg", serial)
        shown.append(Shown(serial, label))
    return shown


def write_oxford_pets(data: Path) -> Expected:
    """Write the test list, with the hidden file of a Mac that the published archive has beside the images."""
    folder = data / "oxford-iiit-pet"
    listed = [("Abyssinian_201", 1, 1), ("Abyssinian_202", 1, 1), ("american_bulldog_203", 2, 2), ("Birman_171", 7, 1)]
    listed.append(("yorkshire_terrier_190", 37, 2))
    (folder / "annotations").mkdir(parents=True)
    lines = [f"{name} {breed} {species} {breed}\n" for name, breed, species in listed]
    (folder / "annotations" / "test.txt").write_text("".join(lines))
    (folder / "annotations" / "trainval.txt").write_text("Abyssinian_100 1 1 1\n")
    shown = []
    for serial, (name, breed, _) in enumerate(listed):
        write_image(folder / "images" / f"{name}.jpg", serial)
        shown.append(Shown(serial, breed - 1))
    (folder / "images" / "._Abyssinian_201.jpg").write_bytes(b"Mac OS X")
    return shown


def write_tiny_imagenet(data: Path) -> Expected:
    """Write the validation table, whose classes are in no order."""
    folder = data / "tiny-imagenet-200" / "val"
    listed = [("n03444034", 107), ("n04067472", 139), ("n01443537", 0), ("n12267677", 199)]
    (folder / "images").mkdir(parents=True)
    rows = [f"val_{number}.JPEG\t{name}\t0\t32\t44\t62\n" for number, (name, _) in enumerate(listed)]
    (folder / "val_annotations.txt").write_text("".join(rows))
    shown = []
    for serial, (_, label) in enumerate(listed):
        write_image(folder / "images" / f"val_{serial}.JPEG", serial)
        shown.append(Shown(serial, label))
    return shown
