"""The medical sets in their real formats on disk, through the public path: number, order, labels, names, prompts."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from scc_core.datasets import dataset_facts, datasets, open_dataset
from scc_core.datasets.files.readers.npz import read_array
from scc_core.errors import NotFetchedError, UserError
from tests.miniatures.medical import MEDMNIST, WRITERS, expected_colour, write_medmnist, write_split

pytestmark = pytest.mark.filterwarnings("ignore::scc_core.datasets.files.published.IncompleteDatasetWarning")

PAPER = {
    "busi": (236, ["benign tumor", "malignant tumor", "normal scan"]),
    "btmri": (1717, ["glioma tumor", "meningioma tumor", "normal brain", "pituitary tumor"]),
    "chmnist": (
        1504,
        [
            "adipose tissue",
            "complex stroma",
            "debris",
            "empty background",
            "immune cells",
            "normal mucosal glands",
            "simple stroma",
            "tumour epithelium",
        ],
    ),
    "covid19": (6351, ["covid lungs", "lung opacity lungs", "normal lungs", "viral pneumonia lungs"]),
    "dermamnist": (
        2005,
        [
            "actinic keratosis",
            "basal cell carcinoma",
            "benign keratosis",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevus",
            "vascular lesion",
        ],
    ),
    "kneexray": (
        1656,
        [
            "healthy knee",
            "doubtful osteoarthritis",
            "minimal osteoarthritis",
            "moderate osteoarthritis",
            "severe osteoarthritis",
        ],
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_number_order_labels_and_prompts(name, data_root):
    expected = WRITERS[name](data_root)
    dataset = open_dataset(name)
    assert dataset.labels.tolist() == [label for _, label in expected]
    assert dataset.labels.max() == len(dataset.class_names) - 1
    for index, (serial, _) in enumerate(expected):
        image = dataset.image(index)
        assert image.shape[2] == 3
        assert np.abs(image.reshape(-1, 3).mean(axis=0) - expected_colour(name, serial)).max() < 4
    assert len(dataset.manifest.rows) == len(expected)
    assert dataset.left_out == ()
    facts = dataset_facts(name)
    assert (dataset.class_names, dataset.templates) == (facts.class_names, ("a photo of a {}.",))
    assert list(dataset.prompts().values()) == [(f"a photo of a {class_name}.",) for class_name in facts.class_names]


@pytest.mark.parametrize("name", PAPER)
def test_the_six_sets_of_the_published_tables(name):
    images, class_names = PAPER[name]
    facts = dataset_facts(name)
    assert (facts.card.images, facts.card.split) == (images, "test")
    assert list(facts.class_names) == class_names


def test_biomedcoop_s_eleven_sets_and_medmnist_s_eleven_of_one_label_are_there():
    eleven = {"btmri", "busi", "chmnist", "covid19", "ctkidney", "dermamnist", "kneexray", "kvasir", "lungcolon"}
    assert eleven | {"octmnist", "retina"} <= set(datasets)
    sizes = {f"{name}{size}" for name in MEDMNIST for size in ("", "-64", "-128", "-224")}
    assert sizes <= set(datasets)
    assert not any("chestmnist" in name for name in datasets)
    counts = {
        name: dataset_facts(name).card.images for name in ("ctkidney", "kvasir", "lungcolon", "retina", "octmnist")
    }
    assert counts == {"ctkidney": 3738, "kvasir": 1200, "lungcolon": 7500, "retina": 1268, "octmnist": 1000}


@pytest.mark.parametrize("name", MEDMNIST)
def test_the_sizes_of_a_set_differ_in_their_files_and_in_nothing_else(name):
    one = dataset_facts(name)
    for size in (64, 128, 224):
        other = dataset_facts(f"{name}-{size}")
        assert other.card.images == one.card.images
        assert other.prompts() == one.prompts()
        assert f"medmnist/{name}_{size}.npz" in other.card.layout


def test_a_sample_s_class_is_found_by_its_name_not_by_the_split_file_s_integer(data_root):
    write_split("btmri", data_root)
    path = data_root / "BTMRI" / "split_BTMRI.json"
    lists = json.loads(path.read_text())
    assert {integer for _, integer, name in lists["test"] if name == "pituitary tumor"} == {2}
    dataset = open_dataset("btmri")
    assert {dataset.class_names[label]: id_.partition("/")[0] for id_, label, _ in dataset.manifest.rows} == {
        name: name.replace(" ", "_") for name in dataset.class_names
    }


def test_the_folder_may_lie_one_level_deeper(data_root):
    expected = write_split("busi", data_root / "BUSI")
    assert (data_root / "BUSI" / "BUSI" / "split_BUSI.json").exists()
    assert open_dataset("busi").labels.tolist() == [label for _, label in expected]


def test_images_may_lie_beside_the_split_file(data_root):
    expected = write_split("busi", data_root)
    for folder in (data_root / "BUSI" / "BUSI").iterdir():
        folder.rename(data_root / "BUSI" / folder.name)
    assert open_dataset("busi").labels.tolist() == [label for _, label in expected]


def test_an_image_that_cannot_be_read_is_left_out_and_named(data_root):
    expected = write_split("busi", data_root)
    broken = data_root / "BUSI" / "BUSI" / "malignant_tumor" / "malignant (7).png"
    broken.write_bytes(broken.read_bytes()[:50])
    dataset = open_dataset("busi")
    assert dataset.labels.tolist() == [label for _, label in expected[:1] + expected[2:]]
    assert [entry.name for entry in dataset.left_out] == ["malignant_tumor/malignant (7).png"]


def change_split(data_root, change) -> None:
    path = data_root / "BUSI" / "split_BUSI.json"
    lists = json.loads(path.read_text())
    change(lists)
    path.write_text(json.dumps(lists))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda lists: lists.pop("test"), r"has no list 'test' with entries; it has train, val"),
        (lambda lists: lists["test"].clear(), r"has no list 'test' with entries; it has train, val, test"),
        (lambda lists: lists["test"][1].pop(), r"entry 2: expected \[path, label, class name\], got \['malignant"),
        (
            lambda lists: lists["test"][0].__setitem__(2, "benign tumour"),
            r"entry 1: unknown class .* Did you mean 'benign",
        ),
        (lambda lists: lists["test"][0].__setitem__(0, "../../secret.png"), r"entry 1: expected \[path"),
        (lambda lists: lists["test"][0].__setitem__(0, "\\etc\\secret.png"), r"entry 1: expected \[path"),
        (
            lambda lists: lists["test"][2].__setitem__(0, "gone.png"),
            r"No such file or directory: .*gone\.png; `sccbench doc",
        ),
    ],
)
def test_a_split_file_that_does_not_fit_is_one_line(data_root, change, text):
    write_split("busi", data_root)
    change_split(data_root, change)
    with pytest.raises(UserError, match=text) as caught:
        open_dataset("busi")
    assert "\n" not in str(caught.value)


def test_missing_files_are_named_with_what_brings_them(data_root):
    with pytest.raises(NotFetchedError, match=r"BUSI/split_BUSI\.json is missing"):
        open_dataset("busi")
    write_split("busi", data_root)
    (data_root / "BUSI" / "BUSI").rename(data_root / "elsewhere")
    with pytest.raises(NotFetchedError, match=r"BUSI/BUSI/benign_tumor/benign \(6\)\.png is missing"):
        open_dataset("busi")
    with pytest.raises(
        NotFetchedError, match=r"medmnist/pathmnist_224\.npz is missing; `sccbench fetch datasets pathm"
    ):
        open_dataset("pathmnist-224")


def test_a_split_file_of_another_format_is_named(data_root):
    write_split("busi", data_root)
    path = data_root / "BUSI" / "split_BUSI.json"
    path.write_text("[1, 2]")
    with pytest.raises(UserError, match="it has list"):
        open_dataset("busi")
    path.write_text("{")
    with pytest.raises(UserError, match=r"split_BUSI\.json is no JSON: "):
        open_dataset("busi")


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"train_images": np.zeros((2, 28, 28), np.uint8)}, "has no array 'test_images'; it has train_images"),
        (
            {"test_images": np.zeros((2, 28, 28), np.float32), "test_labels": np.zeros((2, 1), np.uint8)},
            r"images are \(2, 28, 28\) float32, expected",
        ),
        (
            {"test_images": np.zeros((2, 28, 28), np.uint8), "test_labels": np.zeros((2, 14), np.uint8)},
            r"labels are \(2, 14\) for 2 images, expected one per image",
        ),
        (
            {"test_images": np.zeros((2, 28, 28), np.uint8), "test_labels": np.full((2, 1), 9, np.uint8)},
            "has labels outside of its 2 classes",
        ),
    ],
)
def test_an_archive_that_does_not_fit_is_one_line(data_root, arrays, text):
    (data_root / "medmnist").mkdir(parents=True)
    np.savez_compressed(data_root / "medmnist" / "breastmnist.npz", **arrays)
    with pytest.raises(UserError, match=text):
        open_dataset("breastmnist")


@pytest.mark.parametrize("damage", [lambda content: b"no archive", lambda content: content[: len(content) // 2]])
def test_a_damaged_archive_is_named(data_root, damage):
    write_medmnist("breastmnist", 28, data_root)
    path = data_root / "medmnist" / "breastmnist.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"breastmnist\.npz is no npz archive, or damaged"):
        open_dataset("breastmnist")


def test_an_array_is_read_without_being_loaded(data_root):
    images = np.random.default_rng(0).integers(0, 256, (400, 224, 224), dtype=np.uint8)
    (data_root / "medmnist").mkdir(parents=True)
    labels = np.zeros((400, 1), dtype=np.uint8)
    np.savez_compressed(data_root / "medmnist" / "breastmnist_224.npz", test_images=images, test_labels=labels)
    tracemalloc.start()
    dataset = open_dataset("breastmnist-224")
    for index in range(0, 400, 40):
        np.testing.assert_array_equal(dataset.image(index)[:, :, 0], images[index])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < images.nbytes / 2


def test_a_changed_archive_is_unpacked_again(tmp_path, data_root):
    for value in (1, 2):
        np.savez_compressed(tmp_path / "a.npz", x=np.full(3 + value, value))
        assert read_array(tmp_path / "a.npz", "x").tolist() == [value] * (3 + value)
