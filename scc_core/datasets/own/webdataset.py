"""``webdataset:PATH_OR_URL``: datasets in the layout of CLIP_benchmark, in tar archives that are read in place.

``classnames.txt`` and ``zeroshot_classification_templates.txt`` lie beside the folders of the splits; a split's folder
holds ``nshards.txt`` and the archives ``0.tar``, ``1.tar``, ... Data behind a URL is downloaded once, ahead of use.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from scc_core.datasets.base import Dataset, DatasetCard
from scc_core.datasets.files.readable_samples import leave_out_unreadable
from scc_core.datasets.own.address import Address, find_place, parse_address
from scc_core.datasets.own.dataset import OwnDataset, check_any, empty_classes
from scc_core.datasets.own.tar_shards import TarSamples, index_archive
from scc_core.datasets.own.texts import (
    CLASS_NAMES_FILE,
    DEFAULT_TEMPLATES,
    ClassNames,
    parse_templates,
    read_lines,
    read_text,
)
from scc_core.errors import NotFetchedError, UserError
from scc_core.machine import settings
from scc_core.machine.download import NoSuchFileError, download
from scc_core.machine.folders import data_folder

SCHEME = "webdataset"
OPTIONS: Mapping[str, str] = {"split": "the folder of the split, instead of test"}
TEMPLATES_FILE = "zeroshot_classification_templates.txt"
SHARDS_FILE = "nshards.txt"
TYPE_FILE = "dataset_type.txt"
_HUB = "https://huggingface.co/datasets/"


def open_webdataset(text: str) -> Dataset:
    """Open the dataset ``webdataset:TEXT``.

    Every image is decoded once, the first time; what cannot be read is left out and named in ``left_out``.

    Raises:
        NotFetchedError: it lies behind a URL and was not downloaded yet.
        UserError: nothing is there, or not in this layout.
    """
    address = parse_address(SCHEME, text, OPTIONS)
    folder = _local_folder(address)
    kind_file, templates_file = folder / TYPE_FILE, folder / TEMPLATES_FILE
    kind = read_text(kind_file).strip().lower() if kind_file.exists() else "classification"
    if kind != "classification":
        raise UserError(f"{address.name} is for {kind}; only classification with one label per image is measured")
    names = _class_names(address, folder)
    archives = _archives(address, folder)
    indices = [index_archive(path) for path in archives]
    samples = TarSamples(archives, [index.slots for index in indices])
    if len(samples) and samples.labels.max() >= len(names.names):
        first = samples.ids[int(samples.labels.argmax())]
        raise UserError(
            f"{address.name}: {first} has label {samples.labels.max()}, but there are {len(names.names)} class names"
        )
    readable = leave_out_unreadable(samples, address.name, folder)
    left_out = (*(entry for index in indices for entry in index.left_out), *readable.left_out)
    check_any(address, readable.samples, left_out)
    empty = empty_classes(names, readable.samples)
    templates: tuple[str, ...] = DEFAULT_TEMPLATES
    if templates_file.exists():
        templates = parse_templates(read_lines(templates_file, comment=None), templates_file)
    card = DatasetCard(
        name=address.name,
        summary=f"Images in the archives of {folder}.",
        task="classification",
        modality="unknown",
        split=_split(address),
        licence="unknown to this program",
        source=address.place,
    )
    texts = (kind_file, templates_file, folder / CLASS_NAMES_FILE, folder / _split(address) / SHARDS_FILE)
    return OwnDataset(card, names, templates, readable.samples, folder, (*left_out, *empty), texts)


def fetch_webdataset(text: str) -> Path:
    """Download the dataset ``webdataset:URL`` into the data folder; return its folder there.

    A file that is complete is not downloaded again, and a partial one is continued.

    Raises:
        UserError: not a URL, no such dataset behind it, or the connection failed.
    """
    address = parse_address(SCHEME, text, OPTIONS)
    if not _is_url(address):
        raise UserError(f"{address.name} lies on this machine; only http:// and https:// addresses are downloaded")
    folder, base, split = _copy_of(address), _file_url(address.place), _split(address)
    for name in (TYPE_FILE, TEMPLATES_FILE):
        with suppress(NoSuchFileError):
            download(f"{base}/{name}", folder / name)
    download(f"{base}/{CLASS_NAMES_FILE}", folder / CLASS_NAMES_FILE)
    shards = download(f"{base}/{split}/{SHARDS_FILE}", folder / split / SHARDS_FILE)
    for number in range(_number(address, shards)):
        download(f"{base}/{split}/{number}.tar", folder / split / f"{number}.tar")
    return folder


def _is_url(address: Address) -> bool:
    return address.place.startswith(("http://", "https://"))


def _split(address: Address) -> str:
    return address.options.get("split", "test")


def _local_folder(address: Address) -> Path:
    if not _is_url(address):
        return find_place(address)
    folder = _copy_of(address)
    archives = folder / _split(address)
    shards = archives / SHARDS_FILE
    wanted = [f"{number}.tar" for number in range(_number(address, shards))] if shards.exists() else [SHARDS_FILE]
    missing = [name for name in wanted if not (archives / name).exists()]
    if missing:
        raise NotFetchedError(
            f"{address.name} is not on this machine: {archives / missing[0]} is missing; `sccbench fetch datasets "
            f"{address.name}` downloads it; {settings.DATA.name} names another data folder"
        )
    return folder


def _copy_of(address: Address) -> Path:
    """Return where the copy of a URL lies in the data folder."""
    parts = urlsplit(address.place)
    below = [part for part in parts.path.split("/") if part not in ("", ".", "..")]
    return data_folder().joinpath(SCHEME, parts.netloc.replace(":", "_"), *below)


def _file_url(place: str) -> str:
    """Return the URL that names of files are appended to: on the hub, ``resolve`` takes the place of ``tree``."""
    place = place.rstrip("/")
    if not place.startswith(_HUB):
        return place
    user, repository, *rest = place.removeprefix(_HUB).split("/")
    branch = rest[1:] if rest[:1] == ["tree"] else rest or ["main"]
    return "/".join([_HUB.rstrip("/"), user, repository, "resolve", *branch])


def _class_names(address: Address, folder: Path) -> ClassNames:
    path = folder / CLASS_NAMES_FILE
    if not path.exists():
        raise UserError(
            f"{address.name}: {path} is missing; the layout is {CLASS_NAMES_FILE}, {TEMPLATES_FILE}, "
            f"{_split(address)}/{SHARDS_FILE} and {_split(address)}/0.tar, 1.tar, ..."
        )
    read_lines(path, comment=None)
    names = tuple(line.strip() for line in read_text(path).rstrip().splitlines())
    if not all(names):
        raise UserError(f"{path}, line {names.index('') + 1}: a class without a name")
    return ClassNames(tuple(str(label) for label in range(len(names))), names)


def _archives(address: Address, folder: Path) -> list[Path]:
    root = folder / _split(address)
    shards = root / SHARDS_FILE
    if not shards.exists():
        splits = sorted(path.parent.name for path in folder.glob(f"*/{SHARDS_FILE}"))
        raise UserError(f"{address.name}: {shards} is missing; splits that are there: {', '.join(splits) or 'none'}")
    archives = [root / f"{number}.tar" for number in range(_number(address, shards))]
    for path in archives:
        if not path.exists():
            raise UserError(f"{address.name}: {path} is missing, {shards} asks for {len(archives)} archives")
    return archives


def _number(address: Address, shards: Path) -> int:
    text = read_text(shards).strip()
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{address.name}: {shards} holds {text!r}, expected the number of archives")
    return int(text)
