"""The job specification, which tells the driver on the head what to run and how, and the grid's text beside it."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import shlex
import zlib
from collections.abc import Mapping
from importlib import metadata

from pydantic import TypeAdapter

from orchestrator.cluster.options import RunOptions
from orchestrator.driver.provenance import python_version
from scc_core.errors import UserError
from scc_core.machine import settings

COMMAND = "drive"
"""The hidden command that the head runs."""
_GRID_LIMIT = 120_000


@dataclasses.dataclass(frozen=True)
class JobSpec:
    """What the driver on the head runs.

    Attributes:
        run: id of the run, chosen by the sender.
        submission_id: of the job: the id of the run, or another one where the job resumes it.
        resume: whether the database holds the run, and the job resumes it.
        options: how to use the cluster.
        plugins: whether the grid may name code.
        strict: whether datasets that leave something out are refused.
        sender: versions of the machine that sent it.
    """

    run: str
    submission_id: str
    resume: bool = False
    options: RunOptions = dataclasses.field(default_factory=RunOptions)
    plugins: bool = True
    strict: bool = False
    sender: Mapping[str, str] = dataclasses.field(default_factory=lambda: versions_here())

    def command(self) -> str:
        """Return the shell command that the head runs; it holds no secret."""
        return f"exec sccbench {COMMAND} {shlex.quote(json.dumps(dataclasses.asdict(self)))}"

    @classmethod
    def parse(cls, text: str) -> JobSpec:
        """Read a job specification.

        Raises:
            UserError: it was written by another version of this program.
        """
        try:
            check_sender(json.loads(text)["sender"])
            return TypeAdapter(cls).validate_json(text)
        except (ValueError, TypeError, KeyError):
            raise UserError(
                "this job was sent by another scc-bench; install the same version on both machines"
            ) from None


def versions_here() -> dict[str, str]:
    """Return the versions that the sender and the head must share."""
    minor = ".".join(python_version().split(".")[:2])
    return {"scc-bench": metadata.version("scc-bench"), "Python": minor, "Ray": metadata.version("ray")}


def check_sender(sender: Mapping[str, str]) -> None:
    """Refuse a job from a machine of other versions, whose program may have checked the grid in another way.

    Raises:
        UserError: which versions differ, and what to do.
    """
    here = versions_here()
    differing = [name for name in here if sender.get(name) != here[name]]
    if differing:
        ours = ", ".join(f"{name} {here[name]}" for name in differing)
        theirs = ", ".join(f"{name} {sender.get(name, 'unknown')}" for name in differing)
        raise UserError(f"the head has {ours}, the machine that sent the grid {theirs}; install the same on both")


def pack_grid(text: str) -> str:
    """Return a grid's text in characters that no shell and no container changes.

    Raises:
        UserError: the grid is too long to be sent.
    """
    packed = base64.urlsafe_b64encode(zlib.compress(text.encode(), level=9)).decode()
    if len(packed) > _GRID_LIMIT:
        raise UserError(f"the grid takes {len(packed)} bytes packed, more than the {_GRID_LIMIT} that can be sent")
    return packed


def unpack_grid(packed: str) -> str:
    """Return the text that :func:`pack_grid` packed.

    Raises:
        UserError: it is not such a text.
    """
    try:
        return zlib.decompress(base64.urlsafe_b64decode(packed)).decode()
    except (binascii.Error, zlib.error, ValueError):
        raise UserError(f"{settings.GRID.name} holds no grid; send one with `sccbench submit`") from None
