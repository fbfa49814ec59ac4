"""Images that change in the middle of a run fail what is not yet measured, and leave nothing behind."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.orchestrator.console import PATIENCE, sccbench, start_sccbench, wait_for, write_grid
from tests.orchestrator.gated import GATE, at_the_gate, committed_blocks, open_gate, outcomes

SAMPLES = 400
SLOW = pytest.mark.slow
GRID = {
    "models": "[tests.components:tiny, tests.components:large]",
    "datasets": "['folder:noise']",
    "epsilons": "[0]",
    "defenses": f"[none, scc, '{GATE}']",
    # The small model is the heavier one and so runs first; the gate stops the other one in its first block.
    "exclude": f"[{{model: '*tiny', defense: '{GATE}'}}, {{model: '*large', defense: scc}}]",
}


def write_images(root: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for index in range(SAMPLES):
        path = root / f"class {index % 4}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path, compress_level=0)


def overwrite(root: Path) -> None:
    """Other pixels in files of the same sizes and times of modification."""
    times = {path: path.stat() for path in root.rglob("*.png")}
    write_images(root, seed=1)
    for path, before in times.items():
        assert path.stat().st_size == before.st_size
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The folder of a run over images that stay."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_images(folder / "noise", seed=0)
    open_gate(folder)
    done = sccbench("run", str(write_grid(folder, GRID)), "--workers", "1", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (overwrite, r"dataset folder:noise could not read sample \d+: class \d/\d+\.png has changed: it is not what"),
        pytest.param(
            shutil.rmtree,
            "the folder noise was changed or replaced: folder:noise: there is neither a file nor",
            marks=SLOW,
        ),
    ],
)
def test_files_that_change_after_the_first_blocks_fail_the_others_until_they_are_restored(
    undisturbed, tmp_path, change: Callable[[Path], None], said
):
    expected = outcomes(undisturbed)
    shutil.copytree(undisturbed / "noise", tmp_path / "noise")
    shutil.copy(undisturbed / "grid.yaml", tmp_path)
    os.mkfifo(tmp_path / "gate")
    own_cache = {"SCCBENCH_CACHE": str(tmp_path / "cache")}
    call = ("run", "grid.yaml", "--workers", "1", "--batch-size", "50")
    process = start_sccbench(*call, folder=tmp_path, **own_cache)
    wait_for(lambda: process.poll() is not None or at_the_gate(tmp_path), "a worker at the gate")
    wait_for(lambda: process.poll() is not None or committed_blocks(tmp_path) >= 16, "committed blocks")
    change(tmp_path / "noise")
    open_gate(tmp_path)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, text
    measured = outcomes(tmp_path)
    assert measured.height >= 2 * SAMPLES
    assert measured.join(expected, on=measured.columns, how="anti").is_empty()
    run = re.search(r"sccbench status (\S+)", text)
    assert run is not None, text
    # A table of cells, in which the error takes several lines.
    status = " ".join(sccbench("status", run[1], folder=tmp_path, **own_cache).stdout.replace("│", "").split())
    assert re.search(f"{said} .*\\(on \\S+:\\d+\\)", status), status

    shutil.rmtree(tmp_path / "noise", ignore_errors=True)
    shutil.copytree(undisturbed / "noise", tmp_path / "noise")
    resumed = sccbench("resume", folder=tmp_path, **own_cache)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert outcomes(tmp_path).equals(expected)
