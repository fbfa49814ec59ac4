"""Exclusive files: one process holds one while others wait; the kernel takes it from a process that dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[int]:
    """Wait for the file, made if missing, and hold it; yields its descriptor, for reading and writing.

    What a killed holder left in it is still there. Renaming or removing the file gives it up as well: those who wait
    for it go on to whatever has its name by then.

    Raises:
        OSError: the file can be neither opened nor made, or its file system has no locks.
    """
    file = _hold(path)
    try:
        yield file
    finally:
        release(file)


@contextmanager
def passing(path: Path) -> Iterator[int]:
    """As :func:`exclusive`, for a file that is empty at first and must not outlive its holder under this name."""
    with exclusive(path) as file:
        os.ftruncate(file, 0)
        try:
            yield file
        finally:
            if is_at(file, path):
                path.unlink()


def take(path: Path) -> int | None:
    """Hold the file if nobody does and return its descriptor, to be given to :func:`release`; else None."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def release(file: int) -> None:
    """Let others have the file."""
    # Closing alone would leave the lock with a child process that was forked meanwhile.
    fcntl.flock(file, fcntl.LOCK_UN)
    os.close(file)


def is_at(file: int, path: Path) -> bool:
    """Whether the open file still has this name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _hold(path: Path) -> int:
    while True:
        file = _open(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if is_at(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        release(file)


def _open(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            # Another process removed the folder, which was empty, just now.
            continue
