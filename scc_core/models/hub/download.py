"""Download one file from the model hub into its cache: continue after a kill, verify it, one process at a time.

``huggingface_hub`` begins anew after an interrupted download. So the bytes are fetched here, into a partial file that
the next attempt continues; the layout of the cache is left to ``huggingface_hub``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scc_core.machine.file_digest import sha256_of
from scc_core.machine.file_lock import file_lock
from scc_core.models.hub.cache import check_blob, hub_cache, is_offline
from scc_core.models.sources import OpenClipSourceError

Report = Callable[[str], None]
_MEGABYTE = 1e6
_SHA256_DIGITS = 64
_PARTIAL_SUFFIX = ".sccbench-partial"


def list_files(repository: str, revision: str) -> list[str]:
    """Return the names of a repository's files.

    Raises:
        OpenClipSourceError: offline, no such repository or revision, no access, or no answer.
    """
    from huggingface_hub import HfApi

    with _explained(repository):
        siblings = HfApi().model_info(repository, revision=revision).siblings
    return [sibling.rfilename for sibling in siblings or ()]


def download_file(repository: str, name: str, revision: str, report: Report) -> Path:
    """Bring a file of a repository into the cache and return its path there.

    Args:
        repository: ``OWNER/NAME``.
        name: the file's name.
        revision: a branch, a tag or a commit.
        report: is told what is downloaded, before it is.

    Raises:
        OpenClipSourceError: offline, no such file, no access, no answer, or what arrived is not what was announced.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.file_download import get_hf_file_metadata, repo_folder_name

    with _explained(repository):
        url = hf_hub_url(repository, name, revision=revision)
        metadata = get_hf_file_metadata(url)
        blobs = hub_cache() / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
        if metadata.etag is not None and not (blobs / metadata.etag).exists():
            size = "" if metadata.size is None else f" ({metadata.size / _MEGABYTE:,.1f} MB)"
            report(f"downloading {name} of {repository}{size}")
            _fetch(url, metadata, blobs / metadata.etag, name)
        # Finds the blob and links it into the snapshot of its commit.
        path = Path(hf_hub_download(repository, name, revision=revision))
    check_blob(path)
    return path


def _fetch(url: str, metadata: Any, blob: Path, name: str) -> None:
    """Download a blob, continuing what an interrupted attempt left; one process at a time per blob."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    # A compressed answer cannot be continued from a byte of the file.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    # The hub's token is for the hub alone; a content server elsewhere has its own signature in the address.
    if metadata.location and urlsplit(metadata.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)
    blob.parent.mkdir(parents=True, exist_ok=True)
    partial = blob.with_name(blob.name + _PARTIAL_SUFFIX)
    with file_lock(blob.with_name(f"{partial.name}.lock")):
        if blob.exists():
            return
        with partial.open("ab") as stream:
            if metadata.size is not None and stream.tell() > metadata.size:
                stream.seek(0)
                stream.truncate()
            http_get(
                metadata.location or url,
                stream,
                resume_size=stream.tell(),
                headers=headers,
                expected_size=metadata.size,
                displayed_filename=name,
            )
        # Verified before it has its name, so that the cache never holds a blob that is not what its name says.
        if len(blob.name) == _SHA256_DIGITS and sha256_of(partial) != blob.name:
            partial.unlink()
            raise OpenClipSourceError(f"{name} arrived damaged (its SHA-256 is not {blob.name[:12]}); fetch it again")
        partial.replace(blob)


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Turn what the hub's client raises into one line that says what to do."""
    if is_offline():
        raise OpenClipSourceError(
            f"{repository} cannot be fetched: HF_HUB_OFFLINE is set; unset it, or bring the hub's cache {hub_cache()} "
            "from another machine"
        )
    try:
        yield
    except OpenClipSourceError:
        raise
    except Exception as error:  # the hub's client raises many unrelated kinds
        raise OpenClipSourceError(f"{repository} cannot be fetched: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "its terms must be accepted on its page on the hub first; then `hf auth login`"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the hub has no such repository, or it is private and `hf auth login` is needed"
    if isinstance(error, errors.RevisionNotFoundError):
        return "it has no such revision"
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return "it has no such file"
    line = (str(error).splitlines() or [""])[0]
    return f"{line or type(error).__name__}; what was downloaded is kept, the same command continues"
