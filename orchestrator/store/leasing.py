"""Who may measure what, where several drivers share a PostgreSQL database; every clock here is the server's.

A driver that lives says so every :data:`BEATS_PER_LEASE`-th part of its lease. Rows are locked in one order, and rows
that another holds are skipped, so that drivers never wait for one another in a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

BEATS_PER_LEASE = 6
_INTRODUCTION = 0.25
"""Share of a lease for which a newcomer waits until the drivers that live have noticed it."""
_FORGOTTEN_AFTER = "1 day"


class Tile(NamedTuple):
    """A fixed, aligned range of blocks of an attack group: what is leased as a whole."""

    attack_group: str
    number: int


@dataclass(frozen=True)
class DriverRecord:
    """A process that carries out a run.

    Attributes:
        id: a new one for every process.
        run: the run's id.
        machine: where ``pid`` is the number of a process.
        pid: its process.
        lease_seconds: how long after its last sign of life it counts as dead.
    """

    id: str
    run: str
    machine: str
    pid: int
    lease_seconds: float


_ALIVE = "o.heartbeat_at + o.lease_seconds * interval '1 second' >= clock_timestamp()"

_REGISTER = text("""
    INSERT INTO driver (id, run_id, machine, pid, lease_seconds, registered_at, heartbeat_at)
    VALUES (:id, :run, :machine, :pid, :lease_seconds, clock_timestamp(), clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()""")

_FORGET = text(f"DELETE FROM driver WHERE heartbeat_at < clock_timestamp() - interval '{_FORGOTTEN_AFTER}'")

_OTHERS = text(f"SELECT count(*) FROM driver o WHERE o.id <> :id AND {_ALIVE}")

_STRANGERS = text(f"""
    SELECT count(*) FROM driver o, driver me
    WHERE me.id = :id AND o.id <> :id AND o.id <> ALL(:dead) AND {_ALIVE} AND o.heartbeat_at < me.registered_at
        AND clock_timestamp() < me.registered_at + {_INTRODUCTION} * o.lease_seconds * interval '1 second'""")

_WANTED = "unnest(CAST(:groups AS text[]), CAST(:tiles AS integer[])) AS w (attack_group, tile)"

_CLAIM = text(f"""
    INSERT INTO lease (attack_group, tile, driver_id)
    SELECT w.attack_group, w.tile, :id FROM {_WANTED} ORDER BY 1, 2
    ON CONFLICT (attack_group, tile) DO NOTHING""")

_TAKE_OVER = text(f"""
    UPDATE lease SET driver_id = :id FROM (
        SELECT l.attack_group, l.tile
        FROM {_WANTED} JOIN lease l ON l.attack_group = w.attack_group AND l.tile = w.tile
        JOIN driver o ON o.id = l.driver_id
        WHERE o.id = ANY(:dead) OR (:patient AND NOT {_ALIVE})
        ORDER BY 1, 2 FOR UPDATE OF l SKIP LOCKED) AS dead
    WHERE lease.attack_group = dead.attack_group AND lease.tile = dead.tile""")

_MINE = text(f"""
    SELECT l.attack_group, l.tile FROM {_WANTED} JOIN lease l ON l.attack_group = w.attack_group AND l.tile = w.tile
    WHERE l.driver_id = :id""")

_RELEASE = text(f"""
    DELETE FROM lease l USING {_WANTED}
    WHERE l.attack_group = w.attack_group AND l.tile = w.tile AND l.driver_id = :id""")

_LEAVE = text("DELETE FROM driver WHERE id = :id")

_NEIGHBOURS = text("SELECT id, pid FROM driver WHERE machine = :machine AND id <> :id")


def beat(connection: Connection, driver: DriverRecord) -> int:
    """Say that a driver lives, which makes it known at the first time; return how many others do."""
    connection.execute(_FORGET)
    connection.execute(_REGISTER, vars(driver))
    return int(connection.execute(_OTHERS, {"id": driver.id}).scalar_one())


def claim(
    connection: Connection, driver: DriverRecord, tiles: Sequence[Tile], *, dead: Collection[str] = (), patient: bool
) -> set[Tile]:
    """Lease those of ``tiles`` that nobody holds, or a dead driver; return those that are the driver's own now.

    Args:
        connection: in a transaction.
        driver: who asks; it gets nothing until every driver that lives had the time to notice it.
        tiles: what it asks for.
        dead: ids of drivers that are known to be dead.
        patient: whether to take over from drivers whose lease has expired.
    """
    known_dead = list(dead)
    if connection.execute(_STRANGERS, {"id": driver.id, "dead": known_dead}).scalar_one():
        return set()
    wanted = {"id": driver.id, **_columns(tiles)}
    connection.execute(_CLAIM, wanted)
    if known_dead or patient:
        connection.execute(_TAKE_OVER, {**wanted, "dead": known_dead, "patient": patient})
    return {Tile(*row) for row in connection.execute(_MINE, wanted)}


def release(connection: Connection, driver: DriverRecord, tiles: Sequence[Tile]) -> None:
    """Give leases back; what is no longer the driver's stays with whom it is."""
    connection.execute(_RELEASE, {"id": driver.id, **_columns(tiles)})


def leave(connection: Connection, driver: DriverRecord) -> None:
    """Forget a driver, with everything that it has leased."""
    connection.execute(_LEAVE, {"id": driver.id})


def neighbours(connection: Connection, driver: DriverRecord) -> dict[str, int]:
    """Return the processes of the other drivers on the same machine, by their ids; they need not live."""
    rows = connection.execute(_NEIGHBOURS, {"machine": driver.machine, "id": driver.id})
    return {row.id: row.pid for row in rows}


def _columns(tiles: Sequence[Tile]) -> dict[str, Any]:
    return {"groups": [tile.attack_group for tile in tiles], "tiles": [tile.number for tile in tiles]}
