"""The doctor of datasets: what is wrong with the files is named with the layout that is expected, and status 2."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest

from orchestrator.doctor import dataset as dataset_doctor
from orchestrator.doctor.dataset import examine_dataset
from orchestrator.grid.outline import ClassLine
from scc_core.datasets import dataset_facts
from scc_core.errors import UserError
from tests.miniatures import MINIATURES
from tests.miniatures.images import write_image
from tests.miniatures.medical import write_medmnist, write_split
from tests.miniatures.own import write_bad_folder, write_class_folders
from tests.orchestrator.console import sccbench


def details(report, state):
    return {finding.name: finding.detail for finding in report.findings if finding.state == state}


def test_a_folder_of_the_user_s_own_is_sound_with_notes_and_not_strictly(data_root):
    write_bad_folder(data_root / "bad")
    report = examine_dataset("folder:bad")
    assert [(each.label, each.name, each.images) for each in report.classes] == [
        (0, "bird", 0),
        (1, "cat", 3),
        (2, "dog", 5),
    ]
    assert set(details(report, "note")) == {"README.txt", "cat/notes.txt", "cat/truncated.jpg", "bird"}
    assert "left out: image file is truncated" in details(report, "note")["cat/truncated.jpg"]
    assert report.is_sound(strict=False)
    assert not report.is_sound(strict=True)
    assert report.steps == ()


def test_counts_are_held_against_the_card(data_root):
    write_split("busi", data_root)
    report = examine_dataset("busi")
    assert details(report, "missing") == {"images": "6 can be read, published are 236"}
    assert [each.images for each in report.classes] == [2, 2, 2]
    assert not report.is_sound(strict=False)
    assert any("Download BUSI.zip" in step for step in report.steps)
    assert "  BUSI/split_BUSI.json" in report.steps


def test_a_whole_copy_is_sound_strictly(data_root):
    root = data_root / "BUSI"
    names = ("benign tumor", "malignant tumor", "normal scan")
    lists = {"train": [], "val": [], "test": []}
    for number in range(236):
        label = number % 3
        path = f"{names[label].replace(' ', '_')}/{number}.png"
        write_image(root / "BUSI" / path, number, 4, 4)
        lists["test"].append([path, label, names[label]])
    (root / "split_BUSI.json").write_text(json.dumps(lists))
    report = examine_dataset("busi")
    assert details(report, "ok")["images"] == "236, as published"
    assert report.is_sound(strict=True)
    assert report.steps == ()


@pytest.mark.parametrize(
    ("change", "name", "detail"),
    [
        (lambda root: (root / "BUSI" / "split_BUSI.json").unlink(), "files", r"BUSI/split_BUSI.json is missing"),
        (lambda root: (root / "BUSI").rename(root / "Busi2"), "found", "did you mean the folder Busi2?"),
        (lambda root: (root / "BUSI" / "BUSI").rename(root / "BUSI" / "images"), "found", "images, split_BUSI.json"),
        (lambda root: (root / "BUSI" / "split_BUSI.json").write_text("{}"), "files", "has no list 'test' with entries"),
        (lambda root: (root / "BUSI" / "BUSI" / "normal").mkdir(), "normal", "that no image of the test split lies in"),
        (
            lambda root: (root / "BUSI" / "BUSI" / "normal_scan" / "normal (8).png").unlink(),
            "files",
            "No such file or directory",
        ),
        (
            lambda root: (root / "BUSI" / "BUSI" / "normal_scan" / "normal (8).png").write_text(""),
            "normal_scan/normal (8).png",
            "left out: the file is empty",
        ),
    ],
)
def test_what_is_off_is_named_with_the_layout(data_root, change, name, detail):
    write_split("busi", data_root)
    change(data_root)
    report = examine_dataset("busi")
    assert detail in {finding.name: finding.detail for finding in report.findings}[name]
    assert not report.is_sound(strict=False)
    assert "  BUSI/BUSI/malignant_tumor/..." in report.steps


def test_a_class_folder_that_is_missing_and_one_too_many_are_named(data_root):
    MINIATURES["eurosat"](data_root)
    root = data_root / dataset_facts("eurosat").card.layout.split("/Annual")[0].strip()
    assert (root / "AnnualCrop").is_dir()
    shutil.rmtree(root / "Forest")
    (root / "Forrest").mkdir()
    report = examine_dataset("eurosat")
    assert details(report, "note")["class 1"] == "'a forest' has no image"
    assert "that no image of the all split lies in" in details(report, "note")["Forrest"]
    assert [each.images for each in report.classes][1] == 0


def test_checksums_of_downloaded_files_are_compared(data_root, monkeypatch):
    write_medmnist("breastmnist", 28, data_root)
    path = data_root / "medmnist" / "breastmnist.npz"
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    report = examine_dataset("breastmnist")
    assert (
        details(report, "missing")["breastmnist.npz"] == f"has MD5 {md5}, published is 750601b1f35ba3300ea97c75c52ff8f6"
    )
    assert "`sccbench fetch datasets breastmnist` downloads it" in report.steps
    monkeypatch.setattr(dataset_doctor, "digest_fault", lambda path, **published: "")
    assert "the published one" in details(examine_dataset("breastmnist"), "ok")["breastmnist.npz"]


def test_embedded_datasets_and_those_of_user_code_are_counted():
    assert [each.images for each in examine_dataset("demo/shapes").classes] == [100] * 12
    assert [each.images for each in examine_dataset("tests.components:noise_images").classes] == [200] * 4


@pytest.mark.parametrize(
    ("name", "text"),
    [("bsui", "unknown dataset 'bsui'. Did you mean 'busi'"), ("folder:nowhere", "neither a file nor a folder")],
)
def test_a_name_that_is_none_is_refused(data_root, name, text):
    with pytest.raises(UserError) as caught:
        examine_dataset(name)
    assert text in str(caught.value)


def test_the_command_shows_the_counts_and_ends_with_its_status(tmp_path, data_root):
    write_bad_folder(tmp_path / "bad")
    (data_root / "medmnist").mkdir(parents=True)
    np.savez_compressed(data_root / "medmnist" / "breastmnist.npz", test_images=np.zeros((1, 28, 28), np.uint8))
    done = sccbench("doctor", "--dataset", "folder:bad", "--dataset", "breastmnist", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "cat/truncated.jpg" in done.stdout
    assert "has no array 'test_labels'" in done.stdout
    assert "medmnist/breastmnist.npz" in done.stdout


def test_every_class_is_shown_with_its_key_its_name_a_prompt_and_its_tokens(data_root):
    root = data_root / "set"
    write_class_folders(root, {"0.0": ["a.png"], "1.0": ["a.png", "b.png"]})
    (root / "classnames.txt").write_text("cat\nlymphangiectasia\n")
    (root / "templates.txt").write_text("a {}.\na photo of a {}.\n")
    report = examine_dataset("folder:set")
    assert report.classes == (
        ClassLine(0, "0.0", "cat", "a cat.", 8, 1),
        ClassLine(1, "1.0", "lymphangiectasia", "a lymphangiectasia.", 13, 2),
    )
    (biomedical,) = examine_dataset("folder:set", ["demo-biomedclip"]).classes[1:]
    assert biomedical.tokens > 13
    assert [line.tokens for line in examine_dataset("folder:set", ["tests.components:tiny"]).classes] == [None, None]
    with pytest.raises(UserError, match="unknown model 'demo-clop'"):
        examine_dataset("folder:set", ["demo-clop"])


def test_doubts_are_warnings_that_make_no_dataset_unsound(data_root):
    write_class_folders(data_root / "set", {name: ["a.png"] for name in ("Benign", "benign", "train")})
    report = examine_dataset("folder:set")
    assert [line.partition(" ")[0] for line in report.warnings] == ["class", "classes", "with"]
    assert report.warnings[2].startswith(
        "with CLIP, the prompts of classes 'Benign', 'benign' (labels 0, 1) are the same"
    )
    assert report.is_sound(strict=True)


def test_the_command_shows_classes_and_warnings(tmp_path, data_root):
    write_class_folders(tmp_path / "set", {f"item {number}": ["a.png"] for number in range(1000)})
    (tmp_path / "set" / "item 500").rename(tmp_path / "set" / "Item 499")
    done = sccbench("doctor", "--dataset", "folder:set", "--model", "demo-clip", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "a photo of a" in line]
    assert len(rows) == 60
    assert rows[0].split("│")[1:5] == [" 0     ", " item 0   ", " item 0   ", " a photo of a item 0.   "]
    assert "and 940 more between them; the checks look at every class" in done.stdout
    warnings = [line for line in done.stdout.splitlines() if line.startswith("warning: dataset folder:set: ")]
    assert any("classes 'Item 499', 'item 499' (labels 499, 500)" in line for line in warnings)
    assert any("with demo-clip, the prompts of classes 'Item 499', 'item 499'" in line for line in warnings)


def test_a_model_without_a_dataset_is_refused(tmp_path):
    done = sccbench("doctor", "--model", "demo-clip", folder=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "--model is for --dataset" in done.stderr
