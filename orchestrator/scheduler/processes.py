"""The processes of one machine: a name for the machine, and whether a process lives."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path


def machine_id() -> str:
    """Return a name that two processes have in common if a process number means the same to both."""
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    try:
        boot = boot_id.read_text(encoding="utf-8").strip()
    except OSError:
        boot = ""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {boot} {namespace}"


def process_exists(pid: int) -> bool:
    """Return whether a process of this machine lives."""
    try:
        # A process of another user raises PermissionError.
        with suppress(PermissionError):
            os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
