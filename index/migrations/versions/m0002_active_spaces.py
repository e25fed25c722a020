"""Which space answers searches, and which is being filled: a library can change from one to another."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, empty: an older library goes on with the space that its settings name."""
    op.create_table(
        "active_spaces",
        sa.Column("role", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("modalities", sa.String, nullable=False),
    )
