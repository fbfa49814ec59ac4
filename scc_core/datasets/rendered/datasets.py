"""The embedded test sets: balanced, rendered on demand, none of them downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from scc_core.datasets.base import Dataset, DatasetCard, Uint8Image
from scc_core.datasets.rendered.digits import DIGIT_NAMES, NUM_TEST_GLYPHS, glyphs, render_digit
from scc_core.datasets.rendered.phantoms.catalogue import PHANTOMS, render_phantom
from scc_core.datasets.rendered.photos import SUBJECT_NAMES, render_photo
from scc_core.datasets.rendered.scenes import COLOUR_NAMES, SHAPE_NAMES, draw_scene, is_held_out, render_scene
from scc_core.datasets.rendered.seeding import GENERATOR_VERSION, keyed_generator

Render = Callable[[np.random.Generator, int], Uint8Image]
"""``(generator, index) -> (64, 64, 3) uint8``, an image of class ``index mod K``."""
PROJECT_LICENCE = "Apache-2.0"


class RenderedDataset(Dataset):
    """A balanced test set: image ``i`` has label ``i mod K`` and is drawn from a key of name and ``i``."""

    def __init__(
        self,
        card: DatasetCard,
        class_names: tuple[str, ...],
        templates: tuple[str, ...],
        render: Render,
        num_images: int,
    ) -> None:
        self.card = card
        self.class_names = class_names
        self.templates = templates
        self.version = GENERATOR_VERSION
        self.labels = np.arange(num_images, dtype=np.int64) % len(class_names)
        self._render = render

    def image(self, index: int) -> Uint8Image:
        """Render sample ``index`` as ``(64, 64, 3)`` uint8 RGB."""
        rng = keyed_generator(self.name, self.card.split, index)
        return self._render(rng, index)


def _card(
    name: str,
    summary: str,
    modality: str,
    source: str,
    *,
    licence: str = PROJECT_LICENCE,
    notes: tuple[str, ...] = (),
) -> DatasetCard:
    return DatasetCard(
        name=name,
        summary=summary,
        task="classification",
        modality=modality,
        split="test",
        licence=licence,
        source=source,
        demonstration=True,
        notes=notes,
    )


def shapes() -> Dataset:
    """Return ``demo/shapes``: 12 shapes, 1,200 images; colours and patterns vary."""
    card = _card("demo/shapes", "Rendered scenes, classified by shape.", "rendered", "rendered by this package")

    def render(rng: np.random.Generator, index: int) -> Uint8Image:
        return render_scene(rng, draw_scene(rng, shape=SHAPE_NAMES[index % len(SHAPE_NAMES)]))

    return RenderedDataset(card, SHAPE_NAMES, ("This is a photo of a {}.",), render, 1200)


def colours() -> Dataset:
    """Return ``demo/colours``: 10 colours, 1,000 images; shapes and patterns vary."""
    card = _card("demo/colours", "Rendered scenes, classified by colour.", "rendered", "rendered by this package")

    def render(rng: np.random.Generator, index: int) -> Uint8Image:
        return render_scene(rng, draw_scene(rng, colour=COLOUR_NAMES[index % len(COLOUR_NAMES)]))

    return RenderedDataset(card, COLOUR_NAMES, ("This is a photo of a {} thing.",), render, 1000)


COMBINATIONS = tuple((shape, colour) for shape in SHAPE_NAMES for colour in COLOUR_NAMES)
"""The (shape, colour) pair of every class of ``demo/compose``."""
HELD_OUT_CLASSES = tuple(label for label, pair in enumerate(COMBINATIONS) if is_held_out(*pair))
"""The labels of ``demo/compose`` whose combination no training image shows."""


def compose() -> Dataset:
    """Return ``demo/compose``: 120 pairs of colour and shape, 1,200 images; 24 pairs are never trained on."""
    note = f"{len(HELD_OUT_CLASSES)} of the {len(COMBINATIONS)} combinations never occur in the training stream."
    summary = "Rendered scenes, classified by colour and shape together."
    card = _card("demo/compose", summary, "rendered", "rendered by this package", notes=(note,))
    names = tuple(f"{colour} {shape}" for shape, colour in COMBINATIONS)

    def render(rng: np.random.Generator, index: int) -> Uint8Image:
        shape, colour = COMBINATIONS[index % len(COMBINATIONS)]
        return render_scene(rng, draw_scene(rng, shape=shape, colour=colour))

    return RenderedDataset(card, names, ("This is a photo of a {}.",), render, 1200)


def digits() -> Dataset:
    """Return ``demo/digits``: the last 60 handwritten digits of each class, one image of each."""
    card = _card(
        "demo/digits",
        "scikit-learn's handwritten digits, enlarged from 8 x 8 with a random affine map and random colours.",
        "handwriting",
        "sklearn.datasets.load_digits: UCI Optical Recognition of Handwritten Digits",
        licence="CC BY 4.0",
        notes=("Train and test use different handwritten digits; writers may be shared.",),
    )
    size = NUM_TEST_GLYPHS * len(DIGIT_NAMES)

    def render(rng: np.random.Generator, index: int) -> Uint8Image:
        colour = COLOUR_NAMES[int(rng.integers(len(COLOUR_NAMES)))]
        round_number, digit = divmod(index, len(DIGIT_NAMES))
        return render_digit(rng, glyphs(digit, "test")[round_number], colour)

    return RenderedDataset(card, DIGIT_NAMES, ("This is a photo of the digit {}.",), render, size)


def photos() -> Dataset:
    """Return ``demo/photos``: 600 crops of 12 photographs."""
    card = _card(
        "demo/photos",
        "Crops of 12 real photographs, classified by the photograph that they come from.",
        "photographs",
        "the photographs inside the scikit-image and scikit-learn packages",
        licence="public domain, CC0 or CC BY 2.0; see the two packages' notes on their images",
        notes=(
            "Train and test crops come from different regions of the same photographs, four of sixteen tiles "
            "for testing: the accuracy says nothing about other photographs of the same things.",
        ),
    )

    def render(rng: np.random.Generator, index: int) -> Uint8Image:
        return render_photo(rng, SUBJECT_NAMES[index % len(SUBJECT_NAMES)], "test")

    return RenderedDataset(card, SUBJECT_NAMES, ("This is a photo of a {}.",), render, 600)


def phantom(kind: str) -> Dataset:
    """Return ``phantom/<kind>``: 1,200 procedural images, one class per finding."""
    findings = PHANTOMS[kind].findings
    card = _card(
        f"phantom/{kind}",
        f"Procedural phantoms without clinical content that look somewhat like a {PHANTOMS[kind].modality}.",
        "procedural phantom",
        "rendered by this package",
        notes=("Drawn by a program from circles, lines and noise; no patient, no clinical content.",),
    )

    def render(rng: np.random.Generator, index: int) -> Uint8Image:
        return render_phantom(rng, kind, findings[index % len(findings)])

    return RenderedDataset(card, findings, ("This is an image of {}.",), render, 1200)


FACTORIES: Mapping[str, Callable[[], Dataset]] = {
    "demo/shapes": shapes,
    "demo/colours": colours,
    "demo/compose": compose,
    "demo/digits": digits,
    "demo/photos": photos,
    **{f"phantom/{kind}": partial(phantom, kind) for kind in PHANTOMS},
}
