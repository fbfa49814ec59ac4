"""Every carded dataset opens in its real format, through the public path, with the right samples in the right order."""

from __future__ import annotations

import pickle

import pytest

from scc_core.datasets import dataset_facts, open_dataset
from scc_core.errors import UserError
from tests.miniatures import MINIATURES
from tests.miniatures.images import shows

pytestmark = pytest.mark.filterwarnings("ignore::scc_core.datasets.stored.IncompleteDatasetWarning")


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


def test_a_pickle_that_names_a_program_is_refused(data_root):
    MINIATURES["cifar10"](data_root)
    (data_root / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps({"data": print}))
    with pytest.raises(UserError, match=r"no batch of CIFAR's python version: it names builtins\.print"):
        open_dataset("cifar10")
