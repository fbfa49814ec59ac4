"""Datasets: labelled RGB images with class names and prompt templates."""

from scc_core.datasets.base import Dataset, DatasetCard
from scc_core.datasets.prepared import PreparedDataset
from scc_core.datasets.registry import datasets, open_dataset
from scc_core.embedded.datasets import EMBEDDED_DATASETS

for _name, _factory in EMBEDDED_DATASETS.items():
    datasets.add(_name, _factory)

__all__ = ["Dataset", "DatasetCard", "PreparedDataset", "datasets", "open_dataset"]
