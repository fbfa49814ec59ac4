"""A run over the user's own folder, a set of split files and one of arrays, with two local models."""

from __future__ import annotations

import html
import io
import json

import polars as pl
import pytest
from rich.console import Console

from orchestrator.cli.fetch import fetch_datasets
from orchestrator.cli.output.plan import show_plan
from orchestrator.cli.run import start
from orchestrator.cluster.options import RunOptions
from orchestrator.grid.expand import expand_provisionally
from orchestrator.grid.schema import load_grid, parse_grid
from orchestrator.store import ResultStore
from scc_core.datasets import open_dataset
from scc_core.errors import UserError
from tests.miniatures.medical import write_medmnist, write_split
from tests.miniatures.own import write_bad_folder, write_webdataset
from tests.orchestrator.console import sccbench, write_grid
from tests.scc_core.http_server import serve

DATASETS = ("folder:bad", "busi", "dermamnist")
LEFT_OUT = ["README.txt", "cat/notes.txt", "cat/truncated.jpg", "bird"]
WARNING = "warning: dataset folder:bad: passed over, as a system's own files: .DS_Store, Thumbs.db"
GRID = {
    "models": "[demo-clip, demo-biomedclip]",
    "datasets": f"[{', '.join(DATASETS)}]",
    "attacks": "[{pgd: {num_steps: 2}}]",
    "defenses": "[none, flip]",
    "preprocessing": "paper",
}

pytestmark = pytest.mark.filterwarnings("ignore::scc_core.datasets.files.published.IncompleteDatasetWarning")


@pytest.fixture
def grid(data_root, tmp_path):
    write_bad_folder(tmp_path / "bad")
    (tmp_path / "bad" / "dog" / "Thumbs.db").write_bytes(b"")
    write_split("busi", data_root)
    write_medmnist("dermamnist", 28, data_root)
    return write_grid(tmp_path, GRID)


@pytest.mark.slow
def test_every_image_that_can_be_read_is_measured_and_what_cannot_is_stored_with_the_run(grid, tmp_path, monkeypatch):
    done = sccbench("run", str(grid), "--workers", "1", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dataset folder:bad leaves 4 out: README.txt: not an image by the ending of its name; " in done.stdout
    assert "busi has 6 images" in done.stderr
    monkeypatch.chdir(tmp_path)
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        results = store.results()
        outcomes = store.outcomes(results["cell"].to_list())
        assert [name for name, _ in store.run().left_out["folder:bad"]] == LEFT_OUT
        assert set(store.run().left_out) == {"folder:bad"}
    assert results.height == 2 * 3 * 2 * 2
    for name, size in zip(DATASETS, (8, 6, 14), strict=True):
        cells = results.filter(results["dataset"] == name)
        assert set(cells["samples"]) == {size}
        labels = open_dataset(name).labels.tolist()
        of_dataset = outcomes.filter(outcomes["cell"].is_in(cells["cell"].to_list()))
        assert of_dataset.height == 8 * size
        assert all(labels[id_] == label for id_, label in of_dataset.select("sample_id", "label").rows())
    status = sccbench("status", "20", folder=tmp_path)
    assert "all 24 cells are done" in status.stdout
    assert "cat/truncated.jpg: image file is truncated" in status.stdout
    assert WARNING in done.stdout
    assert WARNING in status.stdout
    site = sccbench("dashboard", "--out", "site", folder=tmp_path)
    assert site.returncode == 0, site.stderr
    page = html.unescape((tmp_path / "site" / "provenance.html").read_text(encoding="utf-8"))
    assert WARNING in page
    assert "dataset folder:bad leaves 4 out: README.txt" in page
    sql = "SELECT left_out FROM run"
    queried = sccbench("query", sql, "--format", "json", folder=tmp_path)
    assert "cat/truncated.jpg" in json.dumps(json.loads(queried.stdout)), queried.stderr
    check_names_without_the_data(tmp_path, outcomes)


def check_names_without_the_data(folder, outcomes):
    """Every outcome has the names of its file and its class, also where the data is no longer."""
    paths = sorted(path.relative_to(folder / "bad").as_posix() for path in (folder / "bad").glob("*/*.*g"))
    (folder / "bad").rename(folder / "gone")
    sql = (
        "SELECT r.cell, s.* FROM results r JOIN samples s "
        "ON s.dataset = r.dataset AND s.dataset_version = r.dataset_version WHERE r.dataset = 'folder:bad'"
    )
    named = pl.read_json(sccbench("query", sql, "--format", "json", folder=folder).stdout.encode())
    assert sorted(set(named["name"])) == [path for path in paths if path != "cat/truncated.jpg"]
    joined = outcomes.join(named, left_on=["cell", "sample_id"], right_on=["cell", "sample"])
    assert joined.height == named.height == 8 * 8
    assert (joined["label"] == joined["label_right"]).all()
    assert (joined["position"] == joined["position_right"]).all()
    table = sccbench("metrics", "--derived", "samples", "--format", "csv", folder=folder)
    rows = pl.read_csv(table.stdout.encode()).filter(pl.col("dataset") == "folder:bad")
    assert rows.height == named.height
    assert all(name.split("/")[0] == called for name, called in rows.select("name", "class_name").rows())


def test_strict_refuses_what_leaves_something_out_before_any_compute(grid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"--strict: dataset folder:bad leaves 4 out: README\.txt"):
        start(grid, f"sqlite:///{tmp_path}/sccbench.db", RunOptions(), strict=True)
    assert list(tmp_path.glob("*.db*")) == []


def test_the_plan_names_what_is_left_out_and_strictly_refuses_it(grid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked, _ = load_grid(grid)
    console = Console(file=io.StringIO(), width=200)
    show_plan(checked, f"sqlite:///{tmp_path}/sccbench.db", 1, console)
    assert "dataset folder:bad leaves 4 out" in console.file.getvalue()
    assert WARNING in console.file.getvalue()
    assert "test: 24 cells in 24 blocks" in console.file.getvalue()
    with pytest.raises(UserError, match="--strict"):
        show_plan(checked, f"sqlite:///{tmp_path}/sccbench.db", 1, console, strict=True)


def test_archives_behind_a_url_are_fetched_by_the_command_that_the_plan_names(data_root, tmp_path, capsys):
    write_webdataset(tmp_path / "site")
    with serve(tmp_path / "site") as server:
        name = f"webdataset:{server.url}"
        text = f"{{name: t, models: [demo-clip], datasets: ['{name}', demo/shapes], max_samples: 50}}"
        absent = expand_provisionally(parse_grid(text, "the test")).absent
        assert absent.commands() == [f"sccbench fetch datasets {name}"]
        fetch_datasets([name])
        assert f"{name}: 5 images, version {open_dataset(name).version[:12]}" in capsys.readouterr().err
    assert not expand_provisionally(parse_grid(text, "the test")).absent
