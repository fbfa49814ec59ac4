"""The environment of a measurement: code, libraries, device and switches, everything of a machine that decides bits."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from scc_core.canonical import digest
from scc_core.identity import PROTOCOL_VERSION
from scc_core.machine.code import code_digest, distribution_version

if TYPE_CHECKING:
    import torch

SHORT_DIGITS = 12
"""Digits of a digest that people see."""

_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Environment variables by which libraries choose their arithmetic."""

_FLOAT32 = "float32"
_FORMATS = {"none": _FLOAT32, "ieee": _FLOAT32}
"""torch's names of full precision; ``none`` is its default."""
_CPU_FORMATS = {"highest": _FLOAT32, "high": "tf32", "medium": "bf16"}
_CPU_LIST = Path("/proc/cpuinfo")
_DRIVER_VERSION = Path("/sys/module/nvidia/version")
_SECONDS = 10.0


@dataclass(frozen=True)
class Environment:
    """What a number was computed with; of two equal environments everything that can change a bit is equal.

    What is not installed, or concerns the other kind of device, is None. The name of the machine is not in it.

    Attributes:
        code: digest of the sources of this project.
        version: of the installed distribution.
        protocol: version of the protocol that keys name.
        python: version of the interpreter.
        torch: version, with what it was built for.
        torchvision: version.
        timm: version.
        open_clip: version.
        transformers: version.
        numpy: version.
        pillow: version, which decodes images.
        cuda: that torch was built for; None on a CPU.
        cudnn: version; None on a CPU.
        driver: version of NVIDIA's driver; None on a CPU.
        device_kind: ``cpu`` or ``cuda``.
        device: the GPU's own name, or the processor's.
        processor: name of the processor, which also prepares the images for a GPU.
        cpu_capability: instructions that torch takes on the processor, such as ``AVX512``.
        threads: of torch on a CPU; None on a GPU.
        batch_size: images that are computed together.
        matmul_precision: ``float32``, ``tf32`` or ``bf16``, in which products of float32 matrices are computed.
        convolution_precision: likewise of float32 convolutions.
        deterministic: whether torch takes deterministic algorithms where it has them.
        cudnn_benchmark: whether cuDNN chooses its algorithms by their speed; None on a CPU.
        variables: environment variables that change arithmetic, as ``NAME=value``, in order.
    """

    code: str
    version: str | None
    protocol: int
    python: str
    torch: str | None = None
    torchvision: str | None = None
    timm: str | None = None
    open_clip: str | None = None
    transformers: str | None = None
    numpy: str | None = None
    pillow: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    driver: str | None = None
    device_kind: str = "cpu"
    device: str = ""
    processor: str = ""
    cpu_capability: str = ""
    threads: int | None = None
    batch_size: int = 0
    matmul_precision: str = _FLOAT32
    convolution_precision: str = _FLOAT32
    deterministic: bool = False
    cudnn_benchmark: bool | None = None
    variables: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """64 hexadecimal digits that are the same for equal environments."""
        return digest(self.facts())

    @property
    def short_digest(self) -> str:
        """The digits of the digest by which pages and views name the environment."""
        return self.digest[:SHORT_DIGITS]

    def differences(self, other: Environment) -> list[str]:
        """Return what this environment has otherwise than ``other``, as ``NAME VALUE instead of VALUE``."""
        return facts_apart(self.facts(), other.facts())

    def facts(self) -> dict[str, object]:
        """Return everything by its name, of JSON's types."""
        return {**asdict(self), "variables": list(self.variables)}


def environment_of(device: torch.device, batch_size: int = 0) -> Environment:
    """Return the environment of this process as it is now, for what it computes on ``device``.

    Args:
        device: a CPU or a GPU.
        batch_size: images that are computed together.
    """
    import torch

    on_gpu = device.type == "cuda"
    convolutions = "cudnn" if on_gpu else "mkldnn"
    return Environment(
        code=code_digest(),
        version=distribution_version(),
        protocol=PROTOCOL_VERSION,
        python=platform.python_version(),
        torch=str(torch.__version__),
        torchvision=_version("torchvision"),
        timm=_version("timm"),
        open_clip=_version("open_clip_torch"),
        transformers=_version("transformers"),
        numpy=_version("numpy"),
        pillow=_version("pillow"),
        cuda=torch.version.cuda if on_gpu else None,
        cudnn=str(torch.backends.cudnn.version()) if on_gpu else None,
        driver=_driver() if on_gpu else None,
        device_kind=device.type,
        device=torch.cuda.get_device_name(device) if on_gpu else processor(),
        processor=processor(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        threads=None if on_gpu else torch.get_num_threads(),
        batch_size=batch_size,
        matmul_precision=_format("cuda" if on_gpu else "mkldnn", "matmul"),
        convolution_precision=_format(convolutions, "conv"),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        cudnn_benchmark=torch.backends.cudnn.benchmark if on_gpu else None,
        variables=tuple(f"{name}={os.environ[name]}" for name in _VARIABLES if os.environ.get(name)),
    )


def facts_apart(facts: Mapping[str, object], others: Mapping[str, object]) -> list[str]:
    """Return what an environment's facts are otherwise than another's, as ``NAME VALUE instead of VALUE``.

    A fact that an environment of another version of this project does not tell counts as none.
    """
    return [
        f"{name} {fact_text(facts.get(name))} instead of {fact_text(others.get(name))}"
        for name in dict.fromkeys((*facts, *others))
        if facts.get(name) != others.get(name)
    ]


def fact_text(value: object) -> str:
    """Return a fact of an environment for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, [], "") else " ".join(value) if isinstance(value, list) else str(value)


@cache
def processor() -> str:
    """Return the name of this machine's processor, or of its architecture where the system does not tell."""
    lines = _CPU_LIST.read_text(encoding="utf-8").splitlines() if _CPU_LIST.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@cache
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@cache
def _driver() -> str | None:
    """Return the version of NVIDIA's driver; None where nothing tells it."""
    if _DRIVER_VERSION.is_file():
        return _DRIVER_VERSION.read_text(encoding="utf-8").strip()
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.partition("\n")[0].strip() or None


def _format(backend: str, operation: str) -> str:
    """Return the format in which a backend computes ``matmul`` or ``conv`` of float32 numbers now."""
    import torch

    part = getattr(getattr(torch.backends, backend), operation, None)
    chosen = getattr(part, "fp32_precision", None)
    if chosen is not None:
        return _FORMATS.get(chosen, str(chosen))
    # torch 2.8 and older have no such setting: two flags for GPUs, and one precision that CPUs take, too.
    if backend == "mkldnn":
        return _CPU_FORMATS[torch.get_float32_matmul_precision()] if operation == "matmul" else _FLOAT32
    flags = torch.backends.cudnn if backend == "cudnn" else torch.backends.cuda.matmul
    return "tf32" if flags.allow_tf32 else _FLOAT32
