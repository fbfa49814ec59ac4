"""The norm of every cell's radius, L2 lengths in its labels, and badges for lengths that probably had another unit."""

import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# What components of these names said when this migration was written; it holds for the cells that are stored by then.
ALWAYS_LINF = ("apgd", "autoattack", "fab-t", "fgsm", "square")
WITH_STEPS = ("cw-linf", "pgd", "surrogate", "transfer", "view-eot")
STEPS_IN_A_BALL = ("anti-adversary", "csr", "doc", "hedge", "mac", "scc", "ttc")
WITH_A_RADIUS = (*STEPS_IN_A_BALL, "random-noise")
LARGEST_RADIUS, LONGEST_STEP = 64.0, 2.0
STEP, RADIUS = "step beyond the ball", "radius above 64/255"

CHUNK = 1000

cell = sa.table(
    "cell",
    sa.column("id", sa.Integer),
    sa.column("attack", sa.Text),
    sa.column("epsilon_255", sa.Double),
    sa.column("specification", sa.JSON),
    sa.column("badges", sa.Text),
    sa.column("norm", sa.Text),
)
block = sa.table("block", sa.column("cell_id", sa.Integer))


def upgrade() -> None:
    op.add_column("cell", sa.Column("norm", sa.Text))
    connection = op.get_bind()
    names = ("id", "attack", "epsilon_255", "specification", "badges")
    measured = sa.exists().where(block.c.cell_id == cell.c.id).label("measured")
    query = sa.select(*(cell.c[name] for name in names), measured).order_by(cell.c.id).limit(CHUNK)
    last = -1
    while rows := connection.execute(query.where(cell.c.id > last)).all():
        for row in rows:
            changes = _changes(row.attack, row.epsilon_255, row.specification, row.badges, measured=bool(row.measured))
            if changes:
                connection.execute(sa.update(cell).where(cell.c.id == row.id).values(changes))
        last = rows[-1].id


def downgrade() -> None:
    op.drop_column("cell", "norm")


def _changes(
    label: str, epsilon: float, specification: dict[str, Any], badges: str, *, measured: bool
) -> dict[str, str]:
    """Return the columns of a row that change."""
    attack, defense = (specification.get(kind) or {} for kind in ("attack", "defense"))
    lengths, own = attack.get("parameters") or {}, defense.get("parameters") or {}
    norm = None if attack.get("name") == "none" else lengths.get("norm")
    if norm is None and attack.get("name") in ALWAYS_LINF:
        norm = "linf"
    found = [badges] if badges else []
    attacking = attack.get("name") in WITH_STEPS and _steps_beyond(lengths, epsilon)
    if measured and (attacking or _own_steps_beyond(defense.get("name"), own)):
        found.append(STEP)
    radius = _in_255(own.get("epsilon")) if defense.get("name") in WITH_A_RADIUS else 0.0
    if measured and ((norm == "linf" and epsilon > LARGEST_RADIUS) or radius > LARGEST_RADIUS):
        found.append(RADIUS)
    changes = {"norm": norm} if norm in ("linf", "l2") else {}
    if found and found != [badges]:
        changes["badges"] = ", ".join(found)
    if norm == "l2" and "/255" in label:
        changes["attack"] = re.sub(r"step_size=([0-9.e+-]+)/255", _euclidean, label)
    return changes


def _steps_beyond(lengths: dict[str, Any], epsilon: float) -> bool:
    step, multiple = _in_255(lengths.get("step_size")), lengths.get("relative_step_size") or 0.0
    return _beyond(step, epsilon) or (epsilon > 0 and multiple > LONGEST_STEP)


def _own_steps_beyond(name: str | None, own: dict[str, Any]) -> bool:
    return name in STEPS_IN_A_BALL and _beyond(_in_255(own.get("step_size")), _in_255(own.get("epsilon")))


def _beyond(step: float, radius: float) -> bool:
    return radius > 0 and step > round(LONGEST_STEP * radius, 4)


def _in_255(length: float | None) -> float:
    return round((length or 0.0) * 255, 4)


def _euclidean(found: re.Match[str]) -> str:
    return f"step_size={round(float(found[1]) / 255, 6):.9g}"
