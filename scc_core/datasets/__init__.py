"""Datasets: labelled RGB images with class names and prompt templates."""

from scc_core.datasets.base import Dataset, DatasetCard
from scc_core.datasets.cards import carded_names
from scc_core.datasets.prepared import PreparedDataset
from scc_core.datasets.registry import DatasetFacts, dataset_facts, datasets, open_dataset
from scc_core.datasets.stored import StoredDataset, StoredEntry
from scc_core.embedded.datasets import EMBEDDED_DATASETS

for _name, _factory in EMBEDDED_DATASETS.items():
    datasets.add(_name, _factory)
for _name in carded_names():
    datasets.add(_name, StoredEntry(_name))

__all__ = [
    "Dataset",
    "DatasetCard",
    "DatasetFacts",
    "PreparedDataset",
    "StoredDataset",
    "StoredEntry",
    "carded_names",
    "dataset_facts",
    "datasets",
    "open_dataset",
]
