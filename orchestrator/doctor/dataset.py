"""Checks of a dataset on this machine against its card: files, counts per class, images that cannot be read."""

from __future__ import annotations

import difflib
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.doctor.environment import Finding
from scc_core.datasets import Dataset, LeftOut, PublishedDataset, PublishedEntry, datasets, open_dataset
from scc_core.datasets.cards import Description
from scc_core.datasets.files.file_dataset import FileDataset
from scc_core.datasets.files.published import IncompleteDatasetWarning
from scc_core.datasets.files.readable_samples import leave_out_unreadable
from scc_core.datasets.files.samples import FileSamples
from scc_core.errors import UserError, unknown_name
from scc_core.machine import settings
from scc_core.machine.download import digest_fault
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
    """The checks of a dataset.

    Attributes:
        findings: in the order of the checks.
        classes: counts in label order; empty where the dataset cannot be opened.
        steps: how to get the files, where they are missing or in another layout.
    """

    findings: tuple[Finding, ...]
    classes: tuple[ClassCount, ...] = ()
    steps: tuple[str, ...] = ()

    def is_sound(self, *, strict: bool) -> bool:
        """Tell whether a run may use the dataset; with ``strict`` not if anything was left out."""
        return all(finding.state == "ok" or (finding.state == "note" and not strict) for finding in self.findings)


def examine_dataset(name: str) -> DatasetReport:
    """Check everything that can be wrong with a dataset's files; every image is decoded unless it was before.

    Raises:
        UserError: no dataset has this name.
    """
    description = _description(name)
    where = Finding("data folder", "ok", f"{data_folder()} ({settings.DATA.name} names another)")
    try:
        with warnings.catch_warnings():
            # The findings say the same, with the counts.
            warnings.simplefilter("ignore", IncompleteDatasetWarning)
            dataset = open_dataset(name)
        unreadable: Sequence[LeftOut] = ()
        if isinstance(dataset, FileDataset):
            base = dataset.name.partition("@")[0]
            unreadable = leave_out_unreadable(dataset.samples, base, dataset.folder).left_out
        checksums = tuple(_checksums(description)) if description else ()
    except UserError as error:
        if description is None:
            raise
        findings = (where, Finding("files", "missing", str(error)), *_found(description))
        return DatasetReport(findings, (), _steps(description))
    classes, total = _count(dataset, unreadable)
    empty = [each for each in classes if description and not each.images]
    findings = (
        where,
        *checksums,
        total,
        *_folders(dataset),
        *(Finding(f"class {each.label}", "note", f"{each.name!r} has no image") for each in empty),
        *(Finding(entry.name, "note", f"left out: {entry.reason}") for entry in (*dataset.left_out, *unreadable)),
    )
    wrong = any(finding.state == "missing" for finding in findings)
    return DatasetReport(findings, classes, _steps(description) if wrong and description else ())


def _description(name: str) -> Description | None:
    base = name.partition("@")[0]
    entry = datasets.get(base) if base in list(datasets) else None
    if entry is None and ":" not in name:
        raise unknown_name("dataset", name, datasets)
    return entry.description if isinstance(entry, PublishedEntry) else None


def _count(dataset: Dataset, unreadable: Sequence[LeftOut]) -> tuple[tuple[ClassCount, ...], Finding]:
    """Count the images of every class that can be read, and compare their total with the published one."""
    gone = {entry.name for entry in unreadable}
    ids = dataset.samples.ids if isinstance(dataset, FileDataset) else range(len(dataset))
    counts = Counter(label for id_, label in zip(ids, dataset.labels.tolist(), strict=True) if id_ not in gone)
    classes = tuple(ClassCount(label, name, counts[label]) for label, name in enumerate(dataset.class_names))
    images, published = sum(each.images for each in classes), dataset.card.images
    if published in (0, images):
        return classes, Finding("images", "ok", f"{images:,}" + (", as published" if published else ""))
    return classes, Finding("images", "missing", f"{images:,} can be read, published are {published:,}")


def _checksums(description: Description) -> Iterator[Finding]:
    """Compare the files that are kept as they were downloaded with the published checksums."""
    for file in description.download:
        path = data_folder() / file.into / file.url.partition("?")[0].rpartition("/")[2]
        if file.unpack or not (file.md5 or file.sha256) or not path.exists():
            continue
        fault = digest_fault(path, md5=file.md5, sha256=file.sha256)
        yield Finding(path.name, "missing" if fault else "ok", fault or "its checksum is the published one")


def _folders(dataset: Dataset) -> Iterator[Finding]:
    """Report the folders that hold no sample and are no class folder of the dataset."""
    if not isinstance(dataset, PublishedDataset) or not isinstance(dataset.samples, FileSamples):
        return
    root = dataset.samples.folder
    named = (*dataset.samples.ids, *dataset.description.class_folders)
    expected = {path.partition("/")[0] for path in named}
    for entry in _entries(root):
        if (root / entry).is_dir() and entry not in expected:
            yield Finding(entry, "note", f"a folder in {root} that no image of the {dataset.card.split} split lies in")


def _found(description: Description) -> Iterator[Finding]:
    """Report what the dataset's folder holds or, where there is none, the most similar name in the data folder."""
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
