"""A small caption grammar: each caption names some of an image's facts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scc_core.datasets.rendered.facts import Facts

FRAMES = (
    "This is a photo of a {}.",
    "A photo of a {}.",
    "a photo of a {}",
    "an image of a {}",
    "a picture of a {}",
    "a {}",
)
DIGIT_FRAMES = ("digit {}", "number {}", "handwritten {}", "{}")
MEDICAL_FRAMES = (
    "This is an image of {}.",
    "This is a photo of {}.",
    "a photo of {}",
    "an image of {}",
    "{}",
)
FINDING_FRAMES = (*MEDICAL_FRAMES, "a {modality} of {}", "a {modality} showing {}", "{} in a {modality}")
SCENE_MENTIONS = (
    ("shape",),
    ("colour", "shape"),
    ("pattern", "colour", "shape"),
    ("pattern", "shape"),
    ("pattern", "colour", "shape", "background"),
    ("colour",),
)
SCENE_WEIGHTS = (0.32, 0.38, 0.1, 0.07, 0.06, 0.07)


class Caption(NamedTuple):
    """A caption and the facts that it names."""

    text: str
    facts: Facts


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _named(facts: Facts, names: tuple[str, ...]) -> Facts:
    return {name: facts[name] for name in names}


def _scene_caption(rng: np.random.Generator, facts: Facts) -> Caption:
    mention = _named(facts, SCENE_MENTIONS[int(rng.choice(len(SCENE_MENTIONS), p=SCENE_WEIGHTS))])
    words = [mention[name] for name in ("pattern", "colour", "shape") if name in mention]
    phrase = " ".join(words) if "shape" in mention else f"{words[0]} thing"
    if "background" in mention:
        phrase += f" on a {mention['background']} background"
    return Caption(_pick(rng, FRAMES).format(phrase), mention)


def _digit_caption(rng: np.random.Generator, facts: Facts) -> Caption:
    mention = _named(facts, ("digit", "colour") if rng.random() < 0.2 else ("digit",))
    phrase = _pick(rng, DIGIT_FRAMES).format(mention["digit"])
    if "colour" in mention:
        phrase = f"{mention['colour']} {phrase}"
    frame = _pick(rng, FRAMES)
    return Caption((frame.replace("a {}", "the {}") if rng.random() < 0.5 else frame).format(phrase), mention)


def _phantom_caption(rng: np.random.Generator, facts: Facts, finding_share: float) -> Caption:
    if rng.random() < finding_share:
        frame = _pick(rng, FINDING_FRAMES)
        text = frame.format(facts["finding"], modality=facts["modality"])
        return Caption(text, _named(facts, ("modality", "finding") if "{modality}" in frame else ("finding",)))
    return Caption(_pick(rng, MEDICAL_FRAMES).format(f"a {facts['modality']}"), _named(facts, ("modality",)))


def draw_caption(rng: np.random.Generator, facts: Facts, *, finding_share: float) -> Caption:
    """Draw a caption that is true of an image.

    Args:
        rng: the source of all choices.
        facts: everything that is known of the image.
        finding_share: how often a phantom's caption names the finding and not the kind of image alone.
    """
    if "shape" in facts:
        return _scene_caption(rng, facts)
    if "digit" in facts:
        return _digit_caption(rng, facts)
    if "subject" in facts:
        return Caption(_pick(rng, FRAMES).format(facts["subject"]), _named(facts, ("subject",)))
    return _phantom_caption(rng, facts, finding_share)
