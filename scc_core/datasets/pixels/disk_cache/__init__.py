"""The disk cache of prepared images: a machine decodes and resizes an image once, and all of its processes map it.

There is a folder for each :class:`~scc_core.datasets.pixels.disk_cache.chunk.Preparation`, and in it a file for each
chunk of the dataset's order. One process builds a file while those that need the same one wait. The least recently
used files go when the cache reaches its bound. No result depends on the cache: its faults cost time only.
"""

from scc_core.datasets.pixels.disk_cache.cache import DiskCache
from scc_core.datasets.pixels.disk_cache.chunk import CHUNK_SIZE, Chunk, Preparation
from scc_core.datasets.pixels.disk_cache.this_machine import open_disk_cache

__all__ = ["CHUNK_SIZE", "Chunk", "DiskCache", "Preparation", "open_disk_cache"]
