"""The table of badges: the name of each, what it means to a reader, and its rule.

A new badge is a rule in a file of this folder and an entry here; ``python -m tests.orchestrator.results_page`` then
writes the table of docs/results.md anew. The page of results lists the meanings of the badges that it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from orchestrator.results.badges import lengths, rules, strength
from orchestrator.results.badges.case import Case, Rule
from orchestrator.results.changed_code import CODE_CHANGED


class Badge(NamedTuple):
    """A reason to doubt a number.

    Attributes:
        meaning: what is the case where a cell has the badge, as documents and pages say it.
        rule: tells whether a cell has it.
    """

    meaning: str
    rule: Rule


BADGES: Mapping[str, Badge] = {
    "suspiciously robust": Badge(
        "the undefended model keeps more than 10 % (lower end of the interval) under a white-box L-inf attack "
        "of 10 gradients or more at 4/255 or more",
        rules.suspiciously_robust,
    ),
    "robust above clean": Badge(
        "attacked images are classified better than clean ones",
        rules.robust_above_clean,
    ),
    "vanishing gradients": Badge(
        "every gradient was exactly zero for 5 % of the samples or more, or a white-box attack does no harm "
        "where one without gradients, such as Square, does",
        rules.vanishing_gradients,
    ),
    "Square beats white-box": Badge(
        "an attack without gradients, such as Square, leaves fewer samples right than a white-box attack of "
        "10 gradients or more on the same target; white-box is an attack that computes gradients of what it "
        "attacks",
        rules.black_box_beats_white_box,
    ),
    "adaptive above transfer": Badge(
        "the attack that knows the defense is weaker than the same one that does not",
        rules.adaptive_above_transfer,
    ),
    "composition changed": Badge(
        "parts of the attack were dropped or shrank because the dataset has few classes",
        rules.composition_changed,
    ),
    "one draw": Badge(
        "a randomised defense was measured with a single seed",
        rules.one_draw,
    ),
    "defense changes nothing": Badge(
        "the defense predicts on every sample what none predicts on the same images; on clean images, where that is "
        "right, only if it gives the very same logits and changes no prediction under attack either",
        rules.defense_changes_nothing,
    ),
    "stronger attack is weaker": Badge(
        "APGD leaves more samples right than PGD, PGD more than FGSM, or an attack more than the same with fewer "
        "restarts or steps, on the same target",
        strength.stronger_is_weaker,
    ),
    "PGD far above APGD": Badge(
        "PGD leaves 10 points more right than APGD on the same target: it is too weak to tell of robustness",
        strength.pgd_far_above_apgd,
    ),
    "mixed environments": Badge(
        "its samples were measured in more than one environment: other code, libraries, device, threads, batch size or "
        "precision; another version of scc-bench is another environment",
        rules.mixed_environments,
    ),
    CODE_CHANGED: Badge(
        "a component of the cell is another one today: a newer run in this database has measured other code under its "
        "name",
        rules.decided_among_runs,
    ),
    "step beyond the ball": Badge(
        "a step of the attack is above twice its radius, or one of the defense above twice the radius of its own ball, "
        "so that every step is cut off",
        lengths.step_beyond_the_ball,
    ),
    "radius above 64/255": Badge(
        "the L-inf radius of the attack, or that of the defense's own ball, is above 64/255",
        lengths.radius_above_64_255,
    ),
    "off published baseline": Badge(
        "the undefended model is more than 2 points beyond its interval off what was published of it under "
        "the same conditions (10 points on a part of the images)",
        rules.off_published_baseline,
    ),
}
"""Every badge by its name, in the order in which a cell shows them."""


def badges_of(case: Case, others: Sequence[Case]) -> tuple[str, ...]:
    """Return the badges of a case with samples; none without."""
    return tuple(name for name, badge in BADGES.items() if case.hits.known.any() and badge.rule(case, others))
