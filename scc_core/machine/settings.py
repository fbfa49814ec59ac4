"""The environment variables of this project: each is declared here, and its value is read through its declaration."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from scc_core.errors import UserError

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Setting(Generic[ValueT]):
    """An environment variable.

    Attributes:
        name: of the variable.
        type: what its text is: a folder, a file, a number, ...
        parse: makes the value of the text; raises ValueError for a text that is none.
        default: the value where the variable is unset or empty.
        meaning: what the value decides, in one sentence.
        unit: of a number; empty for other types.
        default_text: describes a default that is computed elsewhere.
        expected: what an error says about the values that are accepted.
    """

    name: str
    type: str
    parse: Callable[[str], ValueT]
    default: ValueT
    meaning: str
    unit: str = ""
    default_text: str = ""
    expected: str = ""

    def read(self, environment: Mapping[str, str] | None = None) -> ValueT:
        """Return the value of the variable, or the default.

        Args:
            environment: where the variable is looked up; None is the environment of this process.

        Raises:
            UserError: the variable has another value than the setting accepts.
        """
        text = (os.environ if environment is None else environment).get(self.name)
        if not text:
            return self.default
        try:
            return self.parse(text)
        except ValueError:
            raise UserError(f"{self.name} is {text!r}, expected {self.expected}") from None


def _folder(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _number(accepts: Callable[[float], bool]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = float(text)
        if not accepts(number):
            raise ValueError(text)
        return number

    return parse


CACHE: Setting[Path | None] = Setting(
    "SCCBENCH_CACHE",
    type="folder",
    parse=_folder,
    default=None,
    default_text="`sccbench` in `XDG_CACHE_HOME` or in `~/.cache`",
    meaning="Holds what can be made again: decoded images, digests, results that wait for a database.",
)
DATA: Setting[Path | None] = Setting(
    "SCCBENCH_DATA",
    type="folder",
    parse=_folder,
    default=None,
    default_text="`datasets` in `SCCBENCH_CACHE`",
    meaning="Holds the datasets.",
)
PREPARED_GIB: Setting[float | None] = Setting(
    "SCCBENCH_PREPARED_GIB",
    type="number",
    unit="GiB",
    parse=_number(lambda gib: 0 <= gib < math.inf),
    default=None,
    default_text="a tenth of the disk",
    meaning="Bounds the disk cache of decoded and resized images; 0 keeps none.",
    expected="a number of GiB such as 20 or 0.5, or 0 for no disk cache",
)
DEFAULT_DATABASE = "sqlite:///sccbench.db"
"""Taken where no variable names a database: a file in the working folder."""
DATABASE: Setting[str | None] = Setting(
    "SCCBENCH_DB",
    type="URL",
    parse=str,
    default=None,
    default_text=f"the URL in `SCCBENCH_DB_FILE`, else `{DEFAULT_DATABASE}`",
    meaning="Names the results database, as `--db` does.",
)
DATABASE_FILE: Setting[Path | None] = Setting(
    "SCCBENCH_DB_FILE",
    type="file",
    parse=lambda text: Path(text).expanduser(),
    default=None,
    default_text="none",
    meaning="Holds the URL of the results database where the URL has a password; only its owner may read it.",
)
SPOOL_MIB: Setting[float] = Setting(
    "SCCBENCH_SPOOL_MIB",
    type="number",
    unit="MiB",
    parse=_number(lambda mib: mib >= 0),
    default=1024.0,
    meaning="Bounds the results that wait on the driver's disk while the database is away.",
    expected="a number of MiB",
)
LEASE_SECONDS: Setting[float] = Setting(
    "SCCBENCH_LEASE_SECONDS",
    type="number",
    unit="s",
    parse=_number(lambda seconds: 0 < seconds < math.inf),
    default=60.0,
    meaning="After this time without a sign of life a driver loses its blocks to the others on the same database.",
    expected="a positive number of seconds",
)
GRID: Setting[str] = Setting(
    "SCCBENCH_GRID",
    type="text",
    parse=str,
    default="",
    default_text="none",
    meaning="Carries the grid of a submitted run to the head; `sccbench submit` sets it.",
)
SETTINGS: tuple[Setting[Any], ...] = (
    CACHE,
    DATA,
    PREPARED_GIB,
    DATABASE,
    DATABASE_FILE,
    SPOOL_MIB,
    LEASE_SECONDS,
    GRID,
)


@contextmanager
def without(names: Iterable[str]) -> Iterator[None]:
    """Take variables out of the environment while the body runs, so that processes that it starts lack them."""
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)
