"""The datasets of a worker: each is what the run was planned for, also if its files change while the worker lives."""

from __future__ import annotations

from scc_core.components.code import check_code
from scc_core.datasets import Dataset, PreparedDataset, dataset_code, open_dataset
from scc_core.datasets.pixels.disk_cache import open_disk_cache
from scc_core.errors import DatasetError, UserError
from scc_core.identity import DatasetSpec
from scc_core.prompts import prompts_digest

_HELD = 4


class PlannedDatasets:
    """Opens a dataset once, and again when a file that its labels, names or prompts came from has changed.

    Args:
        node: what errors call this worker.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._held: dict[tuple[DatasetSpec, int], PreparedDataset] = {}

    def prepared(self, spec: DatasetSpec, image_size: int) -> PreparedDataset:
        """Return the dataset of a plan, resized for a model.

        Args:
            spec: what the run was planned for.
            image_size: side of the square images in pixels.

        Raises:
            DatasetError: it is not here, or not as planned; the text names the file that changed, where that is known.
            SccBenchError: it is of another code than planned.
        """
        key = (spec, image_size)
        held = self._held.get(key)
        changed = None if held is None else held.dataset.changed_file()
        if held is None or changed is not None or held.dataset.version != spec.version:
            opened, cache = _opened(spec, changed), open_disk_cache()
            check_code(f"dataset {spec.name!r}", dataset_code(spec.name, opened), spec.code, self._node)
            held = PreparedDataset(opened, spec.preprocessing, image_size, disk_cache=cache, code=spec.code)
        # What was used last comes last, and the first go; what is not as planned has stayed, to be looked at again.
        self._held.pop(key, None)
        self._held[key] = held
        for oldest in list(self._held)[:-_HELD]:
            del self._held[oldest]
        return held


def _opened(spec: DatasetSpec, changed: str | None) -> Dataset:
    since = f"{changed} was changed or replaced: " if changed else ""
    try:
        dataset = open_dataset(spec.name)
        version = dataset.version
    except UserError as error:
        raise DatasetError(f"{since}{error}") from error
    planned = "than the run was planned for"
    if version != spec.version:
        raise DatasetError(f"{since}dataset {spec.name} has another version {planned}: {version}, not {spec.version}")
    if prompts_digest(dataset.prompts()) != spec.prompts:
        raise DatasetError(f"{since}dataset {spec.name} has other class names or templates {planned}")
    return dataset
