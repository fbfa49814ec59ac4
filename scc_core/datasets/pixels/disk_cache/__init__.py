"""The prepared store: images decoded and resized once on a machine, memory-mapped by all of its processes.

One folder per :class:`~scc_core.datasets.pixels.disk_cache.chunk.Preparation`, in it one file per chunk of the
dataset's order. Every file is built by one process while those that need the same one wait; the least recently
used files go when the store reaches its bound. Nothing in it is needed for a result: whatever goes wrong with it
costs time only.
"""

from scc_core.datasets.pixels.disk_cache.chunk import CHUNK_SIZE, Chunk, Preparation
from scc_core.datasets.pixels.disk_cache.settings import LIMIT_VARIABLE, open_store
from scc_core.datasets.pixels.disk_cache.store import ImageStore

__all__ = ["CHUNK_SIZE", "LIMIT_VARIABLE", "Chunk", "ImageStore", "Preparation", "open_store"]
