"""The installed console script: every command's happy path, and its errors in one line with status 2."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import subprocess

import polars as pl
import pytest
import torch

from orchestrator.store import ResultStore, read_only_query
from scc_core.datasets import PreparedDataset
from scc_core.datasets.pixels.disk_cache import DiskCache
from scc_core.environment import environment_of
from tests.components import noise_images
from tests.orchestrator.console import sccbench, write_grid

HINT = "papers write 1 for 1/255: write 1/255, or 255/255 if that is meant"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with a small finished run."""
    folder = tmp_path_factory.mktemp("measured")
    grid = write_grid(folder, {"defenses": "[none, flip]", "max_samples": "75"})
    done = sccbench("run", str(grid), "--workers", "1", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def succeeds(*arguments: str, folder, **extra: str) -> str:
    done = sccbench(*arguments, folder=folder, **extra)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(*arguments: str, folder, status: int = 2, **extra: str) -> str:
    """Run a command that must fail with one line on standard error and nothing on standard output."""
    done = sccbench(*arguments, folder=folder, **extra)
    assert (done.returncode, done.stdout) == (status, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_help_names_every_command(tmp_path):
    text = succeeds("--help", folder=tmp_path)
    commands = (
        "demo",
        "plan",
        "run",
        "submit",
        "logs",
        "cancel",
        "resume",
        "status",
        "query",
        "metrics",
        "compare",
        "dashboard",
        "list",
        "doctor",
        "fetch",
        "cache",
    )
    for command in commands:
        assert f"\n  {command} " in text
        assert "Usage: sccbench" in succeeds(command, "--help", folder=tmp_path)
    assert "Exit status: 0 all cells done, 1 some cells failed" in text


def test_version(tmp_path):
    assert succeeds("--version", folder=tmp_path).startswith("sccbench 0.")


def test_plan_shows_cells_and_an_estimate_and_makes_no_database(tmp_path):
    grid = write_grid(tmp_path, {"defenses": "[none, flip]"})
    text = succeeds("plan", str(grid), "--workers", "2", folder=tmp_path)
    assert "test: 4 cells in 64 blocks, 0 measured already, 64 to measure" in text
    assert re.search(r"on one worker of this machine: about .* of compute, .* on 2 \(speed from ", text)
    assert list(tmp_path.glob("*.db*")) == []


def test_plan_knows_what_is_measured(measured):
    text = succeeds("plan", str(measured / "grid.yaml"), folder=measured)
    assert "test: all 4 cells are measured already; nothing to compute" in text


def test_raising_max_samples_measures_only_what_is_new(measured):
    grid = write_grid(measured, {"defenses": "[none, flip]", "max_samples": "170", "name": "more"})
    text = succeeds("plan", str(grid), folder=measured)
    assert "more: 4 cells in 16 blocks, 8 measured already, 8 to measure" in text
    write_grid(measured, {"defenses": "[none, flip]", "max_samples": "75"})


def test_status_lists_the_run(measured):
    text = succeeds("status", folder=measured)
    assert "complete" in text
    assert "all 4 cells are done" in succeeds("status", "20", folder=measured)


def test_query_answers_in_every_format(measured):
    sql = "SELECT defense, epsilon_255, samples, correct, accuracy FROM run_results ORDER BY defense, epsilon_255"
    rows = json.loads(succeeds("query", sql, "--format", "json", folder=measured))
    assert [(row["defense"], row["epsilon_255"], row["samples"]) for row in rows] == [
        ("flip", 0.0, 75),
        ("flip", 4.0, 75),
        ("none", 0.0, 75),
        ("none", 4.0, 75),
    ]
    assert all(row["accuracy"] == row["correct"] / 75 for row in rows)
    assert pl.read_csv(io.StringIO(succeeds("query", sql, "--format", "csv", folder=measured))).to_dicts() == rows
    table = succeeds("query", sql, folder=measured)
    assert "4 rows" in table
    for row in rows:
        assert f"{row['accuracy']:.6g}" in table


def test_metrics_answers_for_a_run_and_for_all_that_is_measured(measured):
    run = sqlite3.connect(measured / "sccbench.db").execute("SELECT id FROM run").fetchone()[0]
    cells = json.loads(succeeds("metrics", "--run", run, "--format", "json", folder=measured))
    assert [(row["defense"], row["epsilon_255"], row["samples"]) for row in cells] == [
        ("flip", 0.0, 75),
        ("none", 0.0, 75),
        ("flip", 4.0, 75),
        ("none", 4.0, 75),
    ]
    assert all(0 <= row["calibration_error"] <= 1 and 0 <= row["auc"] <= 1 for row in cells)
    paired = succeeds("metrics", "--run", run, "--derived", "paired", "--format", "csv", folder=measured)
    tests = pl.read_csv(io.StringIO(paired))
    assert tests.select("defense", "reference", "family").rows() == [("flip", "none", 1)] * 2
    assert tests["p_holm"].to_list() == tests["p_value"].to_list()
    said = " ".join(succeeds("metrics", "--derived", "paired", folder=measured).split())
    assert "after Holm's correction over a family of as many tests" in said
    table = succeeds("metrics", "--derived", "min-over-attacks", folder=measured)
    assert "in every row: model tests.components:tiny, dataset tests.components:noise_images, " in table
    assert "2 rows" in table


def test_metrics_refuses_a_run_and_a_database_that_do_not_exist(measured, tmp_path):
    assert "no run '1999'" in refused("metrics", "--run", "1999", folder=measured)
    assert "no results database" in refused("metrics", folder=tmp_path)


def test_a_narrow_terminal_gets_one_line_per_value(measured):
    sql = "SELECT model, dataset, attack, defense, samples, status FROM results WHERE defense = 'none'"
    lines = succeeds("query", sql, folder=measured, COLUMNS="60").splitlines()
    assert lines[:2] == ["-- 1 of 2", "model    tests.components:tiny"]
    # The view counts what is measured: the two whole blocks that hold the 75 samples asked for.
    assert lines.count("samples  100") == 2


def test_query_writes_parquet_to_a_pipe(measured):
    from tests.orchestrator.console import SCRIPT, environment

    command = [SCRIPT, "query", "SELECT * FROM results", "--format", "parquet"]
    done = subprocess.run(command, cwd=measured, env=environment(measured), capture_output=True, check=True)
    with ResultStore.open(f"sqlite:///{measured}/sccbench.db", create=False) as store:
        assert pl.read_parquet(io.BytesIO(done.stdout)).height == store.results().height == 4


def test_query_alone_documents_the_views(measured):
    text = succeeds("query", folder=measured)
    for column in ("accuracy_low", "images_per_second", "threat_model", "run_name"):
        assert column in text
    assert "Wilson" in text


@pytest.mark.parametrize("sql", ["DELETE FROM block", "DROP VIEW results", "UPDATE run SET name = 'x'"])
def test_query_cannot_write(measured, sql):
    before = sqlite3.connect(measured / "sccbench.db").execute("SELECT count(*) FROM block").fetchone()
    refused("query", sql, folder=measured)
    assert sqlite3.connect(measured / "sccbench.db").execute("SELECT count(*) FROM block").fetchone() == before


def test_dashboard_names_its_page(measured, tmp_path):
    text = succeeds("dashboard", "--out", str(tmp_path / "site"), folder=measured)
    assert text.strip() == f"dashboard: {tmp_path / 'site' / 'index.html'}"
    assert "noise_images" in (tmp_path / "site" / "results.html").read_text(encoding="utf-8")
    only = succeeds("dashboard", "--run", "20", "--out", str(tmp_path / "site"), folder=measured)
    assert "index.html" in only


def test_the_database_may_come_from_the_environment(measured, tmp_path):
    url = f"sqlite:///{measured}/sccbench.db"
    assert "complete" in succeeds("status", folder=tmp_path, SCCBENCH_DB=url)
    assert "complete" in succeeds("status", "--db", url, folder=tmp_path)


@pytest.mark.parametrize("kind", ["models", "datasets", "attacks", "defenses"])
def test_list_names_what_grids_may_use(tmp_path, kind):
    records = json.loads(succeeds("list", kind, "--format", "json", folder=tmp_path))
    names = {record["name"] for record in records}
    expected = {
        "models": {"demo-clip", "demo-biomedclip"},
        "datasets": {"demo/shapes", "demo/compose", "demo/digits", "demo/photos", "phantom/histology"},
        "attacks": {"pgd"},
        "defenses": {"none", "random-noise", "flip", "shift", "ttc", "scc"},
    }[kind]
    assert expected <= names
    table = succeeds("list", kind, folder=tmp_path)
    assert all(name in table for name in expected)


def test_doctor_says_what_is_there(tmp_path):
    text = succeeds("doctor", folder=tmp_path)
    for expected in ("torch", "model demo-clip", "database", "not made yet", "ray"):
        assert expected in text


def test_doctor_shows_the_environment_of_this_machine(tmp_path):
    text = " ".join(succeeds("doctor", folder=tmp_path, COLUMNS="1000", MKL_CBWR="COMPATIBLE").split())
    here = environment_of(torch.device("cpu"))
    assert f"{here.version}, code {here.code[:12]}, protocol 1" in text
    for name in ("python", "torch", "torchvision", "timm", "open_clip", "numpy", "processor", "cpu_capability"):
        assert f"{name} {getattr(here, name)}; " in text
    assert "matmul_precision float32; " in text
    assert "variables MKL_CBWR=COMPATIBLE" in text


def test_cache_shows_what_is_prepared_and_empties_it(tmp_path):
    own = {"SCCBENCH_CACHE": str(tmp_path / "cache"), "SCCBENCH_PREPARED_GIB": "0.5"}
    folder = tmp_path / "cache" / "prepared"
    assert f"0.00 GiB in {folder}; at most 0.5 GiB" in succeeds("cache", folder=tmp_path, **own)
    prepared = PreparedDataset(noise_images(), "native", 8, disk_cache=DiskCache(folder, 2**29))
    prepared.batch(range(75), torch.device("cpu"))
    row = re.compile(r"tests\.components-noise_images-native-8-\w{16} +│ +2 +│ +0\.0 +│ 20\d\d-\d\d-\d\d \d\d:\d\d UTC")
    assert row.search(succeeds("cache", folder=tmp_path, **own))
    assert f"0.00 of at most 0.5 GiB in {folder}" in succeeds("doctor", folder=tmp_path, COLUMNS="400", **own)
    assert f"removed from {folder}" in succeeds("cache", "--clear", folder=tmp_path, **own)
    assert [path.name for path in folder.iterdir()] == ["bytes-used"]


def test_doctor_says_that_images_are_not_kept(tmp_path):
    (tmp_path / "file").touch()
    unwritable = succeeds("doctor", folder=tmp_path, SCCBENCH_CACHE=str(tmp_path / "file" / "cache"), COLUMNS="400")
    assert "cannot be written, so every worker decodes anew" in unwritable
    switched_off = succeeds("doctor", folder=tmp_path, SCCBENCH_PREPARED_GIB="0", COLUMNS="400")
    assert "no disk cache: SCCBENCH_PREPARED_GIB is 0, so every worker decodes anew" in switched_off


def test_a_bound_that_is_no_number_is_refused_before_the_run(tmp_path):
    grid = write_grid(tmp_path, {"defenses": "[none]"})
    assert "expected a number of GiB" in refused("run", str(grid), folder=tmp_path, SCCBENCH_PREPARED_GIB="20G")
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        assert list(store.runs()) == []


def test_doctor_names_what_is_missing(tmp_path):
    (tmp_path / "sccbench.db").write_text("this is no database, however long it may be" * 40)
    done = sccbench("doctor", folder=tmp_path)
    assert done.returncode == 1
    assert "missing" in done.stdout


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"models": "[demo-clp]"}, "unknown model 'demo-clp'. Did you mean 'demo-clip'?"),
        ({"datasets": "[demo/shape]"}, "unknown dataset 'demo/shape'. Did you mean 'demo/shapes'?"),
        ({"attacks": "[pdg]"}, "unknown attack 'pdg'. Did you mean 'pgd'?"),
        ({"defenses": "[sc]"}, "unknown defense 'sc'. Did you mean 'scc'?"),
        (
            {"defenses": "[{scc: {num_view: 4}}]"},
            "unknown parameter of defense 'scc': 'num_view'. Did you mean 'num_views'?",
        ),
        ({"attacks": "[{pgd: {num_steps: 0}}]"}, "attack 'pgd': num_steps: 0 is out of range; allowed: [1, 100000]"),
        (
            {"epsilons": "[2]"},
            "epsilon: 2 is outside [0, 1], the range of pixels, for attack 'pgd', whose norm is L-inf; did",
        ),
        ({"epsilons": "[200]"}, "200 is outside [0, 1], the range of pixels (L2: [0, 100]); did you mean 200/255?"),
        ({"epsilons": "[0, 4/255, 1]"}, f"epsilon: 1 is 255/255, above 64/255, the most that needs no unit; {HINT}"),
        ({"attacks": "[{pgd: {step_size: 1}}]"}, f"step_size: 1 is 255/255, above twice the radius 4/255; {HINT}"),
        ({"defenses": "[none, {ttc: {epsilon: 1}}]"}, "defense 'ttc': epsilon: 1 is 255/255, above 64/255"),
        ({"seeds": "[]"}, "seeds: the axis is empty"),
        ({"seeds": "[1, 1]"}, "seeds: 1 is given twice"),
        ({"sedes": "[1]"}, "unknown key 'sedes'. Did you mean 'seeds'?"),
        ({"seeds": "[1"}, "line"),
        ({"exclude": "[{model: '*'}]"}, "the grid excludes every one of its cells"),
    ],
)
def test_a_wrong_grid_is_refused_before_any_compute(tmp_path, lines, message):
    assert message in refused("run", str(write_grid(tmp_path, lines)), folder=tmp_path)
    assert list(tmp_path.glob("*.db*")) == []


def test_tf32_is_planned_anywhere_and_refused_on_cpus_before_any_compute(tmp_path):
    grid = str(write_grid(tmp_path, {"precision": "tf32", "max_samples": "50"}))
    assert "6 cells in 6 blocks, 0 measured already" in succeeds("plan", grid, folder=tmp_path)
    words = refused("run", grid, folder=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert words.startswith("error: precision tf32 exists on GPUs only: take precision float32")
    assert read_only_query(f"sqlite:///{tmp_path}/sccbench.db", "SELECT * FROM run").is_empty()


@pytest.mark.parametrize("command", [("plan",), ("submit", "--address", "http://127.0.0.1:9")])
def test_a_length_that_has_probably_another_unit_is_refused_by_every_command(tmp_path, command):
    grid = write_grid(tmp_path, {"attacks": "[{pgd: {step_size: 1}}]", "epsilons": "[0, 4/255]"})
    message = f"error: attack 'pgd': step_size: 1 is 255/255, above twice the radius 4/255; {HINT}"
    assert refused(command[0], str(grid), *command[1:], folder=tmp_path) == message


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_grid_that_names_code_is_refused_without_plugins(tmp_path, command):
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\nPath('ran').touch()\nattack = None\n", encoding="utf-8"
    )
    grid = str(
        write_grid(tmp_path, {"models": "[demo-clip]", "datasets": "[demo/shapes]", "attacks": "['mine:attack']"})
    )
    words = refused(command, grid, "--no-plugins", folder=tmp_path)
    assert words == "error: attack 'mine:attack' is code of its own, which --no-plugins refuses"
    assert not (tmp_path / "ran").exists()


def test_a_wrong_database_is_refused(tmp_path, measured):
    text = tmp_path / "text.db"
    text.write_text("this is no database, however long it may be" * 40)
    grid = str(measured / "grid.yaml")
    assert "text.db" in refused("run", grid, "--db", f"sqlite:///{text}", folder=tmp_path)
    assert "text.db" in refused("query", "SELECT 1", "--db", f"sqlite:///{text}", folder=tmp_path)
    assert "no results database at" in refused("status", "--db", "sqlite:///missing.db", folder=tmp_path)
    refused("status", "--db", "nonsense", folder=tmp_path)
    newer = tmp_path / "newer.db"
    # SQLite's own copy, which sees what still lies in the write-ahead log.
    sqlite3.connect(measured / "sccbench.db").execute("VACUUM INTO ?", [str(newer)])
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE scc_bench_version SET version_num = '9999_future'")
    assert "newer" in refused("run", grid, "--db", f"sqlite:///{newer}", folder=tmp_path)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:9", "no Ray cluster answers at '127.0.0.1:9'"),
        ("nonsense", "is none of auto, HOST:PORT and ray://HOST:PORT"),
        # Looks for any Ray on this machine, so no other test may run beside it.
        pytest.param("auto", "no Ray cluster answers at 'auto'", marks=pytest.mark.slow),
    ],
)
def test_a_ray_address_that_does_not_answer_is_refused_and_leaves_no_run(tmp_path, address, message):
    grid = write_grid(tmp_path, {})
    assert message in refused("run", str(grid), "--address", address, folder=tmp_path)
    assert "no runs yet" in succeeds("status", folder=tmp_path)


def test_too_many_workers_are_refused(tmp_path):
    text = refused("run", str(write_grid(tmp_path, {})), "--workers", "4096", folder=tmp_path)
    assert "--workers 4096 is more than the cluster has" in text


def test_an_unknown_run_names_the_latest(measured):
    assert "nonsense" in refused("status", "nonsense", folder=measured)
    assert "nonsense" in refused("resume", "nonsense", folder=measured)


@pytest.mark.parametrize("arguments", [("rnu",), ("run",), ("run", "g.yaml", "--worker", "2"), ("list", "model")])
def test_a_mistyped_call_has_status_2(tmp_path, arguments):
    done = sccbench(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "Usage:" in done.stderr or "Try" in done.stderr


def test_plan_names_what_runs_of_an_attack_on_few_classes(tmp_path):
    lines = {"datasets": "[tests.components:two_classes]", "attacks": "[autoattack]", "epsilons": "[4/255]"}
    text = succeeds("plan", str(write_grid(tmp_path, lines)), folder=tmp_path)
    row = next(line for line in text.splitlines() if "two_classes" in line and "autoattack" in line)
    assert "apgd-ce" in row
    assert "apgd-t" not in row
