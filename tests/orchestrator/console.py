"""The installed console script, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

SCRIPT = Path(sys.executable).parent / "sccbench"
ROOT = Path(__file__).parents[2]
PATIENCE = 300.0


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """The tests' own components importable, a fixed width, no terminal."""
    tests = {"PYTHONPATH": str(ROOT), "SCCBENCH_TEST_FOLDER": str(folder), "COLUMNS": "200"}
    return {**os.environ, **tests, **extra}


def sccbench(*arguments: str, folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in ``folder``."""
    return subprocess.run(
        [SCRIPT, *arguments],
        cwd=folder,
        env=environment(folder, **extra),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def start_sccbench(*arguments: str, folder: Path, **extra: str) -> subprocess.Popen[str]:
    """Start a command in ``folder`` and return while it runs."""
    return subprocess.Popen(
        [SCRIPT, *arguments],
        cwd=folder,
        env=environment(folder, **extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: Callable[[], object], what: str) -> object:
    """Return the first true value of ``condition``; fail with ``what`` when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain for {what}")


def write_grid(folder: Path, lines: Mapping[str, str]) -> Path:
    """Write a grid over the tests' tiny model and images."""
    common = {
        "name": "test",
        "models": "[tests.components:tiny]",
        "datasets": "[tests.components:noise_images]",
        "attacks": "[{pgd: {num_steps: 3}}]",
        "epsilons": "[0, 4/255]",
    }
    path = folder / "grid.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in {**common, **lines}.items()), encoding="utf-8")
    return path
