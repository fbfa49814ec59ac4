"""Checks of a dataset on this machine against its card: files, counts per class, images that cannot be read."""

from __future__ import annotations

import difflib
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.doctor.environment import Finding
from orchestrator.grid.outline import ClassLine, outline
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
from scc_core.models import get_model
from scc_core.models.open_clip.tokenizer import clip_tokens
from scc_core.models.prompt_tokens import prompt_tokens

_SHOWN = 20


@dataclass(frozen=True)
class DatasetReport:
    """The checks of a dataset.

    Attributes:
        findings: in the order of the checks.
        classes: in label order, with the images that can be read; empty where the dataset cannot be opened.
        steps: how to get the files, where they are missing or in another layout.
        warnings: what should be doubted of classes and prompts, as lines; they make no dataset unsound.
    """

    findings: tuple[Finding, ...]
    classes: tuple[ClassLine, ...] = ()
    steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def is_sound(self, *, strict: bool) -> bool:
        """Tell whether a run may use the dataset; with ``strict`` not if anything was left out."""
        return all(finding.state == "ok" or (finding.state == "note" and not strict) for finding in self.findings)


def examine_dataset(name: str, models: Sequence[str] = ()) -> DatasetReport:
    """Check everything that can be wrong with a dataset's files; every image is decoded unless it was before.

    Args:
        name: the dataset.
        models: those that the prompts are for; without one they are read as OpenAI's CLIP reads them.

    Raises:
        UserError: no dataset or model has this name.
        NotFetchedError: a model is not on this machine.
    """
    description = _description(name)
    told = {model: prompt_tokens(get_model(model)) for model in models}
    tokens = {model: one for model, one in told.items() if one is not None} if models else {"CLIP": clip_tokens()}
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
    described = outline(dataset, tokens)
    classes, total = _count(dataset, described.classes, unreadable)
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
    steps = _steps(description) if wrong and description else ()
    return DatasetReport(findings, classes, steps, described.warnings)


def _description(name: str) -> Description | None:
    base = name.partition("@")[0]
    entry = datasets.get(base) if base in list(datasets) else None
    if entry is None and ":" not in name:
        raise unknown_name("dataset", name, datasets)
    return entry.description if isinstance(entry, PublishedEntry) else None


def _count(
    dataset: Dataset, lines: Sequence[ClassLine], unreadable: Sequence[LeftOut]
) -> tuple[tuple[ClassLine, ...], Finding]:
    """Count the images of every class that can be read, and compare their total with the published one."""
    gone = {entry.name for entry in unreadable}
    ids = dataset.samples.ids if isinstance(dataset, FileDataset) else range(len(dataset))
    counts = Counter(label for id_, label in zip(ids, dataset.labels.tolist(), strict=True) if id_ not in gone)
    classes = tuple(replace(line, images=counts[line.label]) for line in lines)
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
