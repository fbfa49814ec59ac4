"""Seconds and passes of the stored blocks, by model and device, from which the time of a planned run is estimated."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from orchestrator.store.schema.tables import Block, CellRow


class DeviceTotals(NamedTuple):
    """Seconds and passes of all attacks and defenses that a device has measured with a model.

    An attack is stored with every cell that uses its images. Its seconds and its passes count once for each of them.
    """

    device: str
    model: str
    precision: str
    seconds: float
    forwards: int
    backwards: int


def device_totals(connection: Connection) -> list[DeviceTotals]:
    """Return the totals of every device, model and precision, sorted."""
    keys = (Block.device, CellRow.model, CellRow.precision)
    sums = (
        func.sum(Block.attack_seconds + Block.defense_seconds),
        func.sum(Block.attack_forwards + Block.defense_forwards),
        func.sum(Block.attack_backwards + Block.defense_backwards),
    )
    query = select(*keys, *sums).join(CellRow, CellRow.id == Block.cell_id).group_by(*keys).order_by(*keys)
    return [
        DeviceTotals(device, model, precision, float(seconds), int(forwards), int(backwards))
        for device, model, precision, seconds, forwards, backwards in connection.execute(query)
    ]
