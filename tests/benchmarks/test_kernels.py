"""The kernels benchmark in its quick mode: every row that was asked for, with costs that add up."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from benchmarks.kernels.__main__ import main
from benchmarks.kernels.components import make
from benchmarks.kernels.environment import describe
from benchmarks.kernels.models import ARCHITECTURES
from benchmarks.kernels.render import render
from benchmarks.kernels.report import Report, Row
from benchmarks.kernels.timing import Budget, Spread, repeat
from scc_core.attacks import PGD, attacks

ATTACKS = ["fgsm", "pgd:num_steps=2", "square:num_queries=3"]
DEFENSES = ["none", "ttc:tau=1000", "scc:num_views=2,warmup_steps=1,tau=1000"]
PASSES = {
    "forward": (1, 0),
    "forward + backward": (1, 1),
    "fgsm": (1, 1),
    "pgd:num_steps=2": (2, 2),
    "none": (1, 0),
    "ttc:tau=1000": (4, 2),
    # Anchor and one step to warm up, three steps on two views, two views to predict.
    "scc:num_views=2,warmup_steps=1,tau=1000": (2 + 6 + 2, 1 + 6),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kernels") / "quick.json"
    arguments = ["--quick", "--device", "cpu", "--classes", "5", "--note", "busy", "--out", str(out)]
    assert main([*arguments, "--precision", "float32", "bfloat16", "--attacks", *ATTACKS, "--defenses", *DEFENSES]) == 0
    return out


@pytest.fixture(scope="module")
def report(path: Path) -> Report:
    return Report.read(path)


def test_every_row_that_was_asked_for_is_there_once(report: Report):
    names = ["forward", "forward + backward", *ATTACKS, *DEFENSES]
    expected = [
        (model, precision, name)
        for model in ("demo-clip", "demo-biomedclip")
        for precision in ("float32", "bfloat16")
        for name in names
    ]
    assert [(row.model, row.precision, row.name) for row in report.rows] == expected


def test_rates_are_positive_and_ordered(report: Report):
    for row in report.rows:
        rate = row.images_per_second
        assert rate is not None
        assert 0 < rate.minimum <= rate.median <= rate.maximum
        assert row.repetitions >= 3


def test_operations_are_the_metered_passes_times_their_counts(report: Report):
    for row in report.rows:
        assert row.images_per_second is not None
        facts, peak = report.models[row.model], report.peaks[row.precision]
        flops = row.forwards_per_image * facts.forward_flops + row.backwards_per_image * facts.backward_flops
        assert row.flops_per_image == pytest.approx(flops)
        assert row.fraction_of_peak is not None
        reached = row.fraction_of_peak * peak.flops_per_second.median
        # The median of two middle rates is not the rate of the median time.
        assert flops * row.images_per_second.minimum <= reached * (1 + 1e-9)
        assert reached <= flops * row.images_per_second.maximum * (1 + 1e-9)


def test_passes_are_those_of_the_methods(report: Report):
    for row in report.rows:
        if row.name in PASSES:
            assert (row.forwards_per_image, row.backwards_per_image) == PASSES[row.name], row.name


def test_the_file_says_where_when_and_on_what(path: Path):
    record = json.loads(path.read_text(encoding="utf-8"))
    where = record["environment"]
    assert where["versions"]["torch"] == version("torch")
    assert (where["device_type"], where["note"], record["settings"]["batch_size"]) == ("cpu", "busy", 2)
    assert where["date"].endswith("+00:00")
    assert where["load_average_start"] is not None
    assert where["load_average_end"] is not None


def test_rendering_marks_what_no_file_measured(report: Report):
    text = render([report])
    assert report.environment.date in text
    assert f"torch {report.environment.versions['torch']}" in text
    for device_type in ("cpu", "cuda"):
        gaps = text.partition(f"## {device_type}: unmeasured")[2].partition("## ")[0]
        assert [line for line in gaps.splitlines() if "every row" in line] == [
            f"| {name} | every row | unmeasured |" for name in ARCHITECTURES
        ]


def test_a_measured_architecture_is_no_gap_and_a_row_without_figures_keeps_its_reason():
    report = Report(describe(torch.device("cpu")), {"batch_size": 1, "num_classes": 2, "epsilon_255": 4.0})
    report.environment.device_type = "cuda"
    rate = Spread(1.0, 2.0, 3.0)
    report.rows = [
        Row("RN50", "float32", "clean", "forward", images_per_second=rate),
        Row("RN50", "float32", "attack", "pgd", unmeasured="out of memory with 1 images"),
    ]
    text = render([report])
    assert "| float32 | forward | 2 (1 to 3) |" in text
    assert "| float32 | attack pgd | unmeasured: out of memory with 1 images |" in text
    assert "| RN50 | every row | unmeasured |" not in text.partition("## cuda: unmeasured")[2]


def test_the_command_renders_files(path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--render", str(path)]) == 0
    assert capsys.readouterr().out == render([Report.read(path)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--render", "missing.json"], "'missing.json' is no report"),
        (["--device", "cpux"], "device 'cpux' cannot be used"),
    ],
)
def test_what_the_user_can_mend_is_one_line(arguments, message, capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--models", "demo-clop", "--attacks", "--defenses"], "Did you mean 'demo-clip'?"),
        (["--models", "demo-clip", "--attacks", "pgd:num_steps=0", "--defenses"], "num_steps: 0 is out of range"),
        (["--models", "demo-clip", "--attacks", "autoattack", "--defenses", "--limit", "0.5"], "the limit is 0.5 s"),
        (["--models", "demo-biomedclip", "--attacks", "--defenses", "r-tpt"], "no context tokens to tune"),
    ],
)
def test_rows_that_cannot_be_timed_say_why(arguments, reason, tmp_path: Path):
    out = tmp_path / "out.json"
    assert main(["--quick", "--device", "cpu", "--out", str(out), *arguments]) == 0
    assert [reason in row.unmeasured for row in Report.read(out).rows if row.images_per_second is None] == [True]


def test_parameters_on_the_command_line():
    assert make(attacks, "pgd:num_steps=3,step_size=2/255,targeted=true") == PGD(
        num_steps=3, step_size=2 / 255, targeted=True
    )
    assert make(attacks, "scc_core.attacks:PGD") == PGD()


@pytest.mark.parametrize(("budget", "calls"), [(Budget(0.0, 60.0), 3), (Budget(60.0, 0.0), 1)])
def test_repetitions_keep_to_the_budget(budget, calls):
    done = []
    seconds = repeat(lambda: done.append(None), torch.device("cpu"), budget)
    assert len(seconds) == len(done) == calls
