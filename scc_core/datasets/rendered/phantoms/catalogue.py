"""The kinds of phantom by name: how each is called, which findings it shows and how it is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scc_core.datasets.rendered.canvas import Field, to_uint8
from scc_core.datasets.rendered.phantoms import blood_smear, chest_xray, fundus, histology, oct


class Phantom(NamedTuple):
    """One kind of phantom: ``render`` returns a ``(64, 64, 3)`` image in [0, 1] for one of ``findings``."""

    modality: str
    findings: tuple[str, ...]
    render: Callable[[np.random.Generator, str], Field]


PHANTOMS: Mapping[str, Phantom] = {
    "chest-xray": Phantom("chest x-ray", chest_xray.FINDINGS, chest_xray.render_chest_xray),
    "histology": Phantom("histology slide", histology.FINDINGS, histology.render_histology),
    "blood-smear": Phantom("blood smear", blood_smear.FINDINGS, blood_smear.render_blood_smear),
    "fundus": Phantom("fundus photograph", fundus.FINDINGS, fundus.render_fundus),
    "oct": Phantom("retinal oct scan", oct.FINDINGS, oct.render_oct),
}


def render_phantom(rng: np.random.Generator, kind: str, finding: str) -> npt.NDArray[np.uint8]:
    """Render one phantom as ``(64, 64, 3)`` uint8."""
    return to_uint8(PHANTOMS[kind].render(rng, finding))
