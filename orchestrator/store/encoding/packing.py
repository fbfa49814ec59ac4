"""Per-sample outcomes as compact bytes.

A packed block is a version byte, a byte with the number of scores per sample (0 where there are none), then the
zlib-compressed columns one after the other, little-endian: sample ids (int64), labels (int32), predictions (int32),
margins (float32), confidences (float32), scores (float16, sample by sample). The length gives the count.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from scc_core.outcomes import MAX_SCORED_CLASSES, Outcomes

VERSION = b"\x01"

COLUMNS = (
    ("sample_ids", np.dtype("<i8")),
    ("labels", np.dtype("<i4")),
    ("predictions", np.dtype("<i4")),
    ("margins", np.dtype("<f4")),
    ("confidences", np.dtype("<f4")),
)

SCORE = np.dtype("<f2")

_LEVEL = 1
"""The fastest level of zlib: higher levels take two to five times as long and save three per cent of the size."""

BYTES_PER_SAMPLE = sum(dtype.itemsize for _, dtype in COLUMNS)
"""Of a sample without scores."""


def pack(outcomes: Outcomes) -> bytes:
    """Return ``outcomes`` as bytes, from which :func:`unpack` makes the same arrays, bit for bit.

    Raises:
        ValueError: the columns differ in length, a value does not fit its column's type, or there are scores of more
            than :data:`~scc_core.outcomes.MAX_SCORED_CLASSES` classes.
    """
    columns = [_column(getattr(outcomes, name), name, dtype, (len(outcomes),)) for name, dtype in COLUMNS]
    classes = 0
    if outcomes.scores is not None:
        shape = outcomes.scores.shape
        if len(shape) != 2 or not 1 <= shape[1] <= MAX_SCORED_CLASSES:
            raise ValueError(f"outcomes.scores has shape {shape}, expected (N, 1 to {MAX_SCORED_CLASSES})")
        classes = int(shape[1])
        columns.append(_column(outcomes.scores, "scores", SCORE, (len(outcomes), classes)))
    return VERSION + bytes([classes]) + zlib.compress(b"".join(columns), _LEVEL)


def unpack(packed: bytes) -> Outcomes:
    """Return the outcomes that :func:`pack` was given.

    Raises:
        ValueError: the bytes are of another version, cut short or damaged.
    """
    if packed[:1] != VERSION:
        raise ValueError(f"packed outcomes have version {packed[:1]!r}, expected {VERSION!r}")
    try:
        raw = zlib.decompress(packed[2:])
    except zlib.error as error:
        raise ValueError(f"packed outcomes are damaged: {error}") from None
    classes = packed[1]
    size = BYTES_PER_SAMPLE + classes * SCORE.itemsize
    length, rest = divmod(len(raw), size)
    if rest:
        raise ValueError(f"packed outcomes hold {len(raw)} bytes, no multiple of {size}")
    columns: dict[str, npt.NDArray[Any]] = {}
    offset = 0
    for name, dtype in COLUMNS:
        columns[name] = np.frombuffer(raw, dtype, length, offset)
        offset += length * dtype.itemsize
    scores = np.frombuffer(raw, SCORE, length * classes, offset).reshape(length, classes) if classes else None
    return Outcomes(**columns, scores=scores)


def hits(outcomes: Outcomes) -> str:
    """Return one character per sample in order: ``1`` where the prediction is correct, else ``0``."""
    return (outcomes.correct.astype(np.uint8) + ord("0")).tobytes().decode("ascii")


def _column(values: npt.NDArray[Any], name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    values = np.asarray(values)
    if values.shape != shape:
        raise ValueError(f"outcomes.{name} has shape {values.shape}, expected {shape}")
    if values.dtype != dtype and not np.can_cast(values.dtype, dtype, "same_kind"):
        raise ValueError(f"outcomes.{name} has dtype {values.dtype}, expected {dtype}")
    converted = values.astype(dtype)
    if dtype.kind == "i" and not np.array_equal(converted, values):
        raise ValueError(f"outcomes.{name} holds a value that does not fit {dtype}")
    return converted.tobytes()
