"""Names that a grid is checked against before torch is loaded; tests hold them equal to what is implemented."""

from __future__ import annotations

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
"""Keys of :data:`scc_core.models.base.PRECISIONS`."""
PREPROCESSINGS = ("native", "paper")
"""Keys of :data:`scc_core.datasets.pixels.preprocessing.PREPROCESSINGS`."""
FAMILIES = ("general", "biomedical", "adversarially fine-tuned")
"""What a model may be made for, as its card says, in the order in which results are shown."""
