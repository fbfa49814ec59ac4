"""The environment of a measurement: equal where nothing that changes a bit differs, another where something does."""

from __future__ import annotations

import json
import os
import pickle
import platform
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from scc_core import environment as module
from scc_core.canonical import digest
from scc_core.environment import Environment, environment_of
from scc_core.machine.code import code_digest, digest_of_sources
from scc_core.machine.packages import PACKAGES, ROOT

CPU = torch.device("cpu")
OTHER = {str: "other", int: 7, bool: True, tuple: ("A=1",)}


def answers(code: str, *, cwd: Path = ROOT, **variables: str) -> list[str]:
    """The lines that a new process prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_it_tells_this_machine():
    here = environment_of(CPU, batch_size=25)
    assert (here.code, here.version) == (code_digest(), metadata.version("scc-bench"))
    assert (here.python, here.torch) == (platform.python_version(), torch.__version__)
    installed = ("torchvision", "timm", "open_clip_torch", "transformers", "numpy", "pillow")
    assert [getattr(here, name.removesuffix("_torch")) for name in installed] == [*map(metadata.version, installed)]
    assert (here.device_kind, here.threads, here.batch_size) == ("cpu", torch.get_num_threads(), 25)
    assert here.device == here.processor != ""
    assert here.cpu_capability == torch.backends.cpu.get_cpu_capability()
    # A CPU computes nothing with them.
    assert (here.cuda, here.cudnn, here.driver, here.cudnn_benchmark) == (None, None, None, None)


def test_every_fact_is_part_of_the_digest():
    here = environment_of(CPU)
    digests = {here.digest}
    for field in fields(Environment):
        value = getattr(here, field.name)
        other = "other" if value is None else OTHER[type(value)]
        digests.add(replace(here, **{field.name: other}).digest)
    assert len(digests) == 1 + len(fields(Environment))
    assert here.digest == environment_of(CPU).digest == digest(here.facts())
    assert here.short_digest == here.digest[:12]


def test_it_survives_the_way_to_the_driver_and_is_json():
    here = replace(environment_of(CPU), variables=("A=1", "B=2"))
    arrived = pickle.loads(pickle.dumps(here))
    assert arrived == here
    assert digest(json.loads(json.dumps(here.facts()))) == arrived.digest


SWITCHES = {
    "torch.set_num_threads(3)": {"threads": 3},
    "torch.backends.cuda.matmul.allow_tf32 = True": {},
    "torch.use_deterministic_algorithms(True)": {"deterministic": True},
    "torch.backends.fp32_precision = 'tf32'": {"matmul_precision": "tf32", "convolution_precision": "tf32"},
    "torch.backends.fp32_precision = 'ieee'": {"matmul_precision": "float32", "convolution_precision": "float32"},
    "torch.set_float32_matmul_precision('high')": {"matmul_precision": "tf32"},
}
"""Code, and the facts that it changes."""


def test_switches_of_torch_are_read_as_they_are_now():
    show = "print(json.dumps(environment_of(torch.device('cpu')).facts()))"
    start = "import json, torch\nfrom scc_core.environment import environment_of\ntorch.set_num_threads(1)"
    lines = answers("\n".join([start, show, *(f"{code}\n{show}" for code in SWITCHES)]))
    facts = [json.loads(line) for line in lines]
    found = [{n: v for n, v in after.items() if v != before[n]} for before, after in pairwise(facts)]
    assert found == [*SWITCHES.values()]


def test_variables_that_change_arithmetic_are_told_and_others_are_not():
    code = (
        "import torch\nfrom scc_core.environment import environment_of\nhere = environment_of(torch.device('cpu'))\n"
        "print(*here.variables)\nprint(here.cpu_capability)"
    )
    variables = {
        "MKL_CBWR": "COMPATIBLE",
        "ATEN_CPU_CAPABILITY": "default",
        "HOSTNAME": "elsewhere",
        "DNNL_MAX_CPU_ISA": "",
    }
    assert answers(code, **variables) == ["ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE", "DEFAULT"]


def test_precisions_of_gpus_are_those_of_cublas_and_cudnn():
    """No GPU computes here; torch holds their switches all the same, in both of its interfaces."""
    lines = answers(
        "import torch\nfrom scc_core.environment import _format\n"
        "show = lambda: print(_format('cuda', 'matmul'), _format('cudnn', 'conv'))\n"
        "show()\ntorch.backends.cudnn.allow_tf32 = False\nshow()\n"
        "torch.backends.cuda.matmul.fp32_precision = 'tf32'\nshow()\ntorch.backends.fp32_precision = 'ieee'\nshow()"
    )
    assert lines == ["float32 tf32", "float32 float32", "tf32 float32", "tf32 float32"]


def test_the_flags_of_an_older_torch_are_read(monkeypatch):
    """It has no ``fp32_precision``."""

    backends = SimpleNamespace(
        cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False)),
        cudnn=SimpleNamespace(allow_tf32=True),
        mkldnn=SimpleNamespace(),
    )
    monkeypatch.setattr(torch, "backends", backends)
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    assert [module._format(*part) for part in (("cuda", "matmul"), ("cudnn", "conv"))] == ["float32", "tf32"]
    assert [module._format("mkldnn", part) for part in ("matmul", "conv")] == ["bf16", "float32"]


def test_the_driver_s_version_is_that_of_the_loaded_module_or_what_its_tool_says(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_DRIVER_VERSION", tmp_path / "version")
    monkeypatch.setenv("PATH", str(tmp_path))
    module._driver.cache_clear()
    assert module._driver() is None
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 570.86\necho 570.86\n")
    tool.chmod(0o755)
    module._driver.cache_clear()
    assert module._driver() == "570.86"
    (tmp_path / "version").write_text("575.57\n")
    module._driver.cache_clear()
    assert module._driver() == "575.57"
    module._driver.cache_clear()


def test_what_differs_is_told_in_words():
    here = environment_of(CPU)
    other = replace(here, torch="2.6.0", threads=None, deterministic=True, variables=("A=1", "B=2"))
    assert other.differences(here) == [
        f"torch 2.6.0 instead of {torch.__version__}",
        f"threads none instead of {torch.get_num_threads()}",
        "deterministic yes instead of no",
        "variables A=1 B=2 instead of none",
    ]
    assert here.differences(here) == []


@pytest.fixture
def copy(tmp_path: Path) -> dict[str, Path]:
    """The packages, in another folder."""
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    return {name: Path(shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)) for name in PACKAGES}


def test_the_same_sources_have_the_same_digest_wherever_they_lie(copy):
    """Neither compiled files, nor the ends of lines, nor what an editor keeps beside a file are in it."""
    file = copy["scc_core"] / "noise.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    (copy["workers"] / "__pycache__").mkdir()
    (copy["workers"] / "__pycache__" / "bench.cpython-311.pyc").write_bytes(b"compiled")
    (copy["orchestrator"] / ".#driver.py").symlink_to("nobody@nowhere:1")
    (copy["orchestrator"] / "grid" / "grids").mkdir()
    (copy["orchestrator"] / "grid" / "grids" / "demo.yaml").write_text("name: demo")
    assert digest_of_sources(copy) == code_digest()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_change_of_any_package_is_another_digest(copy, package):
    file = max(copy[package].rglob("*.py"))
    file.write_text(file.read_text() + "\n")
    assert digest_of_sources(copy) != code_digest()


@pytest.mark.parametrize(
    "name",
    [
        "models/card_files/general.toml",
        "datasets/data/class_names/dtd.txt",
        "embedded/models/demo-clip/open_clip_config.json",
    ],
)
def test_what_the_core_reads_is_part_of_its_code(copy, name):
    file = copy["scc_core"] / name
    file.write_text(file.read_text() + "\n")
    assert digest_of_sources(copy) != code_digest()


def test_a_file_that_moved_is_another_digest(copy):
    (copy["scc_core"] / "noise.py").rename(copy["scc_core"] / "noises.py")
    assert digest_of_sources(copy) != code_digest()


def test_a_package_that_is_missing_is_another_digest(copy):
    shutil.rmtree(copy["dashboards"])
    assert digest_of_sources(copy) != code_digest()


def test_what_measures_is_digested_where_it_was_imported_from(tmp_path):
    """One package alone may come from another folder."""
    shutil.copytree(ROOT / "workers", tmp_path / "workers")
    code = "import workers, scc_core.machine.code as code; print(code.code_digest())"
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    (same,) = answers(code, cwd=tmp_path, PYTHONPATH=path)
    file = tmp_path / "workers" / "shard.py"
    file.write_text(file.read_text() + "# changed\n")
    (changed,) = answers(code, cwd=tmp_path, PYTHONPATH=path)
    assert same == code_digest() != changed


def test_the_environment_needs_no_torch_to_be_imported_and_no_ray():
    code = "import sys, scc_core.environment; print(sorted({'torch', 'ray', 'sqlalchemy'} & set(sys.modules)))"
    assert answers(code) == ["[]"]
