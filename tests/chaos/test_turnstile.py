"""The turnstile holds up whoever goes beyond its limit, and lets nobody wait for nothing."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

from tests.chaos.turnstile import Turnstile
from tests.orchestrator.console import wait_for


def measuring(folder: Path, batches: int) -> Thread:
    """Something that measures batches of fifty images, as a worker does."""

    def work() -> None:
        for _ in range(batches):
            Turnstile(folder).go_through(50)

    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_who_goes_beyond_the_limit_is_held_up(tmp_path):
    turnstile = Turnstile(tmp_path)
    turnstile.admit(100)
    worker = measuring(tmp_path, 6)
    wait_for(turnstile.waiting, "somebody at the turnstile")
    assert (turnstile.waiting(), turnstile.passed) == ([os.getpid()], 150)
    turnstile.admit(50)
    wait_for(turnstile.waiting, "somebody at the turnstile")
    assert turnstile.passed == 250
    turnstile.open()
    worker.join(60)
    assert not worker.is_alive()
    assert (turnstile.waiting(), turnstile.passed) == ([], 300)


def test_nobody_is_held_up_where_no_limit_was_set(tmp_path):
    worker = measuring(tmp_path, 3)
    worker.join(60)
    assert not worker.is_alive()
    assert Turnstile(tmp_path).passed == 150


def test_who_comes_late_to_a_gate_that_was_opened_goes_through(tmp_path):
    turnstile = Turnstile(tmp_path)
    turnstile.admit(0)
    stale = (tmp_path / "limit").read_text(encoding="utf-8")
    turnstile.admit(1_000)
    (tmp_path / "limit").write_text(stale, encoding="utf-8")
    worker = measuring(tmp_path, 1)
    worker.join(60)
    assert not worker.is_alive()
