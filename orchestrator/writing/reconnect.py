"""The state of the connection to the database: a failed call reports a loss, a thread pings, the user is told once."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from threading import Event, Thread

from orchestrator.store import ResultStore, StoreUnavailableError

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0

Say = Callable[[str], None]
"""Prints one line for the user."""


class ConnectionState(Enum):
    """Whether the database takes results."""

    UP = "up"
    """It does."""
    DOWN = "down"
    """It does not answer."""
    RECOVERING = "recovering"
    """It answers again, but lacks what was measured while it was down."""


class DatabaseConnection:
    """The state of the connection to a database.

    Args:
        store: the database.
        say: prints one line for the user.
        while_down: what the driver does while it is down; ends the line that tells of a loss.
        clock: in seconds.

    Attributes:
        up_since: the time by ``clock`` since which the database was never down.
    """

    def __init__(
        self, store: ResultStore, say: Say, while_down: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._say = say
        self._while_down = while_down
        self._clock = clock
        self._ping: _Ping | None = None
        self._pause = _FIRST_PAUSE
        self.up_since = clock()

    @property
    def state(self) -> ConnectionState:
        """Return the state of this moment; DOWN becomes RECOVERING by itself, when the database answers a ping."""
        if self._ping is None:
            return ConnectionState.UP
        return ConnectionState.RECOVERING if self._ping.answered.is_set() else ConnectionState.DOWN

    @property
    def is_up(self) -> bool:
        """Whether the state is UP, so that the database may be used."""
        return self._ping is None

    def lost(self, error: StoreUnavailableError) -> None:
        """Note that a call failed because the database is down; tell the user if it was up, and start to ping it."""
        if self.state is ConnectionState.UP:
            self._say(f"{error}; {self._while_down}")
        if self.state is not ConnectionState.DOWN:
            self._ping = _Ping(self._store, self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def wait(self, seconds: float) -> bool:
        """Wait until the database answers; return whether it does."""
        return self._ping is None or self._ping.answered.wait(seconds)

    def reset_pause(self) -> None:
        """Note that the database takes what it is given, so that it is pinged soon after the next loss."""
        self._pause = _FIRST_PAUSE

    def restored(self) -> None:
        """Note that the database has everything that was measured while it was down."""
        self._ping, self.up_since = None, self._clock()
        self.reset_pause()


class _Ping:
    """Asks repeatedly whether the database can be written, on a thread, since a dead network answers after minutes.

    Attributes:
        answered: is set once the database could be written.
    """

    def __init__(self, store: ResultStore, pause: float) -> None:
        self.answered = Event()
        self._store = store
        self._pause = pause
        Thread(target=self._run, name="database ping", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            try:
                self._store.ping()
            except StoreUnavailableError:
                continue
            self.answered.set()
            return
