"""Per-sample outcomes as compact bytes.

A packed block is a version byte, then the zlib-compressed columns one after the other, little-endian: sample ids
(int64), labels (int32), predictions (int32), margins (float32), confidences (float32). The length gives the count.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from scc_core.outcomes import Outcomes

VERSION = b"\x01"

COLUMNS = (
    ("sample_ids", np.dtype("<i8")),
    ("labels", np.dtype("<i4")),
    ("predictions", np.dtype("<i4")),
    ("margins", np.dtype("<f4")),
    ("confidences", np.dtype("<f4")),
)

BYTES_PER_SAMPLE = sum(dtype.itemsize for _, dtype in COLUMNS)


def pack(outcomes: Outcomes) -> bytes:
    """Return ``outcomes`` as bytes that :func:`unpack` turns into equal arrays, bit for bit.

    Raises:
        ValueError: the columns differ in length, or a value does not fit its column's type.
    """
    columns = [_column(getattr(outcomes, name), name, dtype, len(outcomes)) for name, dtype in COLUMNS]
    return VERSION + zlib.compress(b"".join(columns))


def unpack(packed: bytes) -> Outcomes:
    """Return the outcomes that :func:`pack` was given.

    Raises:
        ValueError: the bytes are of another version, cut short or damaged.
    """
    if packed[:1] != VERSION:
        raise ValueError(f"packed outcomes have version {packed[:1]!r}, expected {VERSION!r}")
    try:
        raw = zlib.decompress(packed[1:])
    except zlib.error as error:
        raise ValueError(f"packed outcomes are damaged: {error}") from None
    if len(raw) % BYTES_PER_SAMPLE:
        raise ValueError(f"packed outcomes hold {len(raw)} bytes, no multiple of {BYTES_PER_SAMPLE}")
    return _split(raw, len(raw) // BYTES_PER_SAMPLE)


def hits(outcomes: Outcomes) -> str:
    """Return one character per sample in order: ``1`` where the prediction is correct, else ``0``."""
    return (outcomes.correct.astype(np.uint8) + ord("0")).tobytes().decode("ascii")


def _column(values: npt.NDArray[Any], name: str, dtype: np.dtype[Any], length: int) -> bytes:
    values = np.asarray(values)
    if values.shape != (length,):
        raise ValueError(f"outcomes.{name} has shape {values.shape}, expected ({length},)")
    if values.dtype != dtype and not np.can_cast(values.dtype, dtype, "same_kind"):
        raise ValueError(f"outcomes.{name} has dtype {values.dtype}, expected {dtype}")
    converted = values.astype(dtype)
    if dtype.kind == "i" and not np.array_equal(converted, values):
        raise ValueError(f"outcomes.{name} holds a value that does not fit {dtype}")
    return converted.tobytes()


def _split(raw: bytes, length: int) -> Outcomes:
    columns: dict[str, npt.NDArray[Any]] = {}
    offset = 0
    for name, dtype in COLUMNS:
        columns[name] = np.frombuffer(raw, dtype, length, offset)
        offset += length * dtype.itemsize
    return Outcomes(**columns)
