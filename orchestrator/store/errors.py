"""The errors of the store, and one-line messages, without passwords, of the database drivers' errors."""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from scc_core.errors import SccBenchError, UserError

SECRET_OPTIONS = ("password", "sslpassword")
"""Options of a PostgreSQL URL that hold a secret."""


class StoreUnavailableError(UserError):
    """The database cannot be reached or does not work now; the same call may succeed later."""


class RunCancelledError(SccBenchError):
    """The run was cancelled by `sccbench cancel` while its driver worked; everything measured so far is stored."""

    exit_status = 130

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run} was cancelled; what was measured is stored, `sccbench resume {run}` continues")


class RefusedQueryError(UserError):
    """The database refused a statement of the user."""


def database_words(error: BaseException) -> str:
    """Return the database's own message as one line, with its hint where it gives one."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    diagnosis = getattr(original, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    if not primary:
        return " ".join(str(original).split())
    hint = getattr(diagnosis, "message_hint", None)
    return " ".join(f"{primary} ({hint})".split() if hint else primary.split())


def without_password(words: str, url: URL) -> str:
    """Return ``words`` with the password of ``url`` replaced by asterisks, wherever a driver quoted it."""
    secrets = [url.password, *(url.query.get(name) for name in SECRET_OPTIONS)]
    for secret in secrets:
        if isinstance(secret, str) and secret:
            words = words.replace(secret, "***")
    return words
