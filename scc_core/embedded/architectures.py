"""The two image towers, registered with timm so that open_clip finds them by name.

open_clip does not hand the image size to timm, so the 64-pixel towers need entry points of their own.
Importing this module registers them; ``__all__`` must be a list because timm appends to it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

__all__ = ["ConvolutionalStem", "scc_demo_resnet", "scc_demo_vit"]

IMAGE_SIZE = 64
default_cfgs = generate_default_cfgs(
    {
        "scc_demo_resnet": {
            "input_size": (3, IMAGE_SIZE, IMAGE_SIZE),
            "pool_size": (2, 2),
            "first_conv": "conv1.0",
            "classifier": "fc",
        },
        "scc_demo_vit": {
            "input_size": (3, IMAGE_SIZE, IMAGE_SIZE),
            "pool_size": None,
            "first_conv": "patch_embed.layers.0",
            "classifier": "head",
        },
    }
)


class ConvolutionalStem(nn.Module):
    """Four strided convolutions in place of one 16-pixel patch projection; trains faster on few images."""

    def __init__(
        self,
        img_size: int = IMAGE_SIZE,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 160,
        **_: Any,
    ) -> None:
        super().__init__()
        side = img_size // patch_size
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (side, side)
        self.num_patches = side * side
        widths = (in_chans, 24, 48, 96, embed_dim)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.GELU(),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, 3, 64, 64)`` images to ``(N, 16, embed_dim)`` tokens."""
        features: Tensor = self.layers(images)
        return features.flatten(2).transpose(1, 2)


@register_model
def scc_demo_resnet(pretrained: bool = False, **kwargs: Any) -> ResNet:
    """A residual network of one basic block per stage, 0.58 M parameters."""
    arguments: dict[str, Any] = {
        "block": BasicBlock,
        "layers": (1, 1, 1, 1),
        "channels": (24, 48, 96, 160),
        "stem_width": 12,
        "stem_type": "deep",
    }
    model: ResNet = build_model_with_cfg(ResNet, "scc_demo_resnet", pretrained, **{**arguments, **kwargs})
    return model


@register_model
def scc_demo_vit(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """A vision transformer of four blocks on 4 x 4 tokens of width 160, 1.2 M parameters."""
    arguments: dict[str, Any] = {
        "img_size": IMAGE_SIZE,
        "patch_size": 16,
        "embed_dim": 160,
        "depth": 4,
        "num_heads": 5,
        "mlp_ratio": 3,
        "embed_layer": ConvolutionalStem,
    }
    model: VisionTransformer = build_model_with_cfg(
        VisionTransformer, "scc_demo_vit", pretrained, **{**arguments, **kwargs}
    )
    return model
