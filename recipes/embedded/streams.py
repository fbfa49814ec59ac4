"""Endless training streams: sample ``i`` of a stream is a pure function of its name, the seed and ``i``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scc_core.datasets.rendered.digits import DIGIT_NAMES, glyphs, render_digit
from scc_core.datasets.rendered.facts import Facts
from scc_core.datasets.rendered.phantoms.catalogue import PHANTOMS, render_phantom
from scc_core.datasets.rendered.photos import SUBJECT_NAMES, render_photo
from scc_core.datasets.rendered.scenes import COLOUR_NAMES, draw_scene, render_scene
from scc_core.datasets.rendered.seeding import keyed_generator

PHANTOM_PREFIX = "phantom/"


class TrainingSample(NamedTuple):
    """A ``(64, 64, 3)`` uint8 image and everything that is known of it."""

    image: npt.NDArray[np.uint8]
    facts: Facts


def _pick(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _scene_sample(rng: np.random.Generator) -> TrainingSample:
    scene = draw_scene(rng)
    return TrainingSample(render_scene(rng, scene), scene._asdict())


def _digit_sample(rng: np.random.Generator) -> TrainingSample:
    digit, colour = int(rng.integers(10)), _pick(rng, COLOUR_NAMES)
    choices = glyphs(digit, "train")
    image = render_digit(rng, choices[int(rng.integers(len(choices)))], colour)
    return TrainingSample(image, {"digit": DIGIT_NAMES[digit], "colour": colour})


def _photo_sample(rng: np.random.Generator) -> TrainingSample:
    subject = _pick(rng, SUBJECT_NAMES)
    return TrainingSample(render_photo(rng, subject, "train"), {"subject": subject})


def _phantom_sample(rng: np.random.Generator, kind: str) -> TrainingSample:
    finding = _pick(rng, PHANTOMS[kind].findings)
    facts = {"modality": PHANTOMS[kind].modality, "finding": finding}
    return TrainingSample(render_phantom(rng, kind, finding), facts)


def training_sample(mixture: Mapping[str, float], seed: int, index: int) -> TrainingSample:
    """Return training sample ``index``; no test image and no held-out combination is ever among them.

    Args:
        mixture: share of ``scenes``, ``digits``, ``photos`` and ``phantom/<kind>``; the shares sum to 1.
        seed: the training seed.
        index: position in the stream, from 0.
    """
    rng = keyed_generator("training stream", seed, index)
    domain = str(rng.choice(list(mixture), p=list(mixture.values())))
    if domain.startswith(PHANTOM_PREFIX):
        return _phantom_sample(rng, domain.removeprefix(PHANTOM_PREFIX))
    return {"scenes": _scene_sample, "digits": _digit_sample, "photos": _photo_sample}[domain](rng)
