"""Download one file over HTTP: resume it where it broke off, check it, and name it when it is complete."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from scc_core.errors import UserError
from scc_core.machine.file_lock import file_lock

_CHUNK = 2**20
_TIMEOUT_SECONDS = 60.0
_NOT_FOUND = 404
_PARTIAL = 206
_RANGE_NOT_SATISFIABLE = 416


class NoSuchFileError(UserError):
    """The server has no file under this URL."""


def download(url: str, target: Path, *, md5: str = "", sha256: str = "") -> Path:
    """Bring the file at ``url`` to ``target``, unless it is there already; return ``target``.

    The bytes that have arrived lie in ``target`` + ``.part`` until the file is complete. The next call continues
    them, if an ETag or a date of the server proves that the file is still the same. Of several processes
    one downloads and the others wait for it.

    Args:
        url: ``http://`` or ``https://``.
        target: where the file goes; its folder is made.
        md5: the published MD5 in hexadecimal digits; empty if there is none.
        sha256: the published SHA-256, likewise.

    Raises:
        NoSuchFileError: the server does not have it.
        UserError: no connection, a connection that broke, a full disk, or a file that is not the published one.
    """
    if target.exists():
        return target
    try:
        with file_lock(target.with_name(target.name + ".lock")):
            if not target.exists():
                part = _fetch(url, target)
                fault = digest_fault(part, md5=md5, sha256=sha256)
                if fault:
                    part.unlink()
                    raise UserError(
                        f"what {url} gave {fault}: the file has changed or was damaged on the way; nothing was kept, "
                        "the same command tries again"
                    )
                part.replace(target)
                _validator_file(part).unlink(missing_ok=True)
    except urllib.error.HTTPError as error:
        if error.code == _NOT_FOUND:
            raise NoSuchFileError(f"there is no file at {url} (HTTP 404)") from None
        raise UserError(f"{url} cannot be downloaded: HTTP {error.code} {error.reason}") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"{url} cannot be downloaded: {reason}; the same command goes on where it broke off") from None
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from None
    return target


def _fetch(url: str, target: Path) -> Path:
    """Download what is missing of ``target``'s part file and return it, complete in size."""
    part = target.with_name(target.name + ".part")
    # Only the validator proves that what is there is a part of the same file.
    resumable = part.exists() and _validator_file(part).exists()
    try:
        _fetch_from(url, part, part.stat().st_size if resumable else 0)
    except urllib.error.HTTPError as error:
        if error.code != _RANGE_NOT_SATISFIABLE:
            raise
        _fetch_from(url, part, 0)
    return part


def _fetch_from(url: str, part: Path, start: int) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "scc-bench", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", _validator_file(part).read_text(encoding="ascii"))
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        # A server that ignores the range, or whose file has changed since, sends the whole file.
        start = start if answer.status == _PARTIAL else 0
        if start == 0:
            _keep_validator(part, answer)
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        name = url.rpartition("/")[2]
        with (
            part.open("ab" if start else "wb") as file,
            tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, disable=None) as progress,
        ):
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                progress.update(len(chunk))
    if total is not None and part.stat().st_size != total:
        raise ConnectionError(f"{part.stat().st_size:,} of {total:,} bytes arrived")


def _keep_validator(part: Path, answer: http.client.HTTPResponse) -> None:
    etag = answer.headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
    if validator and validator.isascii():
        _validator_file(part).write_text(validator, encoding="ascii")
    else:
        _validator_file(part).unlink(missing_ok=True)


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".validator")


def digest_fault(path: Path, *, md5: str = "", sha256: str = "") -> str:
    """Return how a file's digests differ from the published ones, in words; empty if they do not.

    Args:
        path: the file.
        md5: in hexadecimal digits; empty is not compared.
        sha256: likewise.
    """
    for algorithm, published in (("md5", md5), ("sha256", sha256)):
        if published:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, algorithm).hexdigest()
            if digest != published:
                return f"has {algorithm.upper()} {digest}, published is {published}"
    return ""
