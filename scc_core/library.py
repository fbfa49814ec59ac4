"""What a notebook needs: models and datasets by name, and one function that attacks and defends.

The numbers are those of a run of the same cells: same order of samples, same noise, same components.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scc_core.attacks import Attack
from scc_core.batch import Batch
from scc_core.blocks import BLOCK_SIZE
from scc_core.components.component import Component, check_implementation
from scc_core.components.parameters import (
    Kind,
    ParameterValue,
    Parametrised,
    parse_epsilon,
    whole_number,
    written_radius,
)
from scc_core.components.units import check_attack, check_defense, norm_of
from scc_core.cost import Cost
from scc_core.datasets import Dataset, PreparedDataset, open_dataset
from scc_core.datasets.user_datasets import check_dataset
from scc_core.defenses import Defense
from scc_core.errors import ComponentError, SccBenchError, UserError
from scc_core.evaluation.adaptive import choose_gradients
from scc_core.evaluation.evaluate import Defended, Evaluation
from scc_core.evaluation.evaluate import evaluate as evaluate_batch
from scc_core.evaluation.measure import fixed_batch_size
from scc_core.evaluation.metrics import Interval, wilson_interval
from scc_core.evaluation.threat import STRONGEST, Adaptive, Threat
from scc_core.images import Images
from scc_core.models import VisionLanguageModel, ZeroShotModel, get_model
from scc_core.models.open_clip.model import OpenClipModel
from scc_core.models.user_models import check_model
from scc_core.outcomes import Outcomes

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
        UserError: no such model, or no such device here.
        NotFetchedError: its weights are not on this machine; the text says what brings them.
    """
    if not isinstance(name, str):
        raise UserError(f"{name!r} is no name of a model; see `sccbench list models`")
    return get_model(name).load(_usable(device))


def load_dataset(name: str) -> Dataset:
    """Open a dataset as a grid names it, such as ``demo/shapes``, ``cifar10`` or ``folder:PATH``.

    Raises:
        UserError: no such dataset.
        NotFetchedError: its files are not on this machine; the text says what brings them.
    """
    if not isinstance(name, str):
        raise UserError(f"{name!r} is no name of a dataset; see `sccbench list datasets`")
    return open_dataset(name)


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
    batch_size: int | None = None,
    keep_images: bool = False,
) -> Results:
    """Attack a model once, and classify the adversarial images under every defense.

    Args:
        model: a name, or what :func:`load_model` returned.
        data: a name, what :func:`load_dataset` returned, or :class:`Images`.
        attack: a name, ``{name: {parameter: value}}``, an object or a class; None measures clean accuracy.
        epsilon: radius in [0, 1] pixel units, in the attack's norm, as a number or as ``"4/255"``; 0 measures clean
            accuracy. What is above 64/255 under L-inf is written as ``"128/255"``, so that 1 is not taken for 1/255;
            the same holds for lengths of attacks and defenses.
        defenses: each a name, ``{name: {parameter: value}}``, an object or a class; ``none`` is the undefended model.
        adaptive: False attacks the undefended model, whose images all defenses share (threat model ``transfer``). True
            attacks each defense through the strongest gradients that it declares; :class:`Adaptive` says which.
        seed: of all randomness.
        max_samples: a prefix of the dataset's fixed, class-balanced order; None takes all.
        preprocessing: ``native`` or ``paper``, of a dataset's images; :class:`Images` are taken as they are.
        precision: of the image tower: ``float32``, ``tf32`` (on a GPU), ``bfloat16`` or ``float16``.
        device: of a model that is given by name; the CPU if left out.
        batch_size: images that a GPU computes together at most, if its memory does not hold 50; fewer round otherwise.
            On a CPU their number is fixed, as in a run.
        keep_images: return the adversarial images with the results.

    Raises:
        UserError: a wrong name, a parameter or a value out of range, or images that are none.
        ComponentError: a component raised an exception or broke its contract, such as an attack that left its radius.
    """
    threats = _threats(attack, epsilon, defenses, adaptive, whole_number("seed", seed, minimum=0, maximum=2**31 - 1))
    source = _source(data)
    for threat, _ in threats:
        if threat.attack is not None:
            threat.attack.build().check(len(source.class_names))
    towers = _towers(model, device)
    batches = _batches(source, towers, preprocessing, max_samples, batch_size)
    classifier = ZeroShotModel(towers, source.prompts(), precision)
    parts: dict[str, list[tuple[Defended, Cost, Tensor | None]]] = {key: [] for _, group in threats for key in group}
    for batch in batches:
        for threat, group in threats:
            found = _measured(classifier, batch, threat, group, keep_images)
            images = None if found.images is None else found.images.cpu()
            for key, defended in found.defended.items():
                parts[key].append((defended, found.attack, images))
    results = {key: _joined(key, measured) for key, measured in parts.items()}
    samples = len(next(iter(results.values())).correct)
    return Results(f"{towers.name} on {source.name}, {samples} samples, {_described(threats[-1][0])}", results)


def _source(data: str | Dataset | Images) -> Dataset | Images:
    """Return the images of a name or an object, whose labels and class names are checked."""
    source = load_dataset(data) if isinstance(data, str) else data
    if not isinstance(source, Dataset | Images):
        raise UserError(f"the data is a {type(source).__name__}; give a name, a scc_core.Dataset or scc_core.Images")
    if isinstance(source, Dataset):
        check_dataset(type(source).__name__, source)
    return source


def _usable(device: str | torch.device) -> torch.device:
    """Return a device on which a number can be computed."""
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()
    except (RuntimeError, TypeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        existing = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        raise UserError(f"device {device!r} cannot be used: {reason}; this machine has {', '.join(existing)}") from None
    return found


def _towers(model: str | VisionLanguageModel, device: str | torch.device | None) -> VisionLanguageModel:
    if isinstance(model, str):
        return load_model(model, "cpu" if device is None else device)
    if not isinstance(model, VisionLanguageModel):
        raise UserError(f"the model is a {type(model).__name__}; give a name or what scc_core.load_model returns")
    if not isinstance(model, OpenClipModel):
        check_model(model)
    asked = model.device if device is None else _usable(device)
    if (asked.type, asked.index or 0) != (model.device.type, model.device.index or 0):
        raise UserError(f"the model is on {model.device}, not on {device}: load it there")
    return model


def _measured(
    model: ZeroShotModel, batch: Batch, threat: Threat, defenses: Mapping[str, Component[Defense]], keep_images: bool
) -> Evaluation[str]:
    """Measure a batch; whatever a component raises is told in one line, and what it raised is the cause."""

    def broke(who: str, error: Exception) -> ComponentError:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return ComponentError(f"model {model.model.name}: {who} raised {reason}")

    def failed(defense: str, error: Exception) -> None:
        if isinstance(error, SccBenchError):
            raise error
        raise broke(f"defense {defense}", error) from error

    through = "" if threat.adaptive is None else f" through defense {next(iter(defenses))}"
    try:
        return evaluate_batch(model, batch, threat=threat, defenses=defenses, on_error=failed, keep_images=keep_images)
    except torch.OutOfMemoryError as error:
        images = f"{len(batch.labels)} images at a time"
        raise UserError(f"{images} do not fit in the memory of {model.model.device}; lower batch_size") from error
    except SccBenchError:
        raise
    except Exception as error:
        raise broke(f"attack {threat.label}{through}", error) from error


def _batches(
    source: Dataset | Images,
    model: VisionLanguageModel,
    preprocessing: str,
    max_samples: int | None,
    batch_size: int | None,
) -> Iterator[Batch]:
    fixed = fixed_batch_size(model.device, model.image_size)
    at_most = fixed if batch_size is None else whole_number("batch_size", batch_size, minimum=1)
    together = min(fixed, at_most) if model.device.type == "cuda" else fixed
    if max_samples is not None:
        max_samples = whole_number("max_samples", max_samples, minimum=1)
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
        blocks = Batch(pixels[: len(positions)], labels[: len(positions)], ids[: len(positions)]).split(BLOCK_SIZE)
        return (batch for block in blocks for batch in block.split(together))
    prepared = PreparedDataset(source, preprocessing, model.image_size)
    blocks = (prepared.batch(positions[start : start + BLOCK_SIZE], model.device) for start in positions[::BLOCK_SIZE])
    return (batch for block in blocks for batch in block.split(together))


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
    if attack is not None and radius:
        check_attack(_as_written("attack", attack), radius)
    if not isinstance(adaptive, bool | Adaptive):
        raise UserError(f"adaptive is {adaptive!r}, expected True, False or scc_core.Adaptive(...)")
    if isinstance(defenses, str | Mapping) or not isinstance(defenses, Iterable):
        raise UserError(f"defenses is {defenses!r}, expected a list such as ['none', 'scc']")
    group: dict[str, Component[Defense]] = {}
    for given in defenses:
        check_defense(_as_written("defense", given))
        defense = component("defense", given)
        if defense.label in group:
            raise UserError(f"defense {defense.label} is given twice")
        group[defense.label] = defense
    if not group:
        raise UserError("no defense is given; `none` measures the undefended model")
    made = None if attack is None or not radius else component("attack", attack)
    transfer = Threat(made, float(radius) if made else 0.0, seed=seed)
    if not adaptive or made is None:
        return [(transfer, group)]
    knowing = replace(transfer, adaptive=STRONGEST if adaptive is True else adaptive)
    for one in group.values():
        if one.name != UNDEFENDED and knowing.adaptive is not None:
            choose_gradients(one.build(), knowing.adaptive.gradients)
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
    written = _as_written(kind, given)
    return written if isinstance(given, Parametrised | type) else written.resolved()


def _as_written(kind: Kind, given: Named | BuiltT | type[BuiltT]) -> Component[BuiltT]:
    """Return an attack or a defense with the parameters that were given, as they were written."""
    if isinstance(given, type):
        check_implementation(kind, given, given.__name__)
        given = given()
    if isinstance(given, Parametrised):
        check_implementation(kind, type(given), type(given).__name__)
        return Component.of(given)
    if isinstance(given, str):
        return Component[BuiltT](kind, given)
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, parameters),) = given.items()
        values = () if parameters is None else parameters.values() if isinstance(parameters, Mapping) else (parameters,)
        if isinstance(name, str) and all(value is None or isinstance(value, Real | str) for value in values):
            return Component[BuiltT](kind, name, parameters or {})
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
    radius = written_radius(threat.epsilon, norm_of(threat.attack) or "linf")
    return f"{threat.attack.label} at {radius} ({model})"
