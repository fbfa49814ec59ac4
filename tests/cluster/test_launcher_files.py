"""The files of Ray's cluster launcher: accepted by Ray's own schema, and as safe as they say."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
CLOUD, ON_PREMISE = ROOT / "cluster.yaml", ROOT / "cluster" / "on-premise.yaml"
FILES = pytest.mark.parametrize("path", [CLOUD, ON_PREMISE], ids=["cloud", "on-premise"])
RECORDER = """#!/bin/sh
[ "$1" = start ] && { env; echo "ARGUMENTS=$*"; } > "$HOME/started"
exit 0
"""


def load(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return config


@FILES
def test_ray_s_schema_accepts_the_file(path):
    validate_config(prepare_config(load(path)))


@FILES
def test_ray_s_schema_refuses_a_wrong_key(path):
    config = {**load(path), "max_wokers": 3}
    with pytest.raises((ValidationError, ValueError)):
        validate_config(prepare_config(config))


@FILES
def test_there_are_three_places_to_edit(path):
    assert re.findall(r"# EDIT (\d)", path.read_text(encoding="utf-8")) == ["1", "2", "3"]


def test_the_cloud_has_a_head_without_work_and_spot_gpu_machines_from_none_to_the_most():
    config = prepare_config(load(CLOUD))
    kinds = config["available_node_types"]
    assert config["head_node_type"] == "head"
    assert (kinds["head"]["resources"], kinds["head"]["max_workers"]) == ({"CPU": 0}, 0)
    worker = kinds["gpu_worker"]
    assert (worker["min_workers"], worker["max_workers"]) == (0, config["max_workers"])
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert worker["node_config"]["InstanceType"].startswith("g")


def test_the_machines_on_premise_are_the_named_ones():
    kinds = prepare_config(load(ON_PREMISE))["available_node_types"]
    assert [(kind["min_workers"], kind["max_workers"]) for kind in kinds.values()] == [(2, 2)]


def test_ray_and_python_of_the_images_are_the_tested_ones():
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1].isalnum()]
    ray = next(str(pin.specifier) for pin in pins if pin.name == "ray").removeprefix("==")
    docker = load(CLOUD)["docker"]
    assert docker["head_image"] == f"rayproject/ray:{ray}-py311"
    assert docker["worker_image"] == f"rayproject/ray:{ray}-py311-gpu"
    assert f"FROM rayproject/ray:{ray}-py311-gpu\n" in (ROOT / "cluster" / "Dockerfile").read_text(encoding="utf-8")


@FILES
def test_the_setup_installs_this_project_at_the_tested_versions(path):
    config = load(path)
    folder = next(target for target, source in config["file_mounts"].items() if source == ".")
    install = config["setup_commands"][-1].replace("$HOME", "~").replace('"', "")
    name = folder.rpartition("/")[2]
    assert f"--constraint ~/{name}/constraints.txt --editable ~/{name}[postgresql]" in install


@FILES
def test_the_token_is_mounted_and_private(path):
    config = load(path)
    target = next(target for target, source in config["file_mounts"].items() if source == "~/.ray/auth_token")
    assert target in ("/home/ray/.ray/auth_token", "~/.ray/auth_token")
    assert config["setup_commands"][0] == "chmod 600 ~/.ray/auth_token"


@pytest.fixture
def started(tmp_path):
    """Run start commands with the shell that Ray uses, and return the environment that Ray would be started with."""

    def run(commands: list[str], **variables: str) -> dict[str, str]:
        for folder in (tmp_path / "bin", tmp_path / "scc-env" / "bin"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "ray").write_text(RECORDER, encoding="utf-8")
            (folder / "ray").chmod(0o755)
        environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", **variables}
        for command in commands:
            subprocess.run(["bash", "-c", command], env=environment, check=True, timeout=60)
        lines = (tmp_path / "started").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    return run


@FILES
def test_the_head_starts_with_a_token_on_loopback_and_without_the_database_s_password(path, started, tmp_path):
    secret = "postgresql://bench:planted@db/results"
    seen = started(load(path)["head_start_ray_commands"], SCCBENCH_DB=secret, PGPASSWORD="planted")
    assert seen["RAY_AUTH_MODE"] == "token"
    assert "--dashboard-host=127.0.0.1" in seen["ARGUMENTS"]
    assert "--num-cpus=0 --num-gpus=0" in seen["ARGUMENTS"]
    assert "planted" not in "".join(seen.values())
    file = Path(seen["SCCBENCH_DB_FILE"])
    assert file.read_text(encoding="utf-8").strip() == secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Path(seen["SCCBENCH_CACHE"]).is_relative_to(tmp_path)


@FILES
def test_workers_start_with_a_token_and_know_no_database(path, started, tmp_path):
    seen = started(
        load(path)["worker_start_ray_commands"],
        SCCBENCH_DB="postgresql://planted",
        PGPASSWORD="planted",
        RAY_HEAD_IP="h",
    )
    assert seen["RAY_AUTH_MODE"] == "token"
    assert seen["ARGUMENTS"] == "start --address=h:6379"
    assert Path(seen["SCCBENCH_CACHE"]).is_relative_to(tmp_path)
    assert "planted" not in "".join(seen.values())
    assert "SCCBENCH_DB_FILE" not in seen
