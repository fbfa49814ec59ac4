"""Workers and nodes fail in real Ray, each in its own way; the results are those of an undisturbed run."""

from __future__ import annotations

import os
import signal
import sqlite3

import polars as pl
import pytest

from orchestrator.store import ResultStore
from scc_core.blocks import BLOCK_SIZE
from tests.orchestrator.console import PATIENCE, sccbench, start_sccbench, wait_for, write_grid
from tests.orchestrator.gated import GATE, alive, at_the_gate, brought_to_the_gate, open_gate, outcomes, run_to_the_gate
from tests.orchestrator.ray_nodes import RayNode

ONE_DEFENSE = {"epsilons": "[0]", "max_samples": "400"}


def hits(folder) -> pl.DataFrame:
    """Every prediction of every defense, by its position."""
    with ResultStore.open(f"sqlite:///{folder}/sccbench.db", create=False) as store:
        rows = store.results().select("cell", "model", "defense", "status")
        frame = store.outcomes(rows["cell"].to_list()).join(rows, on="cell")
    assert frame["status"].unique().to_list() == ["done"]
    return frame.select("model", "defense", "position", "prediction", "margin")


def deliveries(folder) -> pl.DataFrame:
    """Which process delivered each block of each cell."""
    query = "SELECT c.defense, c.seed, c.epsilon_255, b.number, b.worker FROM block b JOIN cell c ON c.id = b.cell_id"
    with sqlite3.connect(folder / "sccbench.db") as connection:
        frame = pl.read_database(query, connection)
    return frame.with_columns(process=pl.col("worker").str.split(":").list.last().cast(pl.Int64)).drop("worker")


def test_a_worker_that_drains_returns_its_blocks_and_another_measures_them(tmp_path, undisturbed):
    """SIGTERM, as before a spot machine is taken away, reaches it in the first batch that it brings to the gate."""
    process = run_to_the_gate(tmp_path)
    (first,) = at_the_gate(tmp_path)
    os.kill(first, signal.SIGTERM)
    open_gate(tmp_path)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert outcomes(tmp_path).equals(undisturbed)
    wait_for(lambda: not alive(first), "the end of the worker that was told to end")
    block = {sample: place // BLOCK_SIZE for sample, place in undisturbed.select("sample_id", "position").iter_rows()}
    batches = [{block[sample] for sample in batch} for batch in brought_to_the_gate(tmp_path, first)]
    # A batch smaller than a block is followed by the rest of its block, and by nothing else.
    assert set().union(*batches) == batches[0]
    found = deliveries(tmp_path)
    (epsilon,) = found.filter(defense=GATE, process=first)["epsilon_255"].unique()
    group = found.filter(seed=1, epsilon_255=epsilon)
    assert set(group["defense"]) == {GATE, "none"}
    for share in group.partition_by("defense"):
        assert set(share.filter(process=first)["number"]) == batches[0]
        assert share["number"].sort().to_list() == list(range(16))
    assert len(group["process"].unique()) == 2


def test_a_straggler_at_the_end_gets_a_duplicate_and_counts_once(tmp_path):
    """One of two workers hangs, far from its deadline; the other, which is idle, measures the shard as well."""
    os.mkfifo(tmp_path / "gate")
    grid = write_grid(tmp_path, {**ONE_DEFENSE, "defenses": "[none, 'tests.components:HangsOnce']"})
    done = sccbench("run", str(grid), "--workers", "2", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (hung,) = at_the_gate(tmp_path)
    assert not alive(hung)
    frame = hits(tmp_path).sort("position").partition_by("defense", include_key=False)
    assert frame[0].equals(frame[1])
    assert frame[0].height == 400


@pytest.mark.slow
def test_a_worker_that_hangs_is_ended_and_replaced(tmp_path):
    os.mkfifo(tmp_path / "gate")
    grid = write_grid(tmp_path, {**ONE_DEFENSE, "defenses": "[none, 'tests.components:HangsOnce']"})
    process = start_sccbench("run", str(grid), "--workers", "1", "--hang-seconds", "1", folder=tmp_path)
    wait_for(lambda: at_the_gate(tmp_path) or process.poll() is not None, "a worker that hangs")
    (hung,) = at_the_gate(tmp_path)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert not alive(hung)
    frame = hits(tmp_path).sort("position").partition_by("defense", include_key=False)
    assert frame[0].equals(frame[1])


def test_a_model_that_runs_out_of_memory_is_measured_in_smaller_batches(tmp_path):
    """Its tower raises torch's own error above twelve images."""
    models = "['tests.components:tiny', 'tests.components:tight']"
    grid = write_grid(tmp_path, {"models": models, "defenses": "[none, ttc]", "max_samples": "200"})
    done = sccbench("run", str(grid), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        rows = store.results().select("cell", "model", "epsilon_255", "defense")
        frame = store.outcomes(rows["cell"].to_list()).join(rows, on="cell")
    place = ["epsilon_255", "defense", "position"]
    tight, tiny = (frame.filter(model=f"tests.components:{name}").sort(place) for name in ("tight", "tiny"))
    assert tight.height == 4 * 200
    assert tight.select(*place, "prediction").equals(tiny.select(*place, "prediction"))


@pytest.mark.slow
def test_a_node_that_joins_gets_a_worker_and_a_run_survives_the_loss_of_one(tmp_path, undisturbed):
    head = RayNode(tmp_path, 0)
    first = RayNode(tmp_path, 1, head.address)
    try:
        process = run_to_the_gate(tmp_path, "--address", head.address)
        (lost,) = at_the_gate(tmp_path)
        second = RayNode(tmp_path, 1, head.address)
        wait_for(lambda: len(at_the_gate(tmp_path)) == 2 or process.poll() is not None, "a worker of the new node")
        first.kill()
        wait_for(lambda: not alive(lost), "the end of the lost node's worker")
        open_gate(tmp_path)
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, text
        assert outcomes(tmp_path).equals(undisturbed)
        assert lost in deliveries(tmp_path)["process"]
        second.stop()
    finally:
        first.stop()
        head.stop()


@pytest.mark.slow
def test_a_run_outlives_its_head_by_being_resumed(tmp_path, undisturbed):
    """The driver of a head that is killed ends by itself, and does not say that all cells are done."""
    head = RayNode(tmp_path, 1)
    process = run_to_the_gate(tmp_path, "--address", head.address)
    head.kill()
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode not in (0, 2), text
    assert "all cells done" not in text
    open_gate(tmp_path)
    other = RayNode(tmp_path, 1)
    try:
        done = sccbench("resume", "--address", other.address, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert outcomes(tmp_path).equals(undisturbed)
    finally:
        other.stop()
