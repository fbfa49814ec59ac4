"""From a grid to cells: what means the same is one cell, and what cannot run is said before any compute."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from orchestrator.grid.expand import expand
from orchestrator.grid.schema import parse_grid
from scc_core.attacks.fgsm import FGSM
from scc_core.components.parameters import PIXEL, parameter
from scc_core.defenses import Flip
from scc_core.errors import UserError
from tests.components import NoiseImages

BASE = {
    "name": "x",
    "models": "[tests.components:tiny]",
    "datasets": "[tests.components:noise_images]",
    "epsilons": "[4/255]",
    "defenses": "[none]",
}


def cells(*, stored: bool = False, **lines: str):
    text = "\n".join(f"{key}: {value}" for key, value in {**BASE, **lines}.items())
    return expand(parse_grid(text, "g.yaml"), stored=stored)


def keys(**lines: str) -> set[str]:
    return {cell.key for cell in cells(**lines)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"epsilons": "[4/255]"}, {"epsilons": "[0.01568627]"}),
        ({"attacks": "[pgd]"}, {"attacks": "[{pgd: {num_steps: 10, step_size: 1/255}}]"}),
        ({"attacks": "[{pgd: {step_size: 0.00392157}}]"}, {"attacks": "[{pgd: {random_start: true}}]"}),
        ({"defenses": "[scc]"}, {"defenses": "[{scc: {sigma: 2/100, num_views: 4}}]"}),
        ({"threat_models": "[transfer]"}, {"threat_models": "[adaptive]"}),
        ({"epsilons": "[0]", "attacks": "[pgd]"}, {"epsilons": "[0]", "attacks": "[fgsm]"}),
        (
            {"threat_models": "[adaptive]", "defenses": "[ttc]"},
            {"threat_models": "[{adaptive: {gradients: bpda, eot_draws: 1}}]", "defenses": "[ttc]"},
        ),
        (
            {"threat_models": "[adaptive]", "defenses": "[flip]"},
            {"threat_models": "[{adaptive: {eot_draws: 8}}]", "defenses": "[flip]"},
        ),
    ],
    ids=[
        "epsilon",
        "defaults",
        "step",
        "fractions",
        "adaptive none",
        "clean",
        "adaptive defaults",
        "eot without noise",
    ],
)
def test_what_means_the_same_is_one_cell(one, other):
    assert keys(**one) == keys(**other)


@pytest.mark.parametrize(
    "other",
    [
        {"epsilons": "[0.0157]"},
        {"attacks": "[{pgd: {num_steps: 11}}]"},
        {"defenses": "[flip]"},
        {"seeds": "[1]"},
        {"preprocessing": "paper"},
        {"precision": "bfloat16"},
        {"precision": "tf32"},
        {"datasets": "[demo/shapes]"},
    ],
)
def test_what_differs_is_another_cell(other):
    assert keys().isdisjoint(keys(**other))


def test_clean_is_one_cell_for_all_attacks_and_threat_models():
    grid = cells(
        epsilons="[0, 1/255, 4/255]",
        attacks="[pgd, fgsm]",
        threat_models="[transfer, adaptive]",
        defenses="[none, ttc]",
        seeds="[0, 1]",
    )
    # Per seed: clean 2; each of two epsilons and two attacks none, ttc transfer, ttc adaptive.
    assert len(grid) == 2 * (2 + 2 * 2 * 3)
    clean = {(cell.threat.label, cell.threat_model) for cell in grid if cell.epsilon_255 == 0}
    assert clean == {("none", "transfer")}


def test_labels_show_what_differs_from_the_defaults():
    grid = cells(
        attacks="[{pgd: {num_steps: 20, step_size: 2/255}}]",
        defenses="[{scc: {semantic: false, sigma: 0.05}}, ttc]",
        threat_models="[transfer, {adaptive: {gradients: bpda, eot_draws: 4}}]",
    )
    assert {cell.defense.label for cell in grid} == {"scc(semantic=false, sigma=0.05)", "ttc"}
    assert {cell.threat.label for cell in grid} == {
        "pgd(num_steps=20, step_size=2/255)",
        "pgd(num_steps=20, step_size=2/255) [bpda, eot 4]",
    }


def test_samples_are_at_most_what_the_dataset_has():
    assert set(cells(max_samples="100000").values()) == {800}
    assert set(cells(max_samples="60").values()) == {60}


def test_exclusions_match_every_given_key_with_wildcards():
    grid = {
        "epsilons": "[0, 1/255]",
        "defenses": "[none, ttc, scc]",
        "exclude": "[{defense: '*c*', epsilon: 1/255}, {defense: scc, epsilon: 0}]",
    }
    left = {(cell.defense.name, cell.epsilon_255) for cell in cells(**grid)}
    assert left == {("none", 0.0), ("none", 1.0), ("ttc", 0.0)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            {"attacks": "[{pgd: {loss: dlr}}]", "datasets": "[tests.components:two_classes]"},
            "dataset tests.components:two_classes: attack pgd (loss=dlr) needs at least 3 classes; the dataset has 2",
        ),
        (
            {"threat_models": "[{adaptive: {gradients: unrolled}}]", "defenses": "[ttc]"},
            "unknown gradients of defense TTC: 'unrolled'. Existing: bpda; to leave it out: exclude: [{defense: ttc",
        ),
        (
            {"threat_models": "[adaptive]", "defenses": "[tests.components:Broken]"},
            "defense Broken declares no gradients for an adaptive attacker; use threat model transfer; to leave it out",
        ),
        ({"exclude": "[{seed: 0}]"}, "the grid excludes every one of its cells"),
        (
            {"exclude": "[{seed: 0, epsilon: 4/255}, {attack: pdg, seed: 0}]"},
            "exclude: {attack: pdg, seed: 0} matches no cell; the grid has attack: pgd; seed: 0",
        ),
    ],
)
def test_what_cannot_run_is_said_before_any_compute(lines, message):
    with pytest.raises(UserError) as raised:
        cells(**lines)
    assert message in str(raised.value)


@dataclass(frozen=True)
class Noisy(Flip):
    """A defense whose length is in no ball."""

    strength: float = parameter(2 / 255, unit=PIXEL, help="of the noise")


@dataclass(frozen=True)
class Alpha(FGSM):
    """An attack that calls its step otherwise."""

    alpha: float = parameter(2 / 255, unit=PIXEL, help="length of a step")


HINT = "papers write 1 for 1/255: write 1/255, or 255/255 if that is meant"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"epsilons": "[1]"}, f"epsilon: 1 is 255/255, above 64/255, the most that needs no unit; {HINT}"),
        ({"epsilons": "[4/255, '1.0']"}, HINT),
        ({"epsilons": "[1/1]"}, HINT),
        ({"epsilons": "[0.3]"}, "write 0.3/255, or 76.5/255 if that is meant"),
        (
            {"epsilons": "[4]"},
            "4 is outside [0, 1], the range of pixels, for attack 'pgd', whose norm is L-inf; did you",
        ),
        ({"epsilons": "[300/255]"}, "epsilon: 300/255 is outside [0, 1]"),
        ({"attacks": "[{pgd: {norm: l2}}, apgd]", "epsilons": "[0.5]"}, "0.5 is 127.5/255, above 64/255"),
        (
            {"attacks": "[{pgd: {step_size: 1}}]"},
            f"attack 'pgd': step_size: 1 is 255/255, above twice the radius 4/255; {HINT}",
        ),
        ({"attacks": "[{view-eot: {step_size: 1.0}}]"}, HINT),
        (
            {"attacks": "[{pgd: {step_size: 4}}]"},
            "step_size: 4 is out of range; allowed: [1e-06, 1]; did you mean 4/255?",
        ),
        (
            {"attacks": "[{cw-linf: {step_size: 0.0157}}]", "epsilons": "[4/255, 1/255]"},
            "attack 'cw-linf': step_size: 0.0157 is 4.0035/255, above twice the radius 1/255; write 4.0035/255 if that",
        ),
        (
            {"attacks": "[{'tests.orchestrator.grid.test_expand:Alpha': {alpha: 1}}]"},
            "alpha: 1 is 255/255, above twice",
        ),
        (
            {"attacks": "[{pgd: {relative_step_size: 2.01}}]"},
            "relative_step_size: 2.01 is above 2: it is a multiple of",
        ),
        (
            {"attacks": "[{pgd: {norm: l2, step_size: 1.5}}]", "epsilons": "[0.5]"},
            "attack 'pgd': step_size: 1.5 (L2) is above twice the radius 0.5 (L2)",
        ),
        ({"epsilons": "[0]", "defenses": "[{ttc: {epsilon: 1}}]"}, "defense 'ttc': epsilon: 1 is 255/255, above 64"),
        ({"defenses": "[{ttc: {epsilon: 4}}]"}, "epsilon: 4.0 is out of range; allowed: [0, 1]; did you mean 4/255?"),
        ({"defenses": "[{random-noise: {epsilon: 1}}]"}, HINT),
        (
            {"defenses": "[{scc: {step_size: 1}}]"},
            f"defense 'scc': step_size: 1 is 255/255, above twice the radius 4/255; {HINT}",
        ),
        (
            {"defenses": "[{hedge: {step_size: 0.07}}]"},
            "0.07 is 17.85/255, above twice the radius 8/255; write 17.85/255",
        ),
        ({"defenses": "[{scc: {sigma: 1}}]"}, HINT),
        ({"defenses": "[{views: {sigma: 1}}]"}, HINT),
        ({"defenses": "[{mac: {sigma: 2}}]"}, "did you mean 2/255?"),
        ({"defenses": "[{'tests.orchestrator.grid.test_expand:Noisy': {strength: 1}}]"}, HINT),
    ],
)
def test_a_length_that_has_probably_another_unit_is_refused(lines, message):
    with pytest.raises(UserError) as raised:
        cells(**lines)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "lines",
    [
        {"epsilons": "[255/255, 64/255, 0.25, ' 128 / 255.0 ']"},
        {"epsilons": "[1/255]", "attacks": "[{pgd: {step_size: 2/255}}, {pgd: {step_size: 255/255}}]"},
        {"epsilons": "[1/255]", "attacks": "[{pgd: {step_size: 0.007843137}}, {pgd: {relative_step_size: 2}}]"},
        {"epsilons": "[0.25/255]", "attacks": "[pgd, {pgd: {step_size: 0.00392157, num_steps: 3}}]"},
        {"epsilons": "[0]", "attacks": "[{pgd: {step_size: 1}}]"},
        {"epsilons": "[0.5, 3, 10, 100]", "attacks": "[{pgd: {norm: l2}}, {pgd: {norm: l2, step_size: 1}}]"},
        {"epsilons": "[10]", "attacks": "[{pgd: {norm: l2, step_size: 2.5}}]"},
        {"epsilons": "[1, 4/255]", "exclude": "[{epsilon: 1}]"},
        {
            "epsilons": "[0.5, 4/255]",
            "attacks": "[pgd, {pgd: {norm: l2}}]",
            "exclude": "[{norm: linf, epsilon: 0.5}, {norm: l2, epsilon: 4/255}]",
        },
        {"defenses": "[{ttc: {epsilon: 255/255}}, {scc: {sigma: 128/255}}, {scc: {sigma: 0.25}}]"},
        {"defenses": "[{ttc: {epsilon: 0.25/255}}, {ttc: {step_size: 20/255}}, {ttc: {epsilon: 0}}]"},
        {"defenses": "[{clipure-cos: {step_size: 30}}]"},
    ],
)
def test_a_length_whose_unit_is_written_or_whose_size_is_usual_is_taken(lines):
    assert cells(**lines)


@pytest.mark.parametrize(
    "lines",
    [
        {"epsilons": "[1]"},
        {"attacks": "[{pgd: {step_size: 1}}]"},
        {"attacks": "[{pgd: {relative_step_size: 50}}]"},
        {"defenses": "[{ttc: {step_size: 1, epsilon: 0.9}}, {scc: {sigma: 1}}]"},
    ],
)
def test_grids_of_earlier_runs_need_no_unit_and_have_the_same_keys(lines):
    with pytest.raises(UserError):
        cells(**lines)
    with_unit = {
        key: re.sub(r"\b(1|0\.9)\b", lambda found: f"{float(found[0]) * 255:g}/255", text)
        for key, text in lines.items()
    }
    stored = {cell.key for cell in cells(**lines, stored=True)}
    assert stored == {cell.key for cell in cells(**with_unit, stored="50" in str(lines))}


def test_a_norm_excludes_the_attacks_that_have_it():
    grid = {"epsilons": "[0, 8/255]", "attacks": "[pgd, {pgd: {norm: l2}}]"}
    assert {cell.threat.label for cell in cells(**grid, exclude="[{norm: l2}]")} == {"none", "pgd"}
    assert {cell.threat.label for cell in cells(**grid, exclude="[{norm: linf}]")} == {"none", "pgd(norm=l2)"}
    with pytest.raises(UserError, match=r"exclude: \{norm: l2\} matches no cell; the grid has norm: linf"):
        cells(exclude="[{norm: l2}]")
    with pytest.raises(
        UserError, match=r"exclude: \{norm: l2, epsilon: 0.5 \(L2\)\} matches no cell; the grid has norm"
    ):
        cells(exclude="[{norm: l2, epsilon: 0.5}]", attacks="[{pgd: {norm: l2}}]")


def test_lengths_of_l2_are_written_as_they_are():
    (cell,) = cells(attacks="[{pgd: {norm: l2, step_size: 0.1}}]", epsilons="[0.5]")
    assert cell.threat.label == "pgd(norm=l2, step_size=0.1)"


def test_the_weights_of_a_model_that_an_attack_names_belong_to_the_identity():
    (cell,) = cells(attacks="[{surrogate: {source: 'tests.components:mirrored'}}]")
    assert cell.specification()["attack"]["weights"] == {"source": "11" * 32}
    assert cell.threat.label == "surrogate(source=tests.components:mirrored)"
    (plain,) = cells()
    assert "weights" not in plain.specification()["attack"]


def test_cells_carry_what_their_components_say_of_themselves():
    found = {
        cell.defense.name: (cell.model.family, cell.defense.control, cell.defense.randomised)
        for cell in cells(
            models="[tests.components:slides]",
            defenses="[none, views, scc, tests.components:Blur, {tests.components:Blur: {noisy: true}}]",
        )
        if not cell.defense.parameters.get("noisy")
    }
    assert found == {
        "none": ("biomedical", False, False),
        "views": ("biomedical", True, True),
        "scc": ("biomedical", False, True),
        "tests.components:Blur": ("biomedical", True, False),
    }


def test_parameters_may_decide_whether_a_defense_is_randomised():
    grid = {"threat_models": "[{adaptive: {eot_draws: 4}}]"}
    (still,) = cells(defenses="[tests.components:Blur]", **grid)
    (noisy,) = cells(defenses="[{tests.components:Blur: {noisy: true}}]", **grid)
    assert (still.defense.randomised, still.threat.adaptive.eot_draws) == (False, 1)
    assert (noisy.defense.randomised, noisy.threat.adaptive.eot_draws) == (True, 4)


def test_cells_carry_the_names_of_their_dataset_which_are_no_part_of_the_key(monkeypatch):
    (before,) = cells()
    assert before.dataset.names.sample_names == tuple(map(str, range(800)))
    monkeypatch.setattr(NoiseImages, "sample_name", lambda _self, index: f"noise/{index}")
    (after,) = cells()
    assert after.dataset.names.sample_names[799] == "noise/799"
    assert (after.key, after.dataset) == (before.key, before.dataset)


def test_a_dataset_that_gives_no_names_is_told_before_any_compute(monkeypatch):
    monkeypatch.setattr(NoiseImages, "sample_name", lambda _self, index: index)
    with pytest.raises(UserError, match=r"dataset 'tests.components:noise_images' breaks .*: sample_name\(0\) is 0"):
        cells()
