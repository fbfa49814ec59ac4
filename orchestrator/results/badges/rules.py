"""The rules of badges: each looks at a case and at the cases of the same model, samples, defense and seed."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.grid.cell import ADAPTIVE, TRANSFER
from orchestrator.results.badges.case import Case
from orchestrator.results.published.baseline import Baseline, published_baselines
from scc_core.evaluation.metrics import wilson_interval

SUSPICIOUS_EPSILON_255 = 4.0
"""From this L-inf radius on, an undefended model should have almost no robust accuracy."""

SUSPICIOUS_ACCURACY = 0.1
"""The undefended ViT-B/32 of the published tables keeps 0.06 % at 4/255 and 2.7 % at 1/255, both far below a tenth.
The lower end of the 95 % interval must exceed it, so that a few samples do not give the badge by chance."""

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

ENOUGH_SAMPLES = 50
"""Samples of one block. On fewer, a defense that works may change no prediction."""

ENOUGH_TO_MEND = 8
"""Samples that ``none`` must have wrong before it says anything that a defense leaves every prediction as it is."""

ENOUGH_UNTOUCHED = 8
"""Samples on which the very same logits say that a defense left the images alone."""

MANY_CLASSES = 10_001
"""With this many classes every attack has all its parts and targets: 10,000 is the largest number of targets."""


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
    return case.attack is not None and any(case.beats(other) for other in clean)


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
        not unharmed.beats(case) and unharmed.beats(winner)
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
    return adaptive and any(case.beats(other) for other in transfers)


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


def defense_changes_nothing(case: Case, others: Sequence[Case]) -> bool:
    """Tell whether the defense predicts what ``none`` predicts on every sample of the same images.

    Its parameters turn it off, or it is never reached. On clean images that is what a good defense does, so there the
    logits must be the same, too, and no attacked images of the same defense may be predicted otherwise.
    """
    beside = case.beside_none
    if beside is None or not beside.same_predictions:
        return False
    untouched = beside.same_logits and beside.samples >= ENOUGH_UNTOUCHED
    if case.attack is None:
        return untouched and not any(other.beside_none and not other.beside_none.same_predictions for other in others)
    return untouched or (beside.samples >= ENOUGH_SAMPLES and beside.wrong >= ENOUGH_TO_MEND)


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
        and case.beats(other)
    ]


def mixed_environments(case: Case, _others: Sequence[Case]) -> bool:
    """Tell whether the samples were measured with different code, libraries, devices or precision.

    Another library or device rounds otherwise, and a step along the sign of a slope makes a visible difference of that.
    Blocks of an older program that did not tell its environment were measured by other code than all that tell it.
    """
    return case.cell.environments > 1


def decided_among_runs(_case: Case, _others: Sequence[Case]) -> bool:
    """Leave the decision to :mod:`orchestrator.results.changed_code`, which looks at all runs of a database."""
    return False
