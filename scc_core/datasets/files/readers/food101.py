"""Food-101: a JSON object from class to its images."""

from __future__ import annotations

import json
from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.listed import listed_samples
from scc_core.datasets.files.samples import FileSamples
from scc_core.errors import UserError


def read(folder: Path, description: Description) -> FileSamples:
    """Read ``meta/test.json``: ``{CLASS: ["CLASS/NUMBER", ...]}``, in the order of the file."""
    list_file = folder / "meta" / "test.json"
    try:
        by_class = json.loads(list_file.read_text(encoding="utf-8"))
        entries = [(f"{path}.jpg", name) for name, paths in by_class.items() for path in paths]
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{list_file} is no JSON object from class to images: {error}") from None
    return listed_samples(list_file, folder / "images", description, entries)
