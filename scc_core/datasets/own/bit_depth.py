"""Sixteen-bit files that use only the low bits of their range, as scanners of 10, 12 or 14 bits write them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress

from PIL import Image

from scc_core.datasets.files.samples import Samples

_HEADERS = 200
_DECODED = 8
_DARK = 64
"""The high byte of any 14-bit value lies below it."""
_TIFF_BITS_PER_SAMPLE = 258
_PNG_BIT_DEPTH = 24


def doubt_bit_depth(samples: Samples) -> tuple[str, ...]:
    """Look at the maximum of a few 16-bit images; return a line if some use at most 14 of their bits.

    Args:
        samples: the files, of which up to 200, evenly spread, are opened, and up to 8 that have 16 bits decoded.
    """
    largest = {samples.ids[index]: int(samples.image(index).max()) for index in _sixteen_bit(samples)}
    dark = {id_: value for id_, value in largest.items() if value < _DARK}
    if not dark:
        return ()
    name, value = max(dark.items(), key=lambda item: item[1])
    bits = 8 + value.bit_length()
    return (
        f"{len(dark)} of {len(largest)} 16-bit images that were looked at use at most {bits} of their 16 bits and come "
        f"out dark, as 0 to {value} of 255 ({name}); scale them to 0 to 65,535, or save them with 8 bits",
    )


def _sixteen_bit(samples: Samples) -> Iterator[int]:
    """Yield up to eight indices of 16-bit images."""
    found = 0
    step = -(-len(samples) // _HEADERS) or 1
    for index in range(0, len(samples), step):
        # A file that has gone meanwhile is told where it is needed.
        with suppress(OSError):
            if found < _DECODED and _has_sixteen_bits(samples.content(index)):
                found += 1
                yield index


def _has_sixteen_bits(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        # Pillow makes 8 bits of coloured PNG files of 16.
        if image.format == "PNG":
            return content[_PNG_BIT_DEPTH] == 16
        tags = getattr(image, "tag_v2", {})
        return image.mode.startswith("I;16") or 16 in tuple(tags.get(_TIFF_BITS_PER_SAMPLE, ()))
