"""What a name opens, what is known without any file, and what is said when the files are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scc_core.datasets import dataset_facts, datasets, open_dataset, published_names
from scc_core.datasets.cards import DATA_FOLDER, describe_card, read_description
from scc_core.datasets.files.published import IncompleteDatasetWarning
from scc_core.datasets.order import sample_order
from scc_core.errors import NotFetchedError, UserError
from tests.miniatures import MINIATURES


@pytest.mark.parametrize("name", published_names())
def test_every_card_is_whole_and_its_templates_can_be_filled(name):
    card = describe_card(name).card
    for field in ("title", "summary", "task", "modality", "split", "licence", "source", "citation", "layout"):
        assert getattr(card, field), field
    assert card.images > 0
    assert card.classes == len(describe_card(name).class_names)
    assert len(describe_card(name).digest) == 64
    for prompts in dataset_facts(name).prompts().values():
        assert all("{" not in prompt for prompt in prompts)


def test_every_list_says_where_it_comes_from_and_belongs_to_a_card():
    lists = list(DATA_FOLDER.rglob("*.txt"))
    assert len(lists) > 50
    for path in lists:
        assert path.read_text(encoding="utf-8").startswith("# "), path
        assert path.stem.partition("@")[0] in published_names(), path


@pytest.mark.parametrize("name", published_names())
def test_missing_files_are_one_line_that_says_what_brings_them(name, data_root):
    with pytest.raises(NotFetchedError) as caught:
        open_dataset(name)
    text = str(caught.value)
    assert f"sccbench fetch datasets {name}" in text
    assert str(data_root) in text
    assert "\n" not in text


def test_registering_and_describing_reads_no_dataset_and_no_card_is_read_before_it_is_asked_for():
    code = (
        "from scc_core.datasets import cards, datasets; names = list(datasets);"
        "print(cards.describe_card.cache_info().currsize, 'cifar10' in names)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True"]


@pytest.mark.filterwarnings("ignore::scc_core.datasets.files.published.IncompleteDatasetWarning")
def test_an_ensemble_is_the_same_images_in_the_same_order_with_other_prompts(data_root):
    MINIATURES["cifar10"](data_root)
    single, ensemble = open_dataset("cifar10"), open_dataset("cifar10@ensemble")
    assert (single.name, ensemble.name) == ("cifar10", "cifar10@ensemble")
    assert single.prompts()["cat"] == ("This is a photo of a cat.",)
    assert len(ensemble.prompts()["cat"]) == 18
    assert ensemble.prompts()["cat"][1] == "a blurry photo of a cat."
    assert ensemble.version == single.version
    assert sample_order(ensemble).tolist() == sample_order(single).tolist()


def test_a_copy_that_is_not_whole_is_loudly_named(data_root):
    MINIATURES["cifar10"](data_root)
    with pytest.warns(
        IncompleteDatasetWarning, match=r"cifar10 has 20 images in .*, published are 10,000; `sccbench doc"
    ):
        open_dataset("cifar10")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cifr10", r"unknown dataset 'cifr10'\. Did you mean 'cifar10'\?"),
        ("cifar10@ensembel", r"'ensembel'\. Did you mean 'ensemble'\? Existing: ensemble"),
        ("demo/shapes@ensemble", r"'demo/shapes' has no other prompts than its own"),
    ],
)
def test_a_wrong_name_says_which_is_nearest(name, text):
    with pytest.raises(UserError, match=text):
        open_dataset(name)


def test_facts_of_a_set_without_a_card_count_its_images():
    facts = dataset_facts("demo/shapes")
    assert (facts.card.images, facts.card.classes) == (1200, 12)
    assert "demo/shapes" in list(datasets)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("title", "titel"), r"unknown keys \['titel'\]"),
        (("a {}.", "a {} {}."), r"needs exactly one \{\}"),
        (('obtain = ["ask"]', ""), "neither `download` nor `obtain`"),
    ],
)
def test_a_card_that_is_not_well_formed_is_named(tmp_path, change, text):
    card = (
        'title = "T"\nsummary = "s"\ntask = "t"\nmodality = "m"\nsplit = "test"\nlicence = "l"\nsource = "s"\n'
        'folder = "f"\nreader = "cifar"\ntemplates = ["a {}."]\nobtain = ["ask"]\n'
    )
    for kind, text_of_file in (
        ("cards/set.toml", card.replace(*change)),
        ("class_names/set.txt", "# source\none\ntwo\n"),
    ):
        (tmp_path / kind).parent.mkdir()
        (tmp_path / kind).write_text(text_of_file)
    with pytest.raises(ValueError, match=text):
        read_description(tmp_path, "set")
