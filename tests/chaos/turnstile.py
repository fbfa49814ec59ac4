"""A turnstile that every image of every worker passes: a way to meet a run at a known place of its work."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from tests.orchestrator.gated import alive


class Turnstile:
    """Counts the images that workers measure, and holds workers up at a number that the test sets.

    A worker waits for a lock that the test holds, so that nobody waits for a test that has ended.

    Args:
        folder: that the test and the workers share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tally = folder / "tally"
        self._limit = folder / "limit"
        self._stage = 0
        self._gate: IO[bytes] | None = None

    def go_through(self, images: int) -> None:
        """Count some images, and wait if they are beyond the limit; called by workers."""
        with self._tally.open("ab", buffering=0) as tally:
            tally.write(bytes(images))
            passed = tally.tell()
        if not self._limit.exists():
            return
        stage, limit = self._limit.read_text(encoding="utf-8").split()
        if passed > float(limit):
            (self._folder / f"waiting-{stage}-{os.getpid()}").touch()
            with self._path(stage).open("rb") as gate:
                fcntl.flock(gate, fcntl.LOCK_SH)

    def admit(self, images: float) -> None:
        """Let those through that wait and some images more, then hold everybody up again."""
        before, self._stage = self._gate, self._stage + 1
        self._gate = self._path(self._stage).open("wb")
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        limit = self.passed + images
        draft = self._folder / "limit-draft"
        draft.write_text(f"{self._stage} {limit}", encoding="utf-8")
        draft.rename(self._limit)
        if before is not None:
            before.close()

    def open(self) -> None:
        """Hold nobody up any more."""
        self.admit(float("inf"))

    @property
    def passed(self) -> int:
        """Images measured so far, repeated ones and all."""
        return self._tally.stat().st_size if self._tally.exists() else 0

    def waiting(self) -> list[int]:
        """Return the processes that are held up now."""
        found = self._folder.glob(f"waiting-{self._stage}-*")
        return [pid for pid in sorted(int(path.name.rpartition("-")[2]) for path in found) if alive(pid)]

    def _path(self, stage: object) -> Path:
        return self._folder / f"gate-{stage}"
