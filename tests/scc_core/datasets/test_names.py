"""What every kind of dataset calls its classes and samples, and what is wrong with a user's own code that tells it."""

from __future__ import annotations

import os

import numpy as np
import pytest

from scc_core.datasets import dataset_facts, names_of, open_dataset
from scc_core.datasets.files.decoding import decode_bytes
from scc_core.datasets.order import sample_order
from scc_core.datasets.rendered.entries import DATASET_NAMES
from scc_core.errors import NotFetchedError, UserError
from tests.components import NoiseImages
from tests.miniatures import MINIATURES
from tests.miniatures.images import shows, write_image
from tests.miniatures.medical import write_medmnist, write_split
from tests.miniatures.own import write_bad_folder, write_class_folders, write_webdataset

pytestmark = pytest.mark.filterwarnings("ignore::scc_core.datasets.files.published.IncompleteDatasetWarning")


def decoded(path):
    return decode_bytes(path.read_bytes(), path.name)


IN_ONE_FILE = {
    "cifar10": "test_batch",
    "cifar100": "test",
    "pcam": "camelyonpatch_level_2_split_test_x.h5",
    "stl10": "test_X.bin",
}
KEYS = {
    "caltech101": "Faces",
    "cifar10": "0",
    "dtd": "banded",
    "fgvc-aircraft": "707-320",
    "imagenet": "n01440764",
    "imagenet-v2": "0",
    "oxford-pets": "0",
    "sun397": "a/abbey",
}
"""What the data calls the first class."""


def asked(name):
    """The names of a dataset as a grid asks for them, checked against its labels and order."""
    dataset = open_dataset(name)
    names = names_of(name, dataset)
    assert len(names.sample_names) == len(dataset)
    assert len(names.class_keys) == len(names.class_names) == len(dataset.class_names)
    assert names.order().tolist() == sample_order(dataset).tolist()
    return names


@pytest.mark.parametrize("name", MINIATURES)
def test_a_sample_of_a_published_dataset_is_called_by_its_path_or_by_its_place_in_one_file(name, data_root):
    expected = MINIATURES[name](data_root)
    found = asked(name).sample_names
    folder = open_dataset(name).folder
    for index, (serial, _) in enumerate(expected):
        if name in IN_ONE_FILE:
            assert found[index] == f"{IN_ONE_FILE[name]}/{index}"
        else:
            assert not found[index].startswith("/")
            assert shows(decoded(folder / found[index]), serial)


@pytest.mark.parametrize("name", KEYS)
def test_a_class_of_a_published_dataset_has_the_key_of_its_files(name, data_root):
    MINIATURES[name](data_root)
    names = asked(name)
    assert names.class_keys[0] == KEYS[name]
    assert names.class_names == dataset_facts(name).class_names


def test_medical_folders_and_archives(data_root):
    write_split("busi", data_root)
    write_medmnist("dermamnist", 28, data_root)
    busi = open_dataset("busi")
    assert all((busi.folder / path).is_file() for path in asked("busi").sample_names)
    assert asked("dermamnist").sample_names[:2] == ("dermamnist.npz/test/0", "dermamnist.npz/test/1")


def test_a_damaged_image_of_a_medical_folder_takes_its_name_with_it(data_root):
    write_split("busi", data_root)
    whole = asked("busi").sample_names
    damaged = open_dataset("busi").folder / whole[1]
    damaged.write_bytes(damaged.read_bytes()[:40])
    assert asked("busi").sample_names == (whole[0], *whole[2:])


def test_an_ensemble_of_prompts_names_the_same_samples(data_root):
    MINIATURES["eurosat"](data_root)
    plain, ensemble = asked("eurosat"), asked("eurosat@ensemble")
    assert ensemble.sample_names == plain.sample_names
    assert ensemble.class_keys == plain.class_keys
    assert ensemble.class_names != plain.class_names


@pytest.mark.parametrize("name", DATASET_NAMES)
def test_a_rendered_sample_is_called_by_its_index(name):
    names = asked(name)
    assert names.sample_names == tuple(map(str, range(len(names.labels))))
    assert names.class_keys == tuple(map(str, range(len(names.class_names))))


def test_class_folders_give_paths_below_them_and_keys(data_root):
    odd = ["größe 猫.png", 'it\'s "1".png', "two\nlines.png", "x" * 240 + ".png", "deep/er/1.png"]
    write_class_folders(data_root / "pets", {"snow_owl": odd, "cat": ["1.png"]})
    names = asked("folder:pets")
    assert names.sample_names == ("cat/1.png", *(f"snow_owl/{name}" for name in sorted(odd, key=os.fsencode)))
    assert (names.class_keys, names.class_names) == (("cat", "snow_owl"), ("cat", "snow owl"))
    (data_root / "pets" / "classnames.txt").write_text("snow_owl = snowy owl\ncat = house cat\n")
    names = asked("folder:pets")
    assert (names.class_keys, names.class_names) == (("snow_owl", "cat"), ("snowy owl", "house cat"))


def test_paths_begin_in_the_folder_of_the_split(data_root):
    write_class_folders(data_root / "pets" / "test", {"cat": ["1.png"], "dog": ["1.png"]})
    assert asked("folder:pets?split=test").sample_names == ("cat/1.png", "dog/1.png")


def test_what_is_left_out_takes_its_name_with_it(data_root):
    write_bad_folder(data_root / "bad")
    dataset = open_dataset("folder:bad")
    assert dataset.left_out
    names = asked("folder:bad").sample_names
    assert "cat/truncated.jpg" not in names
    assert all(np.array_equal(decoded(dataset.folder / name), dataset.image(i)) for i, name in enumerate(names))


def test_a_table_gives_the_paths_of_its_lines(data_root, tmp_path):
    root, elsewhere = data_root / "scans", tmp_path / "elsewhere" / "4.png"
    for serial, path in enumerate((root / "a/1.png", root / "2.png", root / "3.png", elsewhere)):
        write_image(path, serial)
    lines = ["path,label", "a\\1.png,yes", "2.png,no", f"{root}/3.png,no", f"{elsewhere},yes"]
    (root / "labels.csv").write_text("\n".join(lines))
    names = asked("folder:scans")
    assert names.sample_names == ("a/1.png", "2.png", "3.png", str(elsewhere))
    assert names.class_keys == ("no", "yes")


def test_members_of_archives_are_called_by_archive_and_member(data_root):
    write_webdataset(data_root / "wds")
    names = asked("webdataset:wds")
    expected = ["0.tar/s0000000.webp", "0.tar/s0000001.webp", "1.tar/s0000002.jpg", "1.tar/s0000003.jpg"]
    assert names.sample_names == (*expected, "2.tar/s0000004.png")
    assert names.class_keys == ("0", "1", "2")


class Telling(NoiseImages):
    """Says what its classes and samples are called."""

    class_keys = ("a", "b", "c", "d")

    def sample_name(self, index: int) -> str:
        """Return a name."""
        return f"noise/{index:03d}"


def test_own_code_may_name_its_samples_and_else_has_numbers():
    names = names_of("own:it", NoiseImages())
    assert (names.sample_names[:2], names.class_keys) == (("0", "1"), ("0", "1", "2", "3"))
    told = names_of("own:it", Telling())
    assert (told.sample_names[799], told.class_keys) == ("noise/799", ("a", "b", "c", "d"))


def raising(_index):
    raise ValueError("no\nname")


def away(_index):
    raise NotFetchedError("ask the hospital")


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("sample_name", raising, "gives no name of sample 0: ValueError: no name"),
        ("sample_name", lambda: "x", "gives no name of sample 0: TypeError: .*"),
        (
            "sample_name",
            lambda index: index,
            r"breaks the contract of datasets: sample_name\(0\) is 0, expected a text",
        ),
        (
            "sample_name",
            lambda index: str(index) if index < 700 else None,
            r".*sample_name\(700\) is None, expected .*",
        ),
        ("sample_name", None, "gives no name of sample 0: TypeError: .*"),
        ("class_keys", ("a", "b"), ".*class_keys are 2 values, expected a text for each of the 4 classes"),
        ("class_keys", (1, 2, 3, 4), ".*class_keys are 4 values, expected a text for each of the 4 classes"),
        ("class_keys", "abcd", ".*class_keys are 'abcd', expected a list of texts"),
        ("class_keys", None, ".*class_keys are None, expected a list of texts"),
    ],
)
def test_own_code_that_gives_no_names_is_told_in_one_line(attribute, value, message):
    dataset = NoiseImages()
    setattr(dataset, attribute, value)
    with pytest.raises(UserError, match=f"^dataset 'own:it' {message}$"):
        names_of("own:it", dataset)


def test_an_error_of_this_project_is_passed_on():
    dataset = NoiseImages()
    dataset.sample_name = away
    with pytest.raises(NotFetchedError, match="ask the hospital"):
        names_of("own:it", dataset)
