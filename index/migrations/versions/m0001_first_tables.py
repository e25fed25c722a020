"""The first tables: roots, contents, locations, segments, spaces, vectors, tombstones, failures."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

COUNT_PRESENT = """
    UPDATE contents SET present_locations = (
        SELECT count(*) FROM locations WHERE content_id = contents.id AND state = 'present'
    ) WHERE id = {content}
"""

TRIGGERS = (
    f"CREATE TRIGGER locations_inserted AFTER INSERT ON locations BEGIN "
    f"{COUNT_PRESENT.format(content='NEW.content_id')}; END",
    f"CREATE TRIGGER locations_deleted AFTER DELETE ON locations BEGIN "
    f"{COUNT_PRESENT.format(content='OLD.content_id')}; END",
    f"CREATE TRIGGER locations_updated AFTER UPDATE OF content_id, state ON locations BEGIN "
    f"{COUNT_PRESENT.format(content='OLD.content_id')}; "
    f"{COUNT_PRESENT.format(content='NEW.content_id')}; END",
    "CREATE TRIGGER vectors_deleted AFTER DELETE ON vectors BEGIN "
    "INSERT INTO tombstones (vector_id, space_id) VALUES (OLD.id, OLD.space_id); END",
)


def upgrade() -> None:
    """Create everything, in the order in which foreign keys point."""
    _create_roots_and_contents()
    _create_locations_and_failures()
    _create_segments_and_vectors()
    for trigger in TRIGGERS:
        op.execute(trigger)


def _create_roots_and_contents() -> None:
    op.create_table(
        "roots",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("added_at", sa.Float, nullable=False),
        sa.Column("walked_at", sa.Float),
    )
    op.create_table(
        "contents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("modality", sa.String, nullable=False),
        sa.Column("format", sa.String, nullable=False),
        sa.Column("taken_at", sa.Float),
        sa.Column("latitude", sa.Float),
        sa.Column("longitude", sa.Float),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("duration", sa.Float),
        sa.Column("camera", sa.String),
        sa.Column("present_locations", sa.Integer, nullable=False, server_default="0"),
        sa.Column("added_at", sa.Float, nullable=False),
    )
    op.create_index(
        "contents_without_location", "contents", ["id"], sqlite_where=sa.text("present_locations = 0")
    )
    op.create_index("contents_by_time", "contents", ["taken_at"])


def _create_locations_and_failures() -> None:
    op.create_table(
        "locations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("root_id", sa.Integer, sa.ForeignKey("roots.id", ondelete="CASCADE"), nullable=False),
        sa.Column("content_id", sa.Integer, sa.ForeignKey("contents.id"), nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.Integer, nullable=False),
        sa.Column("inode", sa.Integer, nullable=False),
        sa.Column("device", sa.Integer, nullable=False),
        sa.UniqueConstraint("root_id", "path"),
    )
    op.create_index("locations_by_content", "locations", ["content_id", "state"])
    op.create_index("locations_by_inode", "locations", ["inode", "device"])
    op.create_table(
        "failures",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("root_id", sa.Integer, sa.ForeignKey("roots.id", ondelete="CASCADE"), nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("failed_at", sa.Float, nullable=False),
        sa.Column("size", sa.Integer),
        sa.Column("mtime_ns", sa.Integer),
        sa.Column("inode", sa.Integer),
        sa.Column("device", sa.Integer),
        sa.UniqueConstraint("root_id", "path"),
    )


def _create_segments_and_vectors() -> None:
    op.create_table(
        "segments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("content_id", sa.Integer, sa.ForeignKey("contents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("modality", sa.String, nullable=False),
        sa.Column("start", sa.Float),
        sa.Column("end", sa.Float),
        sa.Column("first_line", sa.Integer),
        sa.Column("last_line", sa.Integer),
        sa.Column("text", sa.String),
        sa.UniqueConstraint("content_id", "ordinal"),
    )
    op.create_table(
        "spaces",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("revision", sa.String, nullable=False),
        sa.Column("weights_sha256", sa.String, nullable=False),
        sa.Column("dimensions", sa.Integer, nullable=False),
        sa.Column("preprocessing", sa.String, nullable=False),
        sa.Column("added_at", sa.Float, nullable=False),
    )
    op.create_table(
        "vectors",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("segment_id", sa.Integer, sa.ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
        sa.Column("space_id", sa.Integer, sa.ForeignKey("spaces.id"), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("segment_id", "space_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("vectors_by_space", "vectors", ["space_id", "id"])
    op.create_table(
        "tombstones",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("vector_id", sa.Integer, nullable=False),
        sa.Column("space_id", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("tombstones_by_space", "tombstones", ["space_id", "seq"])
