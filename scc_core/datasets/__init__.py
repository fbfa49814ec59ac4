"""Datasets: labelled RGB images with class names and prompt templates."""

from scc_core.datasets.base import Dataset, DatasetCard, LeftOut
from scc_core.datasets.cards import carded_names
from scc_core.datasets.files.carded import StoredDataset, StoredEntry
from scc_core.datasets.own.folder import SCHEME as FOLDER
from scc_core.datasets.own.folder import open_folder
from scc_core.datasets.own.webdataset import SCHEME as WEBDATASET
from scc_core.datasets.own.webdataset import open_webdataset
from scc_core.datasets.pixels.dataset import PreparedDataset
from scc_core.datasets.registry import SCHEMES, DatasetFacts, dataset_facts, datasets, open_dataset
from scc_core.datasets.rendered.entries import EMBEDDED_DATASETS

for _name, _factory in EMBEDDED_DATASETS.items():
    datasets.add(_name, _factory)
for _name in carded_names():
    datasets.add(_name, StoredEntry(_name))
SCHEMES.update({FOLDER: open_folder, WEBDATASET: open_webdataset})

__all__ = [
    "Dataset",
    "DatasetCard",
    "DatasetFacts",
    "LeftOut",
    "PreparedDataset",
    "StoredDataset",
    "StoredEntry",
    "carded_names",
    "dataset_facts",
    "datasets",
    "open_dataset",
]
