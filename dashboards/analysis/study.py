"""The results of a site, cleaned, pooled and cut into the panels that figures draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from dashboards.analysis.aggregate import pool_seeds
from dashboards.look.palette import NONE, Palette
from dashboards.look.words import CLEAN_MEANING, CLEAN_TITLE, THREAT_MEANINGS, THREAT_MODELS, THREAT_TITLES

SCHEMA = pl.Schema(
    {
        "cell": pl.String,
        "model": pl.String,
        "dataset": pl.String,
        "attack": pl.String,
        "epsilon_255": pl.Float64,
        "threat_model": pl.String,
        "defense": pl.String,
        "seed": pl.Int64,
        "precision": pl.String,
        "preprocessing": pl.String,
        "samples": pl.Int64,
        "requested_samples": pl.Int64,
        "correct": pl.Int64,
        "accuracy": pl.Float64,
        "accuracy_low": pl.Float64,
        "accuracy_high": pl.Float64,
        "images_per_second": pl.Float64,
        "seconds_per_image": pl.Float64,
        "demonstration": pl.Boolean,
        "status": pl.String,
        "error": pl.String,
    }
)
"""The columns that figures need; a column that the results lack is null."""

CLEAN_ATTACK = "none"
_SETTINGS = ("preprocessing", "precision")


@dataclass(frozen=True)
class Study:
    """All results of a site.

    Attributes:
        cells: one row per cell, with at least the columns of :data:`SCHEMA`. Where one model was measured with several
            preprocessings or precisions, its name says which, so that they are never pooled.
    """

    cells: pl.DataFrame

    @classmethod
    def of(cls, results: pl.DataFrame) -> Study:
        """Build a study from the rows of the ``results`` or the ``run_results`` view."""
        return cls(_named_by_settings(_distinct_cells(_with_schema(results))))

    @cached_property
    def pooled(self) -> pl.DataFrame:
        """Results pooled over seeds: see :func:`dashboards.analysis.aggregate.pool_seeds`."""
        return pool_seeds(self.cells)

    @cached_property
    def palette(self) -> Palette:
        """The styles of all defenses of the study."""
        return Palette(self.cells["defense"])

    @cached_property
    def models(self) -> list[str]:
        """Every model's name, those of demonstrations last."""
        ordered = self.cells.sort("demonstration", "model", descending=[False, False])
        general_first = sorted(ordered["model"].unique(maintain_order=True), key=is_biomedical)
        return sorted(general_first, key=lambda name: name in self._demonstrations)

    @cached_property
    def datasets(self) -> list[str]:
        """Every dataset's name, sorted."""
        return sorted(self.cells["dataset"].unique())

    @cached_property
    def _demonstrations(self) -> set[str]:
        return set(self.cells.filter("demonstration")["model"])

    @property
    def has_demonstrations(self) -> bool:
        """Whether any result comes from a demonstration model."""
        return bool(self._demonstrations)

    def is_demonstration(self, *models: str) -> bool:
        """Tell whether any of ``models`` is a demonstration."""
        return not self._demonstrations.isdisjoint(models)

    @property
    def threat_models(self) -> list[str]:
        """The threat models that have results; ``transfer`` too where there are only clean ones."""
        present = set(self.pooled.filter(~_is_clean(), pl.col("accuracy").is_not_null())["threat_model"])
        known = [name for name in THREAT_MODELS if name in present]
        return known or (["transfer"] if self.pooled["accuracy"].is_not_null().any() else [])

    def attacks(self, threat_model: str) -> list[str]:
        """Return the attacks measured under a threat model; only ``none`` where nothing was attacked."""
        attacked = self.pooled.filter(
            ~_is_clean(), pl.col("threat_model") == threat_model, pl.col("accuracy").is_not_null()
        )
        return sorted(attacked["attack"].unique(), key=_attack_place) or [CLEAN_ATTACK]

    def title(self, threat_model: str) -> str:
        """Return the heading of what a threat model's figures show."""
        return CLEAN_TITLE if self.attacks(threat_model) == [CLEAN_ATTACK] else THREAT_TITLES[threat_model]

    def meaning(self, threat_model: str) -> str:
        """Say what the attacker of a threat model knows."""
        return CLEAN_MEANING if self.attacks(threat_model) == [CLEAN_ATTACK] else THREAT_MEANINGS[threat_model]

    def panel(self, threat_model: str, attack: str, *, clean: bool = True) -> pl.DataFrame:
        """Return the pooled rows that may share axes: one attack under one threat model.

        Clean rows belong to every panel whose attack measured their model and defense. The undefended model under
        ``adaptive`` is its ``transfer`` measurement: there is no defense to differentiate through.
        """
        rows = self.pooled
        by_attack = rows.filter(~_is_clean(), pl.col("attack") == attack)
        attacked = by_attack.filter(pl.col("threat_model") == threat_model)
        if threat_model == "adaptive":
            undefended = by_attack.filter(pl.col("threat_model") == "transfer", pl.col("defense") == NONE)
            own = attacked.filter(pl.col("defense") != NONE)
            attacked = pl.concat([own, undefended.join(own, on=["model", "dataset"], how="semi")])
        if not clean:
            return attacked
        clean_rows = rows.filter(_is_clean())
        if attack != CLEAN_ATTACK:
            clean_rows = clean_rows.join(attacked, on=["model", "defense", "dataset"], how="semi")
        return pl.concat([clean_rows, attacked])


def is_biomedical(model: str) -> bool:
    """Tell whether a model's name says that it was made for medical images."""
    return any(word in model.lower() for word in ("biomed", "med", "pubmed"))


def _attack_place(attack: str) -> tuple[bool, str]:
    """Put PGD first: it is the attack that every paper reports."""
    return not attack.startswith("pgd"), attack


def _is_clean() -> pl.Expr:
    return pl.col("epsilon_255") == 0


def _with_schema(results: pl.DataFrame) -> pl.DataFrame:
    complete = pl.concat([pl.DataFrame(schema=SCHEMA), results], how="diagonal_relaxed")
    return complete.with_columns(
        pl.col("demonstration").cast(pl.Boolean).fill_null(False),
        pl.col("epsilon_255").cast(pl.Float64).round(4),
        pl.col("samples", "correct").cast(pl.Int64).fill_null(0),
        pl.col("status").fill_null("pending"),
    )


def _distinct_cells(results: pl.DataFrame) -> pl.DataFrame:
    most_samples_first = results.sort("samples", descending=True, maintain_order=True)
    distinct = most_samples_first.unique("cell", keep="first", maintain_order=True)
    return distinct.sort("model", "dataset", "attack", "epsilon_255", "threat_model", "defense", "seed")


def _named_by_settings(cells: pl.DataFrame) -> pl.DataFrame:
    label = pl.col("model")
    for setting in _SETTINGS:
        varies = pl.col(setting).n_unique().over("model") > 1
        suffix = pl.format(" · {}", pl.col(setting).fill_null("unknown"))
        label = pl.when(varies).then(label + suffix).otherwise(label)
    return cells.with_columns(label.alias("model"))
