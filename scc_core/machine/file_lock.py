"""A lock on a file: one process holds it, others wait or are refused, and the kernel takes it from a process that dies.

filelock locks the descriptor. Its own ``FileLock`` opens the file as well, but it does not notice that the file was
renamed while it waited, and then holds a file that has another name by now.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor, unlock_descriptor

_POLL_SECONDS = 0.02
_LONGEST_MESSAGE = 200


class FileHeldError(Exception):
    """Another process holds the file; the text is the beginning of what that process wrote into it."""


@contextmanager
def file_lock(path: Path, *, wait: bool = True, temporary: bool = False, mode: int = 0o666) -> Iterator[int]:
    """Hold a file while the body runs and yield its descriptor, for reading and writing.

    Args:
        path: as in :func:`acquire`.
        wait: as in :func:`acquire`.
        temporary: empty the file at the start, and remove it at the end if it still has its name.
        mode: as in :func:`acquire`.

    Raises:
        FileHeldError: as in :func:`acquire`.
        OSError: as in :func:`acquire`.
    """
    file = acquire(path, wait=wait, mode=mode)
    try:
        if temporary:
            os.ftruncate(file, 0)
        yield file
    finally:
        try:
            # The name goes before the lock, so that no waiting process takes the file for a new one.
            if temporary and has_name(file, path):
                path.unlink(missing_ok=True)
        finally:
            release(file)


def acquire(path: Path, *, wait: bool = True, mode: int = 0o666) -> int:
    """Hold a file and return its descriptor, which :func:`release` takes.

    The file keeps what a killed holder left in it. A holder that renames or removes the file gives it up: a process
    that waits for it then takes the file that has the name by that time.

    Args:
        path: of the file, which is made with its folder if it is missing.
        wait: wait until the file is free; otherwise a file that is held is an error at once.
        mode: permissions of a file that is made here.

    Raises:
        FileHeldError: another process holds the file, and ``wait`` is False.
        OSError: the file can be neither opened nor made, or its file system has no locks.
    """
    while True:
        file = _open(path, mode)
        try:
            locked = lock_descriptor(file, blocking=wait, poll_interval=_POLL_SECONDS)
            if locked and has_name(file, path):
                return file
            written = os.pread(file, _LONGEST_MESSAGE, 0).decode(errors="replace")
        except BaseException:
            os.close(file)
            raise
        release(file)
        if not locked:
            raise FileHeldError(written)


def acquire_existing(path: Path) -> int | None:
    """Hold a file and return its descriptor; return None if there is no such file or another process holds it."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    if lock_descriptor(file, blocking=False):
        return file
    os.close(file)
    return None


def release(file: int) -> None:
    """Let others have the file."""
    # Closing alone would leave the lock with a child process that was forked in between.
    unlock_descriptor(file)
    os.close(file)


def has_name(file: int, path: Path) -> bool:
    """Tell whether the open file still has this name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _open(path: Path, mode: int) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT, mode)
        except FileNotFoundError:
            # Another process removed the empty folder in between.
            continue
