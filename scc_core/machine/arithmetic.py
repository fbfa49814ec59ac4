"""The arithmetic in which numbers are measured: float32 means float32, and a device repeats itself."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

_SWITCHES = (
    "",
    "cuda.matmul",
    "cudnn",
    "cudnn.conv",
    "cudnn.rnn",
    "mkldnn",
    "mkldnn.matmul",
    "mkldnn.conv",
    "mkldnn.rnn",
)
"""Where torch keeps, from version 2.9 on, whether float32 products and convolutions may be rounded to fewer bits."""


@contextmanager
def fixed_arithmetic(device: torch.device, *, tf32: bool = False) -> Iterator[None]:
    """Compute without the roundings and the races that torch allows by default; its settings are restored afterwards.

    float32 products and convolutions have all their bits, unless ``tf32``. On a GPU those operations are deterministic
    for which torch has a way, which for float32 includes attention without its memory-efficient kernel.

    Args:
        device: where the model computes.
        tf32: round the factors of float32 products and convolutions to ten bits.
    """
    with ExitStack() as restored:
        switches = list(_switches("tf32" if tf32 else "ieee"))
        # Read before any is set: those that are not set follow the ones above them.
        former = [getattr(*switch) for switch, _ in switches]
        for (switch, value), before in zip(switches, former, strict=True):
            restored.callback(setattr, *switch, before)
            setattr(*switch, value)
        if device.type == "cuda":
            restored.enter_context(_deterministic())
        yield


def _switches(precision: str) -> Iterator[tuple[tuple[Any, str], Any]]:
    """Yield each switch, as an object and the name of its attribute, with its value."""
    backends = torch.backends
    if not hasattr(backends, "fp32_precision"):
        yield (backends.cuda.matmul, "allow_tf32"), precision == "tf32"
        yield (backends.cudnn, "allow_tf32"), precision == "tf32"
        return
    for path in _SWITCHES:
        owner: Any = backends
        for name in filter(None, path.split(".")):
            owner = getattr(owner, name, None)
        if not hasattr(owner, "fp32_precision"):
            continue
        # A CPU has no TF32, and rounds coarser or not at all.
        yield (owner, "fp32_precision"), "ieee" if path.startswith("mkldnn") else precision


@contextmanager
def _deterministic() -> Iterator[None]:
    # cuBLAS reads it when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cuda = torch.backends.cuda
    with ExitStack() as restored:
        restored.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message=".*deterministic", category=UserWarning)
        restored.callback(
            torch.use_deterministic_algorithms,
            torch.are_deterministic_algorithms_enabled(),
            warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
        )
        torch.use_deterministic_algorithms(True, warn_only=True)
        for owner, name, value in (
            (torch.utils.deterministic, "fill_uninitialized_memory", False),
            (torch.backends.cudnn, "benchmark", False),
        ):
            restored.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        for enabled, enable in (
            (cuda.flash_sdp_enabled(), cuda.enable_flash_sdp),
            (cuda.mem_efficient_sdp_enabled(), cuda.enable_mem_efficient_sdp),
            (cuda.cudnn_sdp_enabled(), cuda.enable_cudnn_sdp),
        ):
            restored.callback(enable, enabled)
            enable(False)
        yield
