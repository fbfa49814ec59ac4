"""A worker measures what its run was planned for, or says which file changed, however long it has held the dataset."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scc_core.components.component import Component
from scc_core.datasets import open_dataset
from scc_core.datasets.order import ORDER_VERSION
from scc_core.evaluation.threat import Threat
from scc_core.identity import DatasetSpec, ModelSpec
from scc_core.outcomes import Outcomes
from scc_core.prompts import prompts_digest
from tests.components import NoiseImages
from tests.miniatures.own import image_bytes, write_archive
from workers.bench import Bench
from workers.report import Report
from workers.shard import Shard

SAMPLES = 150


@pytest.fixture
def scans(data_root, monkeypatch) -> Path:
    """Noise of two classes, listed by a table, with names and templates; nothing is kept on disk."""
    monkeypatch.setenv("SCCBENCH_PREPARED_GIB", "0")
    root = data_root / "scans"
    write_images(root, seed=0)
    (root / "labels.csv").write_text(table({}))
    (root / "classnames.txt").write_text("ill\nwell\n")
    (root / "templates.txt").write_text("a scan that is {}.\n")
    return root


def write_images(root: Path, seed: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    for index in range(SAMPLES):
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / f"{index}.png")


def table(changes: dict[int, str]) -> str:
    labels = {index: changes.get(index, "ab"[index % 2]) for index in range(SAMPLES)}
    return "path,label\n" + "".join(f"{index}.png,{label}\n" for index, label in labels.items())


def shard(*blocks: int, name: str = "folder:scans") -> Shard:
    """What a driver that opens the dataset now would plan."""
    dataset = open_dataset(name)
    prompts = prompts_digest(dataset.prompts())
    spec = DatasetSpec(
        name, dataset.version, "all", ORDER_VERSION, "native", prompts, len(dataset.class_names), len(dataset)
    )
    model = ModelSpec("tests.components:tiny", "00" * 32)
    return Shard(model, spec, "float32", Threat(None, 0.0), {"n": Component("defense", "none")}, blocks)


def outcomes(report: Report) -> Outcomes:
    assert report.failures == {}
    return Outcomes.concatenate([result.outcomes for result in report.results])


def error(report: Report) -> str:
    assert report.results == []
    return report.failures["n"].error


def same(one: Outcomes, two: Outcomes) -> bool:
    return one.margins.tolist() == two.margins.tolist() and one.labels.tolist() == two.labels.tolist()


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a label": (lambda root: (root / "labels.csv").write_text(table({7: "a"})), "labels.csv"),
    "a line fewer": (
        lambda root: (root / "labels.csv").write_text(table({}).rpartition("\n1")[0]),
        "labels.csv",
    ),
    "no table": (lambda root: (root / "labels.csv").unlink(), "labels.csv"),
    "a broken table": (
        lambda root: (root / "labels.csv").write_text("path;label\n"),
        "labels.csv",
    ),
    "class names": (
        lambda root: (root / "classnames.txt").write_text("well\nill\n"),
        "classnames.txt",
    ),
    "no class names": (lambda root: (root / "classnames.txt").unlink(), "classnames.txt"),
    "templates": (
        lambda root: (root / "templates.txt").write_text("a photo of a {}.\n"),
        "templates.txt",
    ),
    "no data": (shutil.rmtree, "(templates|classnames).txt"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_labels_names_and_templates_that_change_fail_the_next_shard_and_any_other_worker_s(scans, change):
    bench = Bench("cpu", batch_size=50)
    planned = shard(0)
    assert bench.run(planned).failures == {}
    make, text = CHANGES[change]
    make(scans)
    for _ in range(2):
        assert re.search(f"^DatasetError: {text} was changed or replaced: .*scans", error(bench.run(planned)))
    said = error(Bench("cpu", batch_size=50).run(planned))
    assert re.search("scans", said)
    assert "\n" not in said


def test_a_text_that_says_the_same_as_before_changes_nothing(scans):
    bench = Bench("cpu", batch_size=50)
    planned = shard(0)
    before = outcomes(bench.run(planned))
    (scans / "labels.csv").write_text(table({}) + "\n")
    (scans / "templates.txt").write_text("# the only one\na scan that is {}.\n")
    assert same(outcomes(bench.run(planned)), before)


@pytest.mark.parametrize("prepared", ["0", "1"])
def test_a_worker_of_a_long_session_measures_the_images_and_labels_of_the_run_at_hand(scans, prepared, monkeypatch):
    monkeypatch.setenv("SCCBENCH_PREPARED_GIB", prepared)
    bench = Bench("cpu", batch_size=50)
    old = outcomes(bench.run(shard(0, 1)))
    write_images(scans, seed=1)
    (scans / "labels.csv").write_text(table({7: "a", 8: "b"}))
    (scans / "templates.txt").write_text("a picture of a {} lung.\n")
    new = outcomes(bench.run(shard(0, 1)))
    assert same(new, outcomes(Bench("cpu", batch_size=50).run(shard(0, 1))))
    assert not same(new, old)


def test_a_dataset_in_another_preprocessing_is_another(scans):
    bench = Bench("cpu", batch_size=50)
    native = shard(0)
    paper = replace(native, dataset=replace(native.dataset, preprocessing="paper"))
    first = outcomes(bench.run(native))
    assert same(outcomes(bench.run(paper)), outcomes(Bench("cpu", batch_size=50).run(paper)))
    assert not same(outcomes(bench.run(paper)), first)


def overwrite(path: Path) -> None:
    write_images(path.parent, seed=1)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def retarget(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "0.png")


@pytest.mark.parametrize("change", [overwrite, cut, Path.unlink, retarget])
def test_an_image_that_changes_fails_its_shard_by_name_until_it_is_restored(scans, change, tmp_path):
    kept = shutil.copytree(scans, tmp_path / "kept")
    planned = shard(0, 1, 2)
    expected = outcomes(Bench("cpu", batch_size=50).run(planned))
    bench = Bench("cpu", batch_size=50)
    assert bench.run(shard(0)).failures == {}
    last = scans / f"{expected.sample_ids[-1]}.png"
    change(last)
    said = error(bench.run(planned))
    name = r"\d+\.png" if change is overwrite else last.name
    assert re.search(f"dataset folder:scans could not read sample \\d+: {name}", said)
    assert str(scans) not in said
    assert said.endswith(f"(on {bench.name})")
    last.unlink(missing_ok=True)
    shutil.copytree(kept, scans, dirs_exist_ok=True)
    assert same(outcomes(bench.run(planned)), expected)


def test_a_folder_that_is_a_link_to_another_copy_fails_the_next_shard(scans, tmp_path):
    link = scans.parent / "link"
    link.symlink_to(scans)
    bench = Bench("cpu", batch_size=50)
    planned = shard(0, 1, name="folder:link")
    before = outcomes(bench.run(planned))
    other, same_again = (shutil.copytree(scans, tmp_path / name) for name in ("other", "same"))
    write_images(other, seed=1)
    link.unlink()
    link.symlink_to(other)
    assert "classnames.txt was changed or replaced: dataset folder:link has another" in error(bench.run(planned))
    link.unlink()
    link.symlink_to(same_again)
    assert same(outcomes(bench.run(planned)), before)


class Dated(NoiseImages):
    """A dataset of the user's own whose version is read from a file whenever it is asked for."""

    edition = "1"

    @property
    def version(self):
        return self.edition

    @version.setter
    def version(self, value):
        pass


def test_an_own_dataset_that_says_another_version_by_now_fails_the_next_shard(monkeypatch):
    name = f"{__name__}:Dated"
    bench = Bench("cpu", batch_size=50)
    planned = shard(0, name=name)
    assert bench.run(planned).failures == {}
    monkeypatch.setattr(Dated, "edition", "2")
    assert f"dataset {name} has another version than the run was planned for: 2, not 1" in error(bench.run(planned))
    assert bench.run(shard(0, name=name)).failures == {}


def test_an_archive_that_is_replaced_fails_the_next_shard_by_name(data_root, monkeypatch):
    monkeypatch.setenv("SCCBENCH_PREPARED_GIB", "1")
    root = data_root / "animals"
    (root / "test").mkdir(parents=True)
    (root / "test" / "nshards.txt").write_text("1")
    (root / "classnames.txt").write_text("cat\ndog\n")

    def write(labels: str) -> None:
        files = [
            (f"{index}.{end}", content)
            for index in range(8)
            for end, content in (("png", image_bytes(index, "png")), ("cls", labels[index % 2].encode()))
        ]
        write_archive(root / "test" / "0.tar", files)

    write("01")
    bench = Bench("cpu", batch_size=50)
    planned = shard(0, name="webdataset:animals")
    before = outcomes(bench.run(planned))
    write("10")
    assert "test/0.tar was changed or replaced: dataset webdataset:animals has another" in error(bench.run(planned))
    write("01")
    assert same(outcomes(bench.run(planned)), before)
