"""From a dataset's sample to the square pixels that a model sees; whatever goes wrong names the sample."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from scc_core.datasets.base import Dataset, Uint8Image
from scc_core.datasets.pixels.preprocessing import get_preprocessing
from scc_core.errors import ComponentError


class Preparer:
    """Decodes and resizes samples of a dataset.

    Args:
        dataset: where the images come from.
        preprocessing: ``native`` or ``paper``.
        image_size: side of the square images in pixels.
    """

    def __init__(self, dataset: Dataset, preprocessing: str, image_size: int) -> None:
        self.image_size = image_size
        self._dataset = dataset
        self._transform = get_preprocessing(preprocessing)

    def image(self, index: int) -> Uint8Image:
        """Return sample ``index`` as ``(side, side, 3)`` uint8.

        Raises:
            ComponentError: the dataset raised or returned no RGB image; names the dataset and the sample.
        """
        try:
            image = self._dataset.image(index)
        except Exception as error:
            raise ComponentError(
                f"dataset {self._dataset.name} could not read sample {index}: {type(error).__name__}: {error}"
            ) from error
        if not _is_image(image):
            raise ComponentError(
                f"dataset {self._dataset.name} returned {_described(image)} for sample {index}; "
                "images are uint8 arrays of shape (H, W, 3)"
            )
        # A copy of the crop, so that what it was cut from is not kept with it.
        return np.ascontiguousarray(self._transform(image, self.image_size))

    def images(self, indices: Iterable[int]) -> npt.NDArray[np.uint8]:
        """Return several samples as ``(n, side, side, 3)`` uint8.

        Raises:
            ComponentError: as in :meth:`image`.
        """
        return np.stack([self.image(int(index)) for index in indices])


def _is_image(value: object) -> bool:
    return (
        isinstance(value, np.ndarray)
        and value.dtype == np.uint8
        and value.ndim == 3
        and value.shape[2] == 3
        and value.size > 0
    )


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"a {type(value).__name__}"
