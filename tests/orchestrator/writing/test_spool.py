"""The spool: what is in it comes back as it was, whatever a crash left of its end."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store import block_rows, environments_of
from orchestrator.store.engine import parse_url
from orchestrator.writing.spool import Spool, SpoolError, leftover_spools, spool_folder, spool_of
from orchestrator.writing.spool_records import Record
from scc_core.environment import Environment
from scc_core.errors import UserError
from scc_core.machine.settings import CACHE
from scc_core.outcomes import BlockResult, Failure
from tests.orchestrator.store.builders import make_block, make_cell

ENVIRONMENT = Environment("ab" * 32, "0.2.0", 1, "3.12.1", variables=("A=1", "B=2"))
BLOCKS = [
    replace(make_block(make_cell(seed), number, seed=number), environment=ENVIRONMENT if number % 2 else None)
    for seed in (0, 1)
    for number in range(4)
]


def record_of(*blocks: BlockResult) -> Record:
    return Record(tuple(block_rows(blocks)), environments=environments_of(blocks))


RECORDS = st.one_of(
    st.builds(lambda blocks: record_of(*blocks), st.lists(st.sampled_from(BLOCKS), max_size=5)),
    st.builds(
        lambda failures: Record(failures=failures),
        st.dictionaries(st.text(), st.builds(Failure, st.text(), st.text()), max_size=2),
    ),
)


def drain(spool: Spool) -> list[Record]:
    records = []
    while (record := spool.oldest()) is not None:
        records.append(record)
        spool.drop_oldest()
    return records


@settings(max_examples=40)
@given(st.lists(RECORDS, max_size=4), st.lists(RECORDS, max_size=3), st.integers(0, 4))
def test_records_come_back_in_order_while_others_are_added(first, second, read):
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "run.spool")
        for record in first:
            spool.append(record)
        taken = []
        for _ in range(min(read, len(first))):
            taken.append(spool.oldest())
            spool.drop_oldest()
        for record in second:
            spool.append(record)
        assert spool.blocks == sum(len(record.blocks) for record in [*first[len(taken) :], *second])
        assert taken + drain(spool) == first + second
        assert (spool.empty, spool.blocks) == (True, 0)
        spool.clear()
        assert list(Path(folder).iterdir()) == []


@settings(max_examples=40)
@given(st.lists(RECORDS, min_size=1, max_size=4), st.data())
def test_a_torn_end_is_cut_off_and_the_rest_stays(records, data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.spool"
        spool, ends = Spool(path), [0]
        for record in records:
            spool.append(record)
            ends.append(path.stat().st_size)
        spool.close()
        cut = data.draw(st.integers(0, ends[-1]))
        path.write_bytes(path.read_bytes()[:cut])
        whole = sum(end <= cut for end in ends) - 1
        again = Spool(path)
        assert again.take_over()
        again.append(records[0])
        assert drain(again) == [*records[:whole], records[0]]


@settings(max_examples=40)
@given(st.lists(RECORDS, min_size=1, max_size=3), st.data())
def test_a_damaged_byte_never_comes_back_as_a_result(records, data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.spool"
        spool = Spool(path)
        for record in records:
            spool.append(record)
        spool.close()
        raw = bytearray(path.read_bytes())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(raw)
        again = Spool(path)
        assert again.take_over()
        found = drain(again)
        assert len(found) < len(records)
        assert found == records[: len(found)]


def test_a_spool_belongs_to_one_process(tmp_path):
    path = tmp_path / "run.spool"
    spool = Spool(path)
    spool.append(record_of(BLOCKS[0]))
    program = (
        "from orchestrator.writing.spool import Spool; from pathlib import Path; "
        f"print(Spool(Path({str(path)!r})).take_over())"
    )
    ask = lambda: subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout  # noqa: E731
    assert ask() == "False\n"
    spool.close()
    assert ask() == "True\n"


def test_what_was_left_is_found_by_the_database(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE.name, str(tmp_path))
    database, other = parse_url("postgresql://me:secret@host/one"), parse_url("postgresql://me@host/two")
    for url, run in ((database, "b"), (database, "a"), (other, "c")):
        spool = spool_of(url, run)
        spool.append(record_of(*BLOCKS[:2]))
        spool.close()
    assert [(spool.run, spool.blocks) for spool in leftover_spools(database)] == [("a", 2), ("b", 2)]
    assert spool_folder(database) != spool_folder(other)
    assert spool_folder(database) == spool_folder(parse_url("postgresql://me:changed@host/one?connect_timeout=3"))


def test_a_disk_that_is_full_takes_a_record_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "run.spool"
    spool = Spool(path)
    records = [record_of(block) for block in BLOCKS[:3]]
    spool.append(records[0])
    with files_of_at_most(path.stat().st_size + 100), pytest.raises(SpoolError, match=f"{tmp_path} takes no more"):
        spool.append(records[1])
    assert spool.blocks == 1
    spool.append(records[2])
    assert drain(spool) == [records[0], records[2]]


@contextmanager
def files_of_at_most(size: int):
    """Let the system refuse to make any file longer than ``size``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_a_spool_is_full_from_its_limit_on(tmp_path):
    spool = Spool(tmp_path / "run.spool", limit_bytes=1)
    assert not spool.full
    spool.append(record_of(BLOCKS[0]))
    assert spool.full
    spool.clear()
    assert not spool.full


def test_a_limit_that_is_no_number_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SCCBENCH_SPOOL_MIB", "much")
    with pytest.raises(UserError, match="SCCBENCH_SPOOL_MIB is 'much', expected a number of MiB"):
        Spool(tmp_path / "run.spool")
