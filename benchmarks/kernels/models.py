"""The models that are timed: published architectures with random weights, and the embedded ones."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from scc_core.embedded.sources import EMBEDDED_MODELS, embedded_model_source
from scc_core.errors import unknown_name
from scc_core.models.open_clip.loader import OpenClipParts, load_open_clip
from scc_core.models.open_clip.model import OpenClipModel

ARCHITECTURES = ("ViT-B-32", "ViT-L-14", "RN50", "BiomedCLIP")
"""Built without weights: speed does not depend on them."""

_BIOMEDCLIP = Path(__file__).parent / "biomedclip"
_SEED = 0


class TimedModel(OpenClipModel):
    """An open_clip model whose texts are embedded as random unit vectors, so that no tokenizer or hub is needed."""

    def __init__(self, name: str, parts: OpenClipParts, device: torch.device) -> None:
        super().__init__(name, parts, device)
        self.num_parameters = sum(parameter.numel() for parameter in parts.module.parameters())
        self.text_tower = type(getattr(parts.module, "text", parts.module)).__name__
        with torch.no_grad():
            self._width = self.encode_image(torch.zeros(1, 3, self.image_size, self.image_size, device=device)).shape[1]

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Return ``(N, D)`` float32 unit vectors, each a function of its text alone."""
        return torch.stack([self._unit_vector(text) for text in texts]).to(self.device)

    def _unit_vector(self, text: str) -> Tensor:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")
        vector = torch.randn(self._width, generator=torch.Generator().manual_seed(seed))
        return functional.normalize(vector, dim=0)


def load_model(name: str, device: torch.device) -> TimedModel:
    """Build one of :data:`ARCHITECTURES`, or load an embedded model, onto ``device``.

    Raises:
        UserError: no such model, or a package that it needs is missing.
    """
    if name in EMBEDDED_MODELS:
        return TimedModel(name, load_open_clip(embedded_model_source(name)), device)
    if name not in ARCHITECTURES:
        raise unknown_name("model", name, (*ARCHITECTURES, *EMBEDDED_MODELS))
    return TimedModel(name, _random_parts(name), device)


def _random_parts(name: str) -> OpenClipParts:
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        module = _biomedclip() if name == "BiomedCLIP" else _openai_clip(name)
    size = module.visual.image_size
    return OpenClipParts(
        module=module.float().eval().requires_grad_(False),
        tokenizer=open_clip.tokenize,
        image_size=size if isinstance(size, int) else size[0],
        mean=open_clip.OPENAI_DATASET_MEAN,
        std=open_clip.OPENAI_DATASET_STD,
    )


def _openai_clip(name: str) -> Any:
    import open_clip

    # OpenAI's weights, which users of these architectures load, need QuickGELU; it is slower than GELU.
    return open_clip.create_model(name, pretrained=None, force_quick_gelu=True)


def _biomedclip() -> Any:
    from open_clip.model import CustomTextCLIP

    config = json.loads((_BIOMEDCLIP / "open_clip_config.json").read_text(encoding="utf-8"))
    if importlib.util.find_spec("transformers"):
        config["text_cfg"]["hf_model_name"] = str(_BIOMEDCLIP)
        return CustomTextCLIP(**config)
    # Nothing that is timed runs the BERT tower, which open_clip cannot build without transformers.
    module = CustomTextCLIP(config["embed_dim"], config["vision_cfg"], {"layers": 1, "width": 64, "heads": 1})
    module.text = nn.Identity()
    return module
