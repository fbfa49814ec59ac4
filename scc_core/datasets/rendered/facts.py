"""What an image shows, as words per attribute and as a row of integers that captions are matched against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from scc_core.datasets.rendered.digits import DIGIT_NAMES
from scc_core.datasets.rendered.phantoms.catalogue import PHANTOMS
from scc_core.datasets.rendered.photos import SUBJECT_NAMES
from scc_core.datasets.rendered.scenes import COLOUR_NAMES, SHAPE_NAMES
from scc_core.datasets.rendered.textures import BACKGROUNDS, PATTERNS

Facts = Mapping[str, str]
"""Attribute to value; attributes that do not apply, or that a caption does not name, are absent."""
FactRow = npt.NDArray[np.int64]

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "shape": SHAPE_NAMES,
    "colour": COLOUR_NAMES,
    "pattern": PATTERNS,
    "background": BACKGROUNDS,
    "digit": DIGIT_NAMES,
    "subject": SUBJECT_NAMES,
    "modality": tuple(phantom.modality for phantom in PHANTOMS.values()),
    "finding": tuple(finding for phantom in PHANTOMS.values() for finding in phantom.findings),
}
UNNAMED = -1
_INDEX = {name: {value: index for index, value in enumerate(values)} for name, values in ATTRIBUTES.items()}


def encode_facts(facts: Facts) -> FactRow:
    """Return one integer per attribute, ``(len(ATTRIBUTES),)`` int64; -1 where the attribute is absent."""
    return np.array([_INDEX[name][facts[name]] if name in facts else UNNAMED for name in ATTRIBUTES], dtype=np.int64)


def agreement(images: FactRow, captions: FactRow) -> npt.NDArray[np.bool_]:
    """Say which captions are true of which images: every attribute that the caption names agrees.

    Args:
        images: ``(N, A)`` fact rows.
        captions: ``(T, A)`` fact rows.

    Returns:
        ``(N, T)`` bool.
    """
    named = captions[None] != UNNAMED
    return np.asarray((~named | (images[:, None] == captions[None])).all(axis=-1))
