"""What lies between the user's files and the prompts: doubted in one line each, or refused where it is surely wrong."""

from __future__ import annotations

import os
import unicodedata
from struct import pack
from zlib import compress, crc32

import numpy as np
import pytest
from PIL import Image

from scc_core.datasets import dataset_facts, datasets, open_dataset
from scc_core.datasets.name_doubts import doubt_names
from scc_core.errors import UserError
from tests.miniatures.images import write_image
from tests.miniatures.own import write_archive, write_class_folders, write_webdataset

TWELVE = tuple(f"finding {letter}" for letter in "abcdefghijkl")


def folders(root, *names):
    write_class_folders(root, {name: ["a.png"] for name in names})
    return root


def table(root, labels, header="path,label", more=lambda _number: ""):
    lines = [header]
    for number, label in enumerate(labels):
        write_image(root / f"{number}.png", number)
        lines.append(f"{number}.png,{label}{more(number)}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def doubts_of(name):
    return list(open_dataset(name).doubts)


def test_what_is_in_order_gives_no_doubt(data_root):
    folders(data_root / "a", "cat", "snow_owl")
    table(data_root / "b", ["cat", "dog"])
    write_webdataset(data_root / "c")
    assert [doubts_of(name) for name in ("folder:a", "folder:b", "webdataset:c")] == [[], [], []]


@pytest.mark.parametrize(
    "system",
    [
        "__MACOSX",
        "@eaDir",
        ".ipynb_checkpoints",
        "lost+found",
        "$RECYCLE.BIN",
        "System Volume Information",
        "#recycle",
        "@Recycle",
        ".Trash-1000",
        ".AppleDouble",
    ],
)
def test_folders_of_a_system_are_passed_over_at_every_depth_and_said(data_root, system):
    root = folders(data_root / "set", "cat", "dog")
    before = open_dataset("folder:set")
    folders(root, system, f"cat/{system}", f"dog/deep/{system}")
    after = open_dataset("folder:set")
    assert after.class_names == ("cat", "dog")
    assert after.version == before.version
    assert after.left_out == ()
    assert after.doubts == (f"passed over, as a system's own files: {system} (3 times)",)


def test_files_of_a_system_are_passed_over_and_said(data_root):
    root = folders(data_root / "set", "cat", "dog")
    for path in ("Thumbs.db", "cat/Desktop.ini", "cat/._a.png", ".DS_Store", "dog/.hidden"):
        (root / path).write_bytes(b"\0")
    dataset = open_dataset("folder:set")
    assert (len(dataset), dataset.left_out) == (2, ())
    assert dataset.doubts == ("passed over, as a system's own files: .DS_Store, ._a.png, Desktop.ini, Thumbs.db",)


def test_names_of_system_files_that_are_no_text_are_legible(data_root):
    root = folders(data_root / "set", "cat", "dog")
    (root / os.fsdecode(b"._gr\xfcn\n.png")).write_bytes(b"")
    assert doubts_of("folder:set") == ["passed over, as a system's own files: ._gr\ufffdn .png"]


@pytest.mark.parametrize(
    "split", ["train", "Test", "val", "valid", "validation", "dev", "training", "testing", "holdout"]
)
def test_folders_named_like_splits_are_doubted_beside_others_and_refused_alone(data_root, split):
    folders(data_root / "mixed", split, "cat")
    folders(data_root / "alone", f"{split}/cat", f"{split}/dog", "__MACOSX")
    splits = [line for line in doubts_of("folder:mixed") if "the names of splits" in line]
    assert splits == [f"class folders {split!r} have the names of splits; if they are, add ?split={split}"]
    with pytest.raises(UserError, match=rf"are splits, not classes \({split}\); add \?split={split}"):
        open_dataset("folder:alone")


def test_folders_of_three_splits_and_a_system_are_refused(data_root):
    folders(data_root / "set", "train/cat", "test/cat", "val/cat", "__MACOSX")
    with pytest.raises(UserError, match=r"are splits, not classes \(test, train, val\); add \?split=test"):
        open_dataset("folder:set")


def test_splits_with_other_words_and_classes_that_lie_deeper_are_doubted(data_root):
    folders(data_root / "years", "train2017/cat", "train2017/dog", "val2017/cat", "val2017/dog")
    named, deeper = doubts_of("folder:years")
    assert named.startswith("class folders 'train2017', 'val2017' have the names of splits")
    assert deeper == "each class folder holds the folders 'cat', 'dog': are these the classes, or splits?"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Benign", "benign"),
        ("snow owl", "snow_owl"),
        ("snow-owl", "snowowl"),
        (unicodedata.normalize("NFC", "naïve"), unicodedata.normalize("NFD", "naïve")),
        ("x\u00a0ray", "x ray"),
    ],
)
def test_names_that_are_one_when_folded_are_doubted(data_root, one, other):
    table(data_root / "set", [one, other, "third"])
    dataset = open_dataset("folder:set")
    labels = [dataset.class_keys.index(key) for key in sorted((one, other))]
    (line,) = dataset.doubts
    assert line.startswith(f"classes {sorted((one, other))[0]!r}, {sorted((one, other))[1]!r} (labels {labels[0]}, ")
    assert "several classes, or one?" in line


def test_three_cases_of_one_word_are_one_doubt(data_root):
    table(data_root / "set", ["Benign", "benign", "BENIGN", "malignant"])
    (line,) = doubts_of("folder:set")
    assert line.startswith("classes 'BENIGN', 'Benign', 'benign' (labels 0, 1, 2) differ at most in case")


@pytest.mark.parametrize("label", ["nan", "NaN", "None", "null", "n/a", "NA", "<NA>"])
def test_marks_of_a_missing_label_are_doubted(data_root, label):
    table(data_root / "set", ["cat", "dog", label])
    (line,) = doubts_of("folder:set")
    assert line == f"classes are called {label!r}: names, or marks of a label that is missing?"


def test_a_folder_whose_name_is_blank_is_doubted(data_root):
    folders(data_root / "set", "cat", "_")
    assert any("marks of a label that is missing" in line for line in doubts_of("folder:set"))


@pytest.mark.parametrize("labels", [["0", "1"], ["1.0", "2.0"], ["class_1", "class_2"], ["cat", "3"]])
def test_prompts_with_numbers_in_the_place_of_names_are_doubted(data_root, labels):
    table(data_root / "set", labels)
    assert any(line.startswith("prompts call ") for line in doubts_of("folder:set"))
    (data_root / "set" / "classnames.txt").write_text("cat\ndog\n" if "cat" not in labels else "three\ncat\n")
    assert not any(line.startswith("prompts call ") for line in doubts_of("folder:set"))


WRITTEN = {
    "floats": [f"{number}.0" for number in range(12)],
    "floats from one": [f"{number}.0" for number in range(1, 13)],
    "zeros": [f"{number:02}" for number in range(12)],
    "a word": [f"class_{number}" for number in range(1, 13)],
    "a hyphen": [f"class-{number}" for number in range(12)],
    "exponents": [f"{number}.000e+00" if number < 10 else f"{number / 10}00e+01" for number in range(12)],
}


@pytest.mark.parametrize("written", WRITTEN)
def test_labels_that_are_numbers_are_sorted_by_value_and_said(data_root, written):
    labels = WRITTEN[written]
    table(data_root / "set", labels[::-1])
    (data_root / "set" / "classnames.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(TWELVE).encode() + b"\r\n")
    dataset = open_dataset("folder:set")
    assert dataset.class_keys == tuple(labels)
    assert dataset.class_names == TWELVE
    assert dataset.labels.tolist() == list(range(12))[::-1]
    odd = next(label for label in labels if label != label.lstrip("0") or not label.isdecimal())
    assert dataset.doubts == (
        f"labels are numbers written as {odd!r}: sorted by value, {labels[0]!r} to {labels[-1]!r}",
    )


def test_whole_numbers_give_no_doubt_where_they_have_names(data_root):
    table(data_root / "set", [str(number) for number in range(12)])
    (data_root / "set" / "classnames.txt").write_text("\n".join(TWELVE))
    assert open_dataset("folder:set").class_names == TWELVE
    assert doubts_of("folder:set") == []


def test_an_empty_row_makes_integers_floats_but_no_class(data_root):
    table(data_root / "set", ["0.0", "", *(f"{number}.0" for number in range(1, 12))])
    (data_root / "set" / "classnames.txt").write_text("\n".join(TWELVE))
    dataset = open_dataset("folder:set")
    assert (dataset.class_names, dataset.labels.tolist()) == (TWELVE, list(range(12)))
    assert [entry.reason for entry in dataset.left_out] == ["no label"]


def test_the_order_of_classes_is_part_of_the_version(data_root, monkeypatch):
    table(data_root / "set", WRITTEN["floats"])
    by_value = open_dataset("folder:set").version
    monkeypatch.setattr("scc_core.datasets.own.texts.order_keys", lambda keys: tuple(sorted(keys)))
    assert open_dataset("folder:set").version != by_value


def test_two_ways_to_write_a_number_are_doubted(data_root):
    table(data_root / "set", ["1", "1.0", "2"])
    assert "labels '1' and '1.0' are the same number, but two classes" in doubts_of("folder:set")


@pytest.mark.parametrize(
    ("labels", "doubt"),
    [
        (["0", "1", "3"], "names by position pass over what is missing between labels '1' and '3'; lines of the form"),
        (["1_a", "2_b", "10_c"], "names by position follow the order of text, where '10_c' comes before '1_a'; lines"),
    ],
)
def test_names_by_position_are_doubted_where_the_order_may_be_another(data_root, labels, doubt):
    table(data_root / "set", labels)
    root = data_root / "set"
    (root / "classnames.txt").write_text("cat\ndog\nowl\n")
    assert any(line.startswith(doubt) for line in doubts_of("folder:set"))
    (root / "classnames.txt").write_text("".join(f"{key} = {name}\n" for key, name in zip(labels, "xyz", strict=True)))
    assert not any("by position" in line for line in doubts_of("folder:set"))


def test_names_by_position_that_are_keys_of_other_classes_are_refused(data_root):
    folders(data_root / "set", "cat", "dog", "owl")
    (data_root / "set" / "classnames.txt").write_text("Dog\ncat\nowl\n")
    with pytest.raises(UserError, match="calls the class 'cat' 'Dog', but 'dog' is another class of the data"):
        open_dataset("folder:set")
    (data_root / "set" / "classnames.txt").write_text("Cat\nDog\nOwl\n")
    assert open_dataset("folder:set").class_names == ("Cat", "Dog", "Owl")


@pytest.mark.parametrize(
    "label", ["Atelectasis|Infiltration", "cat;dog", "['cat', 'dog']", "[1 0 0]", "{'cat', 'dog'}"]
)
def test_several_labels_in_one_are_refused_with_the_line(data_root, label):
    table(data_root / "set", ["cat", f'"{label}"', "dog"])
    with pytest.raises(UserError, match=r"labels\.csv, line 3: .* is several labels in one") as caught:
        open_dataset("folder:set")
    assert "\n" not in str(caught.value)


def test_lists_with_commas_are_refused_where_their_parts_are_labels(data_root):
    table(data_root / "set", ["cat", '"cat, dog"', "dog"])
    with pytest.raises(UserError, match="'cat, dog' is several labels in one"):
        open_dataset("folder:set")
    table(data_root / "set", ["cat", '"tench, Tinca tinca"', "dog"])
    assert open_dataset("folder:set").class_names == ("cat", "dog", "tench, Tinca tinca")


@pytest.mark.parametrize("name", ["cat|dog", "cat;dog", "cat,dog"])
def test_several_labels_in_the_name_of_a_folder_are_refused(data_root, name):
    folders(data_root / "set", "cat", "dog", name)
    with pytest.raises(UserError, match=r"folder:set: the class folder: .* is several labels in one"):
        open_dataset("folder:set")


def test_lines_of_another_split_may_have_several_labels(data_root):
    table(data_root / "set", ["cat", "cat|dog", "dog"], "path,label,split", lambda n: ",train" if n == 1 else ",test")
    assert open_dataset("folder:set?split=test").class_names == ("cat", "dog")


PASTED = [
    "'{}',",
    '"{}",',
    '"{}"',
    "{},",
    "['{}', 'b']",
    "['{}',",
    "'{}']",
    '("{}"),',
    "lambda c: f'{}.',",
    "f'{}',",
    "\u201c{}\u201d",
    "- {}",
]


@pytest.mark.parametrize("pasted", PASTED)
def test_lines_pasted_from_a_program_are_refused_with_their_number(data_root, pasted):
    root = folders(data_root / "set", "cat", "dog")
    (root / "templates.txt").write_text(
        f"# prompts\na photo of a {{}}.\n{pasted.replace('{}', 'a bad photo of a {}.')}\n"
    )
    with pytest.raises(UserError, match=r"templates\.txt, line 3: .* looks as if it were pasted from a program"):
        open_dataset("folder:set")
    (root / "templates.txt").unlink()
    for text in (f"house cat\n{pasted.replace('{}', 'dog')}\n", f"cat = cat\ndog = {pasted.replace('{}', 'dog')}\n"):
        (root / "classnames.txt").write_text(text)
        with pytest.raises(UserError, match=r"classnames\.txt, line 2: .* looks as if it were pasted from a program"):
            open_dataset("folder:set")


def test_quotes_and_commas_inside_of_a_text_are_part_of_it(data_root):
    root = folders(data_root / "set", "a", "b")
    (root / "templates.txt").write_text('a photo of the "{}", a kind of food.\n{}, drawn by children\n')
    (root / "classnames.txt").write_text("drivers' licence\nJack-o'-lantern, carved (old)\n")
    dataset = open_dataset("folder:set")
    assert dataset.class_names == ("drivers' licence", "Jack-o'-lantern, carved (old)")
    assert dataset.doubts == ()


@pytest.mark.parametrize("file", ["classnames.txt", "zeroshot_classification_templates.txt"])
def test_pasted_lines_of_archives_are_refused(data_root, file):
    write_webdataset(data_root / "wds")
    lines = (data_root / "wds" / file).read_text().splitlines()
    (data_root / "wds" / file).write_text("\n".join(f"'{line}'," for line in lines))
    with pytest.raises(UserError, match=rf"{file}, line 1: .* pasted from a program"):
        open_dataset("webdataset:wds")


def test_labels_with_quotes_are_doubted(data_root):
    table(data_root / "set", ["'cat'", "'dog'"])
    (line,) = doubts_of("folder:set")
    assert line.startswith("names or templates \"'cat'\", \"'dog'\" begin or end as if they were pasted")


def test_several_names_in_one_are_doubted(data_root):
    folders(data_root / "set", "a", "b")
    (data_root / "set" / "classnames.txt").write_text("cat | kitty\ndog\n")
    assert doubts_of("folder:set") == ["names 'cat | kitty' hold | or ;: several names in one?"]


def test_one_class_is_doubted(data_root):
    folders(data_root / "set", "images")
    assert doubts_of("folder:set") == ["there is one class, 'images', so that every answer is right"]


@pytest.mark.parametrize(
    ("column", "values", "option"),
    [
        ("split", ("train", "val"), "the option split=train chooses one"),
        ("split", ("extra", "test 1"), "the option split=test%201 chooses one"),
        ("Split", ("a", "b"), "the option split=a chooses one"),
        ("fold name", ("train", "val"), "the option split=train&split_column=fold%20name chooses one"),
    ],
)
def test_a_column_of_splits_that_the_address_does_not_use_is_doubted(data_root, column, values, option):
    table(data_root / "set", ["cat", "dog", "cat"], f"path,label,{column}", lambda number: f",{values[number % 2]}")
    (line,) = doubts_of("folder:set")
    assert line.startswith(
        f"the address does not use the column {column!r} of labels.csv ({values[0]!r} 2, {values[1]!r} 1)"
    )
    assert line.endswith(option)
    chosen = option.removeprefix("the option ").removesuffix(" chooses one")
    assert len(open_dataset(f"folder:set?{chosen}")) == (1 if "test" in chosen else 2)
    assert not any("does not use" in line for line in doubts_of(f"folder:set?{chosen}"))


def test_where_the_address_chooses_a_split_other_columns_of_splits_are_none_of_its_matter(data_root):
    table(
        data_root / "set", ["cat", "dog", "cat"], "path,label,split,phase", lambda number: f",test,{'ab'[number % 2]}"
    )
    (data_root / "set" / "labels.csv").write_text(
        (data_root / "set" / "labels.csv").read_text().replace(",a\n", ",train\n").replace(",b\n", ",val\n")
    )
    assert [line.split("'")[1] for line in doubts_of("folder:set")] == ["split", "phase"]
    assert doubts_of("folder:set?split=test") == []


def sixteen(path, bits, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.linspace(0, 2**bits - 1, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize(("bits", "brightest"), [(8, 0), (10, 3), (12, 15), (14, 63)])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_files_of_sixteen_bits_that_use_few_of_them_are_doubted(data_root, bits, brightest, ending):
    folders(data_root / "set", "a", "b")
    sixteen(data_root / "set" / "b" / f"0.{ending}", bits)
    sixteen(data_root / "set" / "b" / f"1.{ending}", 16)
    (line,) = doubts_of("folder:set")
    assert line.startswith(f"1 of 2 16-bit images use at most {bits} of their 16 bits and come out ")
    assert f"as 0 to {brightest} of 255 ('b/0.{ending}')" in line
    assert open_dataset("folder:set").image(1).max() == brightest


def test_files_of_sixteen_bits_in_colour_and_in_archives_are_looked_at(data_root):
    def chunk(kind, content):
        return pack(">I", len(content)) + kind + content + pack(">I", crc32(kind + content))

    rows = b"".join(b"\0" + pack(">9H", *range(0, 4096, 500)) for _ in range(3))
    header = chunk(b"IHDR", pack(">IIBBBBB", 3, 3, 16, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
    root = folders(data_root / "set", "a", "b")
    (root / "a" / "0.png").write_bytes(png)
    write_webdataset(data_root / "wds")
    write_archive(data_root / "wds" / "test" / "0.tar", [("0.png", png), ("0.cls", b"0")])
    for name in ("folder:set", "webdataset:wds"):
        assert [line.partition(" 16-bit")[0] for line in doubts_of(name)] == ["1 of 1"]


def test_files_of_sixteen_and_eight_bits_give_no_doubt(data_root):
    folders(data_root / "set", "a", "b")
    sixteen(data_root / "set" / "a" / "0.png", 16)
    write_image(data_root / "set" / "b" / "dark.png", 0)
    assert doubts_of("folder:set") == []


def test_published_datasets_give_doubts_only_of_classes_that_share_a_name():
    for name in datasets:
        facts = dataset_facts(name)
        templates = (*facts.templates, *facts.ensemble)
        found = doubt_names(facts.class_names, facts.class_names, templates)
        shared = len(set(facts.class_names)) < len(facts.class_names)
        assert len(found) == shared, (name, found)
