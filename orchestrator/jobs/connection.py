"""The connection to a head's job API, checked with a timeout first, since Ray's own client waits without end."""

from __future__ import annotations

import http.client
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import ray
import requests
from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from orchestrator.cluster.address_check import PATIENCE_SECONDS, TOKEN_HINT
from scc_core.errors import UserError

FORM = "http://HOST:PORT, where Ray's dashboard listens (port 8265 by default)"
_ANSWER_LIMIT = 100_000
_CHATTY = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging")


def connect(address: str) -> JobSubmissionClient:
    """Return a client of the job API at ``address``.

    Raises:
        UserError: nothing answers, what answers is no Ray of this version, or it refuses the token.
    """
    if not address.startswith(("http://", "https://")):
        raise UserError(f"{address!r} is no address of a job API; give {FORM}")
    there = _ray_version(address)
    if there != ray.__version__:
        raise UserError(
            f"the cluster at {address} runs Ray {there}, this machine Ray {ray.__version__}; "
            f"install here what the cluster runs: pip install 'ray[default]=={there}'"
        )
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Ray prefers this variable to the address that its client is given.
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    with errors_explained(address):
        return JobSubmissionClient(address)


@contextmanager
def errors_explained(address: str) -> Iterator[None]:
    """Turn the exceptions of Ray's client into one line.

    Raises:
        UserError: Ray's client raised.
    """
    try:
        yield
    except AuthenticationError:
        raise UserError(_refused(address)) from None
    except (requests.exceptions.RequestException, ConnectionError) as error:
        raise UserError(f"the job API at {address} does not answer any more: {_first_line(error)}") from None
    except (RuntimeError, ValueError) as error:
        raise UserError(f"the job API at {address} refuses: {_first_line(error)}") from None


def _ray_version(address: str) -> str:
    """Return the version of Ray that answers there."""
    try:
        headers = get_auth_headers_if_auth_enabled({})
        request = urllib.request.Request(f"{address}/api/version", headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            document = json.loads(answer.read(_ANSWER_LIMIT))
    except AuthenticationError:
        raise UserError(_refused(address)) from None
    except urllib.error.HTTPError as error:
        raise UserError(_refused(address) if error.code in (401, 403) else _not_ray(address)) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"no job API answers at {address}: {reason}; give {FORM}") from None
    except (ValueError, OSError, http.client.HTTPException):
        raise UserError(_not_ray(address)) from None
    if not isinstance(document, dict) or "ray_version" not in document:
        raise UserError(_not_ray(address))
    return str(document["ray_version"])


def _refused(address: str) -> str:
    return (
        f"the job API at {address} asks for the cluster's token and this machine gave none or a wrong one: {TOKEN_HINT}"
    )


def _not_ray(address: str) -> str:
    return f"what answers at {address} is not Ray's job API; give {FORM}"


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).splitlines()[:1]) or type(error).__name__
