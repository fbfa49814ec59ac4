"""Leases on tiles, where several drivers use one PostgreSQL database; all times are by the clock of the server.

A driver sends :data:`HEARTBEATS_PER_LEASE` heartbeats during the time that a lease lasts. Rows are locked in one order,
and rows that another driver has locked are skipped, so that drivers never deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

HEARTBEATS_PER_LEASE = 6
_INTRODUCTION = 0.25
"""Part of the lease time for which a new driver waits, so that the living drivers notice it before it gets a lease."""
_REMOVED_AFTER = "1 day"


class Tile(NamedTuple):
    """A fixed, aligned range of blocks of an attack group, which is leased as a whole."""

    attack_group: str
    number: int


@dataclass(frozen=True)
class DriverRecord:
    """A process that drives a run.

    Attributes:
        id: new for every process.
        run: the run's id.
        machine: on which ``pid`` is the number of its process.
        pid: number of its process.
        lease_seconds: how long after its last heartbeat it counts as dead.
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

_REMOVE_OLD = text(f"DELETE FROM driver WHERE heartbeat_at < clock_timestamp() - interval '{_REMOVED_AFTER}'")

_OTHERS = text(f"SELECT count(*) FROM driver o WHERE o.id <> :id AND {_ALIVE}")

_NOT_NOTICED_BY = text(f"""
    SELECT count(*) FROM driver o, driver me
    WHERE me.id = :id AND o.id <> :id AND o.id <> ALL(:dead) AND {_ALIVE} AND o.heartbeat_at < me.registered_at
        AND clock_timestamp() < me.registered_at + {_INTRODUCTION} * o.lease_seconds * interval '1 second'""")

_WANTED = "unnest(CAST(:groups AS text[]), CAST(:tiles AS integer[])) AS w (attack_group, tile)"

_ACQUIRE = text(f"""
    INSERT INTO lease (attack_group, tile, driver_id)
    SELECT w.attack_group, w.tile, :id FROM {_WANTED} ORDER BY 1, 2
    ON CONFLICT (attack_group, tile) DO NOTHING""")

_TAKE_OVER = text(f"""
    UPDATE lease SET driver_id = :id FROM (
        SELECT l.attack_group, l.tile
        FROM {_WANTED} JOIN lease l ON l.attack_group = w.attack_group AND l.tile = w.tile
        JOIN driver o ON o.id = l.driver_id
        WHERE o.id = ANY(:dead) OR (:take_expired AND NOT {_ALIVE})
        ORDER BY 1, 2 FOR UPDATE OF l SKIP LOCKED) AS dead
    WHERE lease.attack_group = dead.attack_group AND lease.tile = dead.tile""")

_HELD = text(f"""
    SELECT l.attack_group, l.tile FROM {_WANTED} JOIN lease l ON l.attack_group = w.attack_group AND l.tile = w.tile
    WHERE l.driver_id = :id""")

_RELEASE = text(f"""
    DELETE FROM lease l USING {_WANTED}
    WHERE l.attack_group = w.attack_group AND l.tile = w.tile AND l.driver_id = :id""")

_REMOVE = text("DELETE FROM driver WHERE id = :id")

_ON_MACHINE = text("SELECT id, pid FROM driver WHERE machine = :machine AND id <> :id")


def driver_heartbeat(connection: Connection, driver: DriverRecord) -> int:
    """Note that a driver lives, and register it at the first call; return how many other drivers live."""
    connection.execute(_REMOVE_OLD)
    connection.execute(_REGISTER, vars(driver))
    return int(connection.execute(_OTHERS, {"id": driver.id}).scalar_one())


def acquire_leases(
    connection: Connection,
    driver: DriverRecord,
    tiles: Sequence[Tile],
    *,
    dead: Collection[str] = (),
    take_expired: bool,
) -> set[Tile]:
    """Lease those of ``tiles`` that no driver or a dead one holds; return those whose lease the driver holds now.

    Args:
        connection: in a transaction.
        driver: gets nothing until every living driver had the time to notice it.
        tiles: to lease.
        dead: ids of drivers that are known to be dead.
        take_expired: whether to take over from drivers whose last heartbeat is older than their lease.
    """
    known_dead = list(dead)
    if connection.execute(_NOT_NOTICED_BY, {"id": driver.id, "dead": known_dead}).scalar_one():
        return set()
    wanted = {"id": driver.id, **_columns(tiles)}
    connection.execute(_ACQUIRE, wanted)
    if known_dead or take_expired:
        connection.execute(_TAKE_OVER, {**wanted, "dead": known_dead, "take_expired": take_expired})
    return {Tile(*row) for row in connection.execute(_HELD, wanted)}


def release_leases(connection: Connection, driver: DriverRecord, tiles: Sequence[Tile]) -> None:
    """Release the leases of a driver on ``tiles``; a lease that another driver has taken over stays."""
    connection.execute(_RELEASE, {"id": driver.id, **_columns(tiles)})


def remove_driver(connection: Connection, driver: DriverRecord) -> None:
    """Remove a driver and its leases."""
    connection.execute(_REMOVE, {"id": driver.id})


def drivers_on_machine(connection: Connection, driver: DriverRecord) -> dict[str, int]:
    """Return the process numbers of the other drivers on the same machine, by the drivers' ids; some may be dead."""
    rows = connection.execute(_ON_MACHINE, {"machine": driver.machine, "id": driver.id})
    return {row.id: row.pid for row in rows}


def _columns(tiles: Sequence[Tile]) -> dict[str, Any]:
    return {"groups": [tile.attack_group for tile in tiles], "tiles": [tile.number for tile in tiles]}
