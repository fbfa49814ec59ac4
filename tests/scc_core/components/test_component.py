"""Components: one value from the grid to the worker, built once, equal where it means the same."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass
from typing import ClassVar

import pytest

from scc_core.attacks import FGSM, PGD, Attack, Surrogate, attacks
from scc_core.components.component import Component
from scc_core.components.parameters import parameter
from scc_core.components.registry import Registry
from scc_core.defenses import TTC, Defense, Flip, defenses
from scc_core.errors import UserError

SOURCE = "tests.components:mirrored"


class Plain(Defense):
    """Lacks the decorator."""


class Undecorated(PGD):
    """Lacks the decorator, too, so that its own parameter would be none."""

    power: float = parameter(1.0, help="unused")


@pytest.mark.parametrize("kind", ["attack", "defense"])
def test_every_registered_name_builds_its_class_and_survives_being_resolved_and_sent(kind):
    registry = {"attack": attacks, "defense": defenses}[kind]
    for name in registry:
        component = Component(kind, name)
        resolved = component.resolved()
        assert type(component.build()) is registry.get(name)
        assert resolved.build() == component.build()
        assert resolved.parameters == component.build().parameters()
        assert (resolved.resolved(), resolved.label) == (resolved, name)
        arrived = pickle.loads(pickle.dumps(resolved))
        assert (arrived, arrived.label, arrived.build()) == (resolved, resolved.label, resolved.build())


def test_equal_components_are_built_once():
    one, other = Component("attack", "pgd", {"num_steps": 7}), Component("attack", "pgd", {"num_steps": 7}, "another")
    assert (one, hash(one)) == (other, hash(other))
    assert one.build() is other.build() is pickle.loads(pickle.dumps(one)).build()
    assert one != Component("attack", "pgd", {"num_steps": 8})
    assert one != Component("defense", "pgd", {"num_steps": 7})
    assert one != Component("attack", "pgd", {"num_steps": 7}, weights={"source": "11"})


def test_the_order_of_parameters_does_not_count_but_a_flag_is_no_number():
    one = Component("attack", "pgd", {"num_steps": 1, "random_start": True})
    assert one == Component("attack", "pgd", {"random_start": True, "num_steps": 1})
    assert one.build() == PGD(num_steps=1)
    with pytest.raises(UserError, match="num_steps: True is not a number"):
        Component("attack", "pgd", {"num_steps": True, "random_start": True}).build()


def test_nothing_of_a_component_can_be_changed():
    given = {"num_steps": 3}
    component = Component("attack", "pgd", given)
    given["num_steps"] = 4
    assert component.parameters == {"num_steps": 3}
    with pytest.raises(FrozenInstanceError):
        component.name = "fgsm"
    with pytest.raises(TypeError):
        component.parameters["num_steps"] = 4


def test_a_label_shows_what_differs_from_the_defaults_as_a_grid_writes_it():
    given = {"step_size": 2 / 255, "num_steps": 20, "random_start": True}
    assert Component("attack", "pgd", given).label == "pgd"
    assert Component("attack", "pgd", given).resolved().label == "pgd(num_steps=20, step_size=2/255)"


def test_the_weights_of_models_that_parameters_name_are_carried():
    resolved = Component("attack", "surrogate", {"source": SOURCE}).resolved(lambda name: f"of {name}")
    assert resolved.weights == {"source": f"of {SOURCE}"}
    assert resolved.specification()["weights"] == {"source": f"of {SOURCE}"}
    assert pickle.loads(pickle.dumps(resolved)).weights == resolved.weights
    assert "weights" not in Component("attack", "surrogate").resolved(str).specification()


def test_the_former_name_is_read_and_stays_in_keys():
    former, today = (Component("attack", name, {"source": SOURCE}) for name in ("transfer", "surrogate"))
    assert former == today
    assert former.build() == Surrogate(source=SOURCE)
    assert (former.name, former.resolved().label) == ("surrogate", f"surrogate(source={SOURCE})")
    assert former.specification()["name"] == "transfer"
    assert Component("defense", "transfer").name == "transfer"


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (Component("attack", "pdg"), "unknown attack 'pdg'. Did you mean 'pgd'?"),
        (Component("attack", "pgd", {"nm_steps": 3}), "unknown parameter of attack 'pgd': 'nm_steps'. Did you mean"),
        (Component("defense", "ttc", {"tau": None}), "defense 'ttc': tau: None is not a number"),
        (Component("defense", "gone.module:Defense"), "defense 'gone.module:Defense' cannot be imported"),
        (Component("defense", f"{__name__}:Plain"), "Plain' is no dataclass: decorate its class with @dataclass"),
        (Component("attack", f"{__name__}:Undecorated"), "Undecorated' is no dataclass: decorate its class with"),
        (Component("attack", f"{__name__}:Plain"), "Plain' is no attack: derive a class from scc_core.Attack"),
        (Component("defense", f"{__name__}:SOURCE"), "SOURCE' is no defense: derive a class from scc_core.Defense"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(component, message):
    with pytest.raises(UserError) as raised:
        component.build()
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@dataclass(frozen=True)
class Misspelt(Defense):
    def corect(self, model, pixels, noise):
        return 1 - pixels


@dataclass(frozen=True)
class WithoutDefault(Flip):
    strength: int


@dataclass(frozen=True)
class Undifferentiable(Flip):
    gradients: ClassVar = ("bdpa",)


@dataclass(frozen=True)
class CommaForgotten(Flip):
    gradients: ClassVar = "unrolled"


@dataclass(frozen=True)
class Abstract(Attack):
    def perturbs(self, model, pixels, labels, epsilon, noise):
        return pixels


@dataclass(frozen=True)
class StrangeNorm(FGSM):
    norm: ClassVar = "l7"


@pytest.mark.parametrize(
    ("implementation", "message"),
    [
        (Misspelt, "it defines neither correct nor classify, and so would change nothing"),
        (WithoutDefault, "its parameter 'strength' has no default; give it one"),
        (Undifferentiable, "gradients is ('bdpa',), expected a tuple of any of none, bpda, unrolled"),
        (CommaForgotten, "gradients is 'unrolled', expected a tuple of any of none, bpda, unrolled"),
        (Abstract, "lacks nominal_cost and perturb, which every attack defines: see scc_core.Attack"),
        (StrangeNorm, "unknown norm 'l7'. Did you mean 'l2'? Existing: l2, linf"),
        (Defense, "is no dataclass: decorate its class with @dataclass(frozen=True)"),
        (Attack, "lacks nominal_cost and perturb"),
    ],
)
def test_a_class_that_breaks_the_contract_of_its_kind_is_told_by_name_and_as_an_object(implementation, message):
    kind, name = implementation.kind, f"{implementation.__module__}:{implementation.__qualname__}"
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        Component(kind, name).resolved()
    assert "\n" not in str(raised.value)
    if not inspect.isabstract(implementation):
        built = implementation(1) if implementation is WithoutDefault else object.__new__(implementation)
        with pytest.raises(UserError, match=re.escape(message)):
            Component.of(built)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def half(:", "its module raised SyntaxError: invalid syntax"),
        ("1 / 0", "its module raised ZeroDivisionError: division by zero"),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("raise ValueError('a\\nb')", "its module raised ValueError: a b"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_in_one_line(text, message, tmp_path, monkeypatch):
    name = f"broken_{abs(hash(text))}"
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as error:
        Component("defense", f"{name}:It").build()
    assert f"defense '{name}:It' cannot be imported: {message}" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_label_of_an_object_shows_what_differs_from_the_defaults():
    assert Component.of(TTC()).label == "TTC"
    assert Component.of(PGD(num_steps=3, step_size=2 / 255)).label == "PGD(num_steps=3, step_size=2/255)"


def test_code_that_is_not_allowed_is_not_run_though_it_was_built_before(monkeypatch):
    own = Component("defense", "tests.components:Quantised")
    own.build()
    monkeypatch.setattr(Registry, "plugins_allowed", False)
    with pytest.raises(UserError, match="which --no-plugins refuses"):
        own.build()


@dataclass(frozen=True)
class OwnDefense(Defense):
    def correct(self, model, pixels, noise):
        return 1 - pixels


def test_what_is_built_already_is_itself_here_and_one_like_it_elsewhere():
    ttc, own = TTC(tau=0.3), OwnDefense()
    assert Component.of(ttc).build() is ttc
    assert Component.of(ttc).kind == "defense"
    assert pickle.loads(pickle.dumps(Component.of(ttc))).build() == ttc
    arrived = pickle.loads(pickle.dumps(Component.of(own)))
    assert (arrived.build(), arrived.build() is own) == (own, False)


def test_a_component_is_read_without_torch_and_builds_without_being_told_where():
    code = (
        "import sys, scc_core.evaluation.threat; from scc_core.components.component import Component;"
        "ttc = Component('defense', 'ttc'); print('torch' in sys.modules, type(ttc.build()).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "TTC"]
