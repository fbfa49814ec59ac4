"""From a dataset's samples to batches on a device.

A position in the sample order names a sample. The sample is decoded and resized
(:mod:`~scc_core.datasets.pixels.preprocessing`), and the result is kept in memory or, in chunks, in the disk cache
(:mod:`~scc_core.datasets.pixels.disk_cache`). Images of any positions are gathered into a host batch
(:mod:`~scc_core.datasets.pixels.host_batches`), one batch ahead of the device
(:mod:`~scc_core.datasets.pixels.prefetch`), and copied to the device (:mod:`~scc_core.datasets.pixels.dataset`).
"""
