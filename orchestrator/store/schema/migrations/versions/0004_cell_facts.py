"""What defenses and models say of themselves, stored with each cell, and filled in where a stored name tells it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What components of these names said when this migration was written; it holds for the cells that are stored by then.
CONTROLS = ("flip", "jpeg", "low-pass", "random-noise", "shift", "views")
RANDOMISED = ("agc", "doc", "hedge", "mac", "r-tpt", "random-noise", "scc", "ttc", "tte", "views")
DEFENSES = sorted({"none", "anti-adversary", "clipure-cos", "csr", *CONTROLS, *RANDOMISED})
FAMILIES = {
    "general": (
        "demo-clip",
        "laion2b_s32b_b82k/ViT-L-14",
        "laion2b_s34b_b79k/ViT-B-32",
        "merged2b_s8b_b131k/EVA02-B-16",
        "openai/RN50",
        "openai/ViT-B-16",
        "openai/ViT-B-32",
        "openai/ViT-L-14",
        "webli/ViT-B-16-SigLIP",
    ),
    "biomedical": (
        "demo-biomedclip",
        "hf-hub:Yale-BIDS-Chen/medpmc-clip-l-14_jun24_v1",
        "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        "hf-hub:wisdomik/QuiltNet-B-16",
        "hf-hub:wisdomik/QuiltNet-B-32",
    ),
    "adversarially fine-tuned": (
        "hf-hub:chs20/FARE4-ViT-B-16-laion2B-s34B-b88K",
        "hf-hub:chs20/FARE4-ViT-B-32-laion2B-s34B-b79K",
        "hf-hub:chs20/FARE4-convnext_base_w-laion2B-s13B-b82K-augreg",
        "hf-hub:chs20/TeCoA4-ViT-B-16-laion2B-s34B-b88K",
        "hf-hub:chs20/TeCoA4-ViT-B-32-laion2B-s34B-b79K",
        "hf-hub:chs20/TeCoA4-convnext_base_w-laion2B-s13B-b82K-augreg",
        "hf-hub:chs20/fare2-clip",
    ),
}

cell = sa.table(
    "cell",
    sa.column("model", sa.Text),
    sa.column("defense", sa.Text),
    sa.column("control", sa.Boolean),
    sa.column("family", sa.Text),
    sa.column("randomised", sa.Boolean),
)


def upgrade() -> None:
    op.add_column("cell", sa.Column("control", sa.Boolean))
    op.add_column("cell", sa.Column("family", sa.Text))
    op.add_column("cell", sa.Column("randomised", sa.Boolean))
    for name in DEFENSES:
        facts = {"control": name in CONTROLS, "randomised": name in RANDOMISED}
        # A label is the name, or the name and the parameters in parentheses.
        op.execute(sa.update(cell).where(_is(cell.c.defense, name, "(")).values(facts))
    for family, names in FAMILIES.items():
        for name in names:
            # A name may end in a revision of its repository.
            op.execute(sa.update(cell).where(_is(cell.c.model, name, "@")).values(family=family))


def downgrade() -> None:
    for name in ("randomised", "family", "control"):
        op.drop_column("cell", name)


def _is(column: sa.ColumnClause[str], name: str, sign: str) -> sa.ColumnElement[bool]:
    """Tell whether ``column`` holds ``name``, alone or before ``sign``; no LIKE, since SQLite's ignores case."""
    return sa.or_(column == name, sa.func.substr(column, 1, len(name) + 1) == name + sign)
