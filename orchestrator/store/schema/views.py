"""The SQL of the public views, for SQLite and for PostgreSQL. A change here comes with a migration.

``results`` and ``run_results`` sum blocks and derive every ratio from the sums. They differ only in what they count:
``results`` whole blocks, ``run_results`` the run's own prefix, whose last block may be cut; ``hits`` says how many of
the samples that remain are correct, the other sums enter in proportion, and peaks as they are.
"""

from __future__ import annotations

from orchestrator.store.schema.columns import ENVIRONMENTS, UNKNOWN, VIEWS
from scc_core.blocks import BLOCK_SIZE
from scc_core.environment import SHORT_DIGITS
from scc_core.evaluation.metrics import NORMAL_97_5 as Z

SUMS = (
    "sum_confidence",
    "sum_margin",
    "zero_gradients",
    "attack_seconds",
    "attack_forwards",
    "attack_backwards",
    "defense_seconds",
    "defense_forwards",
    "defense_backwards",
)

PEAKS = ("attack_peak_memory_mib", "defense_peak_memory_mib")

JOIN_NAMES = {
    "sqlite": "group_concat(name, ', ')",
    "postgresql": "string_agg(name, ', ' ORDER BY name)",
}

_ENVIRONMENT = f"substr(digest, 1, {SHORT_DIGITS})"
DATASET_FIELD = {
    "sqlite": "CAST(json_extract(c.specification, '$.dataset.{}') AS TEXT)",
    "postgresql": "(c.specification -> 'dataset' ->> '{}')",
}
"""A field of the dataset in the specification of cell ``c``, as text."""

_BLOCK_FIGURES = ", ".join(f"b.{name}" for name in (*SUMS, *PEAKS))

FIRST_POSITION = f"b.number * {BLOCK_SIZE}"
"""The position of the first sample of block ``b``, in SQL."""

_OFFERED = f"q.samples - {FIRST_POSITION}"

_WHOLE_BLOCKS = f"""
    SELECT c.id AS cell_id, b.created_at, b.samples, b.correct, {_BLOCK_FIGURES}
    FROM cell c LEFT JOIN block b ON b.cell_id = c.id"""

_PREFIX_BLOCKS = f"""
    SELECT run_id, cell_id, created_at, counted AS samples,
        CASE WHEN counted = whole THEN correct
            ELSE length(replace(substr(hits, 1, counted), '0', '')) END AS correct,
        {", ".join(f"{name} * counted / CAST(whole AS DOUBLE PRECISION) AS {name}" for name in SUMS)},
        {", ".join(PEAKS)}
    FROM (
        SELECT q.run_id, q.cell_id, b.created_at, b.correct, b.hits, {_BLOCK_FIGURES},
            b.samples AS whole, CASE WHEN {_OFFERED} < b.samples THEN {_OFFERED} ELSE b.samples END AS counted
        FROM run_cell q LEFT JOIN block b ON b.cell_id = q.cell_id AND {FIRST_POSITION} < q.samples
    ) AS cut"""

_RATIOS = f"""
        r.correct,
        r.accuracy,
        CASE WHEN r.samples = 0 THEN NULL WHEN r.correct = 0 THEN 0.0
            ELSE (r.accuracy + {Z**2 / 2} / r.n - r.half_width) / (1 + {Z**2} / r.n) END AS accuracy_low,
        CASE WHEN r.samples = 0 THEN NULL WHEN r.correct = r.samples THEN 1.0
            ELSE (r.accuracy + {Z**2 / 2} / r.n + r.half_width) / (1 + {Z**2} / r.n) END AS accuracy_high,
        r.sum_confidence / r.n AS mean_confidence,
        r.sum_margin / r.n AS mean_margin,
        r.zero_gradients / r.n AS zero_gradients,
        r.n / NULLIF(r.defense_seconds, 0) AS images_per_second,
        r.defense_seconds / r.n AS seconds_per_image,
        r.attack_seconds / r.n AS attack_seconds_per_image,
        r.defense_forwards / r.n AS forwards_per_image,
        r.defense_backwards / r.n AS backwards_per_image,
        r.attack_forwards / r.n AS attack_forwards_per_image,
        r.attack_backwards / r.n AS attack_backwards_per_image,
        r.defense_peak_memory_mib AS peak_memory_mib,
        r.attack_peak_memory_mib,
        c.attack_group,
        c.badges,
        c.demonstration,
        c.control,
        c.family,
        c.randomised,
        c.code,
        c.norm,
        c.epsilon_255 / 255.0 AS epsilon"""

# An L2 radius is no multiple of 1/255, and never meets an L-inf radius in an average or on an axis.
_EPSILON_255 = "CASE WHEN c.norm = 'l2' THEN NULL ELSE c.epsilon_255 END AS epsilon_255"

_CELL = f"""c."key" AS cell, c.model, c.dataset, c.attack, {_EPSILON_255}, c.threat_model, c.defense, c.seed,
        c.precision, c.preprocessing, c.classes"""

_CLASSES = """
SELECT v.dataset, v.version AS dataset_version, n.label, n."key" AS "key", n.name, n.prompts
FROM class_name n JOIN dataset_version v ON v.id = n.dataset_version_id"""

_SAMPLES = """
SELECT v.dataset, v.version AS dataset_version, s.sample, s.name, s.label, s.position
FROM sample_name s JOIN dataset_version v ON v.id = s.dataset_version_id"""

STATUS = """CASE WHEN samples >= requested_samples AND samples > 0 THEN 'done'
            WHEN error IS NOT NULL THEN 'failed'
            WHEN samples > 0 THEN 'partial' ELSE 'pending' END"""
"""A cell's status from its ``samples``, ``requested_samples`` and ``error``."""


def view_statements(dialect: str) -> dict[str, str]:
    """Return the SELECT of each view by the view's name, for ``sqlite`` or ``postgresql``."""
    return {
        "results": _results(dialect),
        "run_results": _run_results(dialect),
        "environments": _environments(),
        "classes": _CLASSES,
        "samples": _SAMPLES,
        "sample_results": _sample_results(dialect),
    }


def create_views(dialect: str) -> list[str]:
    """Return the statements that create the views."""
    return [f"CREATE VIEW {name} AS {select}" for name, select in view_statements(dialect).items()]


def drop_views() -> list[str]:
    """Return the statements that drop the views where they exist."""
    return [f"DROP VIEW IF EXISTS {view.name}" for view in VIEWS]


def _results(dialect: str) -> str:
    requested = "COALESCE((SELECT max(q.samples) FROM run_cell q WHERE q.cell_id = c.id), 0)"
    error = "(SELECT q.error FROM run_cell q WHERE q.cell_id = c.id ORDER BY q.run_id DESC LIMIT 1)"
    used = _used(dialect, "b.cell_id = c.id")
    return f"""
{_rated("cell_id", _WHOLE_BLOCKS)}, judged AS (
    SELECT {_CELL}, r.samples, {requested} AS requested_samples, {_RATIOS}, {_versions(dialect)},
        {used}, {error} AS error,
        COALESCE(r.updated_at, c.created_at) AS updated_at
    FROM rated r JOIN cell c ON c.id = r.cell_id
)
{_final("results")}"""


def _run_results(dialect: str) -> str:
    used = _used(dialect, f"b.cell_id = c.id AND {FIRST_POSITION} < q.samples")
    return f"""
{_rated("run_id, cell_id", _PREFIX_BLOCKS)}, judged AS (
    SELECT r.run_id AS run, run.name AS run_name, {_CELL}, r.samples, q.samples AS requested_samples, {_RATIOS},
        {_versions(dialect)}, {used}, q.error, COALESCE(r.updated_at, c.created_at) AS updated_at
    FROM rated r
    JOIN run_cell q ON q.run_id = r.run_id AND q.cell_id = r.cell_id
    JOIN cell c ON c.id = r.cell_id
    JOIN run ON run.id = r.run_id
)
{_final("run_results")}"""


def _sample_results(dialect: str) -> str:
    """Read one character of ``hits`` per sample, and the names of the sample at its position where they are stored."""
    version, split, order, prompts = map(DATASET_FIELD[dialect].format, ("version", "split", "order", "prompts"))
    places = ", ".join(f"({place})" for place in range(BLOCK_SIZE))
    return f"""
WITH place(number) AS (VALUES {places})
SELECT c."key" AS cell, {FIRST_POSITION} + place.number AS position, s.sample, s.name, s.label, n.name AS class_name,
    substr(b.hits, place.number + 1, 1) = '1' AS correct
FROM cell c
JOIN block b ON b.cell_id = c.id
JOIN place ON place.number < b.samples
LEFT JOIN dataset_version v
    ON v.dataset = c.dataset AND v.version = {version} AND v.split = {split} AND v.sample_order = {order}
LEFT JOIN sample_name s ON s.dataset_version_id = v.id AND s.position = {FIRST_POSITION} + place.number
LEFT JOIN class_name n ON n.dataset_version_id = v.id AND n.prompts = {prompts} AND n.label = s.label"""


def _versions(dialect: str) -> str:
    version, prompts = map(DATASET_FIELD[dialect].format, ("version", "prompts"))
    return f"{version} AS dataset_version, {prompts} AS prompts"


def _rated(scope: str, blocks: str) -> str:
    """Sum the counted blocks per scope, and derive the accuracy; ``n`` is null where nothing is measured.

    One level of aggregation only: SQLite passes a condition on the scope down to the blocks through no more.
    """
    sums = ", ".join(f"CAST(sum({name}) AS DOUBLE PRECISION) AS {name}" for name in SUMS)
    counts = ", ".join(f"CAST(COALESCE(sum({name}), 0) AS INTEGER) AS {name}" for name in ("samples", "correct"))
    peaks = ", ".join(f"max({name}) AS {name}" for name in PEAKS)
    return f"""WITH counted AS ({blocks}
), measured AS (
    SELECT {scope}, max(created_at) AS updated_at, {counts}, {sums}, {peaks}
    FROM counted GROUP BY {scope}
), with_n AS (
    SELECT measured.*, CAST(NULLIF(samples, 0) AS DOUBLE PRECISION) AS n FROM measured
), with_accuracy AS (
    SELECT with_n.*, correct / n AS accuracy FROM with_n
), rated AS (
    SELECT with_accuracy.*, {Z} * sqrt(accuracy * (1 - accuracy) / n + {Z**2 / 4} / (n * n)) AS half_width
    FROM with_accuracy
)"""


def _used(dialect: str, condition: str) -> str:
    """Return the columns with the devices and the environments of the blocks of a cell."""
    devices = f"SELECT DISTINCT b.device AS name FROM block b WHERE {condition} ORDER BY 1"
    environments = f"""
        SELECT DISTINCT COALESCE({_ENVIRONMENT}, '{UNKNOWN}') AS name
        FROM block b LEFT JOIN environment e ON e.id = b.environment_id WHERE {condition} ORDER BY 1"""
    parts = {"devices": devices, "environments": environments}
    return ", ".join(
        f"(SELECT {JOIN_NAMES[dialect]} FROM ({query}) AS used) AS {name}" for name, query in parts.items()
    )


def _environments() -> str:
    derived = {"environment": f"{_ENVIRONMENT} AS environment", "facts": "CAST(facts AS TEXT) AS facts"}
    return (
        f"SELECT {', '.join(derived.get(column.name, column.name) for column in ENVIRONMENTS.columns)} FROM environment"
    )


def _final(name: str) -> str:
    """Add the status, and hide the error of a cell that has not failed; the columns in their public order."""
    view = {view.name: view for view in VIEWS}[name]
    derived = {"status": f"{STATUS} AS status", "error": f"CASE WHEN {STATUS} = 'failed' THEN error END AS error"}
    return f"SELECT {', '.join(derived.get(column.name, column.name) for column in view.columns)} FROM judged"
