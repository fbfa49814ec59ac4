"""Parameters of attacks and defenses: frozen dataclass fields that know their range, unit and meaning.

An attack or a defense is a frozen dataclass whose fields are declared with :func:`parameter`. Declared once, a field is
validated when the object is built, listed by ``sccbench list``, and resolved with its default into the cell's
identity, so that a default written out and a default left out are the same cell.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

from scc_core.errors import UserError, shown, unknown_name

Kind = Literal["attack", "defense"]
ParameterValue = bool | int | float | str | None

PIXEL = "pixel"  # lengths in [0, 1] pixel units, which users write as "4/255"
MODEL = "model"  # the name of a model, whose weights then belong to a cell's identity
_PIXEL_DECIMALS = 4


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
        unit: :data:`PIXEL` for lengths in [0, 1] pixel space, :data:`MODEL` for names of models.
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
    try:
        if isinstance(value, str):
            numerator, slash, denominator = value.replace(" ", "").partition("/")
            parts = float(numerator), float(denominator if slash else 1)
            number = parts[0] / parts[1] if all(map(math.isfinite, parts)) else math.inf
        else:
            number = float(value)
    except (ArithmeticError, ValueError):
        raise ValueError(f"{shown(value)} is not a number such as 0.5 or 4/255") from None
    if not math.isfinite(number):
        raise ValueError(f"{shown(value)} is not finite")
    return number


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

    Raises:
        ValueError: no number, or one outside [0, 1]; the text says what was probably meant.
    """
    number = parse_number(value)
    if not 0 <= number <= 1:
        hint = f"; did you mean {value}/255?" if 1 < number <= 255 else ""
        raise ValueError(f"{value} is outside [0, 1], the range of pixels{hint}")
    if number and not canonical_pixel(number):
        raise ValueError(f"{value} is below 0.0001/255, the smallest radius; 0 stands for clean images")
    return canonical_pixel(number)


def canonical_pixel(value: float) -> float:
    """Round a length in pixel space to 1e-4 of 1/255, so that ``0.01568627`` and ``4/255`` are one number."""
    return round(value * 255, _PIXEL_DECIMALS) / 255


def written(value: object, unit: str | None) -> str:
    """Return a value as users write it in a grid: ``4/255`` for a length in pixel space, ``true`` for true."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{round(value * 255, _PIXEL_DECIMALS):g}/255" if unit == PIXEL else f"{value:g}"
    return str(value)


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
        raise UserError(f"{field.name}: {shown(result)} is out of range; allowed: {_allowed(field)}")
    if isinstance(result, float) and field.metadata.get("unit") == PIXEL:
        return canonical_pixel(result)
    return result


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
