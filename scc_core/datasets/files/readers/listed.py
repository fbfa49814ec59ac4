"""What readers of lists of samples share: labels by the name that the lists use for a class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.samples import FileSamples, Sample
from scc_core.errors import UserError, unknown_name


def listed_samples(
    list_file: Path, images: Path, description: Description, entries: Iterable[tuple[str, str]]
) -> FileSamples:
    """Return the samples of ``(path, class)`` entries in their order.

    Args:
        list_file: where they come from, for errors.
        images: the folder of the paths.
        description: knows the classes.
        entries: paths below ``images``, with ``/`` between the parts, and a name of ``description.class_folders``.

    Raises:
        UserError: a class that the dataset does not have, or an entry that has no two parts.
    """
    label_of = {name: label for label, name in enumerate(description.class_folders)}

    def samples() -> Iterator[Sample]:
        for path, name in entries:
            if name not in label_of:
                raise UserError(f"{list_file}: {unknown_name('class', name, label_of)}")
            yield Sample(path, label_of[name])

    return FileSamples(images, samples(), [list_file])


def read_entries(list_file: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the groups ``path`` and ``name`` of the regular expression on every line that is not empty.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: a line does not match as a whole.
    """
    for number, line in enumerate(list_file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            entry = re.fullmatch(pattern, line.strip())
            if entry is None:
                raise UserError(f"{list_file}:{number}: {line.strip()!r} is no entry of such a list")
            yield entry["path"], entry["name"]
