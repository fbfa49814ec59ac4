"""The user's own images, in class folders and tables: what is taken, what is left out and named, what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from scc_core.datasets import dataset_facts, open_dataset
from scc_core.datasets.order import sample_order
from scc_core.errors import NotFetchedError, UserError
from tests.miniatures.images import shows, write_image
from tests.miniatures.own import write_bad_folder, write_class_folders

ANIMALS = {"snow_owl": ["b.png", "a.jpg"], "cat": ["1.png", "10.png", "2.png"]}


@pytest.fixture
def animals(data_root):
    expected = write_class_folders(data_root / "animals", ANIMALS)
    return data_root / "animals", expected


def table(root, text, name="labels.csv"):
    for serial, image in enumerate(("x/1.png", "x/2.png", "3.png")):
        write_image(root / image, serial)
    (root / name).write_text(text, encoding="utf-8")
    return root


def test_class_folders_in_the_order_of_their_bytes(animals):
    root, expected = animals
    dataset = open_dataset(f"folder:{root}")
    assert [id_ for id_, _, _ in dataset.manifest.rows] == [
        "cat/1.png",
        "cat/10.png",
        "cat/2.png",
        "snow_owl/a.jpg",
        "snow_owl/b.png",
    ]
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1] == [label for _, label in expected]
    for index, (serial, _) in enumerate(expected):
        assert shows(dataset.image(index), serial)
    assert dataset.class_names == ("cat", "snow owl")
    assert dict(dataset.prompts()) == {"cat": ("a photo of a cat.",), "snow owl": ("a photo of a snow owl.",)}
    assert dataset.left_out == ()
    facts = dataset_facts(f"folder:{root}")
    assert (facts.card.images, facts.card.classes) == (5, 2)


def test_names_and_templates_beside_the_class_folders(animals):
    root, _ = animals
    (root / "classnames.txt").write_text("# in label order\nsnow_owl = snowy owl\ncat = house cat\n")
    (root / "templates.txt").write_text("an X-ray of a {}.\na drawing of a {c}.\n")
    dataset = open_dataset(f"folder:{root}")
    assert dataset.class_names == ("snowy owl", "house cat")
    assert dataset.labels.tolist() == [1, 1, 1, 0, 0]
    assert dataset.prompts()["snowy owl"] == ("an X-ray of a snowy owl.", "a drawing of a snowy owl.")
    assert dataset.left_out == ()


def test_other_names_and_templates_by_options(animals):
    root, _ = animals
    (root / "long names.txt").write_text("domestic cat\nsnowy owl\n")
    (root.parent / "one.txt").write_text("{}")
    dataset = open_dataset(f"folder:{root}?classnames=long%20names.txt&templates={root.parent}/one.txt")
    assert list(dataset.prompts().items()) == [("domestic cat", ("domestic cat",)), ("snowy owl", ("snowy owl",))]
    assert dataset.left_out == ()


def test_folders_that_are_numbers_are_sorted_by_value(data_root):
    write_class_folders(data_root / "digits", {name: ["a.png"] for name in ("10", "9", "0")})
    (data_root / "digits" / "classnames.txt").write_text("zero\nnine\nten\n")
    dataset = open_dataset("folder:digits")
    assert dataset.class_names == ("zero", "nine", "ten")
    assert dataset.labels.tolist() == [0, 2, 1]


def test_a_class_that_only_the_names_know_stays_a_possible_answer(animals):
    root, _ = animals
    (root / "classnames.txt").write_text("cat = cat\ndog = dog\nsnow_owl = owl\n")
    dataset = open_dataset(f"folder:{root}")
    assert dataset.class_names == ("cat", "dog", "owl")
    assert dataset.labels.tolist() == [0, 0, 0, 2, 2]
    assert [entry.name for entry in dataset.left_out] == ["dog"]


def test_images_may_lie_deeper_and_behind_links_without_end(animals):
    root, _ = animals
    write_image(root / "cat" / "ward" / "3.png", 9)
    (root / "cat" / "ward" / "up").symlink_to(root / "cat")
    dataset = open_dataset(f"folder:{root}")
    assert [row.id for row in dataset.manifest.rows][3] == "cat/ward/3.png"
    assert len(dataset) == 6


def test_a_folder_with_everything_that_goes_wrong(data_root):
    write_bad_folder(data_root / "bad")
    dataset = open_dataset("folder:bad")
    assert [row.id for row in dataset.manifest.rows] == [
        "cat/1.png",
        "cat/2.jpg",
        "cat/sixteen.png",
        "dog/1.png",
        "dog/2.jpg",
        "dog/cmyk.jpg",
        "dog/one.png",
        "dog/palette.png",
    ]
    assert dataset.class_names == ("bird", "cat", "dog")
    assert dataset.labels.tolist() == [1, 1, 1, 2, 2, 2, 2, 2]
    np.testing.assert_array_equal(dataset.image(2), np.full((8, 9, 3), 40000 >> 8, dtype=np.uint8))
    assert np.abs(dataset.image(5).astype(int) - (255, 0, 0)).max() < 6
    np.testing.assert_array_equal(dataset.image(6), [[[10, 20, 30]]])
    assert shows(dataset.image(7), 7)
    reasons = {entry.name: entry.reason for entry in dataset.left_out}
    assert set(reasons) == {"README.txt", "cat/notes.txt", "cat/truncated.jpg", "bird"}
    assert "truncated" in reasons["cat/truncated.jpg"]
    assert reasons["cat/notes.txt"] == "not an image by the ending of its name"
    assert "class 'bird' has no image" in reasons["bird"]


def test_what_is_left_out_is_part_of_the_version_and_found_again_when_mended(data_root):
    write_bad_folder(data_root / "bad")
    before = open_dataset("folder:bad")
    write_image(data_root / "bad" / "cat" / "truncated.jpg", 11)
    after = open_dataset("folder:bad")
    assert len(after) == len(before) + 1
    assert after.version != before.version
    assert "cat/truncated.jpg" not in {entry.name for entry in after.left_out}


def test_an_image_is_decoded_once_to_be_checked(animals, monkeypatch):
    root, _ = animals
    open_dataset(f"folder:{root}")
    again = "scc_core.datasets.files.samples.decode_bytes"
    monkeypatch.setattr(again, lambda content, name: pytest.fail(f"{name} is decoded again"))
    assert len(open_dataset(f"folder:{root}")) == 5


def test_two_copies_are_the_same_wherever_they_lie(animals, tmp_path, monkeypatch):
    root, _ = animals
    copy = shutil.copytree(root, tmp_path / "elsewhere" / "animals")
    monkeypatch.chdir(copy.parent)
    one, two = open_dataset(f"folder:{root}"), open_dataset("folder:./animals")
    assert two.samples.ids == one.samples.ids
    assert two.folder != one.folder
    assert two.version == one.version
    assert sample_order(two).tolist() == sample_order(one).tolist()


def test_names_of_files_that_are_no_text_are_taken_and_named_legibly(animals):
    root, _ = animals
    image = (root / "cat" / "1.png").read_bytes()
    (Path(os.fsdecode(os.fsencode(root / "cat") + b"/gr\xfcn.png"))).write_bytes(image)
    (Path(os.fsdecode(os.fsencode(root / "cat") + b"/br\xfcchig.png"))).write_bytes(image[:40])
    dataset = open_dataset("folder:animals")
    assert len(dataset) == 6
    assert len(dataset.version) == 64
    assert [entry.name for entry in dataset.left_out] == ["cat/br\ufffdchig.png"]
    (root / os.fsdecode(b"h\xfchner")).mkdir()
    with pytest.raises(UserError, match="class folder 'h\ufffdhner' has a name that is no UTF-8 text"):
        open_dataset("folder:animals")


def test_a_place_that_is_not_on_this_machine_may_be_on_another(data_root):
    with pytest.raises(NotFetchedError, match=r"folder:nowhere: there is neither a file nor a folder"):
        open_dataset("folder:nowhere")


def test_the_working_folder_comes_before_the_data_folder(animals, tmp_path, monkeypatch):
    root, _ = animals
    assert open_dataset("folder:animals").folder == root
    monkeypatch.chdir(shutil.copytree(root, tmp_path / "here" / "animals").parent)
    assert open_dataset("folder:animals").folder == tmp_path / "here" / "animals"


def test_a_split_below_the_folder(data_root):
    for split in ("train", "test"):
        write_class_folders(data_root / "set" / split, {"a": [f"{split}.png"], "b": ["1.png"]})
    dataset = open_dataset("folder:set?split=test")
    assert [row.id for row in dataset.manifest.rows] == ["a/test.png", "b/1.png"]
    assert dataset.card.split == "test"


def test_a_table_beside_the_images(data_root):
    root = table(data_root / "scans", "path,label,age\nx/1.png,sick,70\n3.png,healthy,40\nx\\2.png,sick,50\n")
    for name in ("folder:scans", f"folder:{root}/labels.csv"):
        dataset = open_dataset(name)
        assert [row.id for row in dataset.manifest.rows] == ["x/1.png", "3.png", "x/2.png"]
        assert dataset.class_names == ("healthy", "sick")
        assert dataset.labels.tolist() == [1, 0, 1]
        assert [shows(dataset.image(index), serial) for index, serial in enumerate((0, 2, 1))] == [True] * 3
        assert dataset.left_out == ()


def test_a_table_with_other_columns_splits_marks_and_parts(data_root):
    root = data_root / "scans"
    table(root, "\ufeffDiagnosis;Image ; fold\n1;x/1.png;test\n0;x/2.png;train\n0;3.png;test\n", "all.csv")
    dataset = open_dataset("folder:scans/all.csv?path_column=image&label_column=diagnosis&split_column=fold&split=test")
    assert [row.id for row in dataset.manifest.rows] == ["x/1.png", "3.png"]
    assert dataset.labels.tolist() == [1, 0]


def test_lines_of_a_table_that_list_no_image_are_named(data_root):
    table(data_root / "scans", "path,label\nx/1.png,a\ngone.png,a\nx/2.png,\n,b\nx/1.png,a\n3.png,b\n")
    dataset = open_dataset("folder:scans")
    assert [row.id for row in dataset.manifest.rows] == ["x/1.png", "3.png"]
    assert list(dataset.left_out) == [
        ("labels.csv, line 4", "no label"),
        ("labels.csv, line 5", "no path"),
        ("labels.csv, line 6", "lists x/1.png again"),
        ("gone.png", "no such file"),
    ]


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("folder:", "say where the data lies"),
        ("folder:nowhere", r"neither a file nor a folder .*nowhere nor .*data/nowhere; SCCBENCH_DATA names"),
        ("folder:animals?spilt=test", r"unknown option of folder: 'spilt'\. Did you mean 'split'\?"),
        ("folder:animals?split=", "option 'split' needs one value"),
        ("folder:animals?split=test", "there is no folder .*animals/test"),
        ("folder:animals?path_column=p", r"path_column is for tables, but .*animals .* no labels\.csv"),
        ("folder:animals/cat", r"expected class folders, .*cat/CLASS/IMAGE, but 3 images lie directly in it"),
        ("folder:animals/cat/1.png", r"is neither a folder nor a table"),
        ("folder:animals?classnames=gone.txt", r"cannot read .*gone\.txt: No such file"),
        ("folder:empty", "expected class folders, .* but it holds none"),
        ("folder:hollow", r"no image can be read \(1 left out; the first: a/1\.png: the file is empty\)"),
        ("folder:splits", r"are splits, not classes \(test, train\); add \?split=test"),
    ],
)
def test_a_wrong_address_is_one_line_that_says_what_to_do(animals, data_root, address, text):
    (data_root / "empty").mkdir()
    (data_root / "hollow" / "a").mkdir(parents=True)
    (data_root / "hollow" / "a" / "1.png").touch()
    for split in ("train", "test"):
        write_class_folders(data_root / "splits" / split, {"a": ["1.png"]})
    with pytest.raises(UserError, match=text) as caught:
        open_dataset(address)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("classnames.txt", "cat\n", r"names 1 classes, the data has 2 \(cat, snow_owl\); lines of the form KEY = NAME"),
        ("classnames.txt", "cat = cat\nowl\n", "'owl' has no '='"),
        ("classnames.txt", "cat = cat\nsnow_owls = owl\n", r"no line for 'snow_owl'.* Did you mean 'snow_owls'"),
        ("classnames.txt", "cat = pet\nsnow_owl = pet\n", "calls two classes 'pet'"),
        ("classnames.txt", "cat = a\ncat = b\nsnow_owl = c\n", "names a class twice"),
        ("classnames.txt", "cat = a\nsnow_owl =\n", "a class without a name"),
        ("templates.txt", "a photo\n", r"'a photo' needs exactly one \{\}"),
        ("templates.txt", "a {} of {}\n", r"needs exactly one \{\}"),
        ("templates.txt", "a {name}\n", r"needs exactly one \{\}"),
        ("templates.txt", "# nothing\n", "holds no prompt template"),
    ],
)
def test_names_and_templates_that_do_not_fit_are_refused(animals, name, content, text):
    root, _ = animals
    (root / name).write_text(content)
    with pytest.raises(UserError, match=text):
        open_dataset("folder:animals")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("file,label\nx/1.png,a\n", r"unknown column 'path'.* Existing: file, label"),
        ("path,label\nx/1.png,a\nx/1.png,b\n", r"line 3: x/1\.png is 'b' here and 'a' before"),
        ("path,label\n", "lists no image; it needs lines with a path and a label"),
        ("", r"unknown column 'path'\. Existing: none"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(data_root, content, text):
    table(data_root / "scans", content)
    with pytest.raises(UserError, match=text):
        open_dataset("folder:scans")


def test_a_table_of_another_encoding_is_refused(data_root):
    (table(data_root / "scans", "") / "labels.csv").write_bytes("path,label\nx/1.png,gesund\xfc\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"labels\.csv is no UTF-8 text"):
        open_dataset("folder:scans")
