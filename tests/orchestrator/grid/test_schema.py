"""The grid file: what is understood, and one clear line for what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.grid.schema import Grid, grid_text, load_grid, parse_grid
from scc_core.attacks import PGD
from scc_core.components import choices as names
from scc_core.components.component import Component
from scc_core.components.parameters import Of255
from scc_core.datasets.pixels.preprocessing import PREPROCESSINGS
from scc_core.defenses import TTC
from scc_core.errors import UserError
from scc_core.models.base import PRECISIONS

MINIMAL = "name: x\nmodels: [m]\ndatasets: [d]\n"


def grid(extra: str = ""):
    return parse_grid(MINIMAL + extra, "g.yaml")


def test_defaults_are_the_published_setting():
    parsed = grid()
    assert [component.name for component in parsed.attacks] == ["pgd"]
    assert [round(epsilon * 255, 4) for epsilon in parsed.epsilons] == [0, 1, 4]
    assert [component.name for component in parsed.defenses] == ["none", "ttc", "scc"]
    assert [threat.name for threat in parsed.threat_models] == ["transfer"]
    assert (parsed.seeds, parsed.max_samples) == ([0], None)
    assert (parsed.preprocessing, parsed.precision) == ("native", "float32")


@pytest.mark.parametrize("written", ["4/255", "0.01568627", "0.015686274509803921", "'4 / 255'", "1.568627e-2"])
def test_every_way_to_write_an_epsilon_is_one_number(written):
    assert grid(f"epsilons: [{written}]").epsilons == [4 / 255]


def test_zero_is_clean_and_a_rounded_epsilon_stays_what_it_says():
    assert [round(value * 255, 4) for value in grid("epsilons: [0, 0.0157]").epsilons] == [0.0, 4.0035]


@given(st.just(0.0) | st.floats(1e-6, 1))
def test_any_epsilon_in_range_is_read(value):
    assert grid(f"epsilons: [{value!r}]").epsilons[0] == pytest.approx(value, abs=1e-6)


def test_components_take_parameters_in_braces():
    parsed = grid("attacks: [{pgd: {num_steps: 20, step_size: 1/255}}, pgd]\n")
    assert parsed.attacks[0].parameters == {"num_steps": 20, "step_size": "1/255"}
    assert parsed.attacks[1].parameters == {}


def test_the_stored_form_of_a_grid_is_pinned():
    parsed = grid(
        "attacks: [pgd, {apgd: {num_steps: 5, rho: 1, loss: null}}, {pgd: {step_size: 1/255, random_start: false}}]\n"
        "defenses: [none, {scc: {sigma: 2/100}}]\n"
        "threat_models: [transfer, {adaptive: {eot_draws: 2}}]\n"
    )
    stored = json.loads(parsed.model_dump_json())
    assert stored["attacks"] == [
        {"name": "pgd", "parameters": {}},
        {"name": "apgd", "parameters": {"num_steps": 5, "rho": 1, "loss": None}},
        {"name": "pgd", "parameters": {"step_size": "1/255", "random_start": False}},
    ]
    assert stored["defenses"] == [{"name": "none", "parameters": {}}, {"name": "scc", "parameters": {"sigma": "2/100"}}]
    assert stored["threat_models"] == [
        {"name": "transfer", "gradients": None, "eot_draws": 1},
        {"name": "adaptive", "gradients": None, "eot_draws": 2},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "modls: [x]", "unknown key 'modls'. Did you mean 'models'? Existing: attacks,"),
        (
            MINIMAL + "epsilons: [127]",
            "127 is outside [0, 1], the range of pixels (L2: [0, 100]); did you mean 127/255?",
        ),
        (MINIMAL + "epsilons: [-4/255]", "epsilons.0: -4/255 is outside [0, 1]"),
        (MINIMAL + "epsilons: [True]", "epsilons.0: True is not a number"),
        (MINIMAL + "epsilons: ['1_0']", "epsilons.0: '1_0' is not a number"),
        (MINIMAL + "epsilons: ['0.1 5']", "epsilons.0: '0.1 5' is not a number"),
        (MINIMAL + "epsilons: ['4//255']", "epsilons.0: '4//255' is not a number"),
        (MINIMAL + "epsilons: ['1e-400']", "epsilons.0: '1e-400' is too small: it would be taken for 0"),
        (MINIMAL + "epsilons: [1.0e-400]", "epsilons.0: '1.0e-400' is too small: it would be taken for 0"),
        (MINIMAL + "epsilons: ['1e-400/255']", "epsilons.0: '1e-400/255' is too small"),
        (MINIMAL + "epsilons: [1/0.0]", "epsilons.0: '1/0.0' is not a number: it divides by 0"),
        (MINIMAL + "epsilons: [4/inf]", "epsilons.0: '4/inf' is not finite"),
        (MINIMAL + f"epsilons: [{'9' * 5000}]", "is not finite"),
        (MINIMAL + f"seeds: [{'9' * 5000}]", "seeds.0: Unable to parse input string as an integer"),
        (MINIMAL + "epsilons: [-0.1]", "epsilons.0: -0.1 is outside [0, 1]"),
        (MINIMAL + "epsilons: [four]", "epsilons.0: 'four' is not a number"),
        (MINIMAL + "epsilons: ['1e400']", "epsilons.0: '1e400' is not finite"),
        (MINIMAL + "epsilons: [.nan]", "epsilons.0: nan is not finite"),
        (MINIMAL + "epsilons: [-.inf]", "epsilons.0: -inf is not finite"),
        (MINIMAL + "epsilons: [1/1e400]", "epsilons.0: '1/1e400' is not finite"),
        (MINIMAL + "epsilons: [4/0]", "epsilons.0: '4/0' is not a number"),
        (MINIMAL + "epsilons: ['1e-9']", "epsilons.0: 1e-9 is below 0.0001/255, the smallest radius; 0 stands for"),
        (MINIMAL + "epsilons: [4/255, 0.01568627]", "is given twice"),
        (MINIMAL + "epsilons: []", "epsilons: the axis is empty"),
        (MINIMAL + "defenses: [scc, scc]", "defenses: scc is given twice"),
        (MINIMAL + "attacks: [{pgd: 3}]", "attacks.0: {'pgd': 3} is neither a name nor"),
        (MINIMAL + "attacks: [{pgd: {}, fgsm: {}}]", "attacks.0:"),
        (MINIMAL + "seeds: [-1]", "seeds.0:"),
        (MINIMAL + "seeds: [0.5]", "seeds.0:"),
        (MINIMAL + "max_samples: 0", "max_samples:"),
        (MINIMAL + "precision: fp16", "unknown precision 'fp16'. Did you mean 'float16'?"),
        (MINIMAL + "preprocessing: papr", "Did you mean 'paper'?"),
        (MINIMAL + "threat_models: [white-box]", "threat_models.0.name: Input should be 'transfer' or 'adaptive'"),
        (MINIMAL + "threat_models: [{transfer: {eot_draws: 2}}]", "threat model 'transfer' has no parameters"),
        (MINIMAL + "threat_models: [{adaptive: {draws: 2}}]", "unknown key 'draws'. Did you mean 'eot_draws'?"),
        (MINIMAL + "threat_models: [adaptive, {adaptive: {}}]", "adaptive is given twice"),
        (MINIMAL + "exclude: [{modl: x}]", "unknown key 'modl'. Did you mean 'model'?"),
        ("name: x\nmodels: [m]\n", "the key 'datasets' is missing"),
        ("models: [a\n", "g.yaml, line 2: not valid YAML"),
        ("name: x\nname: y\n", "g.yaml, line 2: not valid YAML: the key 'name' stands twice"),
        ("a: b: c\n", "g.yaml, line 1: not valid YAML"),
        ("name: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("- a\n", "a grid is a mapping"),
        ("", "a grid is a mapping"),
    ],
)
def test_a_wrong_grid_gets_one_line_that_says_what_to_do(text, message):
    with pytest.raises(UserError) as raised:
        parse_grid(text, "g.yaml")
    assert message in str(raised.value)
    assert str(raised.value).startswith("g.yaml")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "written", ["4/255", "' 4 / 255 '", "'4/255 '", "4/255.0", "4.0/255", "+4/255", "40e-1/2.55E+2"]
)
def test_every_way_to_write_a_fraction_is_one_radius(written):
    assert grid(f"epsilons: [{written}]\n").epsilons == [4 / 255]


def test_fractions_may_be_of_decimal_numbers():
    assert grid("epsilons: [0.5/255, 1 / 255]\n").epsilons == [0.5 / 255, 1 / 255]


def test_no_radius_is_minus_zero():
    assert [str(value) for value in grid("epsilons: [-0.0]\n").epsilons] == ["0.0"]


def test_what_was_written_in_255ths_is_stored_so_where_a_number_would_not_do():
    parsed = grid("epsilons: [0, 4/255, 255/255, 0.5]\nexclude: [{model: m, epsilon: 128/255}, {norm: linf}]\n")
    stored = json.loads(parsed.model_dump_json())
    assert stored["epsilons"] == [0, pytest.approx(4 / 255), "255/255", 0.5]
    assert [line["epsilon"] for line in stored["exclude"]] == ["128/255", None]
    again = parse_grid(grid_text(parsed), "its text")
    assert [type(value) for value in again.epsilons] == [float, float, Of255, float]
    assert again == parsed


def test_the_text_of_a_grid_of_objects_keeps_the_unit_that_they_were_given():
    made = Grid(
        name="x",
        models=["m"],
        datasets=["d"],
        attacks=[Component.of(PGD(step_size="255/255"))],
        defenses=[Component.of(TTC(epsilon="128/255", step_size=0.5))],
    )
    again = parse_grid(grid_text(made), "its text")
    assert again.attacks[0].parameters["step_size"] == "255/255"
    assert (again.defenses[0].parameters["epsilon"], again.defenses[0].parameters["step_size"]) == ("128/255", 0.5)


def test_merge_keys_and_keys_of_the_users_own_work():
    text = (
        "x-common: &common {models: [demo-clip], max_samples: 50}\n"
        "x-pgd: &pgd {num_steps: 20}\n"
        "<<: *common\n"
        "name: merged\n"
        "max_samples: 100\n"
        "datasets: [demo/shapes]\n"
        "attacks: [{pgd: {<<: *pgd, random_start: false}}]\n"
    )
    merged = parse_grid(text, "g.yaml")
    assert (merged.models, merged.max_samples) == (["demo-clip"], 100)
    assert dict(merged.attacks[0].parameters) == {"num_steps": 20, "random_start": False}


@pytest.mark.parametrize("axis", ["models", "attacks", "epsilons", "exclude", "name", "grids"])
def test_what_an_error_quotes_is_short_however_much_was_given(axis):
    """Nine lines of ten aliases each stand for ten thousand million values."""
    bomb = "x-0: &0 [a, a, a, a, a, a, a, a, a, a]\n"
    bomb += "".join(f"x-{n}: &{n} [{', '.join([f'*{n - 1}'] * 10)}]\n" for n in range(1, 10))
    with pytest.raises(UserError) as raised:
        parse_grid(
            f"{bomb}name: x\nmodels: [m]\ndatasets: [d]\n".replace(f"{axis}: ", "x-its: ") + f"{axis}: *9\n", "g"
        )
    assert len(str(raised.value)) < 5000
    long = "a" * 100_000
    with pytest.raises(UserError) as raised:
        parse_grid(f"{MINIMAL}epsilons: [{long}]\n{long}: 1\n", "g")
    assert len(str(raised.value)) < 5000


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"cannot read the grid .*missing\.yaml: No such file"):
        load_grid(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match="Is a directory"):
        load_grid(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="no UTF-8 text"):
        load_grid(binary)


def test_the_names_that_are_checked_early_are_those_that_exist():
    assert set(names.PRECISIONS) == set(PRECISIONS)
    assert set(names.PREPROCESSINGS) == set(PREPROCESSINGS)


def test_a_grid_is_read_without_loading_torch():
    code = "import sys, orchestrator.grid.schema; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_shipped_grids_are_valid():
    folder = Path(__file__).parents[3] / "grids"
    names = [load_grid(path)[0].name for path in sorted(folder.glob("*.yaml"))]
    assert "demo" in names
    assert len(names) == len(set(names))
