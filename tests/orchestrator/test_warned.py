"""Warnings of the project are one line each, said once."""

from __future__ import annotations

from tests.miniatures import MINIATURES
from tests.orchestrator.console import sccbench


def test_an_incomplete_dataset_is_named_once_however_often_it_is_opened(tmp_path):
    MINIATURES["dtd"](tmp_path / "data")
    (tmp_path / "grid.yaml").write_text(
        "name: two names of the same images\nmodels: [demo-clip]\ndatasets: [dtd, dtd@ensemble]\nepsilons: [0]\n"
    )
    done = sccbench("plan", "grid.yaml", folder=tmp_path, SCCBENCH_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "1,880" in line]
    assert said == [
        f"warning: dataset dtd has 4 images in {tmp_path}/data/dtd/dtd, published are 1,880; "
        "`sccbench doctor --dataset dtd` tells the difference"
    ]
    assert "IncompleteDatasetWarning" not in done.stderr
