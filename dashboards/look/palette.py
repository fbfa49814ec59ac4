"""One colour, one symbol and one line style per defense, the same in every figure of a site.

Nothing here knows a defense: what a site's results say of each decides its place and its style, and the order of the
names decides hue and symbol. Hues are named, not spelled: ``var(--hue-blue)`` is looked up in the stylesheet when a
figure is drawn, so that light and dark pages each have their own shade. They follow Okabe and Ito's and Tol's
colour-blind-safe sets, and the symbol tells apart what the hue alone may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.grid.cell import NO_DEFENSE

HUES = ("blue", "vermilion", "green", "purple", "amber", "sky", "wine", "olive", "indigo")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star", "hexagon", "triangle-down", "pentagon", "cross", "x")
"""Plotly's names of the marks."""


@dataclass(frozen=True)
class DefenseStyle:
    """How one defense looks.

    Attributes:
        name: the defense's label.
        hue: name of a hue of the stylesheet.
        symbol: Plotly's name of the filled symbol.
        control: whether it is a trivial transformation that a defense has to beat; None if the results do not say it.
        variant: whether it is a parametrised form of another defense: a name with parameters in parentheses.
    """

    name: str
    hue: str
    symbol: str
    control: bool | None = False
    variant: bool = False

    @property
    def undefended(self) -> bool:
        """Whether it is no defense at all."""
        return self.name == NO_DEFENSE

    @property
    def note(self) -> str:
        """What kind it is, in a word or two; empty for a method."""
        if self.undefended:
            return "undefended"
        return {True: "control", False: "", None: "control or method: unknown"}[self.control]

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
        """Width of its line in pixels: methods stand out."""
        return 1.5 if self.control or self.undefended else 2.25

    @property
    def marker_size(self) -> float:
        """Size of its marker in pixels."""
        return 9 if self.control or self.undefended else 10


class Palette:
    """The styles of all defenses of a site, in the order in which pages list them.

    The undefended model comes first, then methods, then those of which it is not known whether they are controls, then
    controls; in each part the names are sorted, a defense before its variants.

    Args:
        controls: for every label that occurs in the site's results whether it is a control; None where that is unknown.
    """

    def __init__(self, controls: Mapping[str, bool | None]) -> None:
        parts = {False: 1, None: 2, True: 3}

        def place(name: str) -> tuple[int, str, str]:
            return 0 if name == NO_DEFENSE else parts[controls[name]], base_name(name), name

        names = sorted(controls, key=place)
        bases = list(dict.fromkeys(base_name(name) for name in names if name != NO_DEFENSE))
        taken: set[tuple[str, str]] = set()
        self._styles: dict[str, DefenseStyle] = {}
        for name in names:
            base = base_name(name)
            # Neighbours differ in both; a variant has its defense's hue and the next symbol that is free with it.
            rank = 0 if name == NO_DEFENSE else bases.index(base)
            hue = "grey" if name == NO_DEFENSE else HUES[rank % len(HUES)]
            symbols = [SYMBOLS[(rank + turn) % len(SYMBOLS)] for turn in range(len(SYMBOLS))]
            symbol = next((each for each in symbols if (hue, each) not in taken), symbols[0])
            taken.add((hue, symbol))
            self._styles[name] = DefenseStyle(name, hue, symbol, controls[name], variant=name != base)

    def __getitem__(self, defense: str) -> DefenseStyle:
        return self._styles[defense]

    def __iter__(self) -> Iterator[DefenseStyle]:
        return iter(self._styles.values())

    def ordered(self, defenses: Iterable[str]) -> list[DefenseStyle]:
        """Return the styles of some defenses in the palette's order."""
        wanted = set(defenses)
        return [style for style in self if style.name in wanted]


def base_name(label: str) -> str:
    """Return a defense's name without its parameters."""
    return label.partition("(")[0]
