"""An attack or a defense as a value: its name and its parameters, the same from the grid to the worker."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from scc_core.components.code import UnreadableCodeError, check_code, code_of, numerics_of
from scc_core.components.parameters import Kind, ParameterValue, Parametrised, written
from scc_core.errors import SccBenchError, UserError, unknown_name

BuiltT = TypeVar("BuiltT", bound=Parametrised)

KEY_NAMES: Mapping[tuple[Kind, str], str] = {("attack", "surrogate"): "transfer"}
"""The name of a component in the keys of cells, where it is another one: keys keep the name that they were made with.
Grids may still use it."""

_NAMES = {(kind, key_name): name for (kind, name), key_name in KEY_NAMES.items()}
_KEPT = 1024


@dataclass(frozen=True, eq=False)
class Component(Generic[BuiltT]):
    """An attack or a defense, as a user names it or with every parameter written out.

    Two are equal when kind, name, parameters, weights, codes and version are; nothing else counts.

    Attributes:
        kind: ``attack`` or ``defense``.
        name: in the registry, or a dotted path ``package.module:attribute``.
        parameters: those that were given; all, as the implementation reads them, after :meth:`resolved`.
        label: short text for people: the name, and after :meth:`resolved` the parameters that differ from defaults.
        weights: by parameter, the SHA-256 of the weights of each further model that a parameter names.
        control: whether a defense is a trivial transformation that others must beat; told by :meth:`resolved`.
        randomised: whether another draw of a defense may predict otherwise; told by :meth:`resolved`.
        code: identifies the code of a component of a user's own, see :func:`scc_core.components.code.code_of`; told by
            :meth:`resolved`, None for one of scc-bench.
        version: of the numerics of a component of scc-bench; told by :meth:`resolved`.
        codes: by parameter, the code of each further model of a user's own that a parameter names.
    """

    kind: Kind
    name: str
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    label: str = ""
    weights: Mapping[str, str] = field(default_factory=dict)
    control: bool | None = None
    randomised: bool | None = None
    code: str | None = None
    version: int = 1
    codes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = _NAMES.get((self.kind, self.name), self.name)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "label", self.label or name)
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))
        object.__setattr__(self, "codes", MappingProxyType(dict(self.codes)))

    @classmethod
    def of(cls, built: BuiltT) -> Component[BuiltT]:
        """Return the component that builds ``built``: that very object here, one like it in another process.

        Raises:
            UserError: its class breaks the contract of its kind.
        """
        check_implementation(built.kind, type(built), type(built).__name__)
        path = f"{type(built).__module__}:{type(built).__qualname__}"
        code, label = None, _label(type(built).__name__, built)
        # A class that was typed somewhere serves in this process; what needs its key asks again.
        with suppress(UnreadableCodeError):
            code = code_of(_called(built.kind, path), type(built), None)
        version = numerics_of(type(built))
        component = cls(built.kind, path, built.parameters(), label, code=code, version=version)
        component.__dict__["_given"] = built
        return component

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Component) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __reduce__(self) -> tuple[Any, ...]:
        # What was built stays here: it may be large, and another process builds its own.
        return type(self), (
            self.kind,
            self.name,
            dict(self.parameters),
            self.label,
            dict(self.weights),
            self.control,
            self.randomised,
            self.code,
            self.version,
            dict(self.codes),
        )

    @property
    def key_name(self) -> str:
        """The name in the keys of cells."""
        return KEY_NAMES.get((self.kind, self.name), self.name)

    @property
    def implementation(self) -> type[BuiltT]:
        """The class that is built.

        Raises:
            UserError: no such name, see :meth:`Registry.get`; or what has it is no class of that kind.
        """
        implementation: type[BuiltT] = self._registry.get(self.name)
        check_implementation(self.kind, implementation, self.name)
        return implementation

    def build(self) -> BuiltT:
        """Return the attack or the defense, the same object for equal components of a process.

        Raises:
            UserError: no such name or parameter, or a value out of range.
        """
        given: BuiltT | None = self.__dict__.get("_given")
        # The class is part of what is looked up: a dotted path names another one after its module is loaded again.
        return _built(self, self.implementation) if given is None else given  # type: ignore[arg-type]

    def resolved(
        self,
        digest_of: Callable[[str], str] | None = None,
        code_of_model: Callable[[str], str | None] | None = None,
    ) -> Component[BuiltT]:
        """Return the component with every parameter written out, with its label and its weights.

        Args:
            digest_of: tells the SHA-256 of the weights of a model that a parameter names; None leaves them out.
            code_of_model: tells the code of such a model, None for one of scc-bench; None leaves them out.

        Raises:
            UserError: see :meth:`build`.
        """
        built = self.build()
        parameters = built.parameters()
        named = built.named_models()
        weights = {key: digest_of(name) for key, name in named.items()} if digest_of else {}
        found = {key: code_of_model(name) for key, name in named.items()} if code_of_model else {}
        codes = {key: code for key, code in found.items() if code is not None}
        control, randomised = (
            None if flag is None else bool(flag)
            for flag in (getattr(built, "control", None), getattr(built, "randomised", None))
        )
        label = _label(self.name, built)
        code, version = self._code(), numerics_of(type(built))
        return Component(self.kind, self.name, parameters, label, weights, control, randomised, code, version, codes)

    def check_here(
        self, node: str, digest_of: Callable[[str], str], code_of_model: Callable[[str], str | None]
    ) -> None:
        """Check that code and weights are here what they were where the component was resolved.

        Args:
            node: this machine or process in errors.
            digest_of: as :meth:`resolved` takes it.
            code_of_model: as :meth:`resolved` takes it.

        Raises:
            SccBenchError: they are not; the text names both.
        """
        if self.code is not None:
            what = _called(self.kind, self.name)
            implementation: Any = self.implementation
            found = _code_when_loaded(what, implementation, self._registry.home(self.name))
            check_code(what, found, self.code, node)
        for key, planned in self.weights.items():
            named = str(self.parameters[key])
            what = f"{named!r}, the {key} of {_called(self.kind, self.name)},"
            check_code(what, code_of_model(named), self.codes.get(key), node)
            digest = digest_of(named)
            if digest != planned:
                raise SccBenchError(
                    f"the weights of {what} on {node} have digest {digest[:12]}, but the run was planned for "
                    f"{planned[:12]}"
                )

    def specification(self) -> dict[str, object]:
        """Return what enters a cell's key.

        Raises:
            UserError: the component is an object whose class has no source that can be read.
        """
        code = self._code() if self.code is None and "_given" in self.__dict__ else self.code
        return {
            "name": self.key_name,
            "parameters": dict(self.parameters),
            **({"weights": dict(self.weights)} if self.weights else {}),
            **({"code": code} if code is not None else {}),
            **({"codes": dict(self.codes)} if self.codes else {}),
            **({"numerics": self.version} if self.version > 1 else {}),
        }

    @property
    def _registry(self) -> Any:
        # Attacks and defenses lie above this package and load torch, which reading a grid must not.
        return getattr(import_module(f"scc_core.{self.kind}s"), f"{self.kind}s")

    def _code(self) -> str | None:
        what, given = _called(self.kind, self.name), self.__dict__.get("_given")
        if given is not None:
            return code_of(what, type(given), None)
        return code_of(what, self.implementation, self._registry.home(self.name))

    def as_given(self) -> Mapping[str, ParameterValue]:
        """Return the parameters as their user wrote them, also those of an object; see :class:`Of255`."""
        built: Parametrised | None = self.__dict__.get("_given")
        return self.parameters if built is None else built.as_given()

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        # True and 1 are equal in Python, but differ here: a number is refused where a flag is expected.
        parameters = frozenset((key, isinstance(value, bool), value) for key, value in self.parameters.items())
        return self.kind, self.name, parameters, frozenset(self.weights.items()), self._code_identity

    @property
    def _code_identity(self) -> tuple[object, ...]:
        return self.code, self.version, frozenset(self.codes.items())


@lru_cache(maxsize=_KEPT)
def _code_when_loaded(what: str, implementation: type[Any], home: str | None) -> str | None:
    # A process computes with what it has loaded, whatever becomes of the files later.
    return code_of(what, implementation, home)


def _called(kind: Kind, name: str) -> str:
    return f"{kind} {name!r}"


def check_implementation(kind: Kind, implementation: object, name: str) -> None:
    """Check that a class, which may be a user's own, keeps the contract of attacks or of defenses.

    Args:
        kind: ``attack`` or ``defense``.
        implementation: the class.
        name: what the user calls it.

    Raises:
        UserError: it does not; the text says what to do.
    """
    base = f"scc_core.{kind.capitalize()}"
    if not (isinstance(implementation, type) and issubclass(implementation, Parametrised)) or (
        getattr(implementation, "kind", None) != kind
    ):
        raise UserError(f"{name!r} is no {kind}: derive a class from {base}")
    if inspect.isabstract(implementation):
        lacking = " and ".join(sorted(getattr(implementation, "__abstractmethods__", ())))
        raise UserError(f"{kind} {name!r} lacks {lacking}, which every {kind} defines: see {base}")
    undecorated = any(isinstance(value, dataclasses.Field) for value in vars(implementation).values())
    if not dataclasses.is_dataclass(implementation) or undecorated:
        raise UserError(f"{kind} {name!r} is no dataclass: decorate its class with @dataclass(frozen=True)")
    for parameter in dataclasses.fields(implementation):
        if parameter.default is parameter.default_factory is dataclasses.MISSING:
            raise UserError(f"{kind} {name!r}: its parameter {parameter.name!r} has no default; give it one")
    try:
        implementation.check_declarations()
    except UserError as error:
        raise UserError(f"{kind} {name!r}: {error}") from None


def _label(name: str, built: Parametrised) -> str:
    """Return a name with the parameters that differ from their defaults, as a grid writes them."""
    parameters, default = built.parameters(), type(built)().parameters()
    units = {field.name: field.metadata.get("unit") for field in dataclasses.fields(built)}  # type: ignore[arg-type]
    norm = getattr(built, "norm", "linf")
    changed = {key: value for key, value in parameters.items() if value != default[key]}
    shown = [f"{key}={written(value, units[key], norm)}" for key, value in changed.items()]
    return f"{name}({', '.join(shown)})" if shown else name


@lru_cache(maxsize=_KEPT)
def _built(component: Component[BuiltT], implementation: type[BuiltT]) -> BuiltT:
    allowed = [field.name for field in dataclasses.fields(implementation)]  # type: ignore[arg-type]
    for key in component.parameters:
        if key not in allowed:
            raise unknown_name(f"parameter of {component.kind} {component.name!r}:", key, allowed)
    try:
        return implementation(**component.parameters)
    except UserError as error:
        raise UserError(f"{component.kind} {component.name!r}: {error}") from None
