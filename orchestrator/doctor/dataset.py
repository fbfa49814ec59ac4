"""Whether a dataset on this machine is what its card describes: files, counts per class, images that cannot be read."""

from __future__ import annotations

import difflib
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.doctor.environment import Finding
from scc_core.datasets import Dataset, DatasetCard, LeftOut, PublishedDataset, PublishedEntry, datasets, open_dataset
from scc_core.datasets.cards import Description
from scc_core.datasets.fetch.download import digest_fault
from scc_core.datasets.files.file_dataset import FileDataset
from scc_core.datasets.files.published import IncompleteDatasetWarning
from scc_core.datasets.files.readable_samples import leave_out_unreadable
from scc_core.datasets.files.samples import FileSamples
from scc_core.errors import UserError, unknown_name
from scc_core.machine import settings
from scc_core.machine.folders import data_folder

_SHOWN = 20


@dataclass(frozen=True)
class ClassCount:
    """How many samples of a class can be read."""

    label: int
    name: str
    images: int


@dataclass(frozen=True)
class DatasetReport:
    """What was found of a dataset.

    Attributes:
        findings: in the order in which they were looked at.
        classes: counts in label order; empty where the dataset cannot be opened.
        steps: what brings the files, where they are missing or in another layout.
    """

    findings: tuple[Finding, ...]
    classes: tuple[ClassCount, ...] = ()
    steps: tuple[str, ...] = ()

    def is_sound(self, *, strict: bool) -> bool:
        """Tell whether a run may use the dataset; ``strict`` allows nothing to be left out."""
        return all(finding.state == "ok" or (finding.state == "note" and not strict) for finding in self.findings)


def examine_dataset(name: str) -> DatasetReport:
    """Look at everything that can be wrong with a dataset's files; every image is decoded, once until it changes.

    Raises:
        UserError: no dataset has this name.
    """
    description = _description(name)
    where = Finding("data folder", "ok", f"{data_folder()} ({settings.DATA.name} names another)")
    try:
        with warnings.catch_warnings():
            # Here said with the counts.
            warnings.simplefilter("ignore", IncompleteDatasetWarning)
            dataset = open_dataset(name)
        left_out = _unreadable(dataset)
        checksums = tuple(_checksums(description)) if description else ()
    except UserError as error:
        if description is None:
            raise
        findings = (where, Finding("files", "missing", str(error)), *_found(description))
        return DatasetReport(findings, (), _steps(description))
    classes = _count(dataset, left_out)
    findings = (
        where,
        *checksums,
        _total(dataset.card, sum(each.images for each in classes)),
        *_folders(dataset),
        *(_empty(classes) if description else ()),
        *(Finding(entry.name, "note", f"left out: {entry.reason}") for entry in (*dataset.left_out, *left_out)),
    )
    wrong = any(finding.state == "missing" for finding in findings)
    return DatasetReport(findings, classes, _steps(description) if wrong and description else ())


def _description(name: str) -> Description | None:
    base = name.partition("@")[0]
    entry = datasets.get(base) if base in list(datasets) else None
    if entry is None and ":" not in name:
        raise unknown_name("dataset", name, datasets)
    return entry.description if isinstance(entry, PublishedEntry) else None


def _unreadable(dataset: Dataset) -> Sequence[LeftOut]:
    if not isinstance(dataset, FileDataset):
        return ()
    return leave_out_unreadable(dataset.samples, dataset.name.partition("@")[0], dataset.folder).left_out


def _count(dataset: Dataset, left_out: Sequence[LeftOut]) -> tuple[ClassCount, ...]:
    gone = {entry.name for entry in left_out}
    ids = dataset.samples.ids if isinstance(dataset, FileDataset) else range(len(dataset))
    counts = Counter(label for id_, label in zip(ids, dataset.labels.tolist(), strict=True) if id_ not in gone)
    return tuple(ClassCount(label, name, counts[label]) for label, name in enumerate(dataset.class_names))


def _total(card: DatasetCard, images: int) -> Finding:
    if card.images in (0, images):
        return Finding("images", "ok", f"{images:,}" + (", as published" if card.images else ""))
    return Finding("images", "missing", f"{images:,} can be read, published are {card.images:,}")


def _empty(classes: Sequence[ClassCount]) -> Iterator[Finding]:
    for each in classes:
        if not each.images:
            yield Finding(f"class {each.label}", "note", f"{each.name!r} has no image")


def _checksums(description: Description) -> Iterator[Finding]:
    """Compare the files that lie there as they were downloaded with the published checksums."""
    for file in description.download:
        path = data_folder() / file.into / file.url.partition("?")[0].rpartition("/")[2]
        if file.unpack or not (file.md5 or file.sha256) or not path.exists():
            continue
        fault = digest_fault(path, md5=file.md5, sha256=file.sha256)
        yield Finding(path.name, "missing" if fault else "ok", fault or "its checksum is the published one")


def _folders(dataset: Dataset) -> Iterator[Finding]:
    """Name the folders beside those of the samples, and the class folders that are not there."""
    if not isinstance(dataset, PublishedDataset) or not isinstance(dataset.samples, FileSamples):
        return
    root = dataset.samples.folder
    named = (*dataset.samples.ids, *dataset.description.class_folders)
    expected = {path.partition("/")[0] for path in named}
    for entry in _entries(root):
        if (root / entry).is_dir() and entry not in expected:
            yield Finding(entry, "note", f"a folder in {root} that no image of the {dataset.card.split} split lies in")


def _found(description: Description) -> Iterator[Finding]:
    """Say what lies where the dataset was looked for, or which name in the data folder is nearest."""
    folder = data_folder() / description.folder
    if folder.is_dir():
        inside = _entries(folder)
        shown = ", ".join(inside[:_SHOWN]) + (f" and {len(inside) - _SHOWN} more" if len(inside) > _SHOWN else "")
        yield Finding("found", "note", f"in {folder}: {shown or 'nothing'}")
        return
    by_case = {name.lower(): name for name in _entries(data_folder())}
    near = difflib.get_close_matches(description.folder.lower(), by_case, n=1)
    hint = f"; did you mean the folder {by_case[near[0]]}?" if near else ""
    yield Finding("found", "note", f"there is no folder {folder}{hint}")


def _entries(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def _steps(description: Description) -> tuple[str, ...]:
    card = description.card
    name = card.name.partition("@")[0]
    steps = [f"{number}. {step}" for number, step in enumerate(card.obtain, start=1)]
    if description.download:
        steps = [f"`sccbench fetch datasets {name}` downloads it"]
    return (*steps, f"the layout, below {data_folder()}:", *(f"  {line}" for line in card.layout.split("\n") if line))
