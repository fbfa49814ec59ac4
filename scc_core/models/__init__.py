"""Models: pixels in [0, 1] in, logits out."""

from scc_core.models.base import ModelCard, VisionLanguageModel, ZeroShotModel
from scc_core.models.catalog import get_model, model_code, model_digest
from scc_core.models.registry import ModelEntry, models

__all__ = [
    "ModelCard",
    "ModelEntry",
    "VisionLanguageModel",
    "ZeroShotModel",
    "get_model",
    "model_code",
    "model_digest",
    "models",
]
