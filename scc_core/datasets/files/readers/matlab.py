"""Arrays in MATLAB's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from scc_core.errors import UserError


def load_matlab(path: Path, name: str) -> npt.NDArray[np.generic]:
    """Return the array called ``name`` in the MATLAB file ``path``, with MATLAB's two dimensions or more.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: it is no MATLAB file, or has no such array.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    with path.open("rb") as file:
        try:
            arrays = loadmat(file)
        except (MatReadError, ValueError, TypeError, NotImplementedError) as error:
            raise UserError(f"{path} is no MATLAB file that can be read: {error}") from None
    if name not in arrays:
        raise UserError(f"{path} has no array {name!r}; it has {', '.join(key for key in arrays if key[0] != '_')}")
    array: npt.NDArray[np.generic] = arrays[name]
    return array
