"""Miniatures of published datasets, each written in its real format on disk.

Every module writes one format: ``write(data) -> Expected`` fills a data folder and returns what opening it must give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.miniatures import cifar, class_folders, lists, matlab, pcam, stl10
from tests.miniatures.images import Expected

MINIATURES: Mapping[str, Callable[[Path], Expected]] = {
    "caltech101": class_folders.write_caltech101,
    "caltech256": class_folders.write_caltech256,
    "cifar10": cifar.write_cifar10,
    "cifar100": cifar.write_cifar100,
    "country211": class_folders.write_country211,
    "dtd": lists.write_dtd,
    "eurosat": class_folders.write_eurosat,
    "fgvc-aircraft": lists.write_fgvc_aircraft,
    "flowers102": matlab.write_flowers102,
    "food101": lists.write_food101,
    "imagenet": class_folders.write_imagenet,
    "imagenet-a": class_folders.write_imagenet_a,
    "imagenet-r": class_folders.write_imagenet_r,
    "imagenet-sketch": class_folders.write_imagenet_sketch,
    "imagenet-v2": class_folders.write_imagenet_v2,
    "oxford-pets": lists.write_oxford_pets,
    "pcam": pcam.write_pcam,
    "stanford-cars": matlab.write_stanford_cars,
    "stl10": stl10.write_stl10,
    "sun397": class_folders.write_sun397,
    "tiny-imagenet": lists.write_tiny_imagenet,
}
"""Writers by the name of the dataset."""
