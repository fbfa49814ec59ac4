"""Sample order, preprocessing against torchvision, and the bounded cache."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from scc_core.datasets import Dataset, DatasetCard, PreparedDataset
from scc_core.datasets.order import sample_order
from scc_core.datasets.pixels.disk_cache import DiskCache
from scc_core.datasets.pixels.preprocessing import get_preprocessing
from scc_core.errors import ComponentError, UserError


class Labelled(Dataset):
    """Images that show their index, with any labels."""

    def __init__(self, labels, name="labelled") -> None:
        self.card = DatasetCard(name, "", "classification", "none", "test", "none", "the test")
        self.labels = np.asarray(labels, dtype=np.int64)
        self.class_names = tuple(str(label) for label in range(int(self.labels.max()) + 1))
        self.templates = ("a photo of {}.", "a drawing of {}.")
        self.version = "1"
        self.reads = 0

    def image(self, index):
        self.reads += 1
        return np.full((8, 8, 3), index % 256, dtype=np.uint8)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=200))
def test_every_prefix_of_the_order_is_balanced_as_far_as_the_classes_go(labels):
    order = sample_order(Labelled(labels))
    assert sorted(order.tolist()) == list(range(len(labels)))
    available = Counter(labels)
    taken: Counter[int] = Counter()
    for index in order:
        taken[labels[index]] += 1
        fullest = max(taken.values())
        assert all(taken[label] >= min(fullest - 1, available[label]) for label in available)


def test_the_order_is_pinned_and_shuffled_within_a_class():
    order = sample_order(Labelled([0, 1] * 6))
    assert order.tolist() == [9, 2, 1, 0, 8, 11, 4, 7, 10, 3, 5, 6]
    assert sample_order(Labelled([0, 1] * 6, name="other")).tolist() != order.tolist()


@pytest.mark.parametrize(("width", "height"), [(64, 64), (300, 200), (201, 333), (224, 500), (256, 256)])
@pytest.mark.parametrize(
    ("name", "reference"),
    [
        (
            "native",
            transforms.Compose(
                [
                    transforms.Resize(64, transforms.InterpolationMode.BICUBIC),
                    transforms.CenterCrop(64),
                ]
            ),
        ),
        ("paper", transforms.Compose([transforms.Resize(73), transforms.CenterCrop(64)])),
    ],
)
def test_preprocessing_is_torchvision_s_to_the_last_bit(name, reference, width, height):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = np.asarray(reference(Image.fromarray(image)))
    np.testing.assert_array_equal(get_preprocessing(name)(image, 64), expected)


def test_the_paper_s_sizes_at_224_pixels():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    reference = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    np.testing.assert_array_equal(get_preprocessing("paper")(image, 224), np.asarray(reference(Image.fromarray(image))))


def test_an_unknown_preprocessing_names_those_that_exist():
    with pytest.raises(UserError, match=r"unknown preprocessing 'nativ'\. Did you mean 'native'\?"):
        get_preprocessing("nativ")


def test_batches_follow_the_order_and_scale_to_unit_range():
    dataset = Labelled(np.arange(20) % 5)
    prepared = PreparedDataset(dataset, "native", 8)
    batch = prepared.batch(range(3, 7), torch.device("cpu"))
    indices = sample_order(dataset)[3:7]
    assert batch.sample_ids.tolist() == indices.tolist()
    assert batch.labels.tolist() == dataset.labels[indices].tolist()
    assert batch.pixels.shape == (4, 3, 8, 8)
    assert torch.allclose(batch.pixels[:, 0, 0, 0] * 255, torch.tensor(indices, dtype=torch.float32))


def test_the_cache_is_bounded_and_spares_decoding():
    dataset = Labelled(np.zeros(20))
    prepared = PreparedDataset(dataset, "native", 8, cache_bytes=10 * 8 * 8 * 3)
    for _ in range(3):
        prepared.batch(range(10), torch.device("cpu"))
    assert dataset.reads == 10
    prepared.batch(range(20), torch.device("cpu"))
    prepared.batch(range(10, 20), torch.device("cpu"))
    assert dataset.reads == 20
    prepared.batch(range(10), torch.device("cpu"))
    assert dataset.reads == 30


class Unreadable(Labelled):
    """Sample 3 is broken in one of several ways."""

    def __init__(self, broken) -> None:
        super().__init__(np.zeros(20))
        self._broken = broken

    def image(self, index):
        return self._broken() if index == 3 else super().image(index)


def cannot_be_read():
    raise OSError("image file is truncated (5 bytes not processed)")


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (cannot_be_read, r"could not read sample 3: OSError: image file is truncated \(5 bytes not processed\)"),
        (lambda: np.zeros((8, 8), np.uint8), r"returned uint8 of shape \(8, 8\) for sample 3; images are uint8 arrays"),
        (lambda: np.zeros((8, 8, 3)), r"returned float64 of shape \(8, 8, 3\) for sample 3; images are uint8 arrays"),
        (lambda: Image.new("RGB", (8, 8)), r"returned a Image for sample 3; images are uint8 arrays"),
        (lambda: np.zeros((0, 8, 3), np.uint8), r"returned uint8 of shape \(0, 8, 3\) for sample 3"),
    ],
)
def test_an_unreadable_image_is_an_error_that_names_dataset_and_sample(tmp_path, broken, message, cached):
    disk_cache = DiskCache(tmp_path, 2**30) if cached else None
    prepared = PreparedDataset(Unreadable(broken), "native", 8, disk_cache=disk_cache)
    with pytest.raises(ComponentError, match="dataset labelled " + message):
        prepared.batch(range(20), torch.device("cpu"))
    assert list(tmp_path.glob("*/*")) == []


def test_a_batch_is_the_same_whatever_was_read_ahead():
    dataset = Labelled(np.arange(20) % 5)
    prepared = PreparedDataset(dataset, "native", 8)
    alone = PreparedDataset(Labelled(np.arange(20) % 5), "native", 8)
    for ahead, positions in [(range(7), range(7)), ([9], range(7, 14)), (range(14, 20), [14]), ([25], [19])]:
        prepared.read_ahead(ahead, torch.device("cpu"))
        batch, expected = (each.batch(positions, torch.device("cpu")) for each in (prepared, alone))
        assert batch.pixels.equal(expected.pixels)
        assert batch.sample_ids.equal(expected.sample_ids)
    prepared.read_ahead([25], torch.device("cpu"))
    with pytest.raises(IndexError, match="labelled has 20 samples, not 25 to 25"):
        prepared.batch([25], torch.device("cpu"))


def test_prompts_are_rendered_in_label_order():
    assert list(Labelled([0, 1]).prompts().items()) == [
        ("0", ("a photo of 0.", "a drawing of 0.")),
        ("1", ("a photo of 1.", "a drawing of 1.")),
    ]
