"""Every published dataset opens in its real format, through the public path, with its samples in the right order."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest

from scc_core.datasets import dataset_facts, open_dataset
from scc_core.errors import UserError
from tests.miniatures import MINIATURES
from tests.miniatures.images import shows

pytestmark = pytest.mark.filterwarnings("ignore::scc_core.datasets.files.published.IncompleteDatasetWarning")


@pytest.mark.parametrize("name", MINIATURES)
def test_number_order_labels_and_prompts(name, data_root):
    expected = MINIATURES[name](data_root)
    dataset = open_dataset(name)
    assert dataset.labels.tolist() == [label for _, label in expected]
    for index, (serial, _) in enumerate(expected):
        assert shows(dataset.image(index), serial), f"{name} sample {index}: {dataset.samples.ids[index]}"
    facts = dataset_facts(name)
    assert dataset.class_names == facts.class_names
    assert dataset.prompts() == facts.prompts()
    assert len(facts.prompts()) == len(facts.class_names) == facts.card.classes
    assert len(dataset.manifest.rows) == len(expected)


PROMPTS = {
    "caltech101": {
        0: "This is a photo of a person.",
        1: "This is a photo of a person.",
        19: "This is a photo of a car_side.",
    },
    "caltech256": {14: "A photo of a bonsai.", 231: "A photo of a t shirt.", 256: "A photo of a clutter."},
    "cifar10": {9: "This is a photo of a truck."},
    "cifar100": {1: "This is a photo of a aquarium_fish.", 99: "This is a photo of a worm."},
    "country211": {
        15: "A photo I took in Bosnia and Herzegovina.",
        25: "A photo I took in Bolivia, Plurinational State of.",
    },
    "dtd": {30: "A surface with a polka dotted texture."},
    "eurosat": {3: "A centered satellite photo of a highway or a road."},
    "fgvc-aircraft": {
        0: "A photo of a boeing 707-320, a type of aircraft.",
        99: "A photo of a yak-42, a type of aircraft.",
    },
    "flowers102": {
        0: "A photo of a pink primrose, a type of flower.",
        15: "A photo of a globe flower, a type of flower.",
    },
    "food101": {0: "A photo of apple pie, a type of food."},
    "imagenet": {0: "This is a photo of a tench.", 134: "This is a photo of a crane bird."},
    "imagenet-a": {0: "This is a photo of a stingray.", 199: "This is a photo of a acorn."},
    "imagenet-r": {0: "This is a photo of a goldfish.", 199: "This is a photo of a acorn."},
    "imagenet-sketch": {999: "This is a photo of a toilet paper."},
    "imagenet-v2": {10: "This is a photo of a brambling."},
    "oxford-pets": {0: "A photo of a abyssinian, a type of pet.", 36: "A photo of a yorkshire terrier, a type of pet."},
    "pcam": {0: "This is a photo of healthy lymph node tissue.", 1: "This is a photo of lymph node tumor tissue."},
    "stanford-cars": {0: "A photo of a am general hummer suv.", 7: "A photo of a aston martin v8 vantage convertible."},
    "stl10": {7: "This is a photo of a monkey."},
    "sun397": {8: "This is a photo of a apartment building outdoor."},
    "tiny-imagenet": {0: "This is a photo of a goldfish.", 199: "This is a photo of a acorn."},
}


@pytest.mark.parametrize("name", MINIATURES)
def test_the_prompts_are_those_of_the_published_tables(name):
    rendered = list(dataset_facts(name).prompts().values())
    assert {label: rendered[label] for label in PROMPTS[name]} == {key: (text,) for key, text in PROMPTS[name].items()}


def test_a_class_that_the_dataset_does_not_have_is_named_with_the_file(data_root):
    MINIATURES["dtd"](data_root)
    list_file = data_root / "dtd" / "dtd" / "labels" / "test1.txt"
    list_file.write_text("bandet/banded_0002.jpg\n")
    with pytest.raises(UserError, match=r"test1\.txt: unknown class 'bandet'\. Did you mean 'banded'\?"):
        open_dataset("dtd")


@pytest.mark.parametrize(
    ("name", "path", "content", "text"),
    [
        ("dtd", "dtd/dtd/labels/test1.txt", b"banded_0002.jpg\n", r"test1\.txt:1: 'banded_0002\.jpg' is no entry"),
        (
            "oxford-pets",
            "oxford-iiit-pet/annotations/test.txt",
            b"Beagle_1 one 2 3\n",
            r"test\.txt:1: 'Beagle_1 one 2 3'",
        ),
        (
            "oxford-pets",
            "oxford-iiit-pet/annotations/test.txt",
            b"Beagle_1 38 2 3\n",
            "labels outside of its 37 classes",
        ),
        ("food101", "food-101/meta/test.json", b"[1]", r"test\.json is no JSON object"),
        ("flowers102", "flowers-102/setid.mat", b"no matlab", r"setid\.mat is no MATLAB file"),
        ("stl10", "stl10_binary/test_y.bin", b"\x01\x02", r"test_X\.bin has 552,960 bytes, which 2 labels do not fit"),
        ("pcam", "pcam/camelyonpatch_level_2_split_test_y.h5", b"no hdf5", r"test_y\.h5 is no HDF5 file"),
        ("cifar100", "cifar-100-python/test", b"no pickle", "no batch of CIFAR's python version"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(name, path, content, text, data_root):
    MINIATURES[name](data_root)
    (data_root / path).write_bytes(content)
    with pytest.raises(UserError, match=text) as caught:
        open_dataset(name)
    assert "\n" not in str(caught.value)


def test_a_missing_class_folder_shifts_no_label(data_root):
    MINIATURES["eurosat"](data_root)
    whole = open_dataset("eurosat")
    shutil.rmtree(data_root / "eurosat" / "2750" / "Forest")
    assert open_dataset("eurosat").labels.tolist() == [label for label in whole.labels.tolist() if label != 1]


def test_an_array_in_an_open_file_travels_to_another_process(data_root):
    MINIATURES["pcam"](data_root)
    dataset = open_dataset("pcam")
    here = dataset.image(3)
    there = pickle.loads(pickle.dumps(dataset)).image(3)
    np.testing.assert_array_equal(here, there)


def test_a_pickle_that_names_a_program_is_refused(data_root):
    MINIATURES["cifar10"](data_root)
    (data_root / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps({"data": print}))
    with pytest.raises(UserError, match=r"no batch of CIFAR's python version: it names builtins\.print"):
        open_dataset("cifar10")
