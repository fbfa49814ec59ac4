"""From a grid to its cells: names resolved, defaults written out, and one cell for combinations that mean the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import product
from typing import Any

from orchestrator.grid.cell import NO_DEFENSE, TRANSFER, Cell
from orchestrator.grid.not_fetched import NOT_FETCHED, Absences
from orchestrator.grid.outline import Outline, outline
from orchestrator.grid.schema import Exclude, Grid, ThreatModel
from scc_core.attacks import Attack
from scc_core.components.component import Component
from scc_core.components.parameters import written_radius
from scc_core.components.units import check_attack, check_defense, norm_of
from scc_core.datasets import Dataset, DatasetFacts, dataset_code, dataset_facts, names_of, open_dataset
from scc_core.datasets.order import ORDER_VERSION
from scc_core.datasets.pixels.preprocessing import PREPROCESSING_VERSIONS
from scc_core.defenses import Defense
from scc_core.defenses.base import Gradients
from scc_core.errors import NotFetchedError, UserError
from scc_core.evaluation.adaptive import STRONGEST_FIRST, choose_gradients
from scc_core.evaluation.threat import Adaptive, Threat
from scc_core.identity import DatasetSpec, ModelSpec
from scc_core.models import get_model, model_code, model_digest
from scc_core.models.open_clip.model import OpenClipEntry
from scc_core.models.prompt_tokens import PromptTokens, prompt_tokens
from scc_core.prompts import prompts_digest


@dataclass(frozen=True)
class Expansion:
    """The cells of a grid, each once, with the number of samples that it asks for, as far as they are known here.

    Attributes:
        cells: a cell whose model or dataset is not on this machine is provisional: it can be counted, but neither run
            nor stored. A dataset whose size is not known without its files has no cells.
        absent: the models and datasets that are not on this machine.
        outlines: of the datasets that are, what lies between their files and their prompts, by name.
    """

    cells: Mapping[Cell, int]
    absent: Absences
    outlines: Mapping[str, Outline]


def expand(grid: Grid, *, stored: bool = False) -> Mapping[Cell, int]:
    """Return the cells of a grid, each once, with the number of samples that it asks for.

    Args:
        grid: as checked.
        stored: whether it is that of an earlier run, whose lines of ``exclude`` may match nothing, and whose lengths
            need no unit.

    Raises:
        UserError: an unknown name or parameter, a value out of range or probably in another unit, a line of ``exclude``
            that matches nothing, or nothing left after the exclusions.
        NotFetchedError: models or datasets are not on this machine; the text names them all, and what brings them.
    """
    expansion = expand_provisionally(grid, stored=stored)
    if expansion.absent:
        raise expansion.absent.error()
    return expansion.cells


def expand_provisionally(grid: Grid, *, stored: bool = False) -> Expansion:
    """Return the cells of a grid, whether or not its models and datasets are on this machine; see :func:`expand`.

    Raises:
        UserError: see :func:`expand`; also if nothing at all is known of its datasets.
    """
    absent = Absences()
    digest_of = partial(_weights_digest, absent=absent)
    models = [_model(name, absent) for name in grid.models]
    tokens = _prompt_tokens(grid.models, absent)
    outlines: dict[str, Outline] = {}
    found = [_dataset(name, grid.preprocessing, absent, tokens, outlines) for name in grid.datasets]
    attacks: list[Component[Attack]] = [attack.resolved(digest_of, model_code) for attack in grid.attacks]
    defenses: list[Component[Defense]] = [defense.resolved(digest_of, model_code) for defense in grid.defenses]
    datasets = [dataset for dataset in found if dataset is not None]
    if not datasets:
        raise absent.error()
    for one, dataset in product(attacks, datasets):
        try:
            one.build().check(dataset.classes)
        except UserError as error:
            raise UserError(f"dataset {dataset.name}: {error}") from None
    cells: dict[Cell, int] = {}
    matching: set[int] = set()
    attacked: dict[tuple[Component[Attack], float], None] = {}
    for model, dataset, seed, (attack, epsilon, threat_model), defense in product(
        models, datasets, grid.seeds, _threats(grid, attacks), defenses
    ):
        threat = Threat(attack, float(epsilon), _adaptive(threat_model, defense), seed)
        cell = Cell(model, dataset, threat, defense, grid.precision)
        excluding = [number for number, pattern in enumerate(grid.exclude) if _matches(cell, pattern)]
        matching.update(excluding)
        if not excluding:
            cells[cell] = min(grid.max_samples or dataset.size, dataset.size)
            if attack is not None:
                attacked[attack, epsilon] = None
    # Where a dataset is not here and its size not known, its cells are not, and a line may be about them.
    idle = [pattern for number, pattern in enumerate(grid.exclude) if number not in matching]
    if idle and not stored and None not in found:
        raise _matches_nothing(idle[0], grid, attacks, defenses)
    if not stored:
        _check_units(grid, attacks, attacked)
    if not cells:
        raise UserError("the grid excludes every one of its cells; remove a line of `exclude`")
    _check_gradients(cells)
    return Expansion(cells, absent, outlines)


def _check_units(
    grid: Grid, attacks: Sequence[Component[Attack]], attacked: Iterable[tuple[Component[Attack], float]]
) -> None:
    """Check the lengths of a grid as its user wrote them: of every defense, and of every attack at its radii."""
    for defense in grid.defenses:
        check_defense(defense)
    as_written = dict(zip(attacks, grid.attacks, strict=True))
    for attack, epsilon in attacked:
        check_attack(as_written[attack], epsilon)


def _matches_nothing(
    pattern: Exclude, grid: Grid, attacks: Sequence[Component[Attack]], defenses: Sequence[Component[Defense]]
) -> UserError:
    """Build the error for a line of ``exclude`` that matches no cell: what the grid has of each key that it gives."""
    norms = {norm for attack in attacks if (norm := norm_of(attack))}
    existing: Mapping[str, Iterable[object]] = {
        "model": grid.models,
        "dataset": grid.datasets,
        "attack": [attack.label for attack in attacks],
        "norm": sorted(norms),
        "epsilon": [" or ".join(written_radius(epsilon, norm) for norm in sorted(norms)) for epsilon in grid.epsilons],
        "threat_model": [threat_model.name for threat_model in grid.threat_models],
        "defense": [defense.label for defense in defenses],
        "seed": grid.seeds,
    }
    given = {key: value for key in Exclude.model_fields if (value := getattr(pattern, key)) is not None}
    norm = pattern.norm or min(norms)
    texts = {key: written_radius(value, norm) if key == "epsilon" else value for key, value in given.items()}
    line = ", ".join(f"{key}: {text}" for key, text in texts.items())
    has = "; ".join(f"{key}: {', '.join(map(str, existing[key]))}" for key in given)
    return UserError(f"exclude: {{{line}}} matches no cell; the grid has {has}")


def _threats(
    grid: Grid, attacks: Sequence[Component[Attack]]
) -> Iterator[tuple[Component[Attack] | None, float, ThreatModel]]:
    """Yield attack, epsilon and threat model; epsilon 0 is one cell, without attack, for the whole grid."""
    for epsilon in grid.epsilons:
        if epsilon == 0:
            yield None, 0.0, ThreatModel(name=TRANSFER)
            continue
        for threat_model, attack in product(grid.threat_models, attacks):
            yield attack, epsilon, threat_model


def _adaptive(threat_model: ThreatModel, defense: Component[Defense]) -> Adaptive | None:
    """Return how the attack passes through a defense; an adaptive one on the undefended model is a transfer attack."""
    if threat_model.name == TRANSFER or defense.name == NO_DEFENSE:
        return None
    declared = defense.build()
    strongest: Gradients = next((way for way in STRONGEST_FIRST if way in declared.gradients), "none")
    # A defense without randomness gives every draw alike.
    draws = threat_model.eot_draws if declared.randomised else 1
    asked = (threat_model.gradients, f"eot {threat_model.eot_draws}" if threat_model.eot_draws > 1 else None)
    return Adaptive(threat_model.gradients or strongest, draws, label=", ".join(filter(None, asked)))


def _check_gradients(cells: Iterable[Cell]) -> None:
    for cell in cells:
        if cell.threat.adaptive is not None:
            try:
                choose_gradients(cell.defense.build(), cell.threat.adaptive.gradients)
            except UserError as error:
                raise UserError(
                    f"{error}; to leave it out: exclude: [{{defense: {cell.defense.name}, threat_model: adaptive}}]"
                ) from None


def _model(name: str, absent: Absences) -> ModelSpec:
    entry = get_model(name)
    digest, code = _weights_digest(name, absent), model_code(name)
    version = entry.version if isinstance(entry, OpenClipEntry) else 1
    return ModelSpec(name, digest, entry.card.demonstration, entry.card.family, code, version)


def _weights_digest(name: str, absent: Absences) -> str:
    with absent.noted("model", name):
        return model_digest(name)
    return NOT_FETCHED


def _prompt_tokens(names: Sequence[str], absent: Absences) -> Mapping[str, PromptTokens]:
    """Return how the models that are on this machine read prompts, as far as they say it."""
    here = [name for name in names if ("model", name) not in absent.found]
    told = {name: prompt_tokens(get_model(name)) for name in here}
    return {name: tokens for name, tokens in told.items() if tokens is not None}


def _dataset(
    name: str, preprocessing: str, absent: Absences, tokens: Mapping[str, PromptTokens], outlines: dict[str, Outline]
) -> DatasetSpec | None:
    """Return a dataset's specification, which needs its labels and prompts; its outline is put into ``outlines``.

    Where the files are not here it is provisional: made from the card, or None if the card does not tell the size.
    """
    with absent.noted("dataset", name):
        dataset = open_dataset(name)
        outlines[name] = outline(dataset, tokens)
        code = dataset_code(name, dataset)
        found = _specification(name, dataset, preprocessing, dataset.version, len(dataset), code)
        names = names_of(name, dataset)
        return replace(found, left_out=dataset.left_out, names=names, warnings=outlines[name].warnings)
    with suppress(NotFetchedError):
        facts = dataset_facts(name)
        if facts.card.images and facts.class_names:
            return _specification(name, facts, preprocessing, NOT_FETCHED, facts.card.images)
    return None


def _specification(
    name: str,
    described: Dataset | DatasetFacts,
    preprocessing: str,
    version: str,
    size: int,
    code: str | None = None,
) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        version=version,
        split=described.card.split,
        order=ORDER_VERSION,
        preprocessing=preprocessing,
        prompts=prompts_digest(described.prompts()),
        classes=len(described.class_names),
        size=size,
        demonstration=described.card.demonstration,
        code=code,
        numerics=PREPROCESSING_VERSIONS[preprocessing],
    )


def _names(component: Component[Any], label: str) -> Sequence[str]:
    """Return the texts by which a pattern may name a component: its name and its label, also with its name in keys."""
    rest = label.removeprefix(component.name)
    return component.name, label, component.key_name, component.key_name + rest


def _matches(cell: Cell, pattern: Exclude) -> bool:
    attack = cell.threat.attack
    names = {
        "model": (cell.model.name,),
        "dataset": (cell.dataset.name,),
        "attack": (cell.threat.label,) if attack is None else _names(attack, cell.threat.label),
        "threat_model": (cell.threat_model,),
        "defense": _names(cell.defense, cell.defense.label),
    }
    for axis, values in names.items():
        wanted = getattr(pattern, axis)
        if wanted is not None and not any(fnmatchcase(value, wanted) for value in values):
            return False
    if pattern.epsilon is not None and pattern.epsilon != cell.threat.epsilon:
        return False
    if pattern.norm is not None and pattern.norm != cell.norm:
        return False
    return pattern.seed is None or pattern.seed == cell.threat.seed
