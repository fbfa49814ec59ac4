"""Datasets whose labels lie in MATLAB files: Flowers-102 and Stanford Cars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.miniatures.images import Expected, Shown, write_image


def write_flowers102(data: Path) -> Expected:
    """Write labels of twelve images, five of them in the test split, which is out of order."""
    folder = data / "flowers-102"
    folder.mkdir(parents=True)
    labels = np.array([77, 73, 1, 102, 60, 60, 3, 5, 9, 51, 2, 4])
    test = [12, 3, 4, 5, 6]
    savemat(folder / "imagelabels.mat", {"labels": labels.astype(np.uint8)})
    savemat(folder / "setid.mat", {"trnid": np.array([1, 2]), "valid": np.array([7, 8]), "tstid": np.array(test)})
    for number in range(1, 13):
        write_image(folder / "jpg" / f"image_{number:05d}.jpg", number)
    return [Shown(number, int(labels[number - 1]) - 1) for number in test]


def write_stanford_cars(data: Path) -> Expected:
    """Write the struct array of the test annotations with a box per image."""
    folder = data / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    classes = [181, 103, 1, 196]
    fields = [("bbox_x1", "O"), ("bbox_y1", "O"), ("bbox_x2", "O"), ("bbox_y2", "O"), ("class", "O"), ("fname", "O")]
    rows = [(30, 52, 246, 147, number, f"{index + 1:05d}.jpg") for index, number in enumerate(classes)]
    savemat(folder / "cars_test_annos_withlabels.mat", {"annotations": np.array(rows, dtype=fields)})
    names = np.array([f"car {number}" for number in range(196)], dtype=object)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": names})
    shown = [Shown(serial, number - 1) for serial, number in enumerate(classes)]
    for serial, _ in shown:
        write_image(folder / "cars_test" / f"{serial + 1:05d}.jpg", serial)
    return shown
