"""Where the database's URL is found, who is refused it, and what no child process inherits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sqlalchemy import make_url

from orchestrator.store import ResultStore, StoreUnavailableError
from orchestrator.store.credentials import (
    check_not_on_command_line,
    database_of_environment,
    database_of_head,
    hidden_secrets,
)
from scc_core.errors import UserError
from tests.orchestrator.console import sccbench

URL = "postgresql://bench:planted@db.example/results"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "database-url"
    path.write_text(URL + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def test_the_variable_comes_before_the_file_and_the_file_is_read(file):
    assert database_of_environment({}) is None
    assert database_of_environment({"SCCBENCH_DB_FILE": str(file)}) == URL
    assert database_of_environment({"SCCBENCH_DB_FILE": str(file), "SCCBENCH_DB": "sqlite:///a.db"}) == "sqlite:///a.db"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o644, 0o666])
def test_a_file_that_others_can_read_or_change_is_refused_without_its_contents(file, mode):
    file.chmod(mode)
    with pytest.raises(UserError, match=f"can be read by others; run: chmod 600 {file}") as caught:
        database_of_environment({"SCCBENCH_DB_FILE": str(file)})
    assert "planted" not in str(caught.value)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a file of root's")
def test_the_group_may_read_what_root_owns_as_kubernetes_mounts_it(file):
    file.chmod(0o440)
    assert database_of_environment({"SCCBENCH_DB_FILE": str(file)}) == URL
    os.chown(file, 1000, 1000)
    with pytest.raises(UserError, match="can be read by others"):
        database_of_environment({"SCCBENCH_DB_FILE": str(file)})


@pytest.mark.parametrize("contents", ["", "\n", "two words", "a\nb"])
def test_a_file_without_one_url_is_refused(file, contents):
    file.write_text(contents, encoding="utf-8")
    with pytest.raises(UserError, match="must hold one line, the database's URL"):
        database_of_environment({"SCCBENCH_DB_FILE": str(file)})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"SCCBENCH_DB_FILE names /.*/nowhere, which cannot be read: No such file"):
        database_of_environment({"SCCBENCH_DB_FILE": str(tmp_path / "nowhere")})


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "the head knows no database: start Ray there with SCCBENCH_DB_FILE"),
        ({"SCCBENCH_DB": URL}, "Ray on the head was started with the database's password in SCCBENCH_DB, which every"),
        (
            {"SCCBENCH_DB": "postgresql://bench@db/results?sslpassword=planted"},
            "the database's password in SCCBENCH_DB, which",
        ),
        (
            {"SCCBENCH_DB": "postgresql://bench@db/results", "PGPASSWORD": "planted"},
            "password in PGPASSWORD, which every",
        ),
        ({"SCCBENCH_DB": "sqlite:///results.db"}, "write an absolute path"),
        ({"SCCBENCH_DB": "results.db"}, "write an absolute path"),
    ],
)
def test_a_head_that_would_leak_or_lose_is_refused(monkeypatch, variables, message):
    for name in ("SCCBENCH_DB", "SCCBENCH_DB_FILE", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as caught:
        database_of_head()
    assert message in str(caught.value)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://bench@db/results", "sqlite:////data/results.db", "/data/results.db"])
def test_a_url_without_a_password_may_stand_in_the_head_s_environment(monkeypatch, url):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("SCCBENCH_DB", url)
    assert database_of_head() == url


def test_child_processes_are_given_no_secret_and_this_one_keeps_it(monkeypatch):
    monkeypatch.setenv("SCCBENCH_DB", URL)
    monkeypatch.setenv("PGPASSWORD", "planted")
    with hidden_secrets():
        shown = subprocess.run([sys.executable, "-c", "import os; print(os.environ)"], capture_output=True, text=True)
    assert "planted" not in shown.stdout
    assert (os.environ["SCCBENCH_DB"], os.environ["PGPASSWORD"]) == (URL, "planted")


def test_a_password_on_the_command_line_is_refused_and_not_repeated(tmp_path):
    with pytest.raises(UserError, match="every user of this machine can read: set SCCBENCH_DB instead"):
        check_not_on_command_line(URL)
    check_not_on_command_line("postgresql://bench@db.example/results")
    done = sccbench("status", "--db", URL, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--db has a password" in done.stderr
    assert "planted" not in done.stderr


def test_a_command_takes_the_url_from_the_file(tmp_path, file):
    file.write_text("sqlite:///missing.db", encoding="utf-8")
    done = sccbench("status", folder=tmp_path, SCCBENCH_DB_FILE=str(file))
    assert f"no results database at {tmp_path}/missing.db" in done.stderr


def test_postgresql_s_own_password_file_serves_a_url_without_a_password(tmp_path, monkeypatch, postgresql_url):
    given = make_url(postgresql_url)
    (tmp_path / "pgpass").write_text(f"*:*:*:{given.username}:{given.password}\n", encoding="utf-8")
    (tmp_path / "pgpass").chmod(0o600)
    without = postgresql_url.replace(f":{given.password}@", "@")
    with pytest.raises(StoreUnavailableError, match="password"):
        ResultStore.open(without)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    with ResultStore.open(without) as store:
        assert store.runs() == []
