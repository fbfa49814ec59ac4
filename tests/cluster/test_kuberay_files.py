"""The Kubernetes manifests: only fields that KubeRay publishes, and the same properties as the cluster file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from orchestrator.grid.schema import parse_grid

FOLDER = Path(__file__).parents[2] / "cluster" / "kuberay"
SCHEMA = json.loads((Path(__file__).parent / "kuberay-1.6.schema.json").read_text(encoding="utf-8"))


def documents(name: str) -> dict[str, dict[str, Any]]:
    loaded = yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
    return {document["kind"]: document for document in loaded}


def manifests() -> dict[str, dict[str, Any]]:
    return {
        "RayCluster": documents("ray-cluster.yaml")["RayCluster"],
        "RayJob": documents("ray-job.yaml")["RayJob"],
    }


def cluster_spec(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]
    return spec.get("rayClusterSpec", spec)


KINDS = pytest.mark.parametrize("kind", ["RayCluster", "RayJob"])


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@KINDS
def test_the_manifest_has_only_published_fields(kind):
    Draft202012Validator(SCHEMA).validate(manifests()[kind])


@KINDS
@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec.update(workerGroupSpec=[]),
        lambda spec: spec["headGroupSpec"].update(rayStartParam={}),
        lambda spec: spec["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
        lambda spec: spec["authOptions"].update(mode="on"),
        lambda spec: spec["workerGroupSpecs"][0].pop("groupName"),
        lambda spec: spec["workerGroupSpecs"][0]["template"]["spec"]["containers"][0].update(volumeMount=[]),
    ],
)
def test_a_wrong_field_is_refused(kind, spoil):
    manifest = copy.deepcopy(manifests()[kind])
    spoil(cluster_spec(manifest))
    with pytest.raises(ValidationError):
        Draft202012Validator(SCHEMA).validate(manifest)


@KINDS
def test_a_head_without_work_gpu_workers_from_none_and_a_token(kind):
    spec = cluster_spec(manifests()[kind])
    assert spec["headGroupSpec"]["rayStartParams"].items() >= {"num-cpus": "0", "num-gpus": "0"}.items()
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["enableInTreeAutoscaling"] is True
    (group,) = spec["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (0, 0, 4)
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


@KINDS
def test_the_database_s_secret_is_mounted_into_the_head_alone(kind):
    spec = cluster_spec(manifests()[kind])
    head, worker = spec["headGroupSpec"]["template"]["spec"], spec["workerGroupSpecs"][0]["template"]["spec"]
    (volume,) = [volume for volume in head["volumes"] if "secret" in volume]
    # YAML 1.1 reads 0400 as octal, as kubectl does.
    assert volume["secret"] == {"secretName": "scc-bench-database", "defaultMode": 0o400}
    variables = {entry["name"]: entry["value"] for entry in head["containers"][0]["env"]}
    (mount,) = [mount for mount in head["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    assert Path(variables["SCCBENCH_DB_FILE"]).parent == Path(mount["mountPath"])
    assert "SCCBENCH_DB" not in variables
    assert "scc-bench-database" not in json.dumps(worker)
    assert [entry["name"] for entry in worker["containers"][0]["env"]] == ["SCCBENCH_CACHE"]


@KINDS
def test_the_cache_lies_on_the_node_s_own_disk(kind):
    spec = cluster_spec(manifests()[kind])
    for pod in (spec["headGroupSpec"]["template"]["spec"], spec["workerGroupSpecs"][0]["template"]["spec"]):
        variables = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert {"name": mounts[variables["SCCBENCH_CACHE"]], "emptyDir": {}} in pod["volumes"]


def test_the_cluster_s_dashboard_is_bound_to_loopback():
    parameters = cluster_spec(manifests()["RayCluster"])["headGroupSpec"]["rayStartParams"]
    assert parameters["dashboard-host"] == "127.0.0.1"


def test_the_job_runs_a_valid_grid_that_it_mounts():
    loaded = documents("ray-job.yaml")
    assert parse_grid(loaded["ConfigMap"]["data"]["grid.yaml"], "ray-job.yaml").models == ["demo-clip"]
    head = loaded["RayJob"]["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    (volume,) = [volume for volume in head["volumes"] if "configMap" in volume]
    assert volume["configMap"]["name"] == loaded["ConfigMap"]["metadata"]["name"]
    (mount,) = [mount for mount in head["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    assert loaded["RayJob"]["spec"]["entrypoint"].startswith(f"sccbench run {mount['mountPath']}/grid.yaml ")
