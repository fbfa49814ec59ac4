"""What travels to the head: the order, the grid, the surroundings; and what must not."""

from __future__ import annotations

import json
import shlex

import pytest

from orchestrator.cluster.options import Devices, RunOptions
from orchestrator.jobs import Order, pack_run
from orchestrator.jobs.job_spec import pack_grid, unpack_grid, versions_here
from orchestrator.jobs.submission import Surroundings
from scc_core.errors import UserError
from scc_core.machine import settings

ORDER = Order(
    "20260101-000000-000abc",
    "20260101-000000-000abc.2",
    True,
    RunOptions("auto", 3, 7, Devices.ALL, 0.5, 60.0),
    plugins=False,
    strict=True,
)
GRID = 'name: it\'s a "grid"\n# with ümlauts and $VARIABLES\n'


def argument(order: Order) -> str:
    shell, program, command, text = shlex.split(order.command())
    assert (shell, program, command) == ("exec", "sccbench", "drive")
    return text


def test_an_order_arrives_as_it_was_sent():
    assert Order.parse(argument(ORDER)) == ORDER


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Ray", "the head has Ray 2.*, the machine that sent the grid Ray 0.1; install the same on both"),
        ("Python", "the head has Python 3.*, the machine that sent the grid Python 0.1"),
        ("scc-bench", "the head has scc-bench 0.*, the machine that sent the grid scc-bench 0.1"),
    ],
)
def test_an_order_of_other_versions_is_refused(name, message):
    order = Order("a", "a", sender={**versions_here(), name: "0.1"})
    with pytest.raises(UserError, match=message):
        Order.parse(argument(order))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "no JSON", json.dumps({"sender": versions_here(), "options": {"x": 1}})]
)
def test_what_is_no_order_is_refused(text):
    with pytest.raises(UserError, match="this order was written by another scc-bench"):
        Order.parse(text)


def test_a_grid_arrives_letter_by_letter_and_survives_any_shell():
    packed = pack_grid(GRID)
    assert unpack_grid(packed) == GRID
    assert not set(packed) & set(" '\"$\\`\n")


@pytest.mark.parametrize("packed", ["", "????", "bm8gZ3JpZA=="])
def test_what_is_no_grid_is_refused(packed):
    with pytest.raises(UserError, match="SCCBENCH_GRID holds no grid"):
        unpack_grid(packed)


def test_a_parcel_holds_the_grid_beside_the_users_own_variables(tmp_path):
    (tmp_path / "env.yaml").write_text("env_vars: {HF_HOME: /models}\npip: [einops]\n", encoding="utf-8")
    parcel = pack_run(ORDER, "mine", GRID, Surroundings(working_dir=tmp_path, runtime_env=tmp_path / "env.yaml"))
    assert parcel.submission == ORDER.submission
    assert parcel.metadata == {"sccbench_run": ORDER.run, "sccbench_name": "mine"}
    assert parcel.runtime_env["env_vars"] == {"HF_HOME": "/models", settings.GRID.name: pack_grid(GRID)}
    assert parcel.runtime_env["pip"] == ["einops"]
    assert parcel.runtime_env["working_dir"] == str(tmp_path)
    assert {".env", ".pgpass", "*.db", "*.key"} <= set(parcel.runtime_env["excludes"])
    assert pack_run(ORDER, "mine", None, Surroundings(image="bench:1")).runtime_env == {"image_uri": "bench:1"}


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
        Surroundings(runtime_env=tmp_path / "env.yaml").build()


def test_surroundings_that_exclude_each_other_or_are_missing_are_refused(tmp_path):
    with pytest.raises(UserError, match="--working-dir and --image exclude each other"):
        Surroundings(working_dir=tmp_path, image="bench:1").build()
    with pytest.raises(UserError, match="nowhere is no directory"):
        Surroundings(working_dir=tmp_path / "nowhere").build()
    with pytest.raises(UserError, match="cannot read --runtime-env"):
        Surroundings(runtime_env=tmp_path / "nowhere").build()
