"""Parameters of attacks and defenses: frozen dataclass fields that know their range, unit and meaning.

An attack or a defense is a frozen dataclass whose fields are declared with :func:`parameter`. Declared once, a field is
validated when the object is built, listed by ``sccbench list``, and resolved with its default into the cell's
identity, so that a default written out and a default left out are the same cell.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

from scc_core.errors import UserError, shown, unknown_name

Kind = Literal["attack", "defense"]
ParameterValue = bool | int | float | str | None

PIXEL = "pixel"  # lengths in [0, 1] pixel units, which users write as "4/255"
DEVIATION = "deviation"  # deviations of noise in [0, 1] pixel units, which are written as 0.02
RADII = "radii"  # lengths as multiples of the attack's radius
MODEL = "model"  # the name of a model, whose weights then belong to a cell's identity

LARGEST_EPSILON = 100.0
"""The largest radius that can be read: of L2, where a whole image of 224 pixels is some hundreds across."""

_PIXEL_DECIMALS = 4
_EUCLIDEAN_DECIMALS = 6
_NUMBER = r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)"
_RATIO = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER})\s*)?", re.IGNORECASE)


class Of255(float):
    """A length in [0, 1] pixel units that its user wrote as a fraction of 255, so that its size is meant."""


def parameter(
    default: ParameterValue,
    *,
    help: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    unit: str | None = None,
) -> Any:
    """Declare a parameter of an attack or a defense.

    Args:
        default: the value used when the grid leaves it out.
        help: one line that says what it means.
        minimum: smallest allowed number, inclusive.
        maximum: largest allowed number, inclusive.
        choices: allowed strings.
        unit: :data:`PIXEL` for lengths in [0, 1] pixel space, :data:`DEVIATION` for deviations of noise there,
            :data:`RADII` for multiples of the attack's radius, :data:`MODEL` for names of models.
    """
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "choices": choices, "unit": unit}
    return dataclasses.field(default=default, metadata=metadata)


class Parametrised:
    """Base of attacks and defenses: validates and canonicalises every declared field on construction.

    An object is built once in a process and serves every model, dataset and batch, so it keeps nothing of them.

    Attributes:
        kind: ``attack`` or ``defense``.
        version: of the numerics of a class of scc-bench, raised by every change that moves a prediction or a margin.
            A class of a user's own may set a text, which then stands for its code in the keys of cells.

    Raises:
        UserError: a value of the wrong type or outside its range; the text names the range.
    """

    kind: ClassVar[Kind]
    version: ClassVar[int | str] = 1

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = _checked(field, hints[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @classmethod
    def check_declarations(cls) -> None:
        """Check what a class says of itself beside its parameters.

        Raises:
            UserError: it is not what the contract allows.
        """

    def named_models(self) -> dict[str, str]:
        """Return, by parameter, the models that are used beside the one under evaluation."""
        names = [field.name for field in dataclasses.fields(self) if field.metadata.get("unit") == MODEL]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def parameters(self) -> dict[str, ParameterValue]:
        """Return every parameter with its value, defaults included, in the order of their names."""
        return {name: float(value) if isinstance(value, Of255) else value for name, value in self.as_given().items()}

    def as_given(self) -> dict[str, ParameterValue]:
        """Return what :meth:`parameters` does, but lengths that were written in 1/255 as :class:`Of255`."""
        names = sorted(field.name for field in dataclasses.fields(self))  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names}


def describe(implementation: type) -> list[dict[str, object]]:
    """Return one record per parameter: name, type, default (as a grid writes it), range and meaning."""
    hints = typing.get_type_hints(implementation)
    return [
        {
            "name": field.name,
            "type": _type_name(hints[field.name]),
            "default": written(field.default, PIXEL)
            if field.metadata.get("unit") == PIXEL and field.default is not None
            else field.default,
            "range": _allowed(field),
            "help": field.metadata.get("help", ""),
        }
        for field in dataclasses.fields(implementation)
    ]


def parse_number(value: object) -> float:
    """Read a number as users write it: ``0.5``, ``4/255``, ``"1e-2"``.

    Raises:
        ValueError: not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, Real | str):
        raise ValueError(f"{shown(value)} is not a number")  # noqa: TRY004 - callers treat every bad value alike
    if isinstance(value, str):
        parts = _RATIO.fullmatch(value)
        if parts is None:
            raise ValueError(f"{shown(value)} is not a number such as 0.5 or 4/255")
        numerator, denominator = float(parts[1]), float(parts[2] or 1)
        if not denominator:
            raise ValueError(f"{shown(value)} is not a number: it divides by 0")
        number = numerator / denominator if math.isfinite(numerator) and math.isfinite(denominator) else math.inf
        if not number and is_nonzero(parts[1]):
            raise ValueError(f"{shown(value)} is too small: it would be taken for 0")
    else:
        try:
            number = float(value)
        except ArithmeticError:
            number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{shown(value)} is not finite")
    # No -0.0, which would have a key of its own.
    return number + 0.0


def is_nonzero(text: str) -> bool:
    """Tell whether the digits of a number say more than 0, also where it is too small for a float."""
    return any(digit in "123456789" for digit in re.split("[eE]", text)[0])


def whole_number(name: str, value: object, *, minimum: int, maximum: int | None = None) -> int:
    """Check an option called ``name`` that is a whole number, of Python or of numpy.

    Raises:
        UserError: it is none, or outside of ``[minimum, maximum]``.
    """
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if number is None or number < minimum or (maximum is not None and number > maximum):
        allowed = f"{minimum} or more" if maximum is None else f"from {minimum} to {maximum}"
        raise UserError(f"{name} is {value!r}, expected a whole number, {allowed}")
    return number


def parse_epsilon(value: object) -> float:
    """Read a radius in [0, 1] pixel units as users write it: ``4/255``, ``0.0157``, 0 for clean images.

    Whether it suits an attack's norm is another question, see :mod:`scc_core.components.units`.

    Returns:
        The radius; as :class:`Of255` if it was written as a fraction of 255.

    Raises:
        ValueError: no number, or one outside [0, :data:`LARGEST_EPSILON`]; the text says what was probably meant.
    """
    number = parse_number(value)
    text = shown(value).strip("'")
    if not 0 <= number <= LARGEST_EPSILON:
        hint = f"; did you mean {text}/255?" if 1 < number <= 255 else ""
        raise ValueError(f"{text} is outside [0, 1], the range of pixels (L2: [0, {LARGEST_EPSILON:g}]){hint}")
    if number and not canonical_pixel(number):
        raise ValueError(f"{text} is below 0.0001/255, the smallest radius; 0 stands for clean images")
    return parse_length(value)


def parse_length(value: object) -> float:
    """Read a length in [0, 1] pixel units in its canonical form; as :class:`Of255` if it is a fraction of 255.

    Raises:
        ValueError: no number.
    """
    length = canonical_pixel(parse_number(value))
    return Of255(length) if _is_of_255(value) else length


def _is_of_255(value: object) -> bool:
    parts = _RATIO.fullmatch(value) if isinstance(value, str) else None
    return isinstance(value, Of255) or (parts is not None and parts[2] is not None and float(parts[2]) == 255)


def canonical_pixel(value: float) -> float:
    """Round a length in pixel space to 1e-4 of 1/255, so that ``0.01568627`` and ``4/255`` are one number."""
    return round(value * 255, _PIXEL_DECIMALS) / 255


def written(value: object, unit: str | None, norm: str = "linf") -> str:
    """Return a value as users write it in a grid: ``true`` for true; for a length under L-inf ``4/255``, else ``0.5``.

    Args:
        value: of a parameter, or a radius.
        unit: of the parameter.
        norm: of the attack that a length belongs to; that of a defense is ``linf``.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and unit == PIXEL:
        if norm == "linf":
            return f"{round(value * 255, _PIXEL_DECIMALS):.9g}/255"
        return f"{round(value, _EUCLIDEAN_DECIMALS):.9g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def written_radius(epsilon: float, norm: str) -> str:
    """Return a radius in [0, 1] pixel units as people read it: ``4/255`` under L-inf, ``0.5 (L2)`` under L2, ``0``."""
    if not epsilon:
        return "0"
    return written(float(epsilon), PIXEL, norm) + ("" if norm == "linf" else f" ({norm.upper()})")


def _checked(field: dataclasses.Field[Any], hint: object, value: object) -> ParameterValue:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    try:
        result = _converted(options, value)
    except ValueError as error:
        raise UserError(f"{field.name}: {error}; allowed: {_type_name(hint)} {_allowed(field)}".rstrip()) from None
    low, high, choices = (field.metadata.get(key) for key in ("minimum", "maximum", "choices"))
    if choices is not None and result not in choices:
        raise unknown_name(f"value of {field.name}:", str(result), choices)
    if isinstance(result, int | float) and ((low is not None and result < low) or (high is not None and result > high)):
        length = field.metadata.get("unit") in (PIXEL, DEVIATION)
        hint = f"; did you mean {result:g}/255?" if length and 1 < result <= 255 else ""
        raise UserError(f"{field.name}: {shown(result)} is out of range; allowed: {_allowed(field)}{hint}")
    if isinstance(result, float) and field.metadata.get("unit") == PIXEL:
        return parse_length(value)
    return Of255(result) if isinstance(result, float) and _is_of_255(value) else result


def _converted(options: tuple[object, ...], value: object) -> ParameterValue:
    if bool in options:
        if not isinstance(value, bool):
            raise ValueError(f"{shown(value)} is not true or false")
        return value
    if str in options:
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is not a name")
        return value
    number = parse_number(value)
    if float in options:
        return number
    if number != int(number):
        raise ValueError(f"{shown(value)} is not a whole number")
    return int(number)


def _allowed(field: dataclasses.Field[Any]) -> str:
    low, high, choices = (field.metadata.get(key) for key in ("minimum", "maximum", "choices"))
    if choices:
        return " | ".join(choices)
    if low is None and high is None:
        return ""
    return f"[{'-inf' if low is None else f'{low:g}'}, {'inf' if high is None else f'{high:g}'}]"


def _type_name(hint: object) -> str:
    return str(hint).replace("<class '", "").replace("'>", "")
