"""The results of a site, cleaned, pooled and cut into the panels that figures draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from dashboards.analysis.aggregate import pool_seeds
from dashboards.look.palette import Palette
from dashboards.look.words import CLEAN_MEANING, CLEAN_TITLE, THREAT_MEANINGS, THREAT_MODELS, THREAT_TITLES
from orchestrator.grid.cell import ADAPTIVE, CLEAN, NO_DEFENSE, TRANSFER
from scc_core.components.choices import FAMILIES

SCHEMA = pl.Schema(
    {
        "cell": pl.String,
        "model": pl.String,
        "dataset": pl.String,
        "attack": pl.String,
        "epsilon_255": pl.Float64,
        "epsilon": pl.Float64,
        "norm": pl.String,
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
        "control": pl.Boolean,
        "family": pl.String,
        "randomised": pl.Boolean,
        "code": pl.String,
    }
)
"""The columns that figures need; a column that the results lack is null."""

_SETTINGS = ("preprocessing", "precision")
_COMPONENTS = ("model", "dataset", "attack", "defense")


@dataclass(frozen=True)
class Study:
    """All results of a site.

    Attributes:
        cells: one row per cell, with at least the columns of :data:`SCHEMA`. Where one model was measured with several
            preprocessings or precisions, its name says which, so that they are never pooled; so does the name of a
            component that was measured with several codes, and of an attack that was made in several norms.
            ``epsilon_255`` is the radius times 255 in every norm here.
    """

    cells: pl.DataFrame

    @classmethod
    def of(cls, results: pl.DataFrame) -> Study:
        """Build a study from the rows of the ``results`` or the ``run_results`` view."""
        complete = pl.concat([pl.DataFrame(schema=SCHEMA), results], how="diagonal_relaxed").with_columns(
            pl.col("demonstration").cast(pl.Boolean).fill_null(False),
            pl.coalesce(pl.col("epsilon_255").cast(pl.Float64), 255 * pl.col("epsilon")).round(4).alias("epsilon_255"),
            pl.col("samples", "correct").cast(pl.Int64).fill_null(0),
            pl.col("status").fill_null("pending"),
        )
        most_samples_first = complete.sort("samples", descending=True, maintain_order=True)
        distinct = most_samples_first.unique("cell", keep="first", maintain_order=True).with_columns(
            pl.when(~_is_clean()).then(pl.col("norm").fill_null("linf")).alias("norm")
        )
        cells = distinct.sort("model", "dataset", "attack", "epsilon_255", "threat_model", "defense", "seed")
        name = pl.col("model")
        for setting in _SETTINGS:
            varies = pl.col(setting).n_unique().over("model") > 1
            suffix = pl.format(" · {}", pl.col(setting).fill_null("unknown"))
            name = pl.when(varies).then(name + suffix).otherwise(name)
        several_norms = pl.col("norm").drop_nulls().n_unique().over("attack") > 1
        attack = pl.when(several_norms).then(pl.format("{} · {}", "attack", "norm")).otherwise(pl.col("attack"))
        named = cells.with_columns(name.alias("model"), attack.alias("attack"))
        return cls(named.with_columns(_with_code(part) for part in _COMPONENTS))

    @cached_property
    def pooled(self) -> pl.DataFrame:
        """Results pooled over seeds: see :func:`dashboards.analysis.aggregate.pool_seeds`."""
        return pool_seeds(self.cells)

    @cached_property
    def palette(self) -> Palette:
        """The styles of all defenses of the study."""
        return Palette(dict(self.cells.group_by("defense").agg(pl.col("control").max()).iter_rows()))

    @cached_property
    def families(self) -> dict[str, str | None]:
        """The family of every model; None where the results do not say it."""
        told = self.cells.group_by("model").agg(pl.col("family").drop_nulls().first())
        return dict(told.iter_rows())

    @cached_property
    def models(self) -> list[str]:
        """Every model's name: demonstrations last, else by family, and those of unknown family after the others."""
        places = {family: place for place, family in enumerate(FAMILIES)}

        def place(model: str) -> tuple[bool, int, str]:
            return model in self._demonstrations, places.get(self.families[model] or "", len(places)), model

        return sorted(self.families, key=place)

    def family(self, model: str) -> str:
        """Return in words what kind a model is."""
        return self.families[model] or "family unknown"

    @cached_property
    def datasets(self) -> list[str]:
        """Every dataset's name, sorted."""
        return sorted(self.cells["dataset"].unique())

    @cached_property
    def _demonstrations(self) -> set[str]:
        return set(self.cells.filter("demonstration")["model"])

    def is_demonstration(self, *models: str) -> bool:
        """Tell whether any of ``models`` is a demonstration."""
        return not self._demonstrations.isdisjoint(models)

    @property
    def threat_models(self) -> list[str]:
        """The threat models that have results; ``transfer`` where there are only clean ones."""
        present = set(self.pooled.filter(~_is_clean(), pl.col("accuracy").is_not_null())["threat_model"])
        known = [name for name in THREAT_MODELS if name in present]
        return known or ([TRANSFER] if self.pooled["accuracy"].is_not_null().any() else [])

    def attacks(self, threat_model: str) -> list[str]:
        """Return the attacks measured under a threat model, the strongest first; ``CLEAN`` where nothing was attacked.

        The strongest is the one that leaves the lowest mean accuracy over all that it was measured on.
        """
        attacked = self.pooled.filter(
            ~_is_clean(), pl.col("threat_model") == threat_model, pl.col("accuracy").is_not_null()
        )
        strength = attacked.group_by("attack").agg(pl.col("accuracy").mean()).sort("accuracy", "attack")
        return strength["attack"].to_list() or [CLEAN]

    def title(self, threat_model: str) -> str:
        """Return the heading of what a threat model's figures show."""
        return CLEAN_TITLE if self.attacks(threat_model) == [CLEAN] else THREAT_TITLES[threat_model]

    def meaning(self, threat_model: str) -> str:
        """Say what the attacker of a threat model knows."""
        return CLEAN_MEANING if self.attacks(threat_model) == [CLEAN] else THREAT_MEANINGS[threat_model]

    def panel(self, threat_model: str, attack: str, *, clean: bool = True) -> pl.DataFrame:
        """Return the pooled rows that may share axes: one attack under one threat model, in one norm.

        Clean rows belong to every panel whose attack measured their model and defense. The undefended model is measured
        once for both threat models: there is no defense to differentiate through.
        """
        by_attack = self.pooled.filter(~_is_clean(), pl.col("attack") == attack)
        norm = by_attack["norm"][0] if by_attack.height else "linf"
        rows = self.pooled.with_columns(norm=pl.lit(norm))
        by_attack = rows.filter(~_is_clean(), pl.col("attack") == attack)
        attacked = by_attack.filter(pl.col("threat_model") == threat_model)
        if threat_model == ADAPTIVE:
            undefended = by_attack.filter(pl.col("threat_model") == TRANSFER, pl.col("defense") == NO_DEFENSE)
            own = attacked.filter(pl.col("defense") != NO_DEFENSE)
            attacked = pl.concat([own, undefended.join(own, on=["model", "dataset"], how="semi")])
        if not clean:
            return attacked
        clean_rows = rows.filter(_is_clean())
        if attack != CLEAN:
            clean_rows = clean_rows.join(attacked, on=["model", "defense", "dataset"], how="semi")
        return pl.concat([clean_rows, attacked])


def _with_code(part: str) -> pl.Expr:
    """Return the names of a component of each cell, with its code where one name has several."""
    code = pl.col("code").str.extract(rf"(?:^|; ){part} ([^;]+)")
    varies = code.n_unique().over(part) > 1
    name = pl.col(part)
    told = pl.format("{} · {}", name, code.fill_null("code not recorded"))
    return pl.when(varies).then(told).otherwise(name).alias(part)


def _is_clean() -> pl.Expr:
    return pl.col("epsilon_255") == 0
