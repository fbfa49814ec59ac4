"""The exceptions that the core raises on purpose."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import ClassVar


class SccBenchError(Exception):
    """Base of every exception that this project raises on purpose.

    Attributes:
        exit_status: what a command that ends with it returns to the shell.
    """

    exit_status: ClassVar[int] = 1


class UserError(SccBenchError):
    """Something that the user can mend; its text is one line that says what was given, what exists, what to do."""

    exit_status = 2


class NotFetchedError(UserError):
    """Weights or data that this machine does not have yet; the text names the command or the steps that bring them."""


class SccBenchWarning(UserWarning):
    """Something that changes results a little, or may; the run continues, and the user is told in one line."""


class ComponentError(SccBenchError):
    """A model, attack or defense broke its contract while computing; the text names it, the sample and the reason."""


class DatasetError(ComponentError):
    """A dataset could not give a sample, or gave no image; the text names both."""


class ChangedDataError(SccBenchError):
    """A file of a dataset is no longer the one that the dataset's version was made from; the text names it."""


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxset = 2, 4, 4, 4, 4
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120


def shown(value: object) -> str:
    """Return a value as an error quotes it: its repr, shortened where it is long or deep."""
    try:
        return _SHORT.repr(value)
    except ValueError:
        # Python writes out no whole number of more than some thousand digits.
        return f"a {type(value).__name__} of very many digits"


def listed(values: Iterable[object], count: int = 3) -> str:
    """Return the first ``count`` values as an error quotes them, and how many more there are."""
    quoted = list(values)
    more = f" and {len(quoted) - count:,} more" if len(quoted) > count else ""
    return ", ".join(map(shown, quoted[:count])) + more


def unknown_name(kind: str, given: object, existing: Iterable[str]) -> UserError:
    """Build the error for a name that does not exist: the nearest name first, then all that exist."""
    names = sorted(existing)
    near = difflib.get_close_matches(str(given), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {kind} {shown(given)}.{hint} Existing: {', '.join(names) or 'none'}")
