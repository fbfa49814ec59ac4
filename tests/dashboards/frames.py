"""Synthetic results with the shape of real ones: the demonstration grid, and a large, ragged one."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from itertools import product
from typing import Any

import polars as pl

from dashboards.analysis.provenance import Provenance, RunProvenance

Row = dict[str, Any]
DEFENSES = ("none", "scc", "ttc", "flip", "random-noise", "shift")
CONTROLS = ("random-noise", "flip", "shift")
RANDOMISED = ("random-noise", "ttc", "scc", "tte", "r-tpt", "scc(semantic=false)")
BIOMEDICAL = ("demo-biomedclip", "BiomedCLIP")
_CURVES = {
    "none": (0.83, 0.49, 0.245, 0.04, 0.0),
    "random-noise": (0.828, 0.507, 0.26, 0.042, 0.0),
    "flip": (0.81, 0.78, 0.75, 0.50, 0.11),
    "shift": (0.815, 0.73, 0.67, 0.39, 0.06),
    "ttc": (0.708, 0.743, 0.617, 0.143, 0.0),
    "scc": (0.78, 0.80, 0.70, 0.365, 0.123),
}
_SPEED = {"none": 3172.0, "random-noise": 3050.0, "flip": 3100.0, "shift": 3080.0, "ttc": 341.0, "scc": 74.0}
_GRID_YAML = """name: demo
models: [demo-clip, demo-biomedclip]
datasets: [demo/*, phantom/*]
attacks:
  - {name: pgd, num_steps: 10, step_size: 1/255}
epsilons: [0, 1/255, 2/255, 4/255]
threat_models: [transfer]
defenses: [none, random-noise, flip, shift, ttc, scc]
seeds: [0]
max_samples: 100
"""


def demo_results() -> pl.DataFrame:
    """The demonstration grid: two small models; the biomedical one sees phantoms only, the other sees everything."""
    general = ("demo/shapes", "demo/digits", "demo/photos")
    phantoms = ("phantom/chest-xray", "phantom/fundus", "phantom/histology")
    rows = []
    for model, datasets in (("demo-clip", general + phantoms), ("demo-biomedclip", phantoms)):
        for dataset, value, defense in product(datasets, (0.0, 1.0, 2.0, 4.0), DEFENSES):
            rows.append(result_row(model, dataset, value, defense, samples=100, demonstration=True))
    return pl.DataFrame(rows, infer_schema_length=None)


def large_results() -> pl.DataFrame:
    """Two models, 16 datasets, two attacks, both threat models, three seeds; some cells failed or unfinished."""
    datasets = [f"dataset-{index:02d}" for index in range(14)] + ["medical/dermamnist", "medical/busi"]
    defenses = (*DEFENSES, "tte", "r-tpt", "scc(semantic=false)")
    rows = []
    for model, dataset, seed, defense in product(("ViT-B-32", "BiomedCLIP"), datasets, range(3), defenses):
        common: Row = {"seed": seed, "samples": 1000, "demonstration": False}
        rows.append(result_row(model, dataset, 0.0, defense, **common))
        for attack, value in product(("pgd", "cw-linf"), (1.0, 4.0)):
            rows.append(result_row(model, dataset, value, defense, attack=attack, **common))
            if defense in ("ttc", "scc", "flip") and attack == "pgd":
                rows.append(result_row(model, dataset, value, defense, threat_model="adaptive", **common))
    return pl.DataFrame([_spoiled(row) for row in rows], infer_schema_length=None)


def ragged_results() -> pl.DataFrame:
    """The part of the large grid where cells failed or wait."""
    return large_results().filter(pl.col("dataset").is_in(["dataset-03", "dataset-05"]), pl.col("model") == "ViT-B-32")


def clean_results() -> pl.DataFrame:
    """The demonstration grid before anything was attacked."""
    return demo_results().filter(pl.col("epsilon_255") == 0)


def one_model_results() -> pl.DataFrame:
    """The demonstration grid of one model."""
    return demo_results().filter(pl.col("model") == "demo-clip")


def two_norms_results() -> pl.DataFrame:
    """The demonstration grid of one model, attacked in L-inf and in L2; one number is a radius of both."""
    attacked = [
        result_row(
            "demo-clip",
            dataset,
            value,
            defense,
            attack="pgd(norm=l2)",
            demonstration=True,
            correct=80 - round(value / 10),
        )
        for dataset, value, defense in product(("demo/shapes", "demo/digits"), (4.0, 127.5, 765.0), DEFENSES)
    ]
    l_inf = one_model_results().filter(pl.col("dataset").str.starts_with("demo"), pl.col("epsilon_255") != 2)
    return pl.concat([l_inf, pl.DataFrame(attacked, schema=l_inf.schema)])


def unknown_results() -> pl.DataFrame:
    """The demonstration grid from a database that does not say what its defenses and models are."""
    unknown = {"control": pl.Boolean, "family": pl.String, "randomised": pl.Boolean}
    return demo_results().with_columns(pl.lit(None, kind).alias(name) for name, kind in unknown.items())


def hostile_results() -> pl.DataFrame:
    """Names that would be markup, if anybody forgot to escape them."""
    return one_model_results().with_columns(
        pl.col("dataset").replace({"demo/shapes": "<script>window.hacked=1</script>"}),
        pl.col("defense").replace({"ttc": 'x"><img src=http://evil.invalid/a onerror=alert(1)>'}),
        pl.when(pl.col("epsilon_255") == 4).then(pl.lit("</script><b>&amp; no")).alias("error"),
    )


def result_row(
    model: str,
    dataset: str,
    epsilon: float,
    defense: str,
    *,
    attack: str = "pgd",
    threat_model: str = "transfer",
    seed: int = 0,
    samples: int = 100,
    demonstration: bool = False,
    correct: int | None = None,
) -> Row:
    """One finished cell; its count comes from a hash of its names unless ``correct`` is given."""
    attack = attack if epsilon else "none"
    names = (model, dataset, attack, f"{epsilon:g}", threat_model, defense, str(seed))
    key = hashlib.sha256("|".join(names).encode()).hexdigest()
    if correct is None:
        correct = _count(names, key, samples)
    low, high = wilson(correct, samples)
    speed = _SPEED.get(defense, 150.0) * (0.9 + int(key[8:10], 16) / 1280)
    return {
        "cell": key,
        "model": model,
        "dataset": dataset,
        "attack": attack,
        "epsilon_255": None if epsilon and "norm=l2" in attack else epsilon,
        "threat_model": threat_model,
        "defense": defense,
        "seed": seed,
        "precision": "float32",
        "preprocessing": "native",
        "classes": 10,
        "samples": samples,
        "requested_samples": samples,
        "correct": correct,
        "accuracy": correct / samples,
        "accuracy_low": low,
        "accuracy_high": high,
        "mean_confidence": 0.5 + correct / samples / 3,
        "mean_margin": 4 * correct / samples - 2,
        "images_per_second": speed,
        "seconds_per_image": 1 / speed,
        "attack_seconds_per_image": 0.0085 if epsilon else 0.0,
        "forwards_per_image": 1.0,
        "backwards_per_image": 0.0,
        "attack_forwards_per_image": 11.0 if epsilon else 0.0,
        "attack_backwards_per_image": 10.0 if epsilon else 0.0,
        "devices": "cpu",
        "demonstration": demonstration,
        "status": "done",
        "error": None,
        "attack_group": hashlib.sha256("|".join(names[:5]).encode()).hexdigest(),
        "updated_at": datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        "control": defense in CONTROLS,
        "family": "biomedical" if model in BIOMEDICAL else "general",
        "randomised": defense in RANDOMISED,
        "norm": None if not epsilon else "l2" if "norm=l2" in attack else "linf",
        "epsilon": epsilon / 255,
    }


def wilson(correct: int, samples: int) -> tuple[float, float]:
    """Wilson's 95 % interval in plain Python."""
    z, p = 1.959963984540054, correct / samples
    center = (p + z * z / (2 * samples)) / (1 + z * z / samples)
    half = z / (1 + z * z / samples) * math.sqrt(p * (1 - p) / samples + z * z / (4 * samples**2))
    return min(p, max(0.0, center - half)), max(p, min(1.0, center + half))


ENVIRONMENTS = {
    "0a1b2c3d4e5f": {"code": "ab" * 32, "python": "3.11.2", "torch": "2.9.0", "threads": 1, "variables": []},
    "f5e4d3c2b1a0": {"code": "ab" * 32, "python": "3.11.2", "torch": "2.6.0", "threads": None, "variables": ["A=1"]},
}


def provenance(runs: int = 1, environments: int = 2) -> Provenance:
    """A site's provenance with some runs and environments."""
    moment = datetime(2026, 11, 23, 11, 58, 2, tzinfo=UTC)
    run = RunProvenance(
        id="20261123-115802-5f3a",
        name="demo",
        started_at=moment,
        finished_at=moment.replace(minute=59),
        outcome="done",
        host="bench-01",
        code_version="0.1.0+g1a2b3c4",
        python_version="3.11.2",
        packages={"torch": "2.9.0", "open_clip_torch": "3.3.0", "ray": "2.55.1", "polars": "2.1.0", "timm": "1.0.22"},
        machine={"cpu": "Intel Xeon, 2 cores"},
        environments=["0a1b2c3d4e5f", "f5e4d3c2b1a0"][:environments],
        grid_yaml=_GRID_YAML,
    )
    return Provenance(
        title="Test-time defenses of CLIP and BiomedCLIP",
        generated_at=moment.replace(hour=12),
        database="postgresql+psycopg://bench:secret@db.example/scc",
        runs=[run] * runs,
        environments=dict(list(ENVIRONMENTS.items())[:environments]),
    )


def _count(names: tuple[str, ...], key: str, samples: int) -> int:
    model, dataset, attack, epsilon, threat_model, defense, _ = names
    curve = _CURVES.get(defense, _CURVES["scc"])
    level = curve[(0.0, 1.0, 2.0, 4.0, 8.0).index(float(epsilon))]
    shared = int(hashlib.sha256(f"{model}{dataset}".encode()).hexdigest()[:4], 16) / 65535
    level *= 0.55 + 0.45 * shared if "biomed" not in model.lower() or "demo" in dataset else 0.7 + 0.3 * shared
    level *= 0.25 if threat_model == "adaptive" and defense != "none" else 1.0
    level *= 0.93 if attack == "cw-linf" else 1.0
    noise = (int(key[:4], 16) / 65535 - 0.5) * 0.08
    return round(samples * min(1.0, max(0.0, level + (noise if level > 0.02 else 0))))


def _spoiled(row: Row) -> Row:
    unmeasured = dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high", "images_per_second"))
    unmeasured |= dict.fromkeys(("seconds_per_image", "mean_confidence", "mean_margin"))
    if row["dataset"] == "dataset-03" and row["defense"] == "r-tpt" and row["epsilon_255"]:
        error = "torch.OutOfMemoryError: CUDA out of memory.\n  File attack.py, line 3, in <module>"
        return {**row, **unmeasured, "samples": 0, "correct": 0, "status": "failed", "error": error}
    if row["dataset"] == "dataset-05" and row["seed"] == 2 and row["epsilon_255"] == 4:
        return {**row, **unmeasured, "samples": 0, "correct": 0, "status": "pending"}
    if row["dataset"] == "dataset-07" and row["seed"] == 1 and row["defense"] == "scc":
        low, high = wilson(row["correct"] // 2, 500)
        accuracy = (row["correct"] // 2) / 500
        half = {"samples": 500, "correct": row["correct"] // 2, "accuracy": accuracy}
        return {**row, **half, "accuracy_low": low, "accuracy_high": high, "status": "partial"}
    return row
