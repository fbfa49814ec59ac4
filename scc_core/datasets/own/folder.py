"""``folder:PATH``: the user's own images, in class folders or listed by a table, with names and prompts beside them.

Class folders: ``PATH/CLASS/.../IMAGE``. A table: ``PATH.csv``, or ``PATH/labels.csv`` if that file exists. Beside the
class folders or the table may lie ``classnames.txt`` and ``templates.txt``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scc_core.datasets.base import Dataset, DatasetCard, LeftOut
from scc_core.datasets.files.readable_samples import leave_out_unreadable
from scc_core.datasets.files.samples import FileSamples, Sample
from scc_core.datasets.own.address import Address, find_place, parse_address
from scc_core.datasets.own.class_folders import scan_class_folders
from scc_core.datasets.own.dataset import OwnDataset, check_any, empty_classes
from scc_core.datasets.own.single_labels import check_no_comma_lists, check_single_label
from scc_core.datasets.own.table import TABLE_FILE, TABLE_SUFFIXES, Columns, read_table
from scc_core.datasets.own.texts import (
    CLASS_NAMES_FILE,
    DEFAULT_TEMPLATES,
    TEMPLATES_FILE,
    default_names,
    parse_templates,
    read_class_names,
    read_lines,
)
from scc_core.errors import UserError

SCHEME = "folder"
OPTIONS: Mapping[str, str] = {
    "split": "the folder below PATH that holds the class folders, or the text of a table's split column",
    "classnames": f"the file of class names, instead of {CLASS_NAMES_FILE}",
    "templates": f"the file of prompt templates, instead of {TEMPLATES_FILE}",
    "path_column": "a table's column of paths, instead of path",
    "label_column": "a table's column of labels, instead of label",
    "split_column": "a table's column of splits, instead of split",
}
_TEXT_FILES: Mapping[str, str] = {"classnames": CLASS_NAMES_FILE, "templates": TEMPLATES_FILE}
_TABLE_OPTIONS = ("path_column", "label_column", "split_column")


def open_folder(text: str) -> Dataset:
    """Open the dataset ``folder:TEXT``.

    Every image is decoded once, the first time; what cannot be read is left out and named in ``left_out``.

    Raises:
        NotFetchedError: nothing is there.
        UserError: nothing of it can be read, or names and templates do not fit.
    """
    address = parse_address(SCHEME, text, OPTIONS)
    listing = _list(address, find_place(address))
    base = listing.base
    names_file, templates_file = (_text_file(address, base, option) for option in _TEXT_FILES)
    names = read_class_names(names_file, listing.classes) if names_file else default_names(listing.classes)
    label_of = {key: label for label, key in enumerate(names.keys)}
    samples = FileSamples(base, (Sample(path, label_of[key]) for path, key in listing.images), listing.sources)
    readable = leave_out_unreadable(samples, address.name, base)
    left_out = (*listing.left_out, *readable.left_out)
    check_any(address, readable.samples, left_out)
    templates = parse_templates(read_lines(templates_file), templates_file) if templates_file else DEFAULT_TEMPLATES
    card = DatasetCard(
        name=address.name,
        summary=f"Images in {base}.",
        task="classification",
        modality="unknown",
        split=address.options.get("split", "all"),
        licence="the user's own data",
        source=str(base),
    )
    empty = empty_classes(names, readable.samples)
    texts = [_text_place(address, base, option) for option in _TEXT_FILES]
    return OwnDataset(card, names, templates, readable.samples, base, (*left_out, *empty), texts, listing.doubts)


@dataclass(frozen=True)
class _Listing:
    """What was found before any image is opened.

    Attributes:
        base: the folder that the paths of ``images`` begin at and the text files lie in.
        images: path and class of every image, in order.
        classes: every class, with or without images.
        left_out: what is no image.
        sources: the table, or the folders of the classes and the table that is not there.
        doubts: what a reader should look at, as lines.
    """

    base: Path
    images: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    sources: tuple[Path, ...]
    doubts: tuple[str, ...]


def _list(address: Address, place: Path) -> _Listing:
    if place.is_dir() and (place / TABLE_FILE).is_file():
        place = place / TABLE_FILE
    if place.is_file():
        return _list_table(address, place)
    for option in _TABLE_OPTIONS:
        if option in address.options:
            raise UserError(
                f"{address.name}: {option} is for tables, but {place} has class folders and no {TABLE_FILE}"
            )
    root = place / address.options.get("split", "")
    if not root.is_dir():
        raise UserError(f"{address.name}: there is no folder {root}")
    texts = [_text_file(address, root, option) for option in _TEXT_FILES]
    scan = scan_class_folders(root, address.name, [path for path in texts if path is not None])
    for folder in scan.classes:
        check_single_label(folder, f"{address.name}: the class folder")
    check_no_comma_lists(scan.classes, f"{address.name}: the class folder")
    sources = (place / TABLE_FILE, root, *(root / name for name in scan.classes))
    return _Listing(root, scan.images, scan.classes, scan.left_out, sources, scan.doubts)


def _list_table(address: Address, path: Path) -> _Listing:
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise UserError(f"{address.name}: {path} is neither a folder nor a table (.csv or .tsv)")
    options = address.options
    given = {key.removesuffix("_column"): options[key] for key in ("path_column", "label_column") if key in options}
    columns = Columns(split_column=options.get("split_column", "split"), split=options.get("split"), **given)
    table = read_table(path, columns)
    missing = {image for image, _ in table.images if not (path.parent / image).is_file()}
    images = tuple(entry for entry in table.images if entry[0] not in missing)
    gone = (LeftOut(image, "no such file") for image, _ in table.images if image in missing)
    left_out = (*table.left_out, *gone)
    classes = tuple({label for _, label in table.images})
    return _Listing(path.parent, images, classes, left_out, (path,), table.doubts)


def _text_file(address: Address, base: Path, option: str) -> Path | None:
    """Return the file that an option names, or else the default file if it exists."""
    path = _text_place(address, base, option)
    return path if option in address.options or path.is_file() else None


def _text_place(address: Address, base: Path, option: str) -> Path:
    """Return where the file of an option lies or would lie, relative to the dataset's folder."""
    return base / Path(address.options.get(option, _TEXT_FILES[option])).expanduser()
