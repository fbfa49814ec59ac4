"""torchvision's own classes read the miniatures as our readers do: the formats are the real ones."""

from __future__ import annotations

import numpy as np
import pytest
import torchvision.datasets as tv

from scc_core.datasets import open_dataset
from tests.miniatures import MINIATURES

pytestmark = pytest.mark.filterwarnings("ignore::scc_core.datasets.files.published.IncompleteDatasetWarning")

ORACLES = {
    "caltech101": lambda root: tv.Caltech101(root),
    "caltech256": lambda root: tv.Caltech256(root),
    "cifar10": lambda root: tv.CIFAR10(root, train=False),
    "cifar100": lambda root: tv.CIFAR100(root, train=False),
    "country211": lambda root: tv.Country211(root, split="test"),
    "dtd": lambda root: tv.DTD(root, split="test", partition=1),
    "eurosat": lambda root: tv.EuroSAT(root),
    "fgvc-aircraft": lambda root: tv.FGVCAircraft(root, split="test", annotation_level="variant"),
    "flowers102": lambda root: tv.Flowers102(root, split="test"),
    "food101": lambda root: tv.Food101(root, split="test"),
    "imagenet": lambda root: tv.ImageFolder(root / "imagenet" / "val"),
    "imagenet-a": lambda root: tv.ImageFolder(root / "imagenet-a"),
    "imagenet-r": lambda root: tv.ImageFolder(root / "imagenet-r"),
    "oxford-pets": lambda root: tv.OxfordIIITPet(root, split="test"),
    "pcam": lambda root: tv.PCAM(root, split="test"),
    "stanford-cars": lambda root: tv.StanfordCars(root, split="test"),
    "stl10": lambda root: tv.STL10(root, split="test"),
    "sun397": lambda root: tv.SUN397(root),
}
OF_FOLDERS = {"caltech101", "caltech256", "country211", "dtd", "eurosat", "fgvc-aircraft", "food101", "sun397"}
OF_FOLDERS |= {"imagenet", "imagenet-a", "imagenet-r"}
"""Sets whose labels torchvision counts over the classes that are there: compared by the class's own name."""


@pytest.mark.parametrize("name", ORACLES)
def test_the_same_images_with_the_same_classes(name, data_root, monkeypatch):
    MINIATURES[name](data_root)
    # The published checksums are those of the whole datasets.
    for module in (tv.cifar, tv.flowers102, tv.stl10):
        monkeypatch.setattr(module, "check_integrity", lambda *_: True)
    oracle = ORACLES[name](data_root)
    ours = open_dataset(name)
    read = [(ours.image(index), _our_class(ours, int(ours.labels[index]), name)) for index in range(len(ours))]
    expected = [(np.asarray(image.convert("RGB")), _class(oracle, label, name)) for image, label in oracle]
    if name == "sun397":  # which torchvision reads in the order of the file system
        read, expected = sorted(read, key=_colour), sorted(expected, key=_colour)
    assert [label for _, label in read] == [label for _, label in expected]
    for (image, _), (other, _) in zip(read, expected, strict=True):
        np.testing.assert_array_equal(image, other)


def _our_class(dataset, label, name):
    return dataset.description.class_folders[label] if name in OF_FOLDERS else label


def _class(oracle, label, name):
    if name not in OF_FOLDERS:
        return int(label)
    own = (oracle.classes if hasattr(oracle, "classes") else oracle.categories)[label]
    # SUN397's class leaves out the folder of the initial.
    return f"{own[0]}/{own}" if name == "sun397" else own


def _colour(entry):
    return entry[0].reshape(-1, 3).mean(axis=0).tolist()
