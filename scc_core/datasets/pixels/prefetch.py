"""Compute one result ahead: a thread computes what is needed next while the caller works on the last."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ResultT = TypeVar("ResultT")


class Prefetcher(Generic[KeyT, ResultT]):
    """A function of which one result may be computed before it is asked for.

    Args:
        function: is never called by two threads at once.
    """

    def __init__(self, function: Callable[[KeyT], ResultT]) -> None:
        self._function = function
        self._one_at_a_time = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")
        self._pending: tuple[KeyT, Future[ResultT]] | None = None

    def begin(self, key: KeyT) -> None:
        """Begin to compute the result of ``key``; a result that was begun before and not asked for is dropped."""
        self._drop()
        self._pending = (key, self._thread.submit(self._call, key))

    def get(self, key: KeyT) -> ResultT:
        """Return the result of ``key``: the one that was begun for this key, else one that is computed now.

        Raises:
            Exception: what the function raises.
        """
        if self._pending is not None and self._pending[0] == key:
            begun, self._pending = self._pending[1], None
            return begun.result()
        self._drop()
        return self._call(key)

    def _drop(self) -> None:
        if self._pending is not None:
            self._pending[1].cancel()
            self._pending = None

    def _call(self, key: KeyT) -> ResultT:
        with self._one_at_a_time:
            return self._function(key)
