"""A content is bytes and the way to read them: hints; and what files say of themselves in words."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give every content an identity, which is its hash as long as no hint is known of it.

    The column of the hash is renamed, since its uniqueness belongs to the identity; SQLite could only drop
    that together with the table, on which all others depend.
    """
    op.execute("ALTER TABLE contents RENAME COLUMN sha256 TO identity")
    op.add_column("contents", sa.Column("sha256", sa.LargeBinary))
    op.execute("UPDATE contents SET sha256 = identity")
    op.add_column("contents", sa.Column("title", sa.String))
    for table in ("contents", "locations", "failures"):
        op.add_column(table, sa.Column("hint", sa.String, nullable=False, server_default=""))
    # What was of no readable kind then may be now.
    op.execute("DELETE FROM failures WHERE stage = 'unsupported'")
