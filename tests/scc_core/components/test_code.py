"""The code of a user's own components: what changes it, what does not, and what cannot be told."""

from __future__ import annotations

import importlib
import pickle
import sys
import types
import zipfile
from pathlib import Path

import pytest

from scc_core.attacks import attacks
from scc_core.components.code import code_of, numerics_of
from scc_core.components.component import Component
from scc_core.datasets import datasets, open_dataset
from scc_core.datasets.registry import dataset_code
from scc_core.defenses import TTC, Flip, defenses
from scc_core.errors import SccBenchError, UserError
from scc_core.models import get_model, model_code, models

BLUR = """
from dataclasses import dataclass
{imports}
from scc_core.defenses import Defense

@dataclass(frozen=True)
class Blur(Defense):
    {body}

    def correct(self, model, pixels, noise):
        {lazy}
        return pixels * 0.5
"""
HELPER = "STRENGTH = 1\n"


def blur(imports: str = "", body: str = "pass", lazy: str = "pass") -> str:
    return BLUR.format(imports=imports, body=body, lazy=lazy)


class Folder:
    """A folder on Python's path whose modules are forgotten when the test ends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **files: str) -> None:
        """Write modules; ``__`` in a name stands for a folder, a last ``__`` for the file of the package itself."""
        for name, text in files.items():
            path = self.path / (name.replace("__", "/") + ("__init__.py" if name.endswith("__") else ".py"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def code(self, name: str = "own:Blur", kind: str = "defense") -> str | None:
        importlib.invalidate_caches()
        return Component(kind, name).resolved().code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Folder(tmp_path)
    for name in set(sys.modules) - before:
        if not name.startswith("scc_core"):
            del sys.modules[name]


CHANGED = "STRENGTH = 2\n"

IMPORTED = {
    "beside": ({"own": blur("import helper"), "helper": HELPER}, {"helper": CHANGED}, "own:Blur"),
    "of it": ({"own": blur("from helper import STRENGTH"), "helper": HELPER}, {"helper": CHANGED}, "own:Blur"),
    "lazily": ({"own": blur(lazy="import helper"), "helper": HELPER}, {"helper": CHANGED}, "own:Blur"),
    "by its name": (
        {"own": blur("import importlib", lazy="importlib.import_module('helper')"), "helper": HELPER},
        {"helper": CHANGED},
        "own:Blur",
    ),
    "over two files": (
        {"own": blur("import between"), "between": "import helper\n", "helper": HELPER},
        {"helper": CHANGED},
        "own:Blur",
    ),
    "in a circle": (
        {"own": blur("import between"), "between": "def f():\n    import own, helper\n", "helper": HELPER},
        {"helper": CHANGED},
        "own:Blur",
    ),
    "a package beside": (
        {"own": blur("from lab.tools import helper"), "lab__": "", "lab__tools__": "", "lab__tools__helper": HELPER},
        {"lab__tools__helper": CHANGED},
        "own:Blur",
    ),
    "by relative imports": (
        {"own__": "", "own__sub__": "", "own__sub__a": blur("from ..helper import STRENGTH"), "own__helper": HELPER},
        {"own__helper": CHANGED},
        "own.sub.a:Blur",
    ),
    "a relative module": (
        {"own__": "", "own__a": blur("from . import helper"), "own__helper": HELPER},
        {"own__helper": CHANGED},
        "own.a:Blur",
    ),
    "in a namespace": (
        {"own__sub__a": blur("from own.other import helper"), "own__other__helper": HELPER},
        {"own__other__helper": CHANGED},
        "own.sub.a:Blur",
    ),
    "exported by the package": (
        {
            "own__": "from own.helper import STRENGTH\n",
            "own__a": blur("from own import STRENGTH"),
            "own__helper": HELPER,
        },
        {"own__helper": CHANGED},
        "own.a:Blur",
    ),
    "as all": (
        {"own__": "__all__ = ['helper']\n", "own__a": blur("from own import *"), "own__helper": HELPER},
        {"own__helper": CHANGED},
        "own.a:Blur",
    ),
    "under another module's name": (
        {
            "own__": "from own.fast import helper\n",
            "own__a": blur("from own import helper"),
            "own__helper": HELPER,
            "own__fast": "helper = 1\n",
        },
        {"own__fast": "helper = 2\n"},
        "own.a:Blur",
    ),
    "what the package does": ({"own__": "A = 1\n", "own__a": blur()}, {"own__": "A = 2\n"}, "own.a:Blur"),
    "re-exported": ({"own__": "from .a import Blur\n", "own__a": blur()}, {"own__a": blur(body="X = 1")}, "own:Blur"),
    "an alias": (
        {"own": "from scc_core.defenses import Flip as Blur\n"},
        {"own": "from scc_core.defenses import JPEG as Blur\n"},
        "own:Blur",
    ),
    "made by a function": (
        {
            "own": "from helper import make\nBlur = make(1)\n",
            "helper": "from dataclasses import dataclass\nfrom scc_core.defenses import Flip\n"
            "def make(strength):\n    @dataclass(frozen=True)\n    class Blur(Flip):\n        STRENGTH = strength\n"
            "    return Blur\n",
        },
        {"own": "from helper import make\nBlur = make(2)\n"},
        "own:Blur",
    ),
}


@pytest.mark.parametrize(("files", "edited", "name"), IMPORTED.values(), ids=IMPORTED)
def test_what_a_component_imports_of_its_package_or_folder_counts(folder, files, edited, name):
    folder.write(**files)
    before = folder.code(name)
    assert len(before) == 64
    assert folder.code(name) == before
    folder.write(**edited)
    assert folder.code(name) != before


UNRELATED = {
    "comments and formatting": (
        {"own": blur()},
        {"own": "# a comment\n" + blur().replace("pixels * 0.5", "(pixels\n            * 0.5)  # half")},
        "own:Blur",
    ),
    "a file that is not imported": ({"own": blur(), "helper": HELPER}, {"helper": CHANGED}, "own:Blur"),
    "another component of the package": (
        {"own__": "from .a import Blur\nfrom .b import B\n", "own__a": blur(), "own__b": "B = 1\n"},
        {"own__b": "B = 2\n", "own__": "from .a import Blur\nfrom .b import B\nfrom .b import B as C\n"},
        "own.a:Blur",
    ),
    "a module of an environment in the folder": (
        {"own": blur(lazy="import helper"), "env__site-packages__helper": HELPER},
        {"env__site-packages__helper": CHANGED},
        "own:Blur",
    ),
}


@pytest.mark.parametrize(("files", "edited", "name"), UNRELATED.values(), ids=UNRELATED)
def test_what_does_not_change_a_component_does_not_count(folder, monkeypatch, files, edited, name):
    monkeypatch.syspath_prepend(str(folder.path / "env" / "site-packages"))
    folder.write(**files)
    before = folder.code(name)
    folder.write(**edited)
    assert folder.code(name) == before


def test_another_folder_gives_the_same_code(folder, tmp_path, monkeypatch):
    folder.write(own__="", own__a=blur("from . import helper"), own__helper=HELPER)
    before = folder.code("own.a:Blur")
    for name in [name for name in sys.modules if name.partition(".")[0] == "own"]:
        del sys.modules[name]
    (tmp_path / "own").rename(tmp_path / "elsewhere")
    (tmp_path / "moved").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "moved" / "own")
    monkeypatch.syspath_prepend(str(tmp_path / "moved"))
    assert folder.code("own.a:Blur") == before


def test_a_declared_version_stands_for_the_code(folder):
    folder.write(own=blur(body='version = "2 beta"'))
    before = Component("defense", "own:Blur").resolved()
    assert before.code == "version 2 beta"
    assert before.specification()["code"] == "version 2 beta"
    folder.write(own=blur(body='version = "2 beta"\n    X = 1'))
    assert folder.code() == "version 2 beta"


def test_what_a_base_class_declares_does_not_stand_for_a_derived_one(folder):
    derived = "\n\n@dataclass(frozen=True)\nclass Derived(Blur):\n    pass\n"
    folder.write(own=blur(body='version = "2"') + derived)
    assert len(folder.code("own:Derived")) == 64


def test_a_parameter_called_version_is_none(folder):
    folder.write(own=blur("from scc_core import parameter", 'version: str = parameter("v1", help="which")'))
    resolved = Component("defense", "own:Blur").resolved()
    assert (len(resolved.code), resolved.parameters) == (64, {"version": "v1"})


@pytest.mark.parametrize("declared", ["2", "''", "' '", "True", "'a\\nb'", "None.__class__"])
def test_a_version_that_is_no_text_is_refused(folder, declared):
    folder.write(own=blur(body=f"version = {declared}"))
    with pytest.raises(UserError, match=r"^defense 'own:Blur': version is .*, expected a text such as '2'") as raised:
        folder.code()
    assert "\n" not in str(raised.value)


def test_no_component_of_scc_bench_has_code():
    for kind, registry in (("attack", attacks), ("defense", defenses)):
        for name in registry:
            assert "code" not in Component(kind, name).resolved().specification()
    assert {model_code(name) for name in models} == {None}
    rendered = [name for name in datasets if name.startswith(("demo/", "phantom/"))]
    assert {dataset_code(name, open_dataset(name)) for name in rendered} == {None}
    assert Component("defense", "scc_core.defenses:Flip").resolved().code is None


def test_an_object_has_the_code_of_its_class(folder):
    folder.write(own=blur("import helper"), helper=HELPER)
    module = importlib.import_module("own")
    given = Component.of(module.Blur())
    assert given.code == given.specification()["code"] == folder.code()
    assert pickle.loads(pickle.dumps(given)).code == given.code
    assert "code" not in Component.of(Flip()).specification()


def typed(text: str) -> types.ModuleType:
    """A module without a file, as one is that was typed."""
    module = types.ModuleType("typed_module")
    sys.modules["typed_module"] = module
    exec(text, module.__dict__)
    return module


def test_code_that_cannot_be_read_asks_for_a_version_where_it_is_needed(folder):
    component = Component.of(typed(blur()).Blur())
    with pytest.raises(UserError, match='source of its module typed_module cannot be read; declare version = "1"'):
        component.specification()
    with pytest.raises(UserError, match="cannot be read"):
        Component("defense", "typed_module:Blur").resolved()
    assert Component.of(typed(blur(body='version = "1"')).Blur()).specification()["code"] == "version 1"


def test_modules_in_an_archive_are_read(folder, monkeypatch):
    archive = folder.path / "own.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("own.py", blur("import helper"))
        file.writestr("helper.py", HELPER)
    monkeypatch.syspath_prepend(str(archive))
    assert len(folder.code()) == 64


def test_a_distribution_counts_with_its_own_modules_alone(folder, monkeypatch):
    installed = folder.path / "site-packages"
    for name, modules in (("plug", ("own", "helper")), ("other", ("foreign",))):
        info = installed / f"{name}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "top_level.txt").write_text("\n".join(modules))
    inside = Folder(installed)
    inside.write(own=blur("import helper, foreign"), helper=HELPER, foreign=HELPER)
    monkeypatch.syspath_prepend(str(installed))
    before = inside.code()
    inside.write(foreign=CHANGED)
    assert inside.code() == before
    inside.write(helper=CHANGED)
    assert inside.code() != before


MODEL = """
from scc_core.models import ModelCard
import helper

class Entry:
    {body}
    card = ModelCard("own", "", "", 8, "", "")

    def digest(self):
        return "00"

    def load(self, device):
        raise NotImplementedError

entry = Entry()

def made():
    return Entry()
"""


@pytest.mark.parametrize("name", ["own:Entry", "own:entry", "own:made"])
def test_own_models_have_code(folder, name):
    folder.write(own=MODEL.format(body="pass"), helper=HELPER)
    before = model_code(name)
    folder.write(helper=CHANGED)
    assert model_code(name) != before
    assert len(before) == 64
    del sys.modules["own"]
    folder.write(own=MODEL.format(body='version = "7"  # and longer'))
    importlib.invalidate_caches()
    assert model_code(name) == "version 7"
    assert get_model(name).digest() == "00"


DATASET = """
import numpy as np
from scc_core import Dataset, DatasetCard
import helper

class Data(Dataset):
    {declared}
    def __init__(self):
        self.card = DatasetCard("own", "", "", "", "test", "", "")
        self.class_names, self.templates, self.labels = ("a", "b"), ("a {{}}",), np.arange(4) % 2
        {assigned}

    def image(self, index):
        return np.zeros((8, 8, 3), np.uint8)

def made():
    return Data()
"""


@pytest.mark.parametrize("name", ["own:Data", "own:made"])
def test_own_datasets_have_code_unless_their_class_declares_the_version(folder, name):
    folder.write(own=DATASET.format(declared="", assigned="self.version = '1'"), helper=HELPER)
    before = dataset_code(name, open_dataset(name))
    folder.write(helper=CHANGED)
    assert dataset_code(name, open_dataset(name)) != before
    assert len(before) == 64
    del sys.modules["own"]
    folder.write(own=DATASET.format(declared="version = '1'", assigned="pass"))
    importlib.invalidate_caches()
    assert dataset_code(name, open_dataset(name)) is None


def test_numerics_are_those_of_the_class_of_scc_bench_that_a_class_derives_from(folder, monkeypatch):
    folder.write(
        own="from dataclasses import dataclass\nfrom scc_core.defenses import TTC\n\n"
        '@dataclass(frozen=True)\nclass Blur(TTC):\n    version = "3"\n'
    )
    own = importlib.import_module("own").Blur
    before = Component("defense", "own:Blur").resolved(), Component("defense", "ttc").resolved()
    assert [component.version for component in before] == [numerics_of(own), numerics_of(TTC)] == [1, 1]
    assert all("numerics" not in component.specification() for component in before)
    monkeypatch.setattr(TTC, "version", 2)
    after = Component("defense", "own:Blur").resolved(), Component("defense", "ttc").resolved()
    assert [component.specification()["numerics"] for component in after] == [2, 2]
    assert before[1] != after[1]
    assert pickle.loads(pickle.dumps(after[1])) == after[1]


def test_a_process_checks_the_code_that_it_has_loaded(folder):
    folder.write(own=blur())
    planned = Component("defense", "own:Blur").resolved()
    planned.check_here("node:1", str, str)
    folder.write(own=blur(body="X = 1"))
    planned.check_here("node:1", str, str)
    later = Component("defense", "own:Blur").resolved()
    with pytest.raises(SccBenchError) as raised:
        later.check_here("node:1", str, str)
    here, then = planned.code[:12], later.code[:12]
    line = f"the code of defense 'own:Blur' on node:1 is {here}, but the run was planned for {then}"
    assert str(raised.value) == line


def test_a_process_checks_the_models_that_a_parameter_names():
    source = "tests.components:mirrored"
    planned = Component("attack", "surrogate", {"source": source}).resolved(lambda _: "aa" * 32, lambda _: "bb" * 32)
    assert planned.specification()["codes"] == {"source": "bb" * 32}
    planned.check_here("node:1", lambda _: "aa" * 32, lambda _: "bb" * 32)
    with pytest.raises(SccBenchError, match="mirrored', the source of attack 'surrogate', on node:1 is ccc"):
        planned.check_here("node:1", lambda _: "aa" * 32, lambda _: "cc" * 32)
    with pytest.raises(SccBenchError, match=r"the weights of .* have digest ddd.*, but the run was planned for aaa"):
        planned.check_here("node:1", lambda _: "dd" * 32, lambda _: "bb" * 32)


def test_a_plain_function_of_python_has_no_code():
    assert code_of("x", str, None) is None
