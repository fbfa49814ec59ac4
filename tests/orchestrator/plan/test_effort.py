"""How much work a plan is, in images, attack steps and passes."""

from __future__ import annotations

from orchestrator.plan.effort import effort
from orchestrator.plan.plan import make_plan
from scc_core.blocks import BlockRanges
from scc_core.cost import Cost
from scc_core.evaluation.threat import Adaptive
from scc_core.identity import ModelSpec
from tests.orchestrator.conftest import cell, component

NONE, FLIP, TTC = component("none"), component("flip"), component("ttc")
CLEAN = {"attack": None}


def nothing(_keys):
    return {}


def passes(forwards: int, backwards: int) -> Cost:
    return Cost(forwards=forwards, backwards=backwards)


def test_an_attack_counts_once_for_all_defenses_of_its_images():
    """PGD-10 is 10 forwards and 10 backwards; none and flip 1 forward each, TTC 4 and 2."""
    cells = [cell(defense=defense) for defense in (NONE, FLIP, TTC)]
    found = effort(make_plan(dict.fromkeys(cells, 200), nothing))
    assert (found.images, found.attack_steps) == (200, 200 * 10)
    assert found.total == passes(200 * (10 + 1 + 1 + 4), 200 * (10 + 2))


def test_images_count_once_per_dataset_and_steps_once_per_model_and_epsilon():
    models = [ModelSpec(name, "ab" * 32) for name in ("a", "b")]
    cells = [cell(model=model, epsilon_255=epsilon) for model in models for epsilon in (1.0, 4.0)]
    cells += [cell(model=model, **CLEAN) for model in models]
    found = effort(make_plan(dict.fromkeys(cells, 1200), nothing))
    assert (found.images, found.attack_steps) == (1200, 1200 * 2 * 2 * 10)
    assert found.passes == dict.fromkeys("ab", passes(1200 * (2 * 11 + 1), 1200 * 20))


def test_the_last_block_counts_its_own_samples():
    found = effort(make_plan({cell(**CLEAN): 1200}, nothing))
    assert found.images == 1200
    short = effort(make_plan({cell(**CLEAN): 1180}, nothing))
    assert short.images == 1200


def test_what_is_measured_already_is_not_counted():
    one, other = cell(), cell(defense=TTC)
    held = {one.key: BlockRanges.of(range(24)), other.key: BlockRanges.of(range(10))}
    found = effort(make_plan({one: 1200, other: 1200}, lambda _keys: held))
    assert (found.images, found.attack_steps) == (700, 7000)
    assert found.total == passes(700 * 14, 700 * 12)


def test_an_adaptive_attack_runs_the_defense_in_every_pass():
    """Each of 10 forwards runs TTC's 4 forwards and 2 backwards, twice; each gradient passes back through one more."""
    adaptive = cell(defense=TTC, adaptive=Adaptive("bpda", 2))
    found = effort(make_plan({adaptive: 50}, nothing))
    assert found.attack_steps == 50 * 10
    assert found.total == passes(50 * (2 * 10 * 4 + 4), 50 * (2 * 10 * (2 + 1) + 2))


def test_the_prompts_of_every_class_count_for_every_image():
    """R-TPT embeds 12 prompts three times and differentiates them once, in every step of an adaptive attack too."""
    tuned = component("r-tpt", num_views=2)
    transfer = effort(make_plan({cell(defense=tuned): 50}, nothing)).total
    assert (transfer.text_forwards, transfer.text_backwards) == (50 * 36, 50 * 12)
    adaptive = effort(make_plan({cell(defense=tuned, adaptive=Adaptive("bpda", 1)): 50}, nothing)).total
    assert (adaptive.text_forwards, adaptive.text_backwards) == (11 * 50 * 36, 11 * 50 * 12)
