"""What is sent to the head: the job specification, the grid, the runtime environment; and what must not be sent."""

from __future__ import annotations

import json
import shlex

import pytest

from orchestrator.cluster.options import Devices, RunOptions
from orchestrator.jobs import JobSpec, RuntimeEnvironment, pack_submission
from orchestrator.jobs.job_spec import pack_grid, unpack_grid, versions_here
from scc_core.errors import UserError
from scc_core.machine import settings

SPEC = JobSpec(
    "20260101-000000-000abc",
    "20260101-000000-000abc.2",
    True,
    RunOptions(
        address="auto", num_workers=3, batch_size=7, devices=Devices.ALL, gpus_per_worker=0.5, hang_seconds=60.0
    ),
    plugins=False,
    strict=True,
)
GRID = 'name: it\'s a "grid"\n# with ümlauts and $VARIABLES\n'


def argument(spec: JobSpec) -> str:
    shell, program, command, text = shlex.split(spec.command())
    assert (shell, program, command) == ("exec", "sccbench", "drive")
    return text


def test_a_job_specification_arrives_as_it_was_sent():
    assert JobSpec.parse(argument(SPEC)) == SPEC


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Ray", "the head has Ray 2.*, the machine that sent the grid Ray 0.1; install the same on both"),
        ("Python", "the head has Python 3.*, the machine that sent the grid Python 0.1"),
        ("scc-bench", "the head has scc-bench 0.*, the machine that sent the grid scc-bench 0.1"),
    ],
)
def test_a_job_of_other_versions_is_refused(name, message):
    spec = JobSpec("a", "a", sender={**versions_here(), name: "0.1"})
    with pytest.raises(UserError, match=message):
        JobSpec.parse(argument(spec))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "no JSON", json.dumps({"sender": versions_here(), "options": {"x": 1}})]
)
def test_what_is_no_job_specification_is_refused(text):
    with pytest.raises(UserError, match="this job was sent by another scc-bench"):
        JobSpec.parse(text)


def test_a_grid_arrives_letter_by_letter_and_survives_any_shell():
    packed = pack_grid(GRID)
    assert unpack_grid(packed) == GRID
    assert not set(packed) & set(" '\"$\\`\n")


@pytest.mark.parametrize("packed", ["", "????", "bm8gZ3JpZA=="])
def test_what_is_no_grid_is_refused(packed):
    with pytest.raises(UserError, match="SCCBENCH_GRID holds no grid"):
        unpack_grid(packed)


def test_a_package_holds_the_grid_beside_the_users_own_variables(tmp_path):
    (tmp_path / "env.yaml").write_text("env_vars: {HF_HOME: /models}\npip: [einops]\n", encoding="utf-8")
    package = pack_submission(
        SPEC, "mine", GRID, RuntimeEnvironment(working_dir=tmp_path, runtime_env=tmp_path / "env.yaml")
    )
    assert package.submission_id == SPEC.submission_id
    assert package.metadata == {"sccbench_run": SPEC.run, "sccbench_name": "mine"}
    assert package.runtime_env["env_vars"] == {"HF_HOME": "/models", settings.GRID.name: pack_grid(GRID)}
    assert package.runtime_env["pip"] == ["einops"]
    assert package.runtime_env["working_dir"] == str(tmp_path)
    assert {".env", ".pgpass", "*.db", "*.key"} <= set(package.runtime_env["excludes"])
    assert pack_submission(SPEC, "mine", None, RuntimeEnvironment(image="bench:1")).runtime_env == {
        "image_uri": "bench:1"
    }


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("env_vars: {SCCBENCH_DB: x}", "sets SCCBENCH_DB, which the job API shows to everyone who reaches it"),
        ("env_vars: {PGPASSWORD: x}", "sets PGPASSWORD, which the job API shows"),
        ("pop: [einops]", r"unknown key 'pop'\. Did you mean 'pip'\?"),
        ("[pip]", "expected a mapping with pip, uv"),
        ("pip: [", "cannot read --runtime-env"),
    ],
)
def test_a_wrong_runtime_environment_is_refused(tmp_path, contents, message):
    (tmp_path / "env.yaml").write_text(contents, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        RuntimeEnvironment(runtime_env=tmp_path / "env.yaml").build()


def test_a_runtime_environment_that_contradicts_itself_or_is_missing_is_refused(tmp_path):
    with pytest.raises(UserError, match="--working-dir and --image exclude each other"):
        RuntimeEnvironment(working_dir=tmp_path, image="bench:1").build()
    with pytest.raises(UserError, match="nowhere is no directory"):
        RuntimeEnvironment(working_dir=tmp_path / "nowhere").build()
    with pytest.raises(UserError, match="cannot read --runtime-env"):
        RuntimeEnvironment(runtime_env=tmp_path / "nowhere").build()
