"""What a notebook needs: models and datasets by name, and one function that attacks and defends.

The numbers are those of a run of the same cells: same order of samples, same noise, same components.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scc_core.attacks import Attack
from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.components.parameters import Kind, ParameterValue, Parametrised, parse_epsilon, written
from scc_core.cost import Cost
from scc_core.datasets import Dataset, PreparedDataset, open_dataset
from scc_core.defenses import Defense
from scc_core.errors import UserError
from scc_core.evaluation.evaluate import Defended
from scc_core.evaluation.evaluate import evaluate as evaluate_batch
from scc_core.evaluation.metrics import Interval, wilson_interval
from scc_core.evaluation.threat import STRONGEST, Adaptive, Threat
from scc_core.models import VisionLanguageModel, ZeroShotModel, get_model
from scc_core.outcomes import Outcomes
from scc_core.prompts import render_prompts

BuiltT = TypeVar("BuiltT", bound=Parametrised)
Named = str | Mapping[str, Mapping[str, ParameterValue]]
"""A component as a grid names it: ``"pgd"`` or ``{"pgd": {"num_steps": 20}}``."""
Threats = tuple[Threat, dict[str, Component[Defense]]]

UNDEFENDED = "none"


def load_model(name: str, device: str | torch.device = "cpu") -> VisionLanguageModel:
    """Load a model onto a device: a shipped one, a published one with a card, or any other that open_clip names.

    Args:
        name: as a grid names it, such as ``demo-clip`` or ``openai/ViT-B-32``.
        device: such as ``cpu`` or ``cuda:0``.

    Raises:
        UserError: no such model.
        NotFetchedError: its weights are not on this machine; the text says what brings them.
    """
    return get_model(name).load(torch.device(device))


def load_dataset(name: str) -> Dataset:
    """Open a dataset as a grid names it, such as ``demo/shapes``, ``cifar10`` or ``folder:PATH``.

    Raises:
        UserError: no such dataset.
        NotFetchedError: its files are not on this machine; the text says what brings them.
    """
    return open_dataset(name)


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images of one's own, as tensors.

    Attributes:
        pixels: ``(N, 3, S, S)`` float32 in [0, 1], of the size that the model takes.
        labels: ``(N,)`` int64, the class of each.
        class_names: ``K`` names, in the order of the labels.
        templates: prompt templates with one ``{}`` each; several make a prompt ensemble.
    """

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    templates: tuple[str, ...] = ("a photo of a {}.",)

    def __post_init__(self) -> None:
        pixels, labels = self.pixels, self.labels
        if pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.shape[2] != pixels.shape[3]:
            raise UserError(f"pixels have shape {tuple(pixels.shape)}, expected (N, 3, S, S)")
        if not pixels.is_floating_point() or not ((pixels >= 0) & (pixels <= 1)).all():
            raise UserError("pixels are not floating-point numbers in [0, 1]; divide 8-bit values by 255")
        if tuple(labels.shape) != (len(pixels),):
            raise UserError(f"labels have shape {tuple(labels.shape)}, expected ({len(pixels)},): one per image")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.class_names):
            raise UserError(
                f"labels lie in [{int(labels.min())}, {int(labels.max())}], but there are "
                f"{len(self.class_names)} class names"
            )

    def __repr__(self) -> str:
        count, _, size, _ = self.pixels.shape
        return f"Images({count} of {size} x {size} pixels, {len(self.class_names)} classes)"


@dataclass(frozen=True, repr=False)
class DefenseResult:
    """What a defense made of some samples, in the dataset's fixed order.

    Attributes:
        defense: its name, with the parameters that differ from their defaults.
        outcomes: labels, predictions, margins and confidences, one per sample.
        cost: of the defended predictions.
        attack_cost: of the adversarial images.
        images: ``(N, 3, S, S)`` float32 on the CPU, what the defense was given; None unless they were asked for.
    """

    defense: str
    outcomes: Outcomes
    cost: Cost
    attack_cost: Cost
    images: Tensor | None = None

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` whether each sample is classified correctly."""
        return self.outcomes.correct

    @property
    def accuracy(self) -> float:
        """The share of samples that are classified correctly."""
        return float(self.correct.mean())

    @property
    def interval(self) -> Interval:
        """The 95 % Wilson score interval of the accuracy."""
        return wilson_interval(int(self.correct.sum()), len(self.correct))

    def __repr__(self) -> str:
        return f"{self.defense}: {self.accuracy:.3f} [{self.interval.low:.3f}, {self.interval.high:.3f}]"


@dataclass(frozen=True, repr=False)
class Results(Mapping[str, DefenseResult]):
    """The result of every defense, by its name.

    Attributes:
        setting: what was measured, in one line.
    """

    setting: str
    by_defense: Mapping[str, DefenseResult] = field(default_factory=dict)

    def __getitem__(self, defense: str) -> DefenseResult:
        return self.by_defense[defense]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_defense)

    def __len__(self) -> int:
        return len(self.by_defense)

    def __repr__(self) -> str:
        return "\n".join([self.setting, *(f"  {result!r}" for result in self.by_defense.values())])


def evaluate(
    model: str | VisionLanguageModel,
    data: str | Dataset | Images,
    attack: Named | Attack | type[Attack] | None = "pgd",
    epsilon: float | str = 4 / 255,
    defenses: Iterable[Named | Defense | type[Defense]] = (UNDEFENDED, "ttc", "scc"),
    *,
    adaptive: bool | Adaptive = False,
    seed: int = 0,
    max_samples: int | None = None,
    preprocessing: str = "native",
    precision: str = "float32",
    device: str | torch.device | None = None,
    batch_size: int = 50,
    keep_images: bool = False,
) -> Results:
    """Attack a model once, and classify the adversarial images under every defense.

    Args:
        model: a name, or what :func:`load_model` returned.
        data: a name, what :func:`load_dataset` returned, or :class:`Images`.
        attack: a name, ``{name: {parameter: value}}``, an object or a class; None measures clean accuracy.
        epsilon: radius in [0, 1] pixel units, as a number or as ``"4/255"``; 0 measures clean accuracy.
        defenses: each a name, ``{name: {parameter: value}}``, an object or a class; ``none`` is the undefended model.
        adaptive: False attacks the undefended model, whose images all defenses share (threat model ``transfer``). True
            attacks each defense through the strongest gradients that it declares; :class:`Adaptive` says which.
        seed: of all randomness.
        max_samples: a prefix of the dataset's fixed, class-balanced order; None takes all.
        preprocessing: ``native`` or ``paper``, of a dataset's images; :class:`Images` are taken as they are.
        precision: of the image tower: ``float32``, ``bfloat16`` or ``float16``.
        device: of a model that is given by name; the CPU if left out.
        batch_size: images at a time.
        keep_images: return the adversarial images with the results.

    Raises:
        UserError: a wrong name, a parameter or a value out of range, or images that are none.
        ComponentError: a component broke its contract, such as an attack that left its radius.
    """
    towers = load_model(model, device or "cpu") if isinstance(model, str) else model
    if device is not None and torch.device(device) != towers.device:
        raise UserError(f"the model is on {towers.device}, not on {device}: load it there")
    source = load_dataset(data) if isinstance(data, str) else data
    batches = _batches(source, towers, preprocessing, max_samples, batch_size)
    if isinstance(source, Images):
        prompts, name = render_prompts(source.class_names, source.templates), repr(source)
    else:
        prompts, name = source.prompts(), source.name
    threats = _threats(attack, epsilon, defenses, adaptive, seed)
    classifier = ZeroShotModel(towers, prompts, precision)
    parts: dict[str, list[tuple[Defended, Cost, Tensor | None]]] = {key: [] for _, group in threats for key in group}
    for batch in batches:
        for threat, group in threats:
            found = evaluate_batch(classifier, batch, threat=threat, defenses=group, keep_images=keep_images)
            images = None if found.images is None else found.images.cpu()
            for key, defended in found.defended.items():
                parts[key].append((defended, found.attack, images))
    results = {key: _joined(key, measured) for key, measured in parts.items()}
    samples = len(next(iter(results.values())).correct)
    return Results(f"{towers.name} on {name}, {samples} samples, {_described(threats[-1][0])}", results)


def _batches(
    source: Dataset | Images, model: VisionLanguageModel, preprocessing: str, max_samples: int | None, batch_size: int
) -> Iterator[Batch]:
    for option, value in (("batch_size", batch_size), ("max_samples", max_samples)):
        if value is not None and value < 1:
            raise UserError(f"{option} is {value}, expected 1 or more")
    size = len(source.labels)
    if not size:
        raise UserError(f"{source!r} holds no images")
    positions = range(size if max_samples is None else min(size, max_samples))
    if isinstance(source, Images):
        if source.pixels.shape[-1] != model.image_size:
            raise UserError(
                f"{source!r}, but model {model.name} takes images of {model.image_size} pixels: resize them first"
            )
        ids = torch.arange(size, device=model.device)
        pixels, labels = source.pixels.to(model.device, torch.float32), source.labels.to(model.device, torch.int64)
        parts = [slice(start, min(start + batch_size, len(positions))) for start in positions[::batch_size]]
        return (Batch(pixels[part], labels[part], ids[part]) for part in parts)
    prepared = PreparedDataset(source, preprocessing, model.image_size)
    return (prepared.batch(positions[start : start + batch_size], model.device) for start in positions[::batch_size])


def _threats(
    attack: Named | Attack | type[Attack] | None,
    epsilon: float | str,
    defenses: Iterable[Named | Defense | type[Defense]],
    adaptive: bool | Adaptive,
    seed: int,
) -> list[Threats]:
    """Return each set of adversarial images that is to be made, with the defenses that are given it."""
    try:
        radius = parse_epsilon(epsilon)
    except ValueError as error:
        raise UserError(f"epsilon: {error}") from None
    group: dict[str, Component[Defense]] = {}
    for given in defenses:
        defense = component("defense", given)
        if defense.label in group:
            raise UserError(f"defense {defense.label} is given twice")
        group[defense.label] = defense
    if not group:
        raise UserError("no defense is given; `none` measures the undefended model")
    made = None if attack is None or not radius else component("attack", attack)
    transfer = Threat(made, radius if made else 0.0, seed=seed)
    if not adaptive or made is None:
        return [(transfer, group)]
    knowing = replace(transfer, adaptive=STRONGEST if adaptive is True else adaptive)
    # An attack that knows an undefended model is the attack on that model.
    return [(transfer if one.name == UNDEFENDED else knowing, {label: one}) for label, one in group.items()]


def component(kind: Kind, given: Named | BuiltT | type[BuiltT]) -> Component[BuiltT]:
    """Return an attack or a defense as a component with every parameter written out.

    Args:
        kind: ``attack`` or ``defense``.
        given: a name, ``{name: {parameter: value}}``, an object, or a class, which is built with its defaults.

    Raises:
        UserError: no such name or parameter, a value out of range, or none of these forms.
    """
    if isinstance(given, type):
        given = given()
    if isinstance(given, Parametrised):
        return Component.of(given)
    if isinstance(given, str):
        return Component[BuiltT](kind, given).resolved()
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, parameters),) = given.items()
        return Component[BuiltT](kind, name, parameters or {}).resolved()
    raise UserError(f"{given!r} is no {kind}: give a name, {{name: {{parameter: value}}}}, an object or a class")


def _joined(key: str, parts: list[tuple[Defended, Cost, Tensor | None]]) -> DefenseResult:
    images = [part for _, _, part in parts if part is not None]
    return DefenseResult(
        key,
        Outcomes.concatenate([defended.outcomes for defended, _, _ in parts]),
        sum((defended.cost for defended, _, _ in parts), Cost()),
        sum((attack for _, attack, _ in parts), Cost()),
        torch.cat(images) if images else None,
    )


def _described(threat: Threat) -> str:
    if threat.attack is None:
        return "clean"
    model = "transfer" if threat.adaptive is None else "adaptive"
    return f"{threat.attack.label} at {written(threat.epsilon, 'pixel')} ({model})"
