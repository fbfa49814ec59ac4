"""The columns of the two public views as data: the one source of their documentation and of the frames' types."""

from __future__ import annotations

from typing import NamedTuple

TEXT = "text"
INTEGER = "integer"
DOUBLE = "double"
BOOLEAN = "boolean"
TIMESTAMP = "timestamp"


class Column(NamedTuple):
    """A column of a view: its name, its type and its meaning in one line."""

    name: str
    type: str
    meaning: str


class View(NamedTuple):
    """A view that users may rely on."""

    name: str
    meaning: str
    columns: tuple[Column, ...]


CELL_COLUMNS = (
    Column("cell", TEXT, "key of the cell: 64 hexadecimal digits"),
    Column("model", TEXT, "model"),
    Column("dataset", TEXT, "dataset"),
    Column("attack", TEXT, "attack, with the parameters that differ from their defaults; none for clean images"),
    Column(
        "epsilon_255", DOUBLE, "radius of the attack in 1/255 of the pixel range; 0 for clean images, null under L2"
    ),
    Column("threat_model", TEXT, "transfer: attacks the bare model; adaptive: attacks the defended model"),
    Column("defense", TEXT, "defense, with the parameters that differ from their defaults"),
    Column("seed", INTEGER, "seed of every random number of the cell"),
    Column("precision", TEXT, "number format of the computation"),
    Column("preprocessing", TEXT, "how the dataset's images are prepared"),
    Column("classes", INTEGER, "number of classes of the dataset"),
)

COUNT_COLUMNS = (
    Column("correct", INTEGER, "samples whose prediction is the true class"),
    Column("accuracy", DOUBLE, "correct / samples, 0 to 1; null while nothing is measured"),
    Column("accuracy_low", DOUBLE, "lower end of the 95 % Wilson interval of the accuracy"),
    Column("accuracy_high", DOUBLE, "upper end of the 95 % Wilson interval of the accuracy"),
)

COST_COLUMNS = (
    Column("images_per_second", DOUBLE, "samples per second of the defended prediction"),
    Column("seconds_per_image", DOUBLE, "seconds of the defended prediction per sample"),
    Column("attack_seconds_per_image", DOUBLE, "seconds of the attack per sample, shared by its attack group"),
    Column("forwards_per_image", DOUBLE, "forward passes of the defended prediction per sample"),
    Column("backwards_per_image", DOUBLE, "backward passes of the defended prediction per sample"),
    Column("attack_forwards_per_image", DOUBLE, "forward passes of the attack per sample"),
    Column("attack_backwards_per_image", DOUBLE, "backward passes of the attack per sample"),
    Column("peak_memory_mib", DOUBLE, "most device memory at once of the defended prediction, in MiB; null on CPU"),
    Column("attack_peak_memory_mib", DOUBLE, "most device memory at once of the attack, in MiB; null on CPU"),
    Column("devices", TEXT, "names of the devices that measured it, joined with ', '"),
    Column("demonstration", BOOLEAN, "true if model or dataset is a demonstration, not a published one"),
)

TAIL_COLUMNS = (
    Column("badges", TEXT, "reasons for doubt, from all that is measured, joined with ', '; '' where there is none"),
    Column("attack_group", TEXT, "key shared by the cells that were measured on the same adversarial images"),
    Column("updated_at", TIMESTAMP, "when the newest of its samples was stored, else when the cell was, in UTC"),
    Column(
        "control", BOOLEAN, "true if the defense is a trivial transformation that others must beat; null if unknown"
    ),
    Column("family", TEXT, "of the model: general, biomedical or adversarially fine-tuned; null if unknown"),
    Column("randomised", BOOLEAN, "true if another draw of the defense may predict otherwise; null if unknown"),
    Column("norm", TEXT, "of the attack's radius: linf or l2; null for clean images, or if unknown"),
    Column("epsilon", DOUBLE, "radius of the attack in its norm, for pixels in [0, 1]; 0 for clean images"),
)

RESULTS = View(
    "results",
    "one row a cell: everything that any run has measured of it",
    (
        *CELL_COLUMNS,
        Column("samples", INTEGER, "measured samples"),
        Column("requested_samples", INTEGER, "samples that the largest request of any run asks for"),
        *COUNT_COLUMNS,
        Column("mean_confidence", DOUBLE, "mean softmax probability of the predicted class"),
        Column("mean_margin", DOUBLE, "mean of true class's logit minus largest other; below 0 where wrong"),
        Column("zero_gradients", DOUBLE, "share of samples whose every attack gradient was 0; null without gradients"),
        *COST_COLUMNS,
        Column("status", TEXT, "done, partial, pending or failed"),
        Column("error", TEXT, "why it failed, in the latest run that asked for it; null unless status is failed"),
        *TAIL_COLUMNS,
    ),
)

RUN_RESULTS = View(
    "run_results",
    "one row a run and cell: what is measured of the samples that this run asks for",
    (
        Column("run", TEXT, "id of the run"),
        Column("run_name", TEXT, "name of the run's grid"),
        *CELL_COLUMNS,
        Column("samples", INTEGER, "measured samples among those that the run asks for"),
        Column("requested_samples", INTEGER, "samples that the run asks for"),
        *COUNT_COLUMNS,
        Column("mean_confidence", DOUBLE, "as in results; a block that the run cuts enters with its mean"),
        Column("mean_margin", DOUBLE, "as in results; a block that the run cuts enters with its mean"),
        Column("zero_gradients", DOUBLE, "as in results; a block that the run cuts enters with its share"),
        *COST_COLUMNS,
        Column("status", TEXT, "done, partial, pending or failed, as far as the run's own samples go"),
        Column("error", TEXT, "why it failed in this run; null unless status is failed"),
        *TAIL_COLUMNS,
    ),
)

VIEWS = (RESULTS, RUN_RESULTS)
