"""Names of classes and samples: stored once for each version of a dataset, read by plain SQL and beside outcomes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlalchemy.exc import IntegrityError

from orchestrator.grid.cell import Cell
from orchestrator.store import ResultStore, read_only_query
from orchestrator.store.schema.columns import VIEWS
from scc_core.blocks import BLOCK_SIZE
from scc_core.datasets import DatasetNames
from scc_core.identity import DatasetSpec
from tests.orchestrator.store.builders import make_block, make_cell, make_record, start

ODD = {
    "größe/猫 🐈.png": None,
    'it\'s "quoted"/%s {} \\ ?;--.png': None,
    "two\nlines\tand\rmore.png": None,
    "x" * 300: None,
    "": None,
    "  spaces around  ": None,
    "zero\0inside": "zero\\x00inside",
    "no utf-8 \udcff.png": "no utf-8 \\udcff.png",
    "half \ud800 a pair": "half \\ud800 a pair",
}
"""Names, and what is stored where a database would refuse them."""


def named_cell(
    samples: tuple[str, ...] = tuple(map(str, range(100))),
    classes: tuple[str, ...] = ("cat", "dog"),
    labels: tuple[int, ...] | None = None,
    seed: int = 0,
    **changes: Any,
) -> Cell:
    """A cell of a dataset with names; sample ``i`` has label ``i mod K`` unless ``labels`` says otherwise."""
    of_samples = np.arange(len(samples)) % len(classes) if labels is None else np.array(labels)
    names = DatasetNames(tuple(f"folder {name}" for name in classes), classes, samples, of_samples, "own data")
    values: dict[str, Any] = {
        "name": "folder:pets",
        "version": "v1",
        "split": "all",
        "order": "balanced-1",
        "preprocessing": "native",
        "prompts": "p" * 64,
        "classes": len(classes),
        "size": len(samples),
        "names": names,
        **changes,
    }
    return make_cell(seed, dataset=DatasetSpec(**values))


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    return read_only_query(url, sql).rows()


def stored_names(url: str, columns: str = "name") -> list[Any]:
    found = rows(url, f"SELECT {columns} FROM samples ORDER BY dataset, dataset_version, sample")
    return [row[0] for row in found] if columns == "name" else found


def test_classes_and_samples_are_views_with_a_row_for_each(store: ResultStore, url: str) -> None:
    cell = named_cell(("a/1.png", "b/1.png", "a/2.png"))
    start(store, cell, 3)
    classes = rows(url, 'SELECT dataset, dataset_version, label, "key", name, prompts FROM classes ORDER BY label')
    assert classes == [
        ("folder:pets", "v1", 0, "folder cat", "cat", "p" * 64),
        ("folder:pets", "v1", 1, "folder dog", "dog", "p" * 64),
    ]
    assert stored_names(url, "dataset, dataset_version, sample, name, label") == [
        ("folder:pets", "v1", 0, "a/1.png", 0),
        ("folder:pets", "v1", 1, "b/1.png", 1),
        ("folder:pets", "v1", 2, "a/2.png", 0),
    ]
    order = [sample for (sample,) in rows(url, "SELECT sample FROM samples ORDER BY position")]
    assert order == cell.dataset.names.order().tolist()
    assert rows(url, "SELECT dataset_version, prompts FROM results") == [("v1", "p" * 64)]
    assert rows(url, "SELECT dataset_version, prompts FROM run_results") == [("v1", "p" * 64)]


def test_a_name_may_hold_anything_and_occur_twice(store: ResultStore, url: str) -> None:
    given = (*ODD, "twice.png", "twice.png")
    start(store, named_cell(given, classes=tuple(ODD)), len(given))
    expected = [ODD.get(name) or name for name in given]
    assert stored_names(url) == expected
    classes = [name for (name,) in rows(url, "SELECT name FROM classes ORDER BY label")]
    assert classes == expected[: len(ODD)]
    assert store.sample_names(store.cells()[0]).sort("sample_id")["name"].to_list() == expected


def test_a_dataset_without_names_is_measured_all_the_same(store: ResultStore, url: str) -> None:
    cell = make_cell()
    store.write_blocks(start(store, cell, 50), [make_block(cell)])
    assert rows(url, "SELECT * FROM classes") == rows(url, "SELECT * FROM samples") == []
    (stored,) = store.cells()
    assert store.class_names([stored]) == {cell.key: tuple(map(str, range(10)))}
    assert store.sample_names(stored).is_empty()
    found = rows(url, "SELECT cell, position, sample, name, label, class_name, correct FROM sample_results")
    assert sorted(found) == [(cell.key, position, None, None, None, None, True) for position in range(BLOCK_SIZE)]


def test_names_are_stored_once_for_all_cells_of_a_version(store: ResultStore, url: str) -> None:
    many = {named_cell(seed=seed): 50 for seed in range(3)}
    for _ in range(2):
        store.start_run(make_record(), many)
    store.note_facts(iter(many))
    assert len(stored_names(url)) == 100
    assert rows(url, "SELECT count(*) FROM classes") == [(2,)]
    assert rows(url, "SELECT dataset, version, classes, samples FROM dataset_version") == [
        ("folder:pets", "v1", 2, 100)
    ]


def test_what_is_stored_already_is_not_written_again(store: ResultStore, url: str) -> None:
    start(store, named_cell(), 50)
    # A mark that a second write would remove.
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE sample_name SET name = 'as it was' WHERE sample = 7")
    start(store, named_cell(), 50)
    assert stored_names(url)[6:9] == ["6", "as it was", "8"]


def test_every_version_has_its_own_names(store: ResultStore, url: str) -> None:
    start(store, named_cell(("old.png",), classes=("cat",)), 1)
    start(store, named_cell(("new.png", "more.png"), classes=("cat", "dog"), version="v2"), 2)
    start(store, named_cell(("other.png",), classes=("ox",), name="folder:farm"), 1)
    found = rows(url, "SELECT dataset, dataset_version, name FROM samples ORDER BY 1, 2, sample")
    assert found == [
        ("folder:farm", "v1", "other.png"),
        ("folder:pets", "v1", "old.png"),
        ("folder:pets", "v2", "new.png"),
        ("folder:pets", "v2", "more.png"),
    ]


def test_other_class_names_of_the_same_images_stand_beside_the_former_ones(store: ResultStore, url: str) -> None:
    former, today = named_cell(), named_cell(classes=("kitten", "puppy"), prompts="q" * 64)
    for cell in (former, today):
        store.write_blocks(start(store, cell, 50), [make_block(cell)])
    joined = rows(
        url,
        "SELECT DISTINCT r.cell, c.name FROM results r JOIN classes c ON c.dataset = r.dataset "
        "AND c.dataset_version = r.dataset_version AND c.prompts = r.prompts WHERE c.label = 1",
    )
    assert set(joined) == {(former.key, "dog"), (today.key, "puppy")}
    of_samples = rows(url, "SELECT DISTINCT cell, class_name FROM sample_results WHERE label = 1")
    assert set(of_samples) == {(former.key, "dog"), (today.key, "puppy")}
    assert store.class_names(store.cells()) == {former.key: ("cat", "dog"), today.key: ("kitten", "puppy")}
    assert len(stored_names(url)) == 100


def test_code_that_names_its_samples_later_is_heard(store: ResultStore, url: str) -> None:
    start(store, named_cell(("0", "1")), 2)
    start(store, named_cell(("a.png", "b.png")), 2)
    assert stored_names(url) == ["a.png", "b.png"]
    start(store, named_cell(("a.png", "b.png"), labels=(1, 0)), 2)
    assert stored_names(url, "name, label") == [("a.png", 1), ("b.png", 0)]


@pytest.mark.parametrize("version", [3, "3"])
def test_a_version_may_be_a_number(store: ResultStore, url: str, version: object) -> None:
    cell = named_cell(version=version)
    store.write_blocks(start(store, cell, 50), [make_block(cell)])
    assert rows(url, "SELECT dataset_version FROM results") == [("3",)]
    assert rows(url, "SELECT count(name), count(class_name) FROM sample_results") == [(50, 50)]
    assert store.class_names(store.cells()) == {cell.key: ("cat", "dog")}
    assert store.sample_names(store.cells()[0]).height == 100


def test_every_measured_sample_has_its_own_name_and_outcome(store: ResultStore, url: str) -> None:
    size = BLOCK_SIZE + 20
    cell = named_cell(tuple(f"{index}.png" for index in range(size)))
    hits = np.random.default_rng(0).random(size) < 0.5
    blocks = [make_block(cell, 0, hits[:BLOCK_SIZE].tolist()), make_block(cell, 1, hits[BLOCK_SIZE:].tolist())]
    store.write_blocks(start(store, cell, size), blocks)
    order = cell.dataset.names.order()
    expected = [
        (cell.key, position, index, f"{index}.png", index % 2, ("cat", "dog")[index % 2], bool(hits[position]))
        for position, index in enumerate(order.tolist())
    ]
    columns = "cell, position, sample, name, label, class_name, correct"
    assert rows(url, f"SELECT {columns} FROM sample_results ORDER BY position") == expected


@pytest.mark.parametrize("change", [{"split": "train"}, {"order": "balanced-2"}])
def test_a_name_is_shown_only_where_its_position_is_that_of_the_cell(
    store: ResultStore, url: str, change: dict[str, str]
) -> None:
    measured = named_cell(**change)
    store.write_blocks(start(store, measured, 50), [make_block(measured)])
    start(store, named_cell(tuple(f"{index}.png" for index in range(100))), 50)
    assert rows(url, "SELECT count(*), count(name) FROM sample_results") == [(50, 0)]
    # By its index a sample is known in any order.
    assert store.sample_names(store.cells()[0]).height == (0 if "split" in change else 100)


def test_drivers_that_start_at_once_store_the_names_once(url: str) -> None:
    ResultStore.open(url).close()
    together = Barrier(4)
    names = tuple(f"{index}.png" for index in range(3000))

    def drive(number: int) -> None:
        cells = {
            named_cell(names, seed=number): 50,
            named_cell(names, name="folder:farm", seed=number): 50,
            named_cell(tuple(f"{number}/{name}" for name in names), name="own:code", seed=number): 50,
        }
        with ResultStore.open(url) as own:
            together.wait()
            own.start_run(make_record(), dict(sorted(cells.items(), key=lambda item: item[0].key, reverse=number % 2)))

    with ThreadPoolExecutor(4) as drivers:
        for done in [drivers.submit(drive, number) for number in range(4)]:
            done.result()
    counts = (
        "SELECT dataset, count(*), count(DISTINCT sample), count(DISTINCT position) FROM samples GROUP BY 1 ORDER BY 1"
    )
    assert rows(url, counts) == [(name, 3000, 3000, 3000) for name in ("folder:farm", "folder:pets", "own:code")]
    prefixes = {name.split("/")[0] for (name,) in rows(url, "SELECT name FROM samples WHERE dataset = 'own:code'")}
    assert len(prefixes) == 1
    assert rows(url, "SELECT dataset, count(*) FROM classes GROUP BY 1 ORDER BY 1") == [
        (name, 2) for name in ("folder:farm", "folder:pets", "own:code")
    ]


def test_a_run_that_cannot_be_stored_stores_no_names(store: ResultStore, url: str) -> None:
    start(store, named_cell(("a.png",)), 1)
    with pytest.raises(IntegrityError, match="run_cell_samples_positive"):
        start(store, named_cell(("b.png",), version="v2"), 0)
    assert stored_names(url) == ["a.png"]


def test_a_view_names_its_columns_as_they_are_documented(store: ResultStore, url: str) -> None:
    for view in VIEWS:
        assert read_only_query(url, f"SELECT * FROM {view.name}").columns == [column.name for column in view.columns]


def test_the_names_of_two_hundred_classes_and_many_samples_are_complete(store: ResultStore, url: str) -> None:
    classes = tuple(f"class {label}" for label in range(200))
    cell = named_cell(tuple(f"{index}.png" for index in range(2601)), classes=classes)
    start(store, cell, 50)
    assert stored_names(url) == [f"{index}.png" for index in range(2601)]
    assert store.class_names(store.cells())[cell.key] == classes
    frame = store.sample_names(store.cells()[0])
    assert frame.schema == pl.Schema({"sample_id": pl.Int64(), "name": pl.String()})
    assert frame.height == 2601
