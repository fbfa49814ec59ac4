"""What one write to the database holds, and its form as a line of a spool: a CRC-32, then JSON."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.store import BlockRow, Environments
from scc_core.outcomes import Failure


@dataclass(frozen=True)
class Record:
    """What one write to the database holds: blocks, or cells that failed.

    Attributes:
        blocks: measured blocks.
        failures: why cells failed, by their keys.
        environments: of the blocks, by their digests.
        unreadable: number of blocks of another version that make no row of this one; they are not among ``blocks``.
    """

    blocks: tuple[BlockRow, ...] = ()
    failures: Mapping[str, Failure] = field(default_factory=dict)
    environments: Environments = field(default_factory=dict)
    unreadable: int = 0


def encode_record(record: Record) -> bytes:
    """Return the line of a record."""
    blocks = [
        {
            **row._asdict(),
            "created_at": row.created_at.isoformat(),
            "outcomes": base64.b64encode(row.outcomes).decode(),
        }
        for row in record.blocks
    ]
    failures = {key: vars(failure) for key, failure in record.failures.items()}
    value = {"blocks": blocks, "failures": failures, "environments": record.environments}
    text = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def decode_record(line: bytes) -> Record | None:
    """Return the record of a line; None for a line that was not written to its end."""
    checksum, _, text = line[:-1].partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    value = json.loads(text)
    blocks, unreadable = [], 0
    for row in value["blocks"]:
        try:
            created_at, outcomes = datetime.fromisoformat(row["created_at"]), base64.b64decode(row["outcomes"])
            blocks.append(BlockRow(**{**row, "created_at": created_at, "outcomes": outcomes}))
        except (KeyError, TypeError, ValueError):
            unreadable += 1
    failures = {key: Failure(**failure) for key, failure in value["failures"].items()}
    # An older program knew no environments.
    return Record(tuple(blocks), failures, value.get("environments", {}), unreadable)
