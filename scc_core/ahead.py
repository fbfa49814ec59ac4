"""One result ahead: what is needed next is computed in a thread while the caller works on the last."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def one_ahead(function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Generator[ResultT, None, None]:
    """Yield ``function(item)`` for every item in turn, the next one being computed meanwhile.

    The calls are made by one thread, one after another, and at most one result waits. Closing the iterator waits for
    the call that runs.

    Raises:
        Exception: what ``function`` raises, when it is that item's turn.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as thread:
        pending: Future[ResultT] | None = None
        for item in items:
            upcoming = thread.submit(function, item)
            if pending is not None:
                yield pending.result()
            pending = upcoming
        if pending is not None:
            yield pending.result()
