"""How numbers and the field's terms are written on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.grid.cell import ADAPTIVE, TRANSFER
from scc_core.components.parameters import written_radius

DEMONSTRATION = "demonstration models"

THREAT_MODELS = (TRANSFER, ADAPTIVE)

THREAT_TITLES = {TRANSFER: "Transfer attacks", ADAPTIVE: "Adaptive attacks"}

CLEAN_TITLE = "Clean accuracy"

CLEAN_MEANING = (
    "Nothing has been attacked yet: every accuracy here is on clean images and says nothing about robustness."
)

THREAT_MEANINGS = {
    TRANSFER: (
        "The attacker sees the undefended model only; the defense is unknown to the attack. "
        "This says nothing about an attacker who knows the defense."
    ),
    ADAPTIVE: (
        "The attacker differentiates through the defense. The undefended model is the same measurement under both "
        "threat models, because there is no defense to look through."
    ),
}


def percent(fraction: float | None, digits: int = 1) -> str:
    """Write a fraction in [0, 1] as a percentage without its sign; a dash for None."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """Write a 95 % interval of fractions as percentages."""
    return "–" if low is None or high is None else f"{percent(low, digits)} to {percent(high, digits)}"


def count(number: int | None) -> str:
    """Write an integer with separators of thousands."""
    return "–" if number is None else f"{number:,}"


def plural(noun: str, number: int) -> str:
    """Write the noun of a number, in the plural where it needs one."""
    return noun if number == 1 else f"{noun}s"


def amount(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {plural(noun, number)}"


def signed(difference: float) -> str:
    """Write a difference of fractions in points, with its sign unless it is 0."""
    text = f"{100 * abs(difference):.2f}"
    return text if float(text) == 0 else f"{'+' if difference > 0 else '−'}{text}"


def moment(time: datetime | None, form: str = "%Y-%m-%d %H:%M:%S %Z") -> str:
    """Write a moment; a dash where there is none."""
    return "–" if time is None else time.strftime(form).strip()


def epsilon(value: float, norm: str | None = None) -> str:
    """Write a perturbation budget that is given times 255: ``4/255`` under L-inf, ``0.5 (L2)`` under L2."""
    return "0 (clean)" if value == 0 else written_radius(value / 255, norm or "linf")


def fact_name(name: str) -> str:
    """Write the name of a fact of an environment as a heading."""
    return name.replace("_", " ")


def rate(samples: float | None, seconds: float | None) -> str:
    """Write images per second; a dash where no time was measured."""
    return "–" if not samples or not seconds else f"{samples / seconds:,.1f}"


def shortened(name: str, most: int = 24) -> str:
    """Cut a name that is too long for an axis; its end stays, because that is where parameters differ."""
    if len(name) <= most:
        return name
    kept = most - 1
    return f"{name[: kept - kept // 3]}…{name[-(kept // 3) :]}"


def listing(names: Sequence[str], most: int = 6) -> str:
    """Join names with commas, naming at most ``most`` of them."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def coverage(row: Mapping[str, Any]) -> str:
    """Say how many datasets, images and seeds a pooled or averaged row stands for."""
    parts = [amount(row["datasets"], "dataset")] if row.get("datasets") else []
    parts += [amount(row["images"], "image"), amount(row["seeds"], "seed")]
    return ", ".join(parts)
