"""The database's URL: where a command reads it, and how its password stays out of other processes."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from orchestrator.store.engine import has_password, is_sqlite, parse_url
from scc_core.errors import UserError
from scc_core.machine.settings import DATABASE, DATABASE_FILE, without

SECRET_VARIABLES = (DATABASE.name, "PGPASSWORD")
"""Variables that may hold the database's password; no worker is ever given one."""
NO_SECRETS = dict.fromkeys(SECRET_VARIABLES, "")
"""Empty values that override those of a cluster's own environment."""

_KEEP_PRIVATE = f"put the URL into a file that only you can read and name it in {DATABASE_FILE.name}"


def database_of_environment(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the URL of ``SCCBENCH_DB``, else of the file that ``SCCBENCH_DB_FILE`` names; None where neither is set.

    Args:
        environment: where the variables are looked up; None is the environment of this process.

    Raises:
        UserError: the file cannot be read, is empty, or other users of the machine can read it.
    """
    if url := DATABASE.read(environment):
        return url
    path = DATABASE_FILE.read(environment)
    return _read_private(path) if path else None


def database_of_head() -> str:
    """Return the URL that a submitted run writes to, from the environment of the cluster's head.

    Raises:
        UserError: there is no URL, its file is deleted with the run, or every process there inherits its password.
    """
    url = database_of_environment()
    if url is None:
        raise UserError(
            f"the head knows no database: start Ray there with {DATABASE_FILE.name} naming a file that holds its "
            f"URL, or with {DATABASE.name} where the URL has no password"
        )
    inherited = [DATABASE.name] if DATABASE.read() and has_password(parse_url(url)) else []
    inherited += ["PGPASSWORD"] if os.environ.get("PGPASSWORD") else []
    if inherited:
        raise UserError(
            f"Ray on the head was started with the database's password in {' and '.join(inherited)}, which every "
            f"worker there inherits: {_KEEP_PRIVATE}, and start Ray again without {' and '.join(inherited)}"
        )
    file = url.partition("///")[2] if "://" in url else url
    if is_sqlite(parse_url(url)) and not Path(file).expanduser().is_absolute():
        raise UserError(f"the head's database {url!r} lies in a folder that goes with the run; write an absolute path")
    return url


def check_not_on_command_line(url: str) -> None:
    """Refuse a password in an argument, which every user of the machine can read.

    Raises:
        UserError: ``url`` has a password.
    """
    if has_password(parse_url(url)):
        raise UserError(
            f"--db has a password, which every user of this machine can read: set {DATABASE.name} instead, "
            f"or {_KEEP_PRIVATE}"
        )


def hidden_secrets() -> AbstractContextManager[None]:
    """Remove the secrets from the environment while the context lasts: processes that start then do not get them."""
    return without(SECRET_VARIABLES)


def _read_private(path: Path) -> str:
    try:
        mode, owner = path.stat().st_mode, path.stat().st_uid
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"{DATABASE_FILE.name} names {path}, which cannot be read: {reason}") from None
    # libpq has the same rule for key files: the group may read a file of root, because Kubernetes mounts secrets so.
    allowed = stat.S_IRWXU | (stat.S_IRGRP if owner == 0 else 0)
    if stat.S_IMODE(mode) & ~allowed:
        raise UserError(f"{path} holds the database's URL and can be read by others; run: chmod 600 {path}")
    if not text or len(text.split()) != 1:
        raise UserError(f"{path} must hold one line, the database's URL")
    return text
