"""``sccbench plan``: what a run would do, whether or not what it names is on this machine."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from orchestrator.grid.expand import expand
from orchestrator.grid.schema import parse_grid
from orchestrator.plan.plan import make_plan, shards
from orchestrator.store import ResultStore
from tests.orchestrator.console import ROOT, sccbench, write_grid
from tests.orchestrator.measuring import evaluate_grid
from tests.orchestrator.store.builders import make_record
from workers.bench import Bench

FAR = {"models": "[tests.components:far]", "datasets": "[cifar10]", "defenses": "[none, ttc]"}


def plan(folder, grid, **extra: str) -> str:
    done = sccbench("plan", str(grid), folder=folder, SCCBENCH_DATA=str(folder / "datasets"), **extra)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_plan_counts_what_is_not_here_and_run_refuses_it_before_any_compute(tmp_path):
    grid = write_grid(tmp_path, FAR)
    text = plan(tmp_path, grid)
    assert "test: 4 cells in 800 blocks, 0 measured already, 800 to measure" in text
    assert "  sccbench fetch models tests.components:far\n  sccbench fetch datasets cifar10\n" in text
    # PGD of 3 steps; none 1 forward clean and 1 attacked, TTC 4 and 2 of each.
    assert "to measure: 10,000 images, 30,000 attack steps" in text
    assert "130,000 forward and 70,000 backward passes" in text
    assert "of this machine" not in text
    done = sccbench("run", str(grid), folder=tmp_path, SCCBENCH_DATA=str(tmp_path / "datasets"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "error: not on this machine: models tests.components:far; datasets cifar10. To bring them:" in done.stderr
    assert list(tmp_path.glob("*.db*")) == []


def test_plan_estimates_from_what_the_database_has_measured_on_each_device(tmp_path):
    grid = write_grid(tmp_path, {"max_samples": "50"})
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db") as store:
        evaluate_grid(store, grid.read_text(encoding="utf-8"))
        (totals,) = store.device_totals()
    text = plan(tmp_path, write_grid(tmp_path, {"max_samples": "100"}), CUDA_VISIBLE_DEVICES="")
    assert "6 cells in 12 blocks, 6 measured already, 6 to measure" in text
    assert "speed from tests.components:tiny: database" in text
    (row,) = [line for line in text.splitlines() if "measured here: in this database" in line]
    assert totals.device == "cpu x 1"
    assert "│ cpu x 1" in row


@pytest.mark.parametrize("command", ["plan", "run"])
def test_weights_that_say_too_little_are_refused_in_one_line_before_any_compute(tmp_path, command):
    torch.save({"token_embedding.weight": torch.zeros(2, 2)}, tmp_path / "whole.pt")
    torch.save({"epoch": 3, "vision_encoder_state_dict": {"conv1.weight": torch.zeros(2)}}, tmp_path / "tower.pth.tar")
    for file, message in (
        ("whole.pt", "nothing says whether its weights need QuickGELU or GELU"),
        ("tower.pth.tar", "the file holds an image tower alone (1 tensors); name the model that it was tuned from"),
    ):
        grid = write_grid(tmp_path, {"models": f'["checkpoint:ViT-B-32:{tmp_path / file}"]'})
        done = sccbench(command, str(grid), folder=tmp_path, HF_HUB_CACHE=str(tmp_path / "hub"))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: model source 'checkpoint:ViT-B-32:")
        assert len(done.stderr.splitlines()) == 1
        assert message in done.stderr
        assert list(tmp_path.glob("*.db*")) == []


ADAPTIVE = {
    "attacks": "[pgd]",
    "epsilons": "[4/255]",
    "threat_models": "[adaptive]",
    "defenses": "[{scc: {tau: 1.0e+9}}]",
}


def test_the_lines_of_a_plan_agree_with_each_other_and_with_the_meter(tmp_path):
    """SCC is 19 forwards and 14 backwards; PGD runs it in 10 steps, each of which passes back through its 4 views."""
    grid = parse_grid(write_grid(tmp_path, {**ADAPTIVE, "max_samples": "50"}).read_text(encoding="utf-8"), "the test")
    cells = expand(grid)
    (span,) = make_plan(cells, lambda _keys: {}).spans
    (result,) = Bench("cpu").run(next(shards(span, 1))).results
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db") as store:
        run = store.start_run(make_record(), cells)
        took = [replace(cost, seconds=seconds) for cost, seconds in ((result.attack, 900.0), (result.defense, 100.0))]
        store.write_blocks(run, [replace(result, attack=took[0], defense=took[1])])
        (measured,) = store.device_totals()
    larger = write_grid(tmp_path, {**ADAPTIVE, "max_samples": "150"})
    done = sccbench("plan", str(larger), "--workers", "4", folder=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stderr
    assert (2 * measured.forwards, 2 * measured.backwards) == (100 * 11 * 19, 100 * (11 * 14 + 10 * 4))
    assert "100 images, 1,000 attack steps" in done.stdout
    assert "with the defenses at most 20,900 forward and 19,400 backward passes\n" in done.stdout
    # Twice as many images as took 1,000 seconds.
    assert "on one worker of this machine: about 33 min 20 s of compute, 8 min 20 s on 4 (speed from" in done.stdout
    (row,) = [line for line in done.stdout.splitlines() if "measured here: in this database" in line]
    assert "│ about 33 min 20 s │" in row


def test_plan_counts_the_passes_of_the_text_tower_apart(tmp_path):
    """R-TPT embeds a prompt for each of the ten classes three times, and differentiates it once."""
    text = plan(tmp_path, write_grid(tmp_path, {**FAR, "epsilons": "[0]", "defenses": "[{r-tpt: {num_views: 2}}]"}))
    assert "with the defenses at most 20,000 forward and 0 backward passes; " in text
    assert "; through the text tower 300,000 forward and 100,000 backward passes\n" in text


def test_a_plan_names_what_was_chosen_of_an_adaptive_attack(tmp_path):
    grid = write_grid(tmp_path, {"threat_models": "[{adaptive: {gradients: bpda, eot_draws: 2}}]", "defenses": "[ttc]"})
    assert "[bpda, eot 2]" in plan(tmp_path, grid)


def rows_of(text: str) -> list[list[str]]:
    """The rows of the table of lengths."""
    lines = text[text.index("attack or defense") :].splitlines()
    end = next(number for number, line in enumerate(lines) if line.startswith("└"))
    return [[part.strip() for part in line.strip("│").split("│")] for line in lines[2:end]]


def test_a_plan_prints_every_radius_and_step_in_its_unit(tmp_path):
    lines = {
        "attacks": "[pgd, {pgd: {relative_step_size: 0.25}}, {pgd: {norm: l2, step_size: 0.125}}, square]",
        "epsilons": "[0, 0.5, 3, 0.5/255, 0.01568627, 128/255]",
        "exclude": "[{norm: linf, epsilon: 0.5}, {norm: linf, epsilon: 3}, {norm: l2, epsilon: 0.5/255}, "
        "{norm: l2, epsilon: 4/255}, {norm: l2, epsilon: 128/255}, {attack: square, epsilon: 4/255}]",
        "defenses": "[none, flip, scc, {ttc: {step_size: 0.02, epsilon: 0.0392157}}, random-noise]",
    }
    text = plan(tmp_path, write_grid(tmp_path, lines))
    assert rows_of(text) == [
        ["none", "0", ""],
        ["pgd", "0.5/255, 4/255, 128/255", "step_size 1/255"],
        ["pgd(norm=l2, step_size=0.125)", "0.5 (L2), 3 (L2)", "step_size 0.125 (L2)"],
        [
            "pgd(relative_step_size=0.25, step_size=None)",
            "0.5/255, 4/255, 128/255",
            "relative_step_size 0.125/255, 1/255, 32/255",
        ],
        ["square", "0.5/255, 128/255", ""],
        ["scc", "4/255", "step_size 1/255, sigma 5.1/255"],
        ["ttc(epsilon=10/255, step_size=5.1/255)", "10/255", "step_size 5.1/255"],
        ["random-noise", "4/255", ""],
    ]
    assert "pgd: the radius 128/255 is above 64/255\n" in text
    assert "pgd: 10 steps of 1/255 reach 10/255, less than the radius 128/255\n" in text
    assert (
        "pgd(norm=l2, step_size=0.125): 10 steps of 0.125 (L2) reach 1.25 (L2), less than the radius 3 (L2)\n" in text
    )
    assert "less than the radius 0.5 (L2)" not in text
    assert "cut off" not in text


def test_a_plan_says_which_steps_are_beyond_the_ball(tmp_path):
    lines = {
        "attacks": "[pgd, {cw-linf: {step_size: 255/255}}]",
        "epsilons": "[0.25/255, 0.5/255]",
        "defenses": "[{ttc: {step_size: 255/255}}, {csr: {epsilon: 255/255}}]",
    }
    text = plan(tmp_path, write_grid(tmp_path, lines))
    assert [line for line in text.splitlines() if "cut off" in line or "above 64" in line] == [
        "cw-linf(step_size=255/255): step_size 255/255 is above twice the radius 0.25/255: every step is cut off",
        "cw-linf(step_size=255/255): step_size 255/255 is above twice the radius 0.5/255: every step is cut off",
        "pgd: step_size 1/255 is above twice the radius 0.25/255: every step is cut off",
        "ttc(step_size=255/255): a step is above twice the radius, so that every step is cut off",
        "csr(epsilon=255/255): its radius is above 64/255",
    ]


@pytest.mark.parametrize("width", [80, 140])
def test_a_plan_fits_the_terminal(tmp_path, width):
    grid = write_grid(tmp_path, FAR)
    tables = [line for line in plan(tmp_path, grid, COLUMNS=str(width)).splitlines() if line[:1] in "│┃┏└"]
    assert tables
    assert max(len(line) for line in tables) <= width


PUBLISHED = {
    # 355,228 images: the sum of the 16 test sets; cells: 16 sets, 7 defenses, 2 epsilons.
    "paper-table1": ("224 cells", "355,228 images, 3,552,280 attack steps"),
    "paper-eps4": ("160 cells", "355,228 images, 3,552,280 attack steps"),
    # 13,469 images of six sets, two models.
    "paper-medical": ("72 cells", "13,469 images, 269,380 attack steps"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_grids_of_the_published_tables_are_planned_without_a_download(tmp_path, name):
    cells, work = PUBLISHED[name]
    text = plan(tmp_path, ROOT / "grids" / f"{name}.yaml", HF_HOME=str(tmp_path / "hub"))
    assert f"{name}: {cells} in " in text
    assert f"to measure: {work} " in text
    assert "  sccbench fetch models openai/ViT-B-32" in text
    assert "  sccbench fetch datasets " in text
    assert "AMD EPYC, 1 thread" in text
    assert "not measured: 19.5 TFLOP/s, float32" in text
    assert list(tmp_path.iterdir()) == []


def test_the_page_on_reproduction_gives_the_work_that_plan_counts(tmp_path):
    text = plan(tmp_path, ROOT / "grids" / "paper-table1.yaml", HF_HOME=str(tmp_path / "hub"))
    page = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    steps, forwards, backwards, operations = re.search(
        r"([\d,]+) attack steps .* ([\d,]+) forward and ([\d,]+) backward passes, ([\d,]+ PFLOP)", text
    ).groups()
    for count, digits in ((steps, 1), (forwards, 0), (backwards, 0)):
        assert f"{int(count.replace(',', '')) / 1e6:.{digits}f} million" in page
    assert operations in page
