"""Warnings of the project are one line each, said once."""

from __future__ import annotations

from tests.miniatures import MINIATURES
from tests.orchestrator.console import sccbench


def test_an_incomplete_dataset_is_named_once_however_often_it_is_opened(tmp_path):
    MINIATURES["dtd"](tmp_path / "data")
    folders = {"SCCBENCH_DATA": str(tmp_path / "data"), "SCCBENCH_CACHE": str(tmp_path / "cache")}
    done = sccbench("fetch", "datasets", "dtd", "dtd@ensemble", folder=tmp_path, **folders)
    assert done.returncode == 0, done.stderr
    warning, *reports = done.stderr.splitlines()
    assert warning == (
        f"warning: dataset dtd has 4 images in {tmp_path}/data/dtd/dtd, published are 1,880; "
        "`sccbench doctor --dataset dtd` tells the difference"
    )
    assert [line.partition(",")[0] for line in reports] == [f"dtd: 4 images in {tmp_path}/data/dtd/dtd"] * 2
