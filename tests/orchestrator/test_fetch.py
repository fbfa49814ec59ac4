"""The command that fetches datasets, where there is nothing to download."""

from __future__ import annotations

from tests.orchestrator.console import sccbench


def test_what_only_a_person_may_download_comes_with_its_steps(tmp_path):
    done = sccbench(
        "fetch", "datasets", "stanford-cars", "imagenet@ensemble", folder=tmp_path, SCCBENCH_DATA=str(tmp_path / "data")
    )
    assert done.returncode == 2
    assert f"The data folder is {tmp_path / 'data'}." in done.stderr
    assert "  1. The original site no longer offers the files" in done.stderr
    assert "MD5 29b22e2961454d5413ddabcf34fc5622" in done.stderr
    assert "    stanford_cars/cars_test/00001.jpg" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "error: no program may download stanford-cars, imagenet; the steps above bring them"
    )


def test_a_name_that_does_not_exist_is_refused_before_anything_is_fetched(tmp_path):
    done = sccbench("fetch", "datasets", "imagenet", "stanford-car", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown dataset 'stanford-car'. Did you mean 'stanford-cars'?")
