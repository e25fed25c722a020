"""Tags: names that files are given, by hand or by a classifier."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; nothing is tagged yet."""
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("content_id", sa.Integer, sa.ForeignKey("contents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("added_at", sa.Float, nullable=False),
        sa.UniqueConstraint("content_id", "name"),
    )
    op.create_index("tags_by_name", "tags", ["name", "content_id"])
