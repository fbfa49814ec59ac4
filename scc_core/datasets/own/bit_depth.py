"""Sixteen-bit files that use only the low bits of their range, as scanners of 10, 12 or 14 bits write them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from scc_core.datasets.files.sample_property import SampleProperty
from scc_core.datasets.files.samples import Samples
from scc_core.errors import shown

_DARK = 64
"""The high byte of every value of at most 14 bits lies below it."""
_TIFF_BITS_PER_SAMPLE = 258
_PNG_BIT_DEPTH = 24


def doubt_bit_depth(samples: Samples, name: str, folder: Path) -> Iterator[str]:
    """Yield a line if 16-bit images use at most 14 of their bits; every image is looked at when its file has changed.

    Args:
        samples: the images.
        name: of the dataset.
        folder: of the dataset.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    found = _BRIGHTEST.of(samples, name, folder)
    brightest = {id_: int(found[id_]) for id_ in samples.ids if found[id_]}
    dark = {id_: value for id_, value in brightest.items() if value < _DARK}
    if dark:
        id_ = max(dark, key=dark.__getitem__)
        bits = 8 + dark[id_].bit_length()
        yield (
            f"{len(dark):,} of {len(brightest):,} 16-bit images use at most {bits} of their 16 bits and come out dark, "
            f"as 0 to {dark[id_]} of 255 ({shown(id_)}); scale them to 0 to 65,535, or save them with 8 bits"
        )


def _brightest(samples: Samples, index: int) -> str:
    """Return the largest high byte of a 16-bit image; the empty string for others."""
    return str(samples.image(index).max()) if _has_sixteen_bits(samples.content(index)) else ""


_BRIGHTEST = SampleProperty("bit-depth", "bit-depth-1", "looking at", _brightest)


def _has_sixteen_bits(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        # Pillow makes 8 bits of coloured PNG files of 16.
        if image.format == "PNG":
            return content[_PNG_BIT_DEPTH] == 16
        tags = getattr(image, "tag_v2", {})
        return image.mode.startswith("I;16") or 16 in tuple(tags.get(_TIFF_BITS_PER_SAMPLE, ()))
