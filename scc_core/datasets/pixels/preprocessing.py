"""From a dataset's sample to the square uint8 pixels that a model sees: decode, then one of two preprocessings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from scc_core.datasets.base import Dataset, Uint8Image
from scc_core.errors import DatasetError, SccBenchError, unknown_name


def native(image: Uint8Image, size: int) -> Uint8Image:
    """Do as CLIP does: resize the shorter side to ``size`` (bicubic, antialiased), centre crop; ``(size, size, 3)``."""
    return _resize_and_crop(image, size, size, Image.Resampling.BICUBIC)


def paper(image: Uint8Image, size: int) -> Uint8Image:
    """Do as the published tables: ``Resize(256, bilinear)``, ``CenterCrop(224)``, in proportion to ``size``."""
    return _resize_and_crop(image, round(size * 256 / 224), size, Image.Resampling.BILINEAR)


PREPROCESSINGS: Mapping[str, Callable[[Uint8Image, int], Uint8Image]] = {"native": native, "paper": paper}
PREPROCESSING_VERSIONS: Mapping[str, int] = {"native": 1, "paper": 1}
"""Of the numerics of decoding and of each preprocessing, raised by every change that moves a pixel."""


def get_preprocessing(name: str) -> Callable[[Uint8Image, int], Uint8Image]:
    """Return the preprocessing called ``name``.

    Raises:
        UserError: no such preprocessing.
    """
    if name not in PREPROCESSINGS:
        raise unknown_name("preprocessing", name, PREPROCESSINGS)
    return PREPROCESSINGS[name]


def _resize_and_crop(image: Uint8Image, shorter: int, size: int, method: Image.Resampling) -> Uint8Image:
    height, width = image.shape[:2]
    if min(height, width) != shorter:
        # torchvision's rule: the longer side is truncated, not rounded.
        new_width, new_height = (
            (shorter, int(shorter * height / width)) if width <= height else (int(shorter * width / height), shorter)
        )
        image = np.asarray(Image.fromarray(image).resize((new_width, new_height), method))
        height, width = image.shape[:2]
    top, left = round((height - size) / 2), round((width - size) / 2)
    return image[top : top + size, left : left + size]


class PreparedImages:
    """A dataset's samples, decoded and resized each time that they are asked for.

    Args:
        dataset: decodes the samples.
        preprocessing: ``native`` or ``paper``.
        image_size: side of the square images in pixels.
    """

    def __init__(self, dataset: Dataset, preprocessing: str, image_size: int) -> None:
        self.image_size = image_size
        self._dataset = dataset
        self._preprocess = get_preprocessing(preprocessing)

    def image(self, index: int) -> Uint8Image:
        """Return sample ``index`` as ``(side, side, 3)`` uint8.

        Raises:
            DatasetError: the dataset raised or returned no RGB image; the text names the dataset and the sample.
        """
        try:
            image = self._dataset.image(index)
        except Exception as error:
            kind = "" if isinstance(error, SccBenchError) else f"{type(error).__name__}: "
            # One line, also where a file's name is no text.
            reason = " ".join(str(error).encode(errors="replace").decode().split())
            raise DatasetError(f"dataset {self._dataset.name} could not read sample {index}: {kind}{reason}") from error
        array = isinstance(image, np.ndarray)
        if not array or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            returned = f"{image.dtype} of shape {image.shape}" if array else f"a {type(image).__name__}"
            raise DatasetError(
                f"dataset {self._dataset.name} returned {returned} for sample {index}; "
                "images are uint8 arrays of shape (H, W, 3)"
            )
        # The crop is copied, so that the whole image is not kept in memory with it.
        return np.ascontiguousarray(self._preprocess(image, self.image_size))

    def images(self, indices: Iterable[int]) -> npt.NDArray[np.uint8]:
        """Return several samples as ``(n, side, side, 3)`` uint8.

        Raises:
            DatasetError: as in :meth:`image`.
        """
        return np.stack([self.image(int(index)) for index in indices])

    def content_digest(self, indices: Sequence[int]) -> str:
        """Return the digest of what several samples are made from; empty where the dataset's version alone tells."""
        return self._dataset.content_digest(indices)
