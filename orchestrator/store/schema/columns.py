"""The columns of the public views as data: the one source of their documentation and of the frames' types."""

from __future__ import annotations

from typing import NamedTuple

TEXT = "text"
INTEGER = "integer"
DOUBLE = "double"
BOOLEAN = "boolean"
TIMESTAMP = "timestamp"


UNKNOWN = "unknown"
"""Stands in lists of environments for the blocks of an older program, which did not tell theirs."""


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
    Column("environments", TEXT, "names of the environments that measured it, joined with ', '; unknown if not told"),
    Column("dataset_version", TEXT, "version of the dataset: another one where images, labels or their order differ"),
    Column("prompts", TEXT, "digest of the class names and the prompts"),
    Column("code", TEXT, "code of components of one's own: digests, shortened, or declared versions; null without any"),
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

ENVIRONMENTS = View(
    "environments",
    "one row an environment: the code, libraries, device and switches that blocks were computed with",
    (
        Column("environment", TEXT, "its name in results: the first 12 digits of its digest"),
        Column("digest", TEXT, "SHA-256 of facts: 64 hexadecimal digits"),
        Column("version", TEXT, "version of scc-bench; null where it was not installed"),
        Column("code", TEXT, "digest of the sources of scc-bench"),
        Column("protocol", INTEGER, "version of the protocol"),
        Column("python", TEXT, "version of Python"),
        Column("torch", TEXT, "version of torch, with what it was built for"),
        Column("torchvision", TEXT, "version of torchvision"),
        Column("timm", TEXT, "version of timm"),
        Column("open_clip", TEXT, "version of open_clip"),
        Column("cuda", TEXT, "version of CUDA that torch was built for; null on a CPU"),
        Column("cudnn", TEXT, "version of cuDNN; null on a CPU"),
        Column("driver", TEXT, "version of NVIDIA's driver; null on a CPU"),
        Column("device_kind", TEXT, "cpu or cuda"),
        Column("device", TEXT, "name of the GPU, or of the processor"),
        Column("processor", TEXT, "name of the processor"),
        Column("threads", INTEGER, "threads of torch on a CPU; null on a GPU"),
        Column("batch_size", INTEGER, "images that are computed together"),
        Column("facts", TEXT, "JSON of all of it, with other libraries, precision and variables of the arithmetic"),
        Column("created_at", TIMESTAMP, "when the first block measured in it was stored, in UTC"),
    ),
)

CLASSES = View(
    "classes",
    "one row a class of a version of a dataset",
    (
        Column("dataset", TEXT, "dataset, as in results"),
        Column("dataset_version", TEXT, "version of the dataset, as in results"),
        Column("label", INTEGER, "number of the class"),
        Column("key", TEXT, "what the data calls the class, such as its folder; the label where it has numbers"),
        Column("name", TEXT, "what prompts call the class"),
        Column("prompts", TEXT, "digest of the class names and the prompts, as in results"),
    ),
)

SAMPLES = View(
    "samples",
    "one row a sample of a version of a dataset",
    (
        Column("dataset", TEXT, "dataset, as in results"),
        Column("dataset_version", TEXT, "version of the dataset, as in results"),
        Column("sample", INTEGER, "index of the sample in the dataset"),
        Column(
            "name", TEXT, "what the data calls the sample: its path inside of the dataset; the index if it has none"
        ),
        Column("label", INTEGER, "number of its class"),
        Column("position", INTEGER, "its place in the fixed order of which every run measures a prefix, from 0"),
    ),
)

SAMPLE_RESULTS = View(
    "sample_results",
    "one row a cell and measured sample",
    (
        Column("cell", TEXT, "key of the cell, as in results"),
        Column("position", INTEGER, "place of the sample in the dataset's fixed order, from 0"),
        Column("sample", INTEGER, "index of the sample in the dataset; null where its names are not stored"),
        Column("name", TEXT, "what the data calls the sample; null where its names are not stored"),
        Column("label", INTEGER, "number of its class; null where its names are not stored"),
        Column("class_name", TEXT, "what prompts call its class; null where its names are not stored"),
        Column("correct", BOOLEAN, "true if the prediction is the true class"),
    ),
)

VIEWS = (RESULTS, RUN_RESULTS, ENVIRONMENTS, CLASSES, SAMPLES, SAMPLE_RESULTS)
