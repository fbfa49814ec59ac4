"""The audit of a run: what is stored is computed again, and what differs is told."""

from __future__ import annotations

import io
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from orchestrator.store.encoding.packing import pack, unpack
from tests.orchestrator.console import sccbench, write_grid

GRID = {"defenses": "[none, ttc, 'tests.components:BreaksWhenTold']", "max_samples": "150", "epsilons": "[4/255]"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """A folder with a run of three cells of three blocks."""
    folder = tmp_path_factory.mktemp("verified")
    done = sccbench("run", str(write_grid(folder, GRID)), "--workers", "2", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def audited(measured, tmp_path):
    """A copy of the database that a test may change."""
    with sqlite3.connect(measured / "sccbench.db") as source, sqlite3.connect(tmp_path / "sccbench.db") as copy:
        source.backup(copy)
    return tmp_path


def change(folder: Path, defense: str, number: int, **columns) -> None:
    """Change what is stored of one block."""
    with sqlite3.connect(folder / "sccbench.db") as connection:
        joined = "block JOIN cell ON cell.id = block.cell_id WHERE cell.defense = ? AND block.number = ?"
        found = connection.execute(f"SELECT block.rowid, block.outcomes FROM {joined}", (defense, number)).fetchall()
        ((row, packed),) = found
        outcomes = unpack(packed)
        changed = replace(outcomes, **{name: alter(getattr(outcomes, name)) for name, alter in columns.items()})
        connection.execute("UPDATE block SET outcomes = ? WHERE rowid = ?", (pack(changed), row))


def test_a_run_that_is_computed_again_gives_the_same_bits_with_another_number_of_workers(measured):
    done = sccbench("verify", "--sample", "1", "--workers", "1", folder=measured)
    assert done.returncode == 0, done.stderr
    assert "9 of 9 stored blocks were computed again; 0 predictions of 450 differ, no margin differs" in done.stdout


@pytest.mark.slow
def test_a_sample_is_drawn_by_its_seed_and_whole_attack_groups_are_computed(measured):
    def drawn(*options: str) -> pl.DataFrame:
        done = sccbench("verify", "--sample", "0.3", "--format", "csv", *options, folder=measured)
        assert done.returncode == 0, done.stderr
        assert "3 of 9 stored blocks were computed again" in done.stderr
        return pl.read_csv(io.StringIO(done.stdout)).select("defense", "block")

    first = drawn()
    assert first["block"].n_unique() == 1
    assert first["defense"].n_unique() == 3
    assert first.equals(drawn())
    assert {drawn("--seed", str(seed))["block"][0] for seed in range(4)} - {first["block"][0]}


def test_predictions_that_differ_are_told_by_cell_and_the_command_fails(audited):
    change(audited, "ttc", 1, predictions=lambda stored: np.where(np.arange(len(stored)) < 2, (stored + 1) % 4, stored))
    change(audited, "none", 0, margins=lambda stored: stored + np.float32(0.25))
    done = sccbench("verify", "--sample", "1", "--workers", "1", folder=audited)
    assert done.returncode == 1
    assert "2 predictions of 450 differ, 50 margins by at most 0.25 logits" in done.stdout
    assert "ttc" in done.stdout
    assert "BreaksWhenTold" not in done.stdout
    again = sccbench("verify", "--sample", "1", "--format", "json", "--workers", "1", folder=audited)
    frame = pl.read_json(io.StringIO(again.stdout))
    broken = frame.filter(pl.col("predictions_differ") > 0).select("defense", "block", "predictions_differ")
    assert broken.rows() == [("ttc", 1, 2)]
    assert frame.filter(pl.col("margins_differ") > 0).select("defense", "block").rows() == [("none", 0)]


def test_margins_alone_do_not_fail_the_command(audited):
    change(audited, "none", 2, margins=lambda stored: np.nextafter(stored, np.float32(np.inf)))
    done = sccbench("verify", "--sample", "1", "--workers", "1", folder=audited)
    assert done.returncode == 0, done.stderr
    assert "0 predictions of 450 differ, 50 margins by at most" in done.stdout


def test_other_samples_than_the_stored_ones_fail(audited):
    change(audited, "none", 2, sample_ids=lambda stored: stored + 1)
    done = sccbench("verify", "--sample", "1", "--workers", "1", folder=audited)
    assert done.returncode == 1
    assert "1 blocks could not be computed" in done.stdout


def test_a_cell_that_cannot_be_computed_fails(audited):
    done = sccbench("verify", "--sample", "1", "--workers", "1", folder=audited, SCCBENCH_TEST_BREAK="1")
    assert done.returncode == 1
    assert "could not be computed" in done.stdout
    assert "6 of 9 stored blocks were computed again; 0 predictions of 300 differ" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sample", "0"), "sample is 0.0, expected a share"),
        (("--sample", "1.5"), "sample is 1.5, expected a share"),
        (("nowhere",), "no run"),
    ],
)
def test_what_is_wrong_is_one_line_before_any_compute(measured, arguments, message):
    done = sccbench("verify", *arguments, folder=measured)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_database_it_is_one_line(tmp_path):
    done = sccbench("verify", folder=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
