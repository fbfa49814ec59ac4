"""What is timed: passes, attacks and defenses on one batch of one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks.kernels.components import make
from benchmarks.kernels.models import TimedModel
from scc_core.attacks import attacks
from scc_core.attacks.base import input_gradient
from scc_core.attacks.optimisation import losses
from scc_core.batch import Batch
from scc_core.cost import Cost
from scc_core.defenses import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise

EPSILON = 4 / 255


@dataclass(frozen=True)
class Task:
    """One row to be timed.

    Attributes:
        kind: ``clean``, ``gradient``, ``attack`` or ``defense``.
        name: as it was asked for.
        run: computes it on the whole batch.
        expected: passes per image that planning assumes.
        parameters: of the attack or defense.
    """

    kind: str
    name: str
    run: Callable[[], object]
    expected: Cost
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    """A classifier with a batch of random images, each labelled as the classifier sees it.

    Labels that the model gets right keep attacks from passing over images that are misclassified already.
    """

    model: ZeroShotModel
    batch: Batch

    @classmethod
    def make(cls, model: TimedModel, precision: str, batch_size: int, num_classes: int) -> Workload:
        """Draw the images and label them."""
        prompts = {f"class {number}": (f"a photo of class {number}.",) for number in range(num_classes)}
        classifier = ZeroShotModel(model, prompts, precision)
        sample_ids = torch.arange(batch_size, device=model.device)
        pixels = Noise(0, sample_ids, "pixels").uniform((3, model.image_size, model.image_size))
        with torch.no_grad():
            labels = classifier(pixels).argmax(dim=1)
        return cls(classifier, Batch(pixels, labels, sample_ids))

    def passes(self) -> Iterator[Task]:
        """Yield the clean pass, and the gradient that attacks and defenses take."""
        yield Task("clean", "forward", torch.no_grad()(lambda: self.model(self.batch.pixels)), Cost(forwards=1))
        yield Task("gradient", "forward + backward", self._gradient, Cost(forwards=1, backwards=1))

    def _gradient(self) -> Tensor:
        return input_gradient(
            lambda pixels: losses.cross_entropy(self.model(pixels), self.batch.labels), self.batch.pixels
        )

    def attack(self, text: str) -> Task:
        """Return the task of an attack.

        Raises:
            UserError: it does not exist, or cannot run with these classes.
        """
        attack, batch = make(attacks, text), self.batch
        attack.check(self.model.num_classes)
        noise = Noise(0, batch.sample_ids, "attack")
        return Task(
            "attack",
            text,
            lambda: attack(self.model, batch.pixels, batch.labels, EPSILON, noise),
            attack.nominal_cost(self.model.num_classes),
            attack.parameters(),
        )

    def defense(self, text: str) -> Task:
        """Return the task of a defense.

        Raises:
            UserError: it does not exist.
        """
        defense, batch = make(defenses, text), self.batch
        noise = Noise(0, batch.sample_ids, "defense")
        run = lambda: defense(self.model, batch.pixels, noise)  # noqa: E731
        return Task("defense", text, run, defense.nominal_cost(self.model.num_classes).total, defense.parameters())

    def makers(
        self, attack_texts: Sequence[str], defense_texts: Sequence[str]
    ) -> Iterator[tuple[str, str, Callable[[str], Task]]]:
        """Yield kind, name and maker of every attack and defense."""
        yield from (("attack", text, self.attack) for text in attack_texts)
        yield from (("defense", text, self.defense) for text in defense_texts)
