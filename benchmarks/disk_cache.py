"""Images per second into batches: decoded each time, and from the disk cache of prepared images.

``python -m benchmarks.disk_cache --out FILE.json``. It makes a folder of JPEG files of 500 x 375 pixels and reads it,
and demonstration datasets, through the public path: without a disk cache, into an empty one (the first pass), and from
the filled one as another worker would (the second). ``overlap`` rows time a forward pass of ``demo-clip`` over the
JPEG files with the next batch read ahead or not. Every repetition measures all of them in turn, so that a shared
machine disturbs them alike. Files come from the page cache: a cold disk is not measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.kernels.environment import describe, load_average
from benchmarks.kernels.timing import Spread
from scc_core.datasets import Dataset, PreparedDataset, open_dataset
from scc_core.datasets.pixels.disk_cache import DiskCache
from scc_core.models import ZeroShotModel, get_model

BATCH_SIZE = 50
IMAGE_SIZE = 224
DEMONSTRATIONS = ("demo/shapes", "demo/photos", "demo/digits", "phantom/histology")
DEMONSTRATION_SIZE = 64
OVERLAPS = ("overlap: none", "overlap: next batch")
CPU = torch.device("cpu")
_FORMAT = 1
_NO_BOUND = 2**62

Timing = tuple[str, int, float]
"""What was timed, over how many images, in how many seconds."""


@dataclass(frozen=True)
class Row:
    """One way of reading one dataset.

    Attributes:
        dataset: its name.
        way: ``decoded``, ``disk cache, first pass``, ``disk cache, second pass``, or one of the two overlaps.
        image_size: side of the prepared images in pixels.
        images: per repetition.
        repetitions: of the whole.
        images_per_second: over them.
    """

    dataset: str
    way: str
    image_size: int
    images: int
    repetitions: int
    images_per_second: Spread


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disk_cache", description=__doc__)
    parser.add_argument("--images", type=int, default=500, help="per dataset and pass; default: 500")
    parser.add_argument("--repetitions", type=int, default=3, help="of everything; default: 3")
    parser.add_argument("--datasets", nargs="*", default=DEMONSTRATIONS, metavar="NAME", help="beside the JPEG files")
    parser.add_argument("--note", default="", help="what a reader must know, such as that the machine was shared")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the record goes, as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    environment = describe(CPU, options.note)
    rows = measure(options.images, options.repetitions, options.datasets)
    environment.load_average_end = load_average()
    print(table(rows), end="")
    if options.out is not None:
        record = {"format": _FORMAT, "environment": asdict(environment), "rows": [asdict(row) for row in rows]}
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(images: int, repetitions: int, names: Sequence[str]) -> list[Row]:
    """Return a row for every dataset and way; fewer images where a dataset has fewer."""
    with tempfile.TemporaryDirectory() as scratch:
        write_jpegs(Path(scratch) / "jpegs", images)
        jpegs = open_dataset(f"folder:{scratch}/jpegs")
        subjects = [(jpegs, "JPEG files", IMAGE_SIZE)]
        subjects += [(open_dataset(name), name, DEMONSTRATION_SIZE) for name in names]
        rows: list[Row] = []
        for dataset, name, size in subjects:
            rows += _rows(name, size, repetitions, lambda dataset=dataset, size=size: passes(dataset, size, images))
        side = get_model("demo-clip").load(CPU).image_size
        return rows + _rows("JPEG files", side, repetitions, lambda: overlaps(jpegs, images))


def write_jpegs(folder: Path, number: int) -> None:
    """Write photographs' worth of data: smooth noise in two class folders, 500 x 375 pixels, quality 90."""
    rng = np.random.default_rng(0)
    for index in range(number):
        path = folder / f"class {index % 2}" / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (45, 60, 3), dtype=np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)


def passes(dataset: Dataset, image_size: int, images: int) -> Iterator[Timing]:
    """Time a pass without a disk cache, one that fills an empty one, and one that reads it."""
    yield timed("decoded", PreparedDataset(dataset, "native", image_size, cache_bytes=1), images)
    with tempfile.TemporaryDirectory() as folder:
        for way in ("disk cache, first pass", "disk cache, second pass"):
            disk_cache = DiskCache(Path(folder), _NO_BOUND)
            yield timed(way, PreparedDataset(dataset, "native", image_size, disk_cache=disk_cache), images)


def timed(way: str, dataset: PreparedDataset, images: int) -> Timing:
    """Read the first ``images`` samples in batches."""
    groups = _groups(min(images, len(dataset)))
    start = time.perf_counter()
    for group in groups:
        dataset.batch(group, CPU)
    return way, sum(map(len, groups)), time.perf_counter() - start


def overlaps(dataset: Dataset, images: int) -> Iterator[Timing]:
    """Time clean predictions with each batch read when it is needed, and while the one before is computed."""
    tower = get_model("demo-clip").load(CPU)
    model = ZeroShotModel(tower, dataset.prompts())
    groups = _groups(min(images, len(dataset)))
    for way in OVERLAPS:
        prepared = PreparedDataset(dataset, "native", tower.image_size, cache_bytes=1)
        start = time.perf_counter()
        with torch.inference_mode():
            for group, following in zip(groups, [*groups[1:], None], strict=True):
                batch = prepared.batch(group, CPU)
                if following is not None and way == OVERLAPS[1]:
                    prepared.read_ahead(following, CPU)
                model(batch.pixels)
        yield way, sum(map(len, groups)), time.perf_counter() - start


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    lines = ["| dataset | px | way | images/s (median) | lowest | highest |", "|---|---:|---|---:|---:|---:|"]
    for row in rows:
        rate = row.images_per_second
        figures = " | ".join(f"{value:.4g}" for value in (rate.median, rate.minimum, rate.maximum))
        lines.append(f"| {row.dataset} | {row.image_size} | {row.way} | {figures} |")
    return "\n".join(lines) + "\n"


def _rows(name: str, size: int, repetitions: int, work: Callable[[], Iterator[Timing]]) -> list[Row]:
    seconds: dict[tuple[str, int], list[float]] = {}
    for _ in range(repetitions):
        for way, images, duration in work():
            seconds.setdefault((way, images), []).append(duration)
    return [
        Row(name, way, size, images, repetitions, Spread.of_rates(images, durations))
        for (way, images), durations in seconds.items()
    ]


def _groups(images: int) -> list[range]:
    return [range(start, min(start + BATCH_SIZE, images)) for start in range(0, images, BATCH_SIZE)]


if __name__ == "__main__":
    sys.exit(main())
