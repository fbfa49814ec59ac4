"""float32 means float32, whatever was set before, and torch's settings come back."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch

from scc_core.machine.arithmetic import fixed_arithmetic

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def settings() -> dict[str, object]:
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    return {
        "matmul": cuda.matmul.fp32_precision,
        "conv": cudnn.conv.fp32_precision,
        "cpu": torch.backends.mkldnn.matmul.fp32_precision,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "benchmark": cudnn.benchmark,
        "flash": cuda.flash_sdp_enabled(),
        "efficient": cuda.mem_efficient_sdp_enabled(),
        "cudnn": cuda.cudnn_sdp_enabled(),
    }


pytestmark = pytest.mark.skipif(
    not hasattr(torch.backends, "fp32_precision"), reason="torch keeps the switches elsewhere before 2.9"
)


@pytest.fixture(autouse=True)
def _restored():
    precision, benchmark = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    yield
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.benchmark = benchmark


@pytest.mark.parametrize("careless", ["highest", "high", "medium"])
def test_float32_has_all_its_bits_and_the_settings_come_back(careless):
    torch.set_float32_matmul_precision(careless)
    torch.backends.cudnn.benchmark = True
    before = settings()
    with fixed_arithmetic(CPU):
        assert settings() == {**before, "matmul": "ieee", "conv": "ieee", "cpu": "ieee"}
    with suppress(RuntimeError), fixed_arithmetic(CUDA):
        inside = settings()
        raise RuntimeError("what is computed fails")
    switched_off = dict.fromkeys(("fill", "benchmark", "flash", "efficient", "cudnn"), False)
    assert inside == {"matmul": "ieee", "conv": "ieee", "cpu": "ieee", "deterministic": True, **switched_off}
    assert settings() == before


def test_tf32_is_asked_for_by_name():
    with fixed_arithmetic(CUDA, tf32=True):
        found = settings()
    assert (found["matmul"], found["conv"], found["cpu"]) == ("tf32", "tf32", "ieee")


def test_a_product_on_a_careless_process_has_all_its_bits():
    torch.set_float32_matmul_precision("medium")
    first, second = (torch.rand(64, 64, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    with fixed_arithmetic(CPU):
        found = first @ second
    assert torch.allclose(found.double(), first.double() @ second.double(), rtol=2e-6)
