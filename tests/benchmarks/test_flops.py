"""The operation counts, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.kernels.flops import Flops, count_flops
from benchmarks.kernels.models import load_model


def frozen(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers).requires_grad_(False)


def test_a_linear_layer_takes_two_operations_a_weight_either_way():
    assert count_flops(frozen(nn.Linear(8, 4)), torch.zeros(1, 8)) == Flops(2 * 8 * 4, 2 * 8 * 4)


def test_a_convolution_takes_two_operations_a_weight_and_output_position():
    model = frozen(nn.Conv2d(3, 5, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 6 * 6, 7))
    per_direction = 2 * 5 * 36 * 27 + 2 * 180 * 7
    assert count_flops(model, torch.zeros(1, 3, 8, 8)) == Flops(per_direction, per_direction)


def test_attention_is_counted_although_its_kernel_is_fused():
    attention = nn.MultiheadAttention(16, 2, batch_first=True).eval().requires_grad_(False)
    tokens, width = 6, 16
    projections = 2 * tokens * width * 3 * width + 2 * tokens * width * width
    products = 2 * (2 * tokens * tokens * width)
    counted = count_flops(lambda x: attention(x, x, x, need_weights=False)[0], torch.zeros(1, tokens, width))
    # Each of the two products has two factors that carry a gradient; the projections' weights are frozen.
    assert counted == Flops(projections + products, projections + 2 * products)


def test_counts_grow_with_the_batch():
    model = frozen(nn.Conv2d(3, 5, 3))
    one, four = (count_flops(model, torch.zeros(size, 3, 8, 8)) for size in (1, 4))
    assert four == Flops(4 * one.forward, 4 * one.backward)


def test_the_passes_of_a_row_add_up():
    assert Flops(forward=10, backward=20).of(forwards=3, backwards=0.5) == 40


def test_a_vision_transformer_counts_as_its_matrices_do():
    model = load_model("ViT-B-32", torch.device("cpu"))
    tokens, width = 7 * 7 + 1, 768
    block = 2 * tokens * width * (3 + 1 + 4 + 4) * width + 2 * (2 * tokens * tokens * width)
    embedding, projection = 2 * 49 * (3 * 32 * 32) * width, 2 * width * 512
    counted = count_flops(model.encode_image, torch.zeros(1, 3, 224, 224))
    assert counted.forward == pytest.approx(12 * block + embedding + projection, rel=1e-3)
