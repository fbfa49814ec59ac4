"""Validity badges: reasons to doubt a number, each found by a rule over the stored results.

A badge says that a result has a property that flawed evaluations have; it does not say that the result is wrong. Two
accuracies are compared on the same samples, by the exact McNemar test.

A badge belongs to a cell. The rules look at all measurements of the cell and of the cells that it is compared with,
whichever run made them: a later run with Square may give a badge to an older PGD result, and a second seed removes
``one draw``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.grid.cell import ADAPTIVE, TRANSFER, canonical_json
from orchestrator.results.lengths import radius_above_64_255, step_beyond_the_ball
from orchestrator.results.published.baseline import Baseline, published_baselines
from orchestrator.store import Hits, ResultStore, StoredCell, on_common_samples
from scc_core.attacks import Attack
from scc_core.components.component import Component
from scc_core.errors import UserError
from scc_core.evaluation.metrics import McNemar, mcnemar, wilson_interval

SUSPICIOUS_EPSILON_255 = 4.0
"""From this L-inf radius on, an undefended model should have almost no robust accuracy."""

SUSPICIOUS_ACCURACY = 0.1
"""The undefended ViT-B/32 of the published tables keeps 0.06 % at 4/255 and 2.7 % at 1/255, both far below a tenth.
The lower end of the 95 % interval must exceed it, so that a few samples do not give the badge by chance."""

STRONG_GRADIENTS = 10
"""Gradients per image that make an attack strong: those of the published tables' PGD."""

SIGNIFICANCE = 0.01
"""Level of the two-sided tests. A grid makes hundreds of comparisons. Where there is no difference, one comparison in
two hundred gives a badge by chance. At least eight samples must change, all in one direction."""

VANISHED_SHARE = 0.05
"""Share of samples with no gradient. A gradient is exactly zero in every pixel only if the softmax saturates by more
than a hundred in the logits, or if an operation has no slope. A sound evaluation has no such samples. An evaluation
that has them may overstate the robust accuracy by this share, which is more than half the width of the interval of a
thousand samples."""

BASELINE_TOLERANCE = 0.02
"""How far an undefended model may be from what was published of it, beyond its interval, on all images. Two papers
measured the same model at most 0.0093 apart."""

PARTIAL_BASELINE_TOLERANCE = 0.1
"""The same where only a part of the images is measured: the part has equal numbers of every class, the published
number has all images."""

MANY_CLASSES = 10_001
"""With this many classes every attack has all its parts and targets: 10,000 is the largest number of targets."""


@dataclass(frozen=True)
class Case:
    """A cell with what the rules look at.

    Attributes:
        cell: the cell.
        hits: which of its samples are right.
        attack: None for clean images.
        randomised: whether another draw of the defense may give another prediction.
        draws: number of seeds with which the cell is measured.
    """

    cell: StoredCell
    hits: Hits
    attack: Attack | None
    randomised: bool
    draws: int

    @property
    def faces_its_target(self) -> bool:
        """Whether the attack was made on the classifier that is evaluated."""
        return self.cell.undefended or self.cell.threat_model == ADAPTIVE

    @property
    def white_box(self) -> bool:
        """Whether the attack computed gradients of the classifier that it attacks, not of another model."""
        own = self.attack is not None and not self.attack.named_models()
        return own and self.cell.zero_gradients is not None

    @property
    def black_box(self) -> bool:
        """Whether the attack computed no gradients of any model."""
        own = self.attack is not None and not self.attack.named_models()
        return own and self.cell.zero_gradients is None

    @property
    def strong(self) -> bool:
        """Whether the attack is white-box and takes at least :data:`STRONG_GRADIENTS` gradients per image."""
        if self.attack is None or not self.white_box:
            return False
        return self.attack.nominal_cost(self.cell.classes).backwards >= STRONG_GRADIENTS


Rule = Callable[[Case, Sequence[Case]], bool]
"""Decides for a case among the cases of the same model, samples, defense and seed."""


def suspiciously_robust(case: Case, _others: Sequence[Case]) -> bool:
    """Tell whether the undefended model survives a strong L-inf attack of 4/255 or more.

    Either the attack does not work (wrong range of pixels, no gradient, evaluation on clean images), or the model is
    not the plain one. An adversarially trained model gets the badge too, because it is no undefended baseline.
    """
    if case.attack is None or not case.cell.undefended or not case.strong or case.attack.norm != "linf":
        return False
    correct = case.hits.measured
    low = wilson_interval(int(correct.sum()), len(correct)).low
    return case.cell.epsilon_255 >= SUSPICIOUS_EPSILON_255 and low > SUSPICIOUS_ACCURACY


def robust_above_clean(case: Case, others: Sequence[Case]) -> bool:
    """Tell whether the attacked images are classified significantly better than the clean ones.

    An attack cannot help the classifier that it attacks. Where it seems to, the defense undoes this attack and harms
    clean images, or it recognises this attack by something that another attacker would avoid.
    """
    clean = [other for other in others if other.attack is None]
    return case.attack is not None and any(_compare(case, other).first_is_better(SIGNIFICANCE) for other in clean)


def vanishing_gradients(case: Case, others: Sequence[Case]) -> bool:
    """Tell whether the attack had no gradients to follow.

    Either every gradient was exactly zero for at least :data:`VANISHED_SHARE` of the samples, or a white-box attack
    does no significant harm where a black-box attack, which needs no gradients, does. Both are signs of masked
    gradients (Athalye et al., ICML 2018, section 3.1): the accuracy then tells what this attack could not see.
    """
    zero = case.cell.zero_gradients or 0
    if zero and zero >= VANISHED_SHARE * case.cell.samples:
        return True
    clean = [other for other in others if other.attack is None]
    return any(
        not _compare(unharmed, case).first_is_better(SIGNIFICANCE)
        and _compare(unharmed, winner).first_is_better(SIGNIFICANCE)
        for winner in _black_boxes_that_win(case, others)
        for unharmed in clean
    )


def black_box_beats_white_box(case: Case, others: Sequence[Case]) -> bool:
    """Tell whether a black-box attack leaves significantly fewer samples right than a strong white-box attack.

    A black-box attack sees scores only, so that a white-box attack that loses to it gained nothing from its gradients
    (Carlini et al., arXiv 1902.06705, section 5). The rule applies only where both were made on the classifier that is
    evaluated: which images happen to transfer to a defense says nothing about gradients.
    """
    return bool(_black_boxes_that_win(case, others))


def adaptive_above_transfer(case: Case, others: Sequence[Case]) -> bool:
    """Tell whether the attack that knows the defense is significantly weaker than the same one that does not.

    An attacker who knows the defense could still run the other attack. An adaptive attack that is weaker does not work:
    it has wrong gradients through the defense, too few draws or too few steps.
    """
    transfers = [
        other
        for other in others
        if other.cell.threat_model == TRANSFER
        and other.cell.epsilon_255 == case.cell.epsilon_255
        and other.cell.attack_component == case.cell.attack_component
    ]
    adaptive = case.cell.threat_model == ADAPTIVE
    return adaptive and any(_compare(case, other).first_is_better(SIGNIFICANCE) for other in transfers)


def composition_changed(case: Case, _others: Sequence[Case]) -> bool:
    """Tell whether the attack lost parts or targets because the dataset has few classes.

    The attack is then weaker than its name says: DLR needs three classes, a targeted attack one class per target.
    """
    if case.attack is None:
        return False
    return case.attack.composition(case.cell.classes) != case.attack.composition(MANY_CLASSES)


def one_draw(case: Case, _others: Sequence[Case]) -> bool:
    """Tell whether a randomised defense was measured with a single seed.

    One draw does not show how much the accuracy varies, nor the accuracy of the worst of several draws, which an
    attacker reaches by repeated queries.
    """
    return case.randomised and case.draws == 1


def off_published_baseline(case: Case, _others: Sequence[Case]) -> bool:
    """Tell whether the undefended model is far from every number that was published of it under the same conditions.

    The weights, the activation, the preprocessing, the prompts or the split differ, or the attack does not work. The
    defenses of this model on this dataset then cannot be compared with published ones either.
    """
    baselines = published_baselines(case.cell)
    correct = case.hits.measured
    low, high = wilson_interval(int(correct.sum()), len(correct))

    def far(baseline: Baseline) -> bool:
        tolerance = BASELINE_TOLERANCE if len(correct) >= baseline.images else PARTIAL_BASELINE_TOLERANCE
        return not low - tolerance <= baseline.number.accuracy <= high + tolerance

    return bool(baselines) and all(far(baseline) for baseline in baselines)


RULES: Mapping[str, Rule] = {
    "suspiciously robust": suspiciously_robust,
    "robust above clean": robust_above_clean,
    "vanishing gradients": vanishing_gradients,
    "Square beats white-box": black_box_beats_white_box,
    "adaptive above transfer": adaptive_above_transfer,
    "composition changed": composition_changed,
    "one draw": one_draw,
    "off published baseline": off_published_baseline,
    "step beyond the ball": step_beyond_the_ball,
    "radius above 64/255": radius_above_64_255,
}
"""Every badge by its name, in the order in which a cell shows them."""


def badges_of(case: Case, others: Sequence[Case]) -> tuple[str, ...]:
    """Return the badges of a case with samples; none without."""
    return tuple(name for name, rule in RULES.items() if case.hits.known.any() and rule(case, others))


def update_badges(store: ResultStore, run_id: str) -> None:
    """Determine and store the badges of a run's cells and of all cells that they are compared with.

    Repeating it changes nothing. A cell keeps the badges that it has if its attack cannot be loaded here, or if nothing
    tells whether its defense is randomised.
    """
    store.count_afresh()
    cells = store.cells()
    asked = set(store.run_cells(run_id))
    touched = {_defended(cell) for cell in cells if cell.key in asked}
    affected = [cell for cell in cells if _defended(cell) in touched]
    # A cell of an older program may not say it, but the run's own cell of the same defense does.
    told = {_defended(cell): cell.randomised for cell in affected if cell.randomised is not None}
    draws = Counter(cell.without_seed for cell in affected if cell.samples)
    groups: dict[tuple[str, int], list[StoredCell]] = {}
    for cell in affected:
        groups.setdefault((_defended(cell), cell.seed), []).append(cell)
    badges: dict[str, str] = {}
    for group in groups.values():
        hits = store.hits_of([cell.key for cell in group])
        randomised = told.get(_defended(group[0]))
        possible = [_case(cell, hits[cell.key], randomised, draws[cell.without_seed]) for cell in group]
        cases = [case for case in possible if case is not None]
        badges |= {case.cell.key: ", ".join(badges_of(case, cases)) for case in cases}
    store.set_badges(badges)


def _defended(cell: StoredCell) -> str:
    """Return a text that is the same for all cells with the same defense, model and samples."""
    return canonical_json([cell.classifier, cell.defense_component])


def _case(cell: StoredCell, hits: Hits, randomised: bool | None, draws: int) -> Case | None:
    attack = None
    if randomised is None:
        return None
    if cell.epsilon_255 > 0:
        name, parameters = cell.attack_component["name"], cell.attack_component["parameters"]
        try:
            attack = Component[Attack]("attack", name, parameters).build()
        except UserError:
            return None
    return Case(cell, hits, attack, randomised, draws)


def _black_boxes_that_win(case: Case, others: Sequence[Case]) -> list[Case]:
    if not case.strong or not case.faces_its_target:
        return []
    return [
        other
        for other in others
        if other.black_box
        and other.cell.norm == case.cell.norm
        and other.cell.epsilon_255 == case.cell.epsilon_255
        and other.cell.threat_model == case.cell.threat_model
        and _compare(case, other).first_is_better(SIGNIFICANCE)
    ]


def _compare(first: Case, second: Case) -> McNemar:
    return mcnemar(*on_common_samples([first.hits, second.hits]))
