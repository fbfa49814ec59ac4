"""The published numbers that ship, and what is said of a file that is wrong."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.grid.schema import load_grid
from orchestrator.results.published import load_published, shipped
from orchestrator.results.published.tables import CLEAN, PublishedNumber
from scc_core.datasets import dataset_facts
from scc_core.errors import UserError
from scc_core.models import get_model
from tests.orchestrator.console import ROOT
from tests.orchestrator.results.published.tables import NAMES, published, row, write_published


def accuracy(dataset: str, defense: str = "none", model: str = "CLIP ViT-B/32", epsilon: float = 1, attack: str = ""):
    """The published accuracies, one per source."""
    return [
        number.accuracy
        for number in shipped().numbers
        if (number.dataset, number.defense, number.model, number.table_epsilon_255, number.attack)
        == (dataset, defense, model, epsilon, attack)
    ]


def test_every_row_of_the_published_tables_ships():
    kinds = Counter(number.attack == CLEAN for number in shipped().numbers)
    assert kinds == {False: 231, True: 185}
    assert accuracy("mean of 16") == [0.6151]
    assert accuracy("mean of 16", attack="PGD-10") == [0.027]
    assert accuracy("mean of 16", epsilon=4, attack="PGD-10") == [0.0006]
    assert accuracy("CIFAR-10", "scc", attack="PGD-10") == [0.5918]
    assert accuracy("KneeXray", "scc", "BiomedCLIP ViT-B/16", attack="PGD-10") == [0.2835]


def test_the_printed_means_of_the_complete_table_are_those_of_its_members():
    members = shipped().names.means["mean of 16"]
    for defense in ("none", "anti-adversary", "hedge", "ttc", "doc"):
        for attack in (CLEAN, "PGD-10"):
            values = [accuracy(member, defense, epsilon=4, attack=attack)[0] for member in members]
            (printed,) = accuracy("mean of 16", defense, epsilon=4, attack=attack)
            assert len(values) == 16
            assert sum(values) / 16 == pytest.approx(printed, abs=6e-5)


def test_the_notes_on_the_sources_say_what_the_numbers_say():
    """The figures that two notes give are worked out from the numbers."""
    notes = {name: source.note for name, source in shipped().names.sources.items()}
    pets = accuracy("Oxford Pets", "ttc")[0] - accuracy("Oxford Pets", "ttc", epsilon=4)[0]
    assert f"{100 * pets:.2f}" in notes["DOC paper, Table 1"]
    medical = shipped().names.means["mean of 6 medical"]
    for model, defense in (("CLIP ViT-B/32", "ttc"), ("BiomedCLIP ViT-B/16", "none")):
        values = [accuracy(name, defense, model, attack="PGD-10")[0] for name in medical]
        (printed,) = accuracy("mean of 6 medical", defense, model, attack="PGD-10")
        said = f"{100 * printed:.2f} against {100 * sum(values) / 6:.4g}"
        assert said in notes["SCC project page, Table 3 (average as printed)"]


def test_what_the_tables_call_attacks_and_defenses_can_be_built():
    names = shipped().names
    pgd = names.attacks["PGD-10"]
    parameters = pgd.build().parameters()
    assert (parameters["num_steps"], parameters["random_start"], parameters["norm"]) == (10, True, "linf")
    assert parameters["step_size"] == pytest.approx(1 / 255)
    for component in names.defenses.values():
        component.build()


def test_a_percentage_becomes_a_fraction_without_rounding_noise(tmp_path):
    tables = published(tmp_path, row("Shapes", 12.34, 85.12))
    assert list(tables.numbers) == [
        PublishedNumber("A paper", "Small CLIP", "Shapes", "PGD-3", 4.0, "none", 0.1234, 4.0),
        PublishedNumber("A paper", "Small CLIP", "Shapes", CLEAN, 0.0, "none", 0.8512, 4.0),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("Shape", 1)], "line 2: unknown dataset 'Shape'. Did you mean 'Shapes'?"),
        ([row("Shapes", 1), row("Digits", 1, model="CLIP")], "line 3: unknown model 'CLIP'"),
        ([row("Shapes", 1, threat_model="adaptive")], "unknown threat model 'adaptive'. Existing: transfer"),
        ([row("Shapes", 1, defense="sc")], "unknown defense 'sc'"),
        ([row("Shapes", 101)], "robust_accuracy is 101, expected a number from 0 to 100"),
        ([row("Shapes", "1O")], "robust_accuracy is '1O', expected a number from 0 to 100"),
        ([row("Shapes", 1, epsilon_255=0)], "epsilon_255 is 0; the accuracy without an attack is the column"),
        ([row("Shapes", 1), row("Shapes", 2)], "'A paper' gives Small CLIP, Shapes, none twice"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, message):
    with pytest.raises(UserError) as raised:
        published(tmp_path, *rows)
    assert message in str(raised.value)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {"Small CLIP": {}}}, "models.Small CLIP: Value error, give either names or absent"),
        ({"means": {"mean": ["Shapes", "Letters"]}}, "'mean' has members that are no datasets: Letters"),
        (
            {"gates": [{**NAMES["gates"][0], "dataset": "Letters"}]},
            "on 'Letters' names what is not listed",
        ),
        ({"gates": [{**NAMES["gates"][0], "defense": "scc"}]}, "names what is not listed"),
        ({"model": {}}, "model: Extra inputs are not permitted"),
    ],
)
def test_wrong_names_are_named(tmp_path, change, message):
    with pytest.raises(UserError) as raised:
        published(tmp_path, names={**NAMES, **change})
    assert message in str(raised.value)


def test_a_folder_without_the_files_or_with_other_columns_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*names.yaml: No such file"):
        load_published(tmp_path)
    folder = write_published(tmp_path / "other")
    (folder / "published.csv").write_text("model,accuracy\n", encoding="utf-8")
    with pytest.raises(UserError, match="its first line must be source,model,dataset,attack"):
        load_published(folder)


def test_the_names_of_the_tables_are_names_of_datasets_and_models_of_the_same_size():
    names = shipped().names
    for dataset in names.datasets.values():
        for name in dataset.names:
            assert dataset_facts(name).card.images == dataset.images
    for model in names.models.values():
        for name in model.names:
            assert get_model(name).card.image_size == 224


@pytest.mark.parametrize(
    ("grid", "source", "epsilon", "gaps"),
    [
        # The table on the page leaves eight of its sixteen datasets out; their means are there.
        ("paper-table1", "SCC project page, Table 1", 1, {"CLIP-FT", "TeCoA", "PMG-AFT", "FARE"}),
        ("paper-eps4", "DOC paper, Table 1", 4, set()),
        ("paper-medical", "SCC project page, Table 3", 1, set()),
    ],
)
def test_a_grid_of_a_table_asks_for_every_number_that_has_a_counterpart(grid, source, epsilon, gaps):
    names = shipped().names
    loaded, _ = load_grid(ROOT / "grids" / f"{grid}.yaml")
    numbers = [number for number in shipped().numbers if number.source == source]
    assert {number.model.split()[0] for number in numbers if names.models[number.model].absent} == gaps
    assert (loaded.preprocessing, loaded.precision) == ("paper", "float32")
    for number in numbers:
        members = names.means.get(number.dataset, (number.dataset,))
        assert all(set(names.datasets[member].names) & set(loaded.datasets) for member in members)
        assert number.table_epsilon_255 / 255 in [pytest.approx(value) for value in loaded.epsilons]
        assert names.defenses[number.defense] in loaded.defenses
        if not names.models[number.model].absent:
            assert set(names.models[number.model].names) & set(loaded.models)
        if number.attack:
            assert names.attacks[number.attack] in loaded.attacks
