"""The samples of a dataset that can be read: every image is decoded once, before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scc_core.datasets.base import LeftOut, Uint8Image
from scc_core.datasets.files.decoding import UnreadableImageError
from scc_core.datasets.files.sample_property import SampleProperty
from scc_core.datasets.files.samples import Samples


class ReadableSamples(NamedTuple):
    """The samples that can be read, and the others with the reason."""

    samples: Samples
    left_out: tuple[LeftOut, ...]


def leave_out_unreadable(samples: Samples, name: str, folder: Path) -> ReadableSamples:
    """Decode every image whose file has changed since it was last decoded, and leave out what cannot be decoded.

    Args:
        samples: what a reader found.
        name: shown with the progress.
        folder: the dataset's folder.

    Raises:
        UserError: a file is missing.
    """
    faults = DECODING_FAULT.of(samples, name, folder)
    left_out = tuple(LeftOut(id_, faults[id_]) for id_ in samples.ids if faults[id_])
    if not left_out:
        return ReadableSamples(samples, ())
    kept = [index for index, id_ in enumerate(samples.ids) if not faults[id_]]
    return ReadableSamples(Subset(samples, kept), left_out)


def decoding_fault(samples: Samples, index: int) -> str:
    """Return why sample ``index`` cannot be read and decoded; the empty string if it can.

    Raises:
        FileNotFoundError: its file is gone since it was found.
    """
    try:
        samples.image(index)
    except UnreadableImageError as error:
        return error.reason
    except FileNotFoundError:
        raise
    except OSError as error:
        return error.strerror or str(error)
    return ""


DECODING_FAULT = SampleProperty("readable", "readable-1", "checking", decoding_fault)


class Subset(Samples):
    """Some of the samples, in their order.

    Args:
        samples: all of them.
        indices: which to keep.
    """

    def __init__(self, samples: Samples, indices: Sequence[int]) -> None:
        self._samples = samples
        self.folder = samples.folder
        self._indices = tuple(indices)
        self.labels = samples.labels[list(indices)]
        self.ids = tuple(samples.ids[index] for index in indices)
        self.sources = samples.sources

    def content(self, index: int) -> bytes:
        """Return the content of sample ``index`` of those kept."""
        return self._samples.content(self._indices[index])

    def decode(self, index: int, content: bytes) -> Uint8Image:
        """Decode sample ``index`` of those kept."""
        return self._samples.decode(self._indices[index], content)

    def files_of(self, index: int) -> Sequence[str | Path]:
        """Return the files of sample ``index`` of those kept."""
        return self._samples.files_of(self._indices[index])
