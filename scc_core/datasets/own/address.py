"""Addresses of the user's own data: ``SCHEME:PLACE?option=value&option=value``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from scc_core.errors import NotFetchedError, UserError, unknown_name
from scc_core.machine import settings
from scc_core.machine.folders import data_folder


@dataclass(frozen=True)
class Address:
    """Where data lies and how it is to be read.

    Attributes:
        name: the whole address as the grid writes it; the dataset's name.
        place: a path or a URL.
        options: what follows the question mark, percent-decoded.
    """

    name: str
    place: str
    options: Mapping[str, str]


def parse_address(scheme: str, text: str, known: Collection[str]) -> Address:
    """Read what follows ``SCHEME:``.

    Args:
        scheme: the word before the colon.
        text: the place and, after a question mark, options.
        known: the options that the scheme has.

    Raises:
        UserError: no place, an option that does not exist, is given twice or has no value.
    """
    name = f"{scheme}:{text}"
    place, _, query = text.partition("?")
    if not place:
        raise UserError(f"{name}: say where the data lies, as in {scheme}:PATH")
    options: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        if key not in known:
            raise unknown_name(f"option of {scheme}:", key, known)
        if not value or key in options:
            raise UserError(f"{name}: option {key!r} needs one value, as in ?{key}=VALUE")
        options[key] = unquote(value)
    return Address(name, place, options)


def find_place(address: Address) -> Path:
    """Return the file or folder of a local address: absolute, or below the working folder, or below the data folder.

    Raises:
        NotFetchedError: nothing is there; the text names the places that were looked at.
    """
    given = Path(address.place).expanduser()
    places = [Path.cwd() / given] if given.is_absolute() else [Path.cwd() / given, data_folder() / given]
    for place in places:
        if place.exists():
            return place
    looked = " nor ".join(str(place) for place in places)
    hint = "" if given.is_absolute() else f"; {settings.DATA.name} names another data folder"
    raise NotFetchedError(f"{address.name}: there is neither a file nor a folder {looked}{hint}")
