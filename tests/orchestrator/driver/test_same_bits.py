"""Networks of the usual size give the same bits whatever the workers, the history of the run and its options."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import sccbench
from tests.orchestrator.ray_nodes import RayNode

GRID = """
name: same bits
models: ["tests.networks:{network}"]
datasets: ["tests.networks:photographs"]
attacks: [{{pgd: {{num_steps: 2}}}}]
epsilons: [4/255]
threat_models: [transfer]
defenses: [none, {{ttc: {{tau: 10}}}}]
max_samples: {samples}
"""
COLUMNS = ["defense", "position", "sample_id", "prediction", "margin", "confidence"]


def measured(folder: Path, network: str, samples: int, *options: str) -> pl.DataFrame:
    """Run a grid, and return everything that is stored of its samples."""
    grid = folder / f"{samples}.yaml"
    grid.write_text(GRID.format(network=network, samples=samples), encoding="utf-8")
    done = sccbench("run", str(grid), *options, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    with ResultStore.open(f"sqlite:///{folder}/sccbench.db", create=False) as store:
        cells = store.results().select("cell", "defense")
        found = store.outcomes(cells["cell"].to_list()).join(cells, on="cell")
    return found.select(COLUMNS).sort("defense", "position")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("network", ["efficientnet", "resnet", "vit"])
def test_one_worker_and_three_with_more_samples_later_give_the_same_bits(tmp_path, network):
    """One worker measures all at once; three measure one block, and the rest when more samples are asked for."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    whole = measured(alone, network, 56, "--workers", "1", "--batch-size", "512")
    assert len(whole) == 2 * 56
    node = RayNode(together, cpus=3)
    try:
        address = ("--address", node.address)
        first = measured(together, network, 50, *address, "--batch-size", "8")
        assert first.equals(whole.filter(pl.col("position") < 50))
        assert measured(together, network, 56, *address).equals(whole)
    finally:
        node.stop()
    # The attack and the defense did something, so that there was something to differ in.
    by_defense = {defense: rows["margin"] for (defense,), rows in whole.partition_by("defense", as_dict=True).items()}
    assert len(by_defense) == 2
    assert not next(iter(by_defense.values())).equals(list(by_defense.values())[1])
