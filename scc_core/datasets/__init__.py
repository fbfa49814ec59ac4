"""Datasets: labelled RGB images with class names and prompt templates.

An image takes one way to a model. :mod:`~scc_core.datasets.order` fixes the sample order, of which every measurement
takes a prefix. A sample of the order is an image in a file (:mod:`~scc_core.datasets.files`,
:mod:`~scc_core.datasets.own`) or is rendered (:mod:`~scc_core.datasets.rendered`). The dataset decodes the file to
RGB, and a preprocessing resizes the result to the model's square: this is a prepared image
(:mod:`~scc_core.datasets.pixels.preprocessing`). The disk cache keeps prepared images in chunks of 50, which all
processes of a machine map (:mod:`~scc_core.datasets.pixels.disk_cache`). A host batch gathers images of any chunks in
memory (:mod:`~scc_core.datasets.pixels.host_batches`), while the device still computes the batch before
(:mod:`~scc_core.datasets.pixels.prefetch`). :class:`PreparedDataset` copies the host batch to the device and scales
it to [0, 1].
"""

from scc_core.datasets.base import Dataset, DatasetCard, LeftOut
from scc_core.datasets.cards import published_names
from scc_core.datasets.files.published import PublishedDataset, PublishedEntry
from scc_core.datasets.names import DatasetNames, names_of
from scc_core.datasets.own.folder import SCHEME as FOLDER
from scc_core.datasets.own.folder import open_folder
from scc_core.datasets.own.webdataset import SCHEME as WEBDATASET
from scc_core.datasets.own.webdataset import open_webdataset
from scc_core.datasets.pixels.dataset import PreparedDataset
from scc_core.datasets.registry import SCHEMES, DatasetFacts, dataset_code, dataset_facts, datasets, open_dataset
from scc_core.datasets.rendered.entries import EMBEDDED_DATASETS

for _name, _factory in EMBEDDED_DATASETS.items():
    datasets.add(_name, _factory)
for _name in published_names():
    datasets.add(_name, PublishedEntry(_name))
SCHEMES.update({FOLDER: open_folder, WEBDATASET: open_webdataset})

__all__ = [
    "Dataset",
    "DatasetCard",
    "DatasetFacts",
    "DatasetNames",
    "LeftOut",
    "PreparedDataset",
    "PublishedDataset",
    "PublishedEntry",
    "dataset_code",
    "dataset_facts",
    "datasets",
    "names_of",
    "open_dataset",
    "published_names",
]
