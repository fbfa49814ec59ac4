"""Whether the database can be reached: noticed by whoever fails, asked again on a thread, told to the user once."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread

from orchestrator.store import ResultStore, StoreUnavailableError

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0

Say = Callable[[str], None]
"""Prints one line for the user."""


class Contact:
    """The state of the connection to a database.

    Args:
        store: the database.
        say: prints one line for the user.
        meanwhile: what happens while it is away, for the end of that line.
        clock: in seconds.

    Attributes:
        since: the time by ``clock`` from which on the database was never away.
    """

    def __init__(
        self, store: ResultStore, say: Say, meanwhile: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._say = say
        self._meanwhile = meanwhile
        self._clock = clock
        self._probe: _Probe | None = None
        self._pause = _FIRST_PAUSE
        self.since = clock()

    @property
    def away(self) -> bool:
        """Whether the database is away, or was and is not known to be back with everything that it missed."""
        return self._probe is not None

    @property
    def answering(self) -> bool:
        """Whether the database answers again, so that what it missed may be tried."""
        return self._probe is not None and self._probe.answered

    def lose(self, error: StoreUnavailableError) -> None:
        """Note that the database is away."""
        if self._probe is None:
            self._say(f"{error}; {self._meanwhile}")
        if self._probe is None or self._probe.answered:
            self._probe = _Probe(self._store, self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def wait(self, seconds: float) -> bool:
        """Wait until the database answers; return whether it does."""
        return self._probe is None or self._probe.wait(seconds)

    def progress(self) -> None:
        """Note that the database takes what it is given, so that a loss from now on is a new one."""
        self._pause = _FIRST_PAUSE

    def regain(self) -> None:
        """Note that the database is back and has all that it missed."""
        self._probe, self.since = None, self._clock()
        self.progress()


class _Probe:
    """Asks, on a thread of its own, whether the database can be written: a dead network answers after minutes."""

    def __init__(self, store: ResultStore, pause: float) -> None:
        self._store = store
        self._pause = pause
        self._answered = Event()
        Thread(target=self._ask, name="database probe", daemon=True).start()

    @property
    def answered(self) -> bool:
        """Whether the database could be written."""
        return self._answered.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the answer; return whether it came."""
        return self._answered.wait(seconds)

    def _ask(self) -> None:
        while True:
            time.sleep(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            try:
                self._store.ping()
            except StoreUnavailableError:
                continue
            self._answered.set()
            return
