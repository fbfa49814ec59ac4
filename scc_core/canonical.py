"""Canonical JSON, whose SHA-256 names cells and environments."""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> str:
    """Serialise with sorted keys, no white space and no NaN, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of ``value`` as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
