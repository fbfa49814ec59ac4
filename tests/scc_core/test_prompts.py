"""Prompts by class: one entry per class, whatever the classes are called."""

from __future__ import annotations

import pytest

from scc_core.datasets import dataset_facts
from scc_core.errors import UserError
from scc_core.models.base import ZeroShotModel
from scc_core.prompts import plain_name, render_prompts
from tests.scc_core.conftest import ConvTower


def test_classes_of_the_same_name_keep_an_entry_each_with_the_plain_name_in_the_prompt():
    prompts = render_prompts(["person", "person", "crane", "person"], ["a {}.", "the {}."])
    assert list(prompts) == ["person", "person (class 1)", "crane", "person (class 3)"]
    assert set(prompts["person (class 3)"]) == {"a person.", "the person."}
    assert [plain_name(key) for key in prompts] == ["person", "person", "crane", "person"]


@pytest.mark.parametrize(
    ("names", "templates", "message"),
    [
        ("ab", ["a {}."], "class names are 'ab', expected a list of one or more"),
        ([], ["a {}."], r"class names are \[\], expected a list"),
        ([1, 2], ["a {}."], "class name 1 is no text"),
        (["a"], "a {}.", "templates are 'a {}.', expected a list"),
        (["a"], [], r"templates are \[\], expected a list"),
        (["a"], ["a photo"], "the template 'a photo' needs exactly one {} for the class name"),
        (["a"], ["a {} {}"], "the template 'a {} {}' needs exactly one {}"),
        (["a"], ["a {name}"], "the template 'a {name}' needs exactly one {}"),
        (["a"], ["a {}", "a {"], "the template 'a {' needs exactly one {}"),
    ],
)
def test_names_and_templates_that_are_none_are_told(names, templates, message):
    with pytest.raises(UserError, match=message):
        render_prompts(names, templates)


@pytest.mark.parametrize(
    ("name", "repeated"),
    [("caltech101", {1}), ("imagenet", {744, 837}), ("stanford-cars", {23, 42, 83, 94, 113, 126, 190})],
)
def test_the_sets_whose_names_repeat_have_a_prompt_per_class(name, repeated):
    facts = dataset_facts(name)
    prompts = facts.prompts()
    assert len(prompts) == facts.card.classes
    assert {label for label, key in enumerate(prompts) if key != plain_name(key)} == repeated


def test_a_classifier_knows_the_plain_names():
    model = ZeroShotModel(ConvTower(2), render_prompts(["person", "person"], ["a {}."]))
    assert model.class_names == ("person", "person")
    assert model.text_features[0].equal(model.text_features[1])
