"""Random generators keyed by what is drawn, so that an image depends on its name and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np

GENERATOR_VERSION = "1"
"""Changes whenever any rendered image changes; part of every embedded dataset's version."""


def keyed_generator(*key: str | int) -> np.random.Generator:
    """Return a Philox generator that is a pure function of ``key`` and of the generator version.

    numpy may change how a generator turns bits into draws between its versions; the tests pin images to notice that.

    Args:
        *key: for example ``("demo/shapes", "test", 17)``.
    """
    text = "\x1f".join([GENERATOR_VERSION, *(str(part) for part in key)])
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
