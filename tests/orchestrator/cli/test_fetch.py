"""The commands against a served hub: what is fetched, when, and what is left alone."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tests.miniatures.hub import running_hub
from tests.orchestrator.console import SCRIPT, environment, sccbench, wait_for, write_grid

CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}
NAME = "hf-hub:owner/small"
MEGABYTE = 1 << 20


def small_model() -> dict[str, bytes]:
    import open_clip
    import torch

    model = CONFIG["model_cfg"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = open_clip.CLIP(16, dict(model["vision_cfg"]), dict(model["text_cfg"]))
    stream = io.BytesIO()
    torch.save(module.state_dict(), stream)
    return {"open_clip_config.json": json.dumps(CONFIG).encode(), "open_clip_pytorch_model.bin": stream.getvalue()}


def hub_environment(folder: Path, address: str, **extra: str) -> dict[str, str]:
    return {"HF_ENDPOINT": address, "HF_HOME": str(folder / "hf"), "SCCBENCH_CACHE": str(folder / "cache"), **extra}


def test_plan_asks_no_hub_and_an_offline_run_is_refused(tmp_path):
    grid = str(write_grid(tmp_path, {"models": f"[{NAME}]"}))
    with running_hub({"owner/small": small_model()}) as hub:
        variables = hub_environment(tmp_path, hub.address)
        plan = sccbench("plan", grid, folder=tmp_path, **variables)
        assert plan.returncode == 0, plan.stderr
        assert f"sccbench fetch models {NAME}" in plan.stdout
        run = sccbench("run", grid, folder=tmp_path, **variables, HF_HUB_OFFLINE="1")
        assert (run.returncode, run.stdout) == (2, "")
        (line,) = run.stderr.splitlines()
        assert f"error: model '{NAME}' is not on this machine" in line
        assert f"`sccbench fetch models {NAME}` downloads it" in line
        assert hub.requests == []
    assert list(tmp_path.glob("*.db*")) == []


@pytest.mark.slow
def test_a_run_fetches_what_it_lacks_and_measures_it(tmp_path):
    lines = {"models": f"[{NAME}]", "epsilons": "[0]", "defenses": "[none]", "max_samples": "50"}
    grid = str(write_grid(tmp_path, lines))
    with running_hub({"owner/small": small_model()}) as hub:
        variables = hub_environment(tmp_path, hub.address)
        run = sccbench("run", grid, "--workers", "1", folder=tmp_path, **variables)
        assert run.returncode == 0, run.stdout + run.stderr
        assert f"fetching model {NAME}" in run.stderr
        assert "downloading open_clip_pytorch_model.bin of owner/small (3." in run.stderr
        asked = len(hub.requests)
        again = sccbench("fetch", "models", NAME, folder=tmp_path, **variables, HF_HUB_OFFLINE="1")
        assert (again.returncode, len(hub.requests)) == (2, asked)
        listed = sccbench("fetch", "models", NAME, folder=tmp_path, **variables)
        assert f"{NAME}: verified, digest " in listed.stderr
        assert "downloading" not in listed.stderr
    status = sccbench("status", folder=tmp_path)
    assert "complete" in status.stdout


@pytest.mark.slow
def test_a_killed_fetch_is_continued_by_the_next(tmp_path):
    weights = save({"filler": np.frombuffer(os.urandom(24 * MEGABYTE), np.uint8)})
    files = {"open_clip_config.json": json.dumps(CONFIG).encode(), "open_clip_model.safetensors": weights}
    blobs = tmp_path / "hf" / "hub" / "models--owner--large" / "blobs"
    with running_hub({"owner/large": files}) as hub:
        hub.stall_after = 15 * MEGABYTE
        variables = environment(tmp_path, **hub_environment(tmp_path, hub.address))
        command = [SCRIPT, "fetch", "models", "hf-hub:owner/large"]
        first = subprocess.Popen(command, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: any(one.stat().st_size for one in blobs.glob("*.sccbench-partial")), "the first bytes on disk")
        first.send_signal(signal.SIGKILL)
        first.wait()
        hub.release.set()
        (partial,) = blobs.glob("*.sccbench-partial")
        kept = partial.stat().st_size
        assert 0 < kept < len(weights)
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "hf-hub:owner/large: verified" in done.stderr
        assert hub.ranges("open_clip_model.safetensors?signature=1") == [None, f"bytes={kept}-"]
    assert not list(blobs.glob("*.sccbench-partial"))
    snapshot = next(blobs.parent.glob("snapshots/*/open_clip_model.safetensors"))
    assert snapshot.read_bytes() == weights


def test_what_is_assumed_of_a_folder_is_said_in_one_line(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, content in small_model().items():
        (folder / name).write_bytes(content)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG["model_cfg"]}))
    grid = str(write_grid(tmp_path, {"models": f"['local-dir:{folder}']", "datasets": "[cifar10]"}))
    done = sccbench("plan", grid, folder=tmp_path, SCCBENCH_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"warning: model 'local-dir:{folder}': its open_clip_config.json gives no mean and no std")
