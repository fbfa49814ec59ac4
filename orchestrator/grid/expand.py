"""From a grid to its cells: every name resolved, every default written out, what means the same made one cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import product

from orchestrator.grid.cell import (
    ADAPTIVE,
    CLEAN,
    NO_DEFENSE,
    AdaptiveSpec,
    Cell,
    ComponentSpec,
    DatasetSpec,
    ModelSpec,
    digest,
)
from orchestrator.grid.not_fetched import NOT_FETCHED, Absences
from orchestrator.grid.schema import Component, Exclude, Grid, ThreatModel
from scc_core.attacks import Attack, attacks
from scc_core.components.parameters import build, written
from scc_core.components.registry import Registry
from scc_core.datasets import dataset_facts, open_dataset
from scc_core.datasets.order import ORDER_VERSION
from scc_core.defenses import Defense, defenses
from scc_core.defenses.base import Gradients
from scc_core.errors import NotFetchedError, UserError
from scc_core.evaluation.adaptive import STRONGEST_FIRST, choose_gradients
from scc_core.models import get_model

NO_ATTACK = ComponentSpec(CLEAN, {}, CLEAN)
"""The attack of every cell at epsilon 0."""


@dataclass(frozen=True)
class Expansion:
    """The cells of a grid, each once, with the number of samples that it asks for, as far as they are known here.

    Attributes:
        cells: those of what is not on this machine are provisional: they can be counted, but neither run nor stored.
        absent: the models and datasets that are not on this machine. Of a dataset whose size is not known without its
            files there are no cells.
    """

    cells: Mapping[Cell, int]
    absent: Absences


def expand(grid: Grid) -> Mapping[Cell, int]:
    """Return the cells of a grid, each once, with the number of samples that it asks for.

    Raises:
        UserError: an unknown name or parameter, a value out of range, or nothing left after the exclusions.
        NotFetchedError: models or datasets are not on this machine; the text names them all, and what brings them.
    """
    expansion = expand_provisionally(grid)
    if expansion.absent:
        raise expansion.absent.error()
    return expansion.cells


def expand_provisionally(grid: Grid) -> Expansion:
    """Return the cells of a grid, whether or not its models and datasets are on this machine.

    Raises:
        UserError: see :func:`expand`; also if nothing at all is known of its datasets.
    """
    absent = Absences()
    models = [resolve_model(name, absent) for name in grid.models]
    found = [resolve_dataset(name, grid.preprocessing, absent) for name in grid.datasets]
    attack_specs = [resolve_component("attack", attacks, attack, absent) for attack in grid.attacks]
    defense_specs = [resolve_component("defense", defenses, defense, absent) for defense in grid.defenses]
    datasets = [dataset for dataset in found if dataset is not None]
    if not datasets:
        raise absent.error()
    _check_classes(attack_specs, datasets)
    cells: dict[Cell, int] = {}
    for model, dataset, seed, threat, defense in product(
        models, datasets, grid.seeds, _threats(grid, attack_specs), defense_specs
    ):
        cell = threat.cell(model, dataset, defense, seed, grid.precision)
        if not any(_matches(cell, pattern) for pattern in grid.exclude):
            cells[cell] = min(grid.max_samples or dataset.size, dataset.size)
    if not cells:
        raise UserError("the grid excludes every one of its cells; remove a line of `exclude`")
    _check_gradients(cells)
    return Expansion(cells, absent)


@dataclass(frozen=True)
class _Threat:
    """An attack at an epsilon, and what it knows."""

    epsilon_255: float
    attack: ComponentSpec
    threat_model: ThreatModel

    def cell(self, model: ModelSpec, dataset: DatasetSpec, defense: ComponentSpec, seed: int, precision: str) -> Cell:
        """Return the cell of this threat; an adaptive attack on the undefended model is a transfer attack."""
        adaptive = None
        if self.threat_model.name == ADAPTIVE and defense.name != NO_DEFENSE:
            adaptive = self._adaptive(defense)
        attack = self.attack if adaptive is None else replace(self.attack, label=self._adaptive_label())
        return Cell(model, dataset, attack, self.epsilon_255, defense, seed, precision, adaptive)

    def _adaptive(self, defense: ComponentSpec) -> AdaptiveSpec:
        declared = defenses.get(defense.name)
        strongest: Gradients = next((way for way in STRONGEST_FIRST if way in declared.gradients), "none")
        gradients = self.threat_model.gradients or strongest
        # A defense without randomness gives every draw alike.
        draws = self.threat_model.eot_draws if defense.randomised else 1
        return AdaptiveSpec(gradients, draws)

    def _adaptive_label(self) -> str:
        shown: list[str] = [] if self.threat_model.gradients is None else [self.threat_model.gradients]
        if self.threat_model.eot_draws > 1:
            shown.append(f"eot {self.threat_model.eot_draws}")
        return f"{self.attack.label} [{', '.join(shown)}]" if shown else self.attack.label


def _check_classes(attack_specs: Sequence[ComponentSpec], datasets: Sequence[DatasetSpec]) -> None:
    for spec, dataset in product(attack_specs, datasets):
        try:
            build("attack", spec.name, attacks.get(spec.name), spec.parameters).check(dataset.classes)
        except UserError as error:
            raise UserError(f"dataset {dataset.name}: {error}") from None


def _check_gradients(cells: Iterable[Cell]) -> None:
    for cell in cells:
        if cell.adaptive is not None:
            defense = build("defense", cell.defense.name, defenses.get(cell.defense.name), cell.defense.parameters)
            try:
                choose_gradients(defense, cell.adaptive.gradients)
            except UserError as error:
                raise UserError(
                    f"{error}; to leave it out: exclude: [{{defense: {cell.defense.name}, threat_model: adaptive}}]"
                ) from None


def resolve_model(name: str, absent: Absences | None = None) -> ModelSpec:
    """Return a model's specification, which needs the digest of its weights.

    Args:
        name: as the grid names it.
        absent: takes note where the weights are not here, and the specification is provisional; None raises.

    Raises:
        UserError: no such model.
        NotFetchedError: its weights are not here.
    """
    entry = get_model(name)
    return ModelSpec(name, _weights_digest(name, absent), entry.card.demonstration, entry.card.family)


def resolve_dataset(name: str, preprocessing: str, absent: Absences | None = None) -> DatasetSpec | None:
    """Return a dataset's specification, which needs its labels and prompts but no image.

    Args:
        name: as the grid names it.
        preprocessing: ``native`` or ``paper``.
        absent: takes note where the files are not here, and the specification is a provisional one made from the card,
            None where that does not tell the size; without it that is an error.

    Raises:
        UserError: no such dataset.
        NotFetchedError: its files are not here.
    """
    if absent is None:
        return _opened(name, preprocessing)
    with absent.noted("dataset", name):
        return _opened(name, preprocessing)
    with suppress(NotFetchedError):
        return _provisional(name, preprocessing)
    return None


def _opened(name: str, preprocessing: str) -> DatasetSpec:
    dataset = open_dataset(name)
    prompts = digest(list(dataset.prompts().items()))
    return DatasetSpec(
        name=name,
        version=dataset.version,
        split=dataset.card.split,
        order=ORDER_VERSION,
        preprocessing=preprocessing,
        prompts=prompts,
        classes=len(dataset.class_names),
        size=len(dataset),
        demonstration=dataset.card.demonstration,
        left_out=dataset.left_out,
    )


def _provisional(name: str, preprocessing: str) -> DatasetSpec | None:
    facts = dataset_facts(name)
    if not facts.card.images or not facts.class_names:
        return None
    return DatasetSpec(
        name=name,
        version=NOT_FETCHED,
        split=facts.card.split,
        order=ORDER_VERSION,
        preprocessing=preprocessing,
        prompts=digest(list(facts.prompts().items())),
        classes=len(facts.class_names),
        size=facts.card.images,
        demonstration=facts.card.demonstration,
    )


def resolve_component(
    kind: str,
    registry: Registry[type[Attack]] | Registry[type[Defense]],
    given: Component,
    absent: Absences | None = None,
) -> ComponentSpec:
    """Return an attack or a defense with every parameter written out.

    Args:
        kind: ``attack`` or ``defense``.
        registry: where it is looked up.
        given: as the grid names it.
        absent: as in :func:`resolve_model`, for a model that a parameter names.

    Raises:
        UserError: no such name or parameter, or a value out of range.
        NotFetchedError: the weights of a model that a parameter names are not here.
    """
    component = registry.get(given.name)
    built = build(kind, given.name, component, given.parameters)
    parameters = built.parameters()
    weights = {key: _weights_digest(name, absent) for key, name in built.named_models().items()}
    label = _label(given.name, component, parameters)
    if not isinstance(built, Defense):
        return ComponentSpec(given.name, parameters, label, weights)
    # Asked of the object, since a class may let its parameters decide.
    return ComponentSpec(given.name, parameters, label, weights, bool(built.control), bool(built.randomised))


def _weights_digest(name: str, absent: Absences | None) -> str:
    if absent is None:
        return get_model(name).digest()
    with absent.noted("model", name):
        return get_model(name).digest()
    return NOT_FETCHED


def _label(name: str, component: type, parameters: Mapping[str, object]) -> str:
    fields = {field.name: field for field in dataclasses.fields(component)}
    default = component().parameters()
    changed = {key: value for key, value in parameters.items() if value != default[key]}
    shown = [f"{key}={written(value, fields[key].metadata.get('unit'))}" for key, value in changed.items()]
    return f"{name}({', '.join(shown)})" if shown else name


def _threats(grid: Grid, attack_specs: Sequence[ComponentSpec]) -> Iterator[_Threat]:
    """Yield what is done to the images; epsilon 0 is one cell, without attack, for the whole grid."""
    for epsilon in grid.epsilons:
        if epsilon == 0:
            yield _Threat(0.0, NO_ATTACK, ThreatModel(name="transfer"))
            continue
        for threat_model, attack in product(grid.threat_models, attack_specs):
            yield _Threat(round(epsilon * 255, 4), attack, threat_model)


def _matches(cell: Cell, pattern: Exclude) -> bool:
    names = {
        "model": (cell.model.name,),
        "dataset": (cell.dataset.name,),
        "attack": (cell.attack.name, cell.attack.label),
        "threat_model": (cell.threat_model,),
        "defense": (cell.defense.name, cell.defense.label),
    }
    for axis, values in names.items():
        wanted = getattr(pattern, axis)
        if wanted is not None and not any(fnmatchcase(value, wanted) for value in values):
            return False
    if pattern.epsilon is not None and round(pattern.epsilon * 255, 4) != cell.epsilon_255:
        return False
    return pattern.seed is None or pattern.seed == cell.seed
