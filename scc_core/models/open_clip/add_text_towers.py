"""Add the text towers of published weights on this machine to the table that ships with the package.

``python -m scc_core.models.open_clip.add_text_towers [NAME ...]``; without names, all that this machine has. A row is
computed from the weights themselves, never typed.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from scc_core.embedded.sources import EMBEDDED_MODELS, embedded_model_source
from scc_core.errors import UserError
from scc_core.models.open_clip.locate import locate
from scc_core.models.open_clip.text_tower import TABLE, TextTower, text_digest_of, text_towers_here
from scc_core.models.sources import TagSource, parse_source


def add_text_towers(names: Sequence[str], table: Path = TABLE) -> list[TextTower]:
    """Write the text towers of ``names``, or of all published weights on this machine, into ``table``; return them.

    Raises:
        UserError: a name is none of published weights, its weights are not here, or the table has other ones for it.
    """
    towers = [_tower(name) for name in names] if names else list(text_towers_here())
    content = table.read_text(encoding="utf-8")
    known = {row["weights"]: row["digest"] for row in tomllib.loads(content).get("tower", [])}
    for tower in towers:
        if known.get(tower.name, tower.digest) != tower.digest:
            raise UserError(f"{table} has another text tower for {tower.name}; take its row out if it is wrong")
    new = [tower for tower in towers if tower.name not in known]
    table.write_text(content + "".join(_rows(new)), encoding="utf-8")
    return new


def _tower(name: str) -> TextTower:
    if name not in EMBEDDED_MODELS and not isinstance(parse_source(name), TagSource):
        raise UserError(f"{name!r} names no published weights; write TAG/ARCHITECTURE, such as openai/ViT-B-32")
    blueprint = locate(embedded_model_source(name) if name in EMBEDDED_MODELS else name)
    digest = text_digest_of(blueprint.weights)
    if digest is None:
        raise UserError(f"the weights of {name!r} have no text tower")
    return TextTower(name, blueprint.quick_gelu, digest)


def _rows(towers: Iterable[TextTower]) -> Iterable[str]:
    for tower in towers:
        activation = "quickgelu" if tower.quick_gelu else "gelu"
        yield f'\n[[tower]]\nweights = "{tower.name}"\nactivation = "{activation}"\ndigest = "{tower.digest}"\n'


if __name__ == "__main__":
    for added in add_text_towers(sys.argv[1:]):
        sys.stdout.write(f"{added.name}: {added.digest[:12]}\n")
