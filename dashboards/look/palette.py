"""One colour, one symbol and one line style per defense, the same in every figure of a site.

Hues are named, not spelled: ``var(--hue-blue)`` is looked up in the stylesheet when a figure is drawn, so that light
and dark pages each have their own shade. They follow Okabe and Ito's and Tol's colour-blind-safe sets, and the symbol
tells apart what the hue alone may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NONE = "none"
CONTROLS = ("random-noise", "flip", "shift", "views", "jpeg", "low-pass")

_KNOWN = {
    NONE: ("grey", "circle"),
    "random-noise": ("amber", "diamond"),
    "flip": ("purple", "triangle-up"),
    "shift": ("green", "square"),
    "ttc": ("vermilion", "square"),
    "scc": ("blue", "circle"),
    "tte": ("sky", "diamond"),
    "anti-adversary": ("olive", "triangle-down"),
    "hedge": ("wine", "triangle-up"),
    "r-tpt": ("green", "star"),
    "clipure-cos": ("purple", "hexagon"),
    "doc": ("amber", "pentagon"),
    "agc": ("indigo", "cross"),
    "csr": ("sky", "x"),
    "mac": ("olive", "star"),
    "jpeg": ("wine", "pentagon"),
    "low-pass": ("indigo", "hexagon"),
    "views": ("sky", "triangle-down"),
}
_EMPHASISED = ("ttc", "scc")
_HUES = ("sky", "wine", "olive", "indigo", "green", "purple", "amber", "vermilion", "blue")
_SYMBOLS = ("diamond", "triangle-up", "square", "triangle-down", "star", "hexagon", "pentagon", "cross", "x", "circle")


@dataclass(frozen=True)
class DefenseStyle:
    """How one defense looks.

    Attributes:
        name: the defense's label.
        hue: name of a hue of the stylesheet.
        symbol: Plotly's name of the filled symbol.
        variant: whether it is a parametrised form of another defense, such as ``scc(semantic=false)``.
    """

    name: str
    hue: str
    symbol: str
    variant: bool = False

    @property
    def control(self) -> bool:
        """Whether it is a trivial control that a defense has to beat."""
        return base_name(self.name) in CONTROLS

    @property
    def emphasised(self) -> bool:
        """Whether it is one of the defenses that the benchmark is about."""
        return self.name in _EMPHASISED

    @property
    def color(self) -> str:
        """Its hue, as figures name colours."""
        return f"var(--hue-{self.hue})"

    @property
    def soft_color(self) -> str:
        """Its hue, translucent."""
        return f"var(--hue-{self.hue}-soft)"

    @property
    def marker_symbol(self) -> str:
        """Plotly's symbol: hollow for controls."""
        return f"{self.symbol}-open" if self.control else self.symbol

    @property
    def dash(self) -> str:
        """Plotly's dash: broken for controls, dotted for variants, solid otherwise."""
        return "dash" if self.control else "dot" if self.variant else "solid"

    @property
    def line_width(self) -> float:
        """Width of its line in pixels."""
        return 2.75 if self.emphasised else 1.5

    @property
    def marker_size(self) -> float:
        """Size of its marker in pixels."""
        return 11 if self.emphasised else 9


class Palette:
    """The styles of all defenses of a site, in the order in which pages list them.

    Args:
        defenses: every label that occurs in the site's results.
    """

    def __init__(self, defenses: Iterable[str]) -> None:
        taken: set[tuple[str, str]] = set()
        self._styles: dict[str, DefenseStyle] = {}
        names = sorted(set(defenses), key=_place)
        for name in [*(n for n in names if n in _KNOWN), *(n for n in names if n not in _KNOWN)]:
            self._styles[name] = _style(name, taken)
            taken.add((self._styles[name].hue, self._styles[name].symbol))
        self._styles = {name: self._styles[name] for name in names}

    def __getitem__(self, defense: str) -> DefenseStyle:
        return self._styles[defense]

    def __iter__(self) -> Iterator[DefenseStyle]:
        return iter(self._styles.values())

    def ordered(self, defenses: Iterable[str]) -> list[DefenseStyle]:
        """Return the styles of some defenses: undefended, controls, others, and the emphasised ones last."""
        wanted = set(defenses)
        return [style for style in self if style.name in wanted]


def base_name(label: str) -> str:
    """Return a defense's name without its parameters."""
    return label.partition("(")[0]


def _place(name: str) -> tuple[int, str, str]:
    base = base_name(name)
    if base == NONE:
        group = 0
    elif base in CONTROLS:
        group = 1 + CONTROLS.index(base)
    else:
        group = 20 + _EMPHASISED.index(base) if base in _EMPHASISED else 10
    return group, base, name


def _style(name: str, taken: set[tuple[str, str]]) -> DefenseStyle:
    base = base_name(name)
    if name in _KNOWN:
        return DefenseStyle(name, *_KNOWN[name])
    hues = (_KNOWN[base][0],) if base in _KNOWN else _HUES
    used = {hue: sum(hue == other for other, _ in taken) for hue in hues}
    hue = min(hues, key=lambda candidate: (used[candidate], hues.index(candidate)))
    free = (symbol for symbol in _SYMBOLS if (hue, symbol) not in taken)
    return DefenseStyle(name, hue, next(free, _SYMBOLS[0]), variant=name != base)
