"""The bound and the folder follow the environment; a bound that is no number is the user's error."""

from __future__ import annotations

import shutil

import pytest

from scc_core.datasets.pixels.disk_cache import open_disk_cache
from scc_core.datasets.pixels.disk_cache.this_machine import (
    check_disk_cache,
    disk_cache_folder,
    disk_cache_limit,
    is_writable,
)
from scc_core.errors import SccBenchWarning, UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path / "not" / "there"))
    monkeypatch.delenv("SCCBENCH_PREPARED_GIB", raising=False)
    return tmp_path / "not" / "there"


def test_the_default_is_a_tenth_of_the_disk(cache, tmp_path):
    assert disk_cache_folder() == cache / "prepared"
    assert disk_cache_limit() == shutil.disk_usage(tmp_path).total // 10
    assert open_disk_cache().folder == disk_cache_folder()
    assert not cache.exists()


def test_the_variable_sets_it_and_zero_is_no_disk_cache(monkeypatch):
    monkeypatch.setenv("SCCBENCH_PREPARED_GIB", "1.5")
    assert disk_cache_limit() == 3 * 2**29
    monkeypatch.setenv("SCCBENCH_PREPARED_GIB", "0")
    assert open_disk_cache() is None


@pytest.mark.parametrize("given", ["20G", "-1", "nan", "inf"])
def test_what_is_no_number_of_gib_is_refused(monkeypatch, given):
    monkeypatch.setenv("SCCBENCH_PREPARED_GIB", given)
    with pytest.raises(UserError, match=f"SCCBENCH_PREPARED_GIB is '{given}', expected a number of GiB"):
        open_disk_cache()


def test_a_folder_is_writable_if_it_could_be_made(tmp_path):
    assert is_writable(tmp_path)
    assert is_writable(tmp_path / "not" / "there")
    (tmp_path / "file").touch()
    assert not is_writable(tmp_path / "file" / "there")


def test_a_disk_cache_that_can_take_nothing_is_warned_of_unless_none_is_wanted(tmp_path, monkeypatch, recwarn):
    check_disk_cache()
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("SCCBENCH_PREPARED_GIB", "0")
    check_disk_cache()
    assert not recwarn
    monkeypatch.setenv("SCCBENCH_PREPARED_GIB", "1")
    with pytest.warns(SccBenchWarning, match="decoded anew .* cannot be written; SCCBENCH_CACHE names"):
        check_disk_cache()
