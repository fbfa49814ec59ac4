"""Two hosts on one machine: network namespaces joined by a cable, the second with its own name and its own /tmp."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.orchestrator.console import ROOT

_PATIENCE = 30.0


@dataclass(frozen=True)
class Host:
    """Where a command runs.

    Attributes:
        address: of the host, as the other one reaches it.
        prefix: what goes before a command that runs there.
    """

    address: str
    prefix: tuple[str, ...] = field(default=())

    def command(self, *words: str) -> list[str]:
        return [*self.prefix, *words]


def refusal() -> str | None:
    """Why this machine refuses namespaces; None where it gives them."""
    name = f"sccprobe{os.getpid()}"
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "ip or unshare is not installed"
    if ROOT.is_relative_to("/tmp"):
        return "this checkout lies in /tmp, of which the second host has one of its own"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if made.returncode:
        return f"network namespaces are refused: {made.stderr.strip()}"
    _ip("netns", "delete", name)
    command = ["unshare", "--mount", "--uts", "sh", "-c", "hostname probe && mount -t tmpfs tmpfs /mnt"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    return f"mounts in a namespace are refused: {done.stderr.strip()}" if done.returncode else None


@contextmanager
def joined_namespaces(second_name: str) -> Iterator[tuple[Host, Host]]:
    """Give two hosts that reach each other and nothing else, and take them away at the end."""
    first, second = (f"scc{side}{os.getpid()}" for side in "ab")
    here, there = "10.213.77.1", "10.213.77.2"
    try:
        for name in (first, second):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "cable0", "netns", first, "type", "veth", "peer", "name", "cable0", "netns", second)
        for name, address in ((first, here), (second, there)):
            _ip("-n", name, "address", "add", f"{address}/30", "dev", "cable0")
            _ip("-n", name, "link", "set", "cable0", "up")
            # Ray finds its own address by asking which one a packet to the Internet would leave from; none is sent.
            _ip("-n", name, "route", "add", "default", "dev", "cable0")
        own = f'hostname {shlex.quote(second_name)} && mount -t tmpfs tmpfs /tmp && exec "$@"'
        yield (
            Host(here, ("ip", "netns", "exec", first)),
            Host(there, ("ip", "netns", "exec", second, "unshare", "--mount", "--uts", "sh", "-c", own, "sh")),
        )
    finally:
        for name in (first, second):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=_PATIENCE, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=_PATIENCE)
