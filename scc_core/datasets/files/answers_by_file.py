"""What was found out about every sample of a dataset, kept on this machine while the sample's files do not change."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from scc_core.datasets.files.samples import Samples
from scc_core.errors import UserError
from scc_core.machine.file_lock import file_lock
from scc_core.machine.folders import cache_folder, keep

_THREADS = min(8, os.cpu_count() or 1)
_SECONDS_BEFORE_PROGRESS = 2.0


@dataclass(frozen=True)
class Question:
    """Something to find out about every sample.

    Attributes:
        folder: where the answers are kept, below :func:`~scc_core.machine.folders.cache_folder`.
        version: another one whenever the answers could be others.
        doing: what the progress says.
        answer: from samples and an index to the answer; run in several threads.
    """

    folder: str
    version: str
    doing: str
    answer: Callable[[Samples, int], str]


class _Known(NamedTuple):
    """The state that a sample's files had, and the answer."""

    stamp: str
    answer: str


def remember(question: Question, samples: Samples, name: str, folder: Path) -> dict[str, str]:
    """Return the answer for every sample by its id, asking only for what changed since the last time.

    An answer holds while the sample's files keep size and time of change. Of several processes one asks and the
    others wait for it.

    Args:
        question: what to find out.
        samples: what a reader found.
        name: shown with the progress.
        folder: the dataset's folder; with ``name`` it tells the answers for several copies apart.

    Raises:
        UserError: a file of the dataset is missing or cannot be read.
    """
    cache = _cache_file(question, name, folder)
    try:
        stamps = _stamps(samples)
        known = _load(question, cache)
        if not _covers(known, samples.ids, stamps):
            with _waiting(cache):
                known = _ask(question, samples, stamps, _load(question, cache), name)
                _save(question, cache, known)
    except OSError as error:
        raise UserError(
            f"dataset {name}: {error.strerror}: {error.filename}; `sccbench doctor --dataset {name}` checks the files"
        ) from None
    return {id_: known[id_].answer for id_ in samples.ids}


def _stamps(samples: Samples) -> list[str]:
    """Return for every sample the sizes (bytes) and times of change (ns) of its files."""
    seen: dict[str | Path, str] = {}
    stamps = []
    for index in range(len(samples)):
        files = samples.files_of(index)
        for path in files:
            if path not in seen:
                status = os.stat(path)  # noqa: PTH116 -- a Path for each of many files is slow
                seen[path] = f"{status.st_size}:{status.st_mtime_ns}"
        stamps.append(" ".join([seen[path] for path in files]))
    return stamps


def _covers(known: Mapping[str, _Known], ids: Iterable[str], stamps: Iterable[str]) -> bool:
    return all(id_ in known and known[id_].stamp == stamp for id_, stamp in zip(ids, stamps, strict=True))


def _ask(
    question: Question, samples: Samples, stamps: Sequence[str], known: Mapping[str, _Known], name: str
) -> dict[str, _Known]:
    def ask(index: int) -> _Known:
        id_, stamp = samples.ids[index], stamps[index]
        if id_ in known and known[id_].stamp == stamp:
            return known[id_]
        return _Known(stamp, question.answer(samples, index))

    with ThreadPoolExecutor(_THREADS) as pool:
        results = tqdm(
            pool.map(ask, range(len(samples))),
            desc=f"{question.doing} {name}",
            total=len(samples),
            unit=" images",
            delay=_SECONDS_BEFORE_PROGRESS,
            disable=None,
        )
        return dict(zip(samples.ids, results, strict=True))


def _cache_file(question: Question, name: str, folder: Path) -> Path:
    key = hashlib.sha256(os.fsencode(f"{name}\0{folder.absolute()}")).hexdigest()
    return cache_folder() / question.folder / f"{key[:32]}.txt"


def _load(question: Question, path: Path) -> dict[str, _Known]:
    """Return the kept answers by sample id; whatever is no file of this version counts as none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    if not lines or lines[0] != f"{question.version} {len(lines) - 1}":
        return {}
    try:
        return {id_: _Known(stamp, answer) for id_, stamp, answer in map(json.loads, lines[1:])}
    except ValueError:
        return {}


def _save(question: Question, path: Path, known: Mapping[str, _Known]) -> None:
    lines = [f"{question.version} {len(known)}", *(json.dumps([id_, *entry]) for id_, entry in known.items())]
    keep(path, "\n".join(lines) + "\n")


@contextmanager
def _waiting(cache: Path) -> Iterator[None]:
    """Let one process of this machine ask at a time; without a writable folder each asks for itself."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        yield
        return
    with file_lock(cache.with_suffix(".lock")):
        yield
