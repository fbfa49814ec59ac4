"""The gate of TTC and of SCC's warm-up, measured with another model's image tower."""

from __future__ import annotations

import math

import pytest
import torch

from scc_core.defenses import SCC, TTC, gate
from scc_core.errors import UserError
from scc_core.models.base import ZeroShotModel
from tests.scc_core.conftest import ConvTower, prompts
from tests.scc_core.defenses.test_defenses import FarTower, restated_ttc_image, start

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


class Entry:
    """A registered model that counts how often it is loaded."""

    def __init__(self, tower):
        self.tower, self.loads = tower, 0

    def load(self, device):
        self.loads += 1
        return self.tower


@pytest.fixture
def original(monkeypatch):
    """A gate model that is another than the victim, under the name ``original``."""
    tower = FarTower()
    tower.name = "original"
    entry = Entry(tower)
    monkeypatch.setattr(gate, "get_model", {"original": entry}.__getitem__)
    gate._tower.cache_clear()
    yield entry
    gate._tower.cache_clear()


@pytest.mark.parametrize(
    "build", [TTC, lambda **given: SCC(semantic=False, spatial=False, **given)], ids=["ttc", "scc"]
)
def test_a_gate_model_decides_who_is_counterattacked(conv_model, original, images, noise, build):
    measured = original.tower.encode_image(images)
    moved = original.tower.encode_image(images + start(images, noise)) - measured
    ratio = moved.norm(dim=-1) / measured.norm(dim=-1)
    tau = float(ratio.sort().values[5:7].mean())
    corrected = build(gate_model="original", tau=tau).correct(conv_model, images, noise)
    for row in range(len(images)):
        one = noise.select(torch.tensor([row]))
        opened = restated_ttc_image(conv_model, images[row : row + 1], one, tau=math.inf)[0]
        shut = (images + start(images, noise))[row]
        assert torch.allclose(corrected[row], opened if ratio[row] < tau else shut, atol=1e-9)
    assert 0 < int((ratio < tau).sum()) < len(images)


def test_a_gate_model_is_loaded_once_and_its_passes_count(conv_model, original, images, noise):
    for defense in (TTC(gate_model="original", tau=1e9), SCC(gate_model="original", tau=1e9)):
        with conv_model.meter.measure() as counted:
            defense(conv_model, images, noise)
            spent = counted()
        nominal = defense.nominal_cost(4).total
        assert (spent.forwards, spent.backwards) == (12 * nominal.forwards, 12 * nominal.backwards)
        assert nominal.forwards == type(defense)().nominal_cost(4).total.forwards + 2
    assert original.loads == 1


def test_the_victim_as_gate_model_changes_nothing(original, images, noise):
    victim = ConvTower()
    victim.name = "original"
    model = ZeroShotModel(victim, prompts(4))
    ours = TTC(gate_model="original").correct(model, images, noise)
    assert torch.equal(ours, TTC().correct(model, images, noise))
    assert original.loads == 0


def test_a_gate_model_of_another_image_size_is_refused_in_one_line(conv_model, original, images, noise):
    original.tower.image_size = 224
    with pytest.raises(UserError, match=r"gate_model 'original' takes images of 224 pixels, but .* takes 8") as error:
        TTC(gate_model="original")(conv_model, images, noise)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("component", [TTC, SCC])
def test_an_unknown_gate_model_is_refused_before_compute(component):
    with pytest.raises(UserError, match=r"gate_model: .*demo-clop.*Did you mean 'demo-clip'"):
        component(gate_model="demo-clop")
