"""The benchmark of the disk cache measures what it says, on few images."""

from __future__ import annotations

import json

import pytest

from benchmarks.disk_cache import main, passes, write_jpegs
from scc_core.datasets import open_dataset


def test_a_record_has_machine_versions_and_a_row_for_every_way(tmp_path, capsys):
    out = tmp_path / "record.json"
    arguments = ["--images", "60", "--repetitions", "2", "--datasets", "demo/shapes", "--note", "a check"]
    assert main([*arguments, "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    assert record["environment"]["note"] == "a check"
    assert {"python", "torch", "pillow"} <= set(record["environment"]["versions"])
    ways = ["decoded", "disk cache, first pass", "disk cache, second pass"]
    overlaps = ["overlap: none", "overlap: next batch"]
    named = [(row["dataset"], row["way"], row["images"], row["image_size"]) for row in record["rows"]]
    assert named == [
        *(("JPEG files", way, 60, 224) for way in ways),
        *(("demo/shapes", way, 60, 64) for way in ways),
        *(("JPEG files", way, 60, 64) for way in overlaps),
    ]
    for row in record["rows"]:
        rate = row["images_per_second"]
        assert 0 < rate["minimum"] <= rate["median"] <= rate["maximum"]
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(named)


@pytest.mark.filterwarnings("error")
def test_only_the_second_pass_of_a_disk_cache_decodes_nothing(tmp_path, monkeypatch):
    write_jpegs(tmp_path, 60)
    dataset = open_dataset(f"folder:{tmp_path}")
    reads: list[int] = []
    read = dataset.image
    monkeypatch.setattr(dataset, "image", lambda index: reads.append(index) or read(index))
    counts = []
    for _ in passes(dataset, 32, 60):
        counts.append(len(reads))
        reads.clear()
    assert counts == [60, 60, 0]
