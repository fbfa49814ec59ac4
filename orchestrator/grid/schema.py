"""The grid: the file that users write, read and checked before any compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
)

from scc_core.components.choices import PRECISIONS, PREPROCESSINGS
from scc_core.components.component import Component
from scc_core.components.parameters import PIXEL, Kind, Of255, canonical_pixel, is_nonzero, parse_epsilon, written
from scc_core.components.units import LARGEST_RADIUS
from scc_core.errors import UserError, shown, unknown_name

T = TypeVar("T")


def _named(value: object) -> tuple[object, Mapping[Any, object]]:
    """Read ``pgd`` and ``{pgd: {num_steps: 20}}`` as one form: a name and what is said of it."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, parameters),) = value.items()
        if isinstance(parameters, Mapping) or parameters is None:
            return name, parameters or {}
    raise ValueError(f"{shown(value)} is neither a name nor {{name: {{parameter: value}}}}")


def _component(kind: Kind) -> Callable[[object], object]:
    """Return what reads an attack or a defense of a grid; pydantic checks the types of its parts."""

    def read(value: object) -> object:
        if isinstance(value, Component):
            return value
        name, parameters = _named(value)
        return {"kind": kind, "name": name, "parameters": parameters}

    return read


def _stored(component: Component[Any]) -> dict[str, object]:
    """Return a component as databases hold it with the grid of a run."""
    return {"name": component.name, "parameters": {key: _text(value) for key, value in component.as_given().items()}}


def _text(value: object) -> object:
    """Return what a grid file says for a value: a length of an object keeps the unit that it was written in."""
    return written(value, PIXEL) if isinstance(value, Of255) else value


def _stored_epsilon(epsilon: float) -> float | str:
    """Return a radius as a number, but with its unit where a number would be taken for another unit."""
    return written(epsilon, PIXEL) if isinstance(epsilon, Of255) and epsilon > LARGEST_RADIUS else float(epsilon)


Epsilon = Annotated[float, PlainValidator(parse_epsilon), PlainSerializer(_stored_epsilon)]
AttackField = Annotated[Component[Any], BeforeValidator(_component("attack")), PlainSerializer(_stored)]
DefenseField = Annotated[Component[Any], BeforeValidator(_component("defense")), PlainSerializer(_stored)]
Axis = Annotated[list[T], Field(min_length=1)]


class ThreatModel(BaseModel):
    """What the attack knows: ``transfer`` the undefended model, ``adaptive`` the defense too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["transfer", "adaptive"]
    gradients: Literal["bpda", "unrolled"] | None = None
    eot_draws: Annotated[int, Field(ge=1, le=1000)] = 1


def _threat_model(value: object) -> object:
    """Read ``adaptive`` and ``{adaptive: {eot_draws: 4}}`` as one form."""
    if isinstance(value, ThreatModel):
        return value
    name, parameters = _named(value)
    if name == "transfer" and parameters:
        raise ValueError("threat model 'transfer' has no parameters; those of 'adaptive' are gradients and eot_draws")
    return {"name": name, **parameters}


ThreatModelField = Annotated[ThreatModel, BeforeValidator(_threat_model)]


class Exclude(BaseModel):
    """Cells to leave out: those that match every given pattern (``*`` and ``?`` as in file names)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None
    dataset: str | None = None
    attack: str | None = None
    norm: Literal["linf", "l2"] | None = None
    epsilon: Epsilon | None = None
    threat_model: str | None = None
    defense: str | None = None
    seed: int | None = None


class Grid(BaseModel):
    """A benchmark: the product of its axes, less what is excluded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200, description="what the run is called")
    description: str = Field(default="", description="free text, stored with the run")
    models: Axis[str] = Field(description="names of models; see `sccbench list models`")
    datasets: Axis[str] = Field(description="names of datasets; see `sccbench list datasets`")
    attacks: Axis[AttackField] = Field(
        default=[Component("attack", "pgd")], description="attacks, used at every epsilon above 0"
    )
    epsilons: Axis[Epsilon] = Field(
        default=[0.0, canonical_pixel(1 / 255), canonical_pixel(4 / 255)],
        description="radii as 4/255 or 0.0157, L-inf or, of an attack with norm: l2, L2; 0 is clean accuracy",
    )
    threat_models: Axis[ThreatModelField] = Field(
        default=[ThreatModel(name="transfer")],
        description="what the attack knows: transfer attacks the undefended model, adaptive the defended one",
    )
    defenses: Axis[DefenseField] = Field(
        default=[Component("defense", name) for name in ("none", "ttc", "scc")],
        description="test-time defenses; `none` is the undefended model",
    )
    seeds: Axis[Annotated[int, Field(ge=0, lt=2**31)]] = Field(
        default=[0], description="seeds of all randomness, one cell each"
    )
    max_samples: int | None = Field(
        default=None, ge=1, description="how many samples of each dataset's fixed order; all when left out"
    )
    preprocessing: str = Field(default="native", description="native (CLIP's own) or paper (that of the tables)")
    precision: str = Field(
        default="float32", description="of the image tower: float32, tf32 (on a GPU), bfloat16 or float16"
    )
    cpu_threads: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="threads of a worker that computes on a CPU; another number rounds otherwise",
    )
    exclude: list[Exclude] = Field(default=[], description="combinations to leave out")

    @field_validator("models", "datasets", "epsilons", "threat_models", "seeds", "attacks", "defenses")
    @classmethod
    def _no_duplicates(cls, values: list[Any]) -> list[Any]:
        for index, value in enumerate(values):
            if value in values[:index]:
                raise ValueError(f"{_shown(value)} is given twice")
        return values

    @field_validator("preprocessing")
    @classmethod
    def _known_preprocessing(cls, value: str) -> str:
        return _known("preprocessing", value, PREPROCESSINGS)

    @field_validator("precision")
    @classmethod
    def _known_precision(cls, value: str) -> str:
        return _known("precision", value, PRECISIONS)


def grid_text(grid: Grid) -> str:
    """Return a grid as a file would say it: every key that differs from its default, components by name."""
    document = {key: value for key, value in grid.model_dump(mode="json", exclude_defaults=True).items() if value != []}
    for axis in ("attacks", "defenses"):
        given = [(component["name"], component["parameters"]) for component in document.get(axis, ())]
        document |= {axis: [{name: parameters} if parameters else name for name, parameters in given]} if given else {}
    threats = [(threat.pop("name"), threat) for threat in document.get("threat_models", ())]
    document |= {"threat_models": [{name: chosen} if chosen else name for name, chosen in threats]} if threats else {}
    return yaml.safe_dump(document, sort_keys=False)


def load_grid(path: Path) -> tuple[Grid, str]:
    """Read and check a grid file; return it with its text as written.

    Raises:
        UserError: no such file, no YAML, or no valid grid; the text names the file, the line or key, and the mend.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read the grid {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"the grid {path} is no UTF-8 text") from None
    return parse_grid(text, str(path)), text


def parse_grid(text: str, origin: str) -> Grid:
    """Check the text of a grid; ``origin`` names it in errors.

    Raises:
        UserError: see :func:`load_grid`.
    """
    try:
        document = yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise UserError(f"{origin}{line}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise UserError(f"{origin}: a grid is a mapping of keys to values; it has the keys {', '.join(_keys(Grid))}")
    # Keys of the user's own, such as what several grids anchor and merge.
    document = {key: value for key, value in document.items() if not (isinstance(key, str) and key.startswith("x-"))}
    try:
        return Grid.model_validate(document)
    except ValidationError as error:
        raise UserError(f"{origin}: {'; '.join(map(_explain, error.errors()))}") from None


_MERGE = "tag:yaml.org,2002:merge"
_FLOAT = "tag:yaml.org,2002:float"
_INT = "tag:yaml.org,2002:int"


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that stands twice in one mapping; ``<<`` merges another one in."""

    def construct_number(self, node: yaml.ScalarNode) -> object:
        """Return a number, or its text where Python has no such number or would take it for 0."""
        try:
            number = self.construct_yaml_float(node) if node.tag == _FLOAT else self.construct_yaml_int(node)
        except ValueError:
            return node.value
        return number if number or not is_nonzero(node.value) else node.value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float) and key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {shown(key)} stands twice", problem_mark=key_node.start_mark
                )
            if isinstance(key, str | int | float):
                seen.add(key)
        return super().construct_mapping(node, deep)


for _tag in (_FLOAT, _INT):
    _StrictLoader.add_constructor(_tag, _StrictLoader.construct_number)


def _explain(problem: Mapping[str, Any]) -> str:
    location: Sequence[object] = problem["loc"]
    where = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        owners: dict[str, type[BaseModel]] = {"exclude": Exclude, "threat_models": ThreatModel}
        owner = owners.get(str(location[0]), Grid)
        return str(unknown_name("key", str(location[-1]), _keys(owner)))
    if problem["type"] == "missing":
        return f"the key {where!r} is missing"
    if problem["type"] == "too_short":
        return f"{where}: the axis is empty; give at least one value or leave the key out"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" + ("" if "given" in message else f" (given: {_shown(problem['input'])})")


def _keys(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def _known(kind: str, value: str, existing: Sequence[str]) -> str:
    if value not in existing:
        raise ValueError(str(unknown_name(kind, value, existing)))
    return value


def _shown(value: object) -> str:
    return value.name if isinstance(value, Component | ThreatModel) else shown(value)
