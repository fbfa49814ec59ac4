"""The meaning of the published tables' words in a grid: the schema of ``names.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orchestrator.grid.schema import AttackField, DefenseField
from scc_core.errors import UserError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Where numbers were published.

    Attributes:
        reference: the paper.
        resolution: half of the last printed digit, or the error of reading a figure, in points of accuracy.
        note: what a reader must know before comparing; it is shown with the numbers of this source.
    """

    reference: str
    resolution: Annotated[float, Field(gt=0)]
    note: str = ""


class PublishedModel(_Part):
    """A model of the tables: its names in grids, or why this project has no counterpart."""

    names: tuple[str, ...] = ()
    absent: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.names) == bool(self.absent):
            raise ValueError("give either names or absent")
        return self


class PublishedDataset(_Part):
    """A dataset of the tables: its names in grids, and the number of images of the split that the tables measure."""

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    images: Annotated[int, Field(gt=0)]


class Conditions(_Part):
    """The preprocessing and the precision of a cell that may be compared with a published number."""

    preprocessing: str
    precision: str


class Gate(_Part):
    """An accuracy in percent, with its tolerance, that a correct setup must measure; no attack means epsilon 0."""

    model: str
    dataset: str
    attack: str = ""
    epsilon_255: Annotated[float, Field(ge=0)]
    defense: str = "none"
    expected: Annotated[float, Field(ge=0, le=100)]
    tolerance: Annotated[float, Field(gt=0)]


class Names(_Part):
    """The whole of ``names.yaml``. ``means`` lists the members of each average."""

    sources: Mapping[str, Source]
    conditions: Conditions
    models: Mapping[str, PublishedModel]
    datasets: Mapping[str, PublishedDataset]
    means: Mapping[str, tuple[str, ...]] = {}
    attacks: Mapping[str, AttackField]
    defenses: Mapping[str, DefenseField]
    gates: tuple[Gate, ...] = ()

    @model_validator(mode="after")
    def _known_members(self) -> Self:
        for mean, members in self.means.items():
            unknown = sorted(set(members) - set(self.datasets))
            if unknown:
                raise ValueError(f"means: {mean!r} has members that are no datasets: {', '.join(unknown)}")
        for gate in self.gates:
            known = gate.model in self.models and gate.dataset in {*self.datasets, *self.means}
            if not known or gate.defense not in self.defenses or gate.attack not in {"", *self.attacks}:
                raise ValueError(f"gates: {gate.model!r} on {gate.dataset!r} names what is not listed above it")
        return self


def load_names(path: Path) -> Names:
    """Read and check a file of names.

    Raises:
        UserError: no such file, no YAML, or not in the form of :class:`Names`; the text names the file and the place.
    """
    try:
        return Names.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UserError(f"{path}: {'; '.join(problems)}") from None
