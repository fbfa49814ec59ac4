"""Datasets from a user's own code: what is wrong with one is a line, before any image is asked for."""

from __future__ import annotations

import numpy as np
import pytest

import scc_core
from scc_core.datasets import dataset_facts, open_dataset
from scc_core.datasets.user_datasets import make_dataset
from scc_core.errors import UserError
from tests.components import NoiseImages


def raises():
    raise FileNotFoundError("no folder\nhere")


def with_argument(root):
    return NoiseImages()


class Imageless(scc_core.Dataset):
    """Lacks the method that every dataset has."""


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (raises, "cannot be made without arguments: FileNotFoundError: no folder here"),
        (with_argument, r"cannot be made without arguments: TypeError: .* missing 1 required positional argument"),
        (Imageless, "cannot be made without arguments: TypeError: Can't instantiate abstract class Imageless"),
        (dict, "is a dict: name a class that derives from scc_core.Dataset"),
    ],
)
def test_what_makes_no_dataset_is_told(factory, message):
    with pytest.raises(UserError, match=f"dataset 'own:it' {message}") as error:
        make_dataset("own:it", factory)
    assert "\n" not in str(error.value)


WRONG = [
    ("labels", np.arange(5), r"labels lie in \[0, 4\], but there are 4 class names"),
    ("labels", -np.arange(3), r"labels lie in \[-2, 0\], but there are 4 class names"),
    ("labels", [0, 1], r"labels are a list, expected a numpy array \(N,\) of int64"),
    ("labels", np.zeros(3), r"labels are an array \(3,\) of float64, expected"),
    ("labels", np.zeros((3, 1), np.int64), r"labels are an array \(3, 1\) of int64, expected"),
    ("labels", np.arange(0), "it has no samples"),
    ("class_names", "abcd", "class names are 'abcd', expected a list"),
    ("class_names", None, "it has no class_names or no templates"),
    ("class_keys", ("a", "b"), "it has 2 class_keys, but 4 class_names"),
    ("templates", ("a photo",), "the template 'a photo' needs exactly one {}"),
    ("templates", "a {}", "templates are 'a {}', expected a list"),
    ("version", None, "version is None, expected a text that changes"),
    ("version", "", "version is '', expected a text"),
    ("card", {"name": "x"}, "expected a scc_core.DatasetCard"),
]


@pytest.mark.parametrize(("attribute", "value", "message"), WRONG)
def test_what_a_dataset_says_of_itself_is_checked_by_name_and_as_an_object(attribute, value, message, monkeypatch):
    class Wrong(NoiseImages):
        def __init__(self):
            super().__init__()
            setattr(self, attribute, value)

    monkeypatch.setattr("tests.components.noise_images", Wrong)
    for ask in (open_dataset, dataset_facts):
        with pytest.raises(UserError, match=f"dataset 'tests.components:noise_images' breaks the .*{message}"):
            ask("tests.components:noise_images")
    with pytest.raises(UserError, match=f"dataset 'Wrong' breaks the contract of datasets: .*{message}"):
        scc_core.evaluate("demo-clip", Wrong(), "fgsm", "4/255", ["none"])
