"""What a library holds, told in counts and lists: roots, spaces, segments, failures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from bindsearch.answers import State
from bindsearch.index.hits import absolute
from bindsearch.index.schema import Stage, failures, locations, roots, segments, spaces, vectors


@dataclass(frozen=True, slots=True)
class RootStatus:
    """A root and how many of its files are in each state."""

    path: Path
    state: State
    present: int
    missing: int
    offline: int
    failed: int
    walked_at: float | None


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """A space that the library holds vectors of."""

    name: str
    revision: str
    dimensions: int
    vectors: int


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """A file that could not be taken in."""

    path: Path
    stage: Stage
    reason: str
    failed_at: float


def root_paths(catalog: Connection) -> tuple[Path, ...]:
    """The path of every root, in their order."""
    return tuple(map(Path, catalog.scalars(select(roots.c.path).order_by(roots.c.path))))


def list_roots(catalog: Connection) -> list[RootStatus]:
    """Every root, by path."""
    states = select(locations.c.root_id, locations.c.state, func.count())
    found = catalog.execute(states.group_by(locations.c.root_id, locations.c.state))
    counts = {(root_id, state): count for root_id, state, count in found}
    faults = select(failures.c.root_id, func.count()).where(failures.c.stage != Stage.UNSUPPORTED)
    failed = {row[0]: row[1] for row in catalog.execute(faults.group_by(failures.c.root_id))}
    return [
        RootStatus(
            path=Path(root.path),
            state=State(root.state),
            present=counts.get((root.id, State.PRESENT), 0),
            missing=counts.get((root.id, State.MISSING), 0),
            offline=counts.get((root.id, State.OFFLINE), 0),
            failed=failed.get(root.id, 0),
            walked_at=root.walked_at,
        )
        for root in catalog.execute(select(roots).order_by(roots.c.path))
    ]


def list_spaces(catalog: Connection) -> list[SpaceStatus]:
    """Every space that the library holds vectors of."""
    statement = (
        select(spaces.c.name, spaces.c.revision, spaces.c.dimensions, func.count(vectors.c.id))
        .outerjoin(vectors, vectors.c.space_id == spaces.c.id)
        .group_by(spaces.c.id)
    )
    return [SpaceStatus(*row) for row in catalog.execute(statement)]


def count_segments(catalog: Connection) -> dict[str, int]:
    """How many segments there are of each modality."""
    statement = select(segments.c.modality, func.count()).group_by(segments.c.modality)
    return {row[0]: row[1] for row in catalog.execute(statement)}


def list_failures(catalog: Connection, *, unsupported: bool) -> list[FailureRecord]:
    """Files that could not be taken in, by path; or those of kinds that are not read."""
    stage = failures.c.stage == Stage.UNSUPPORTED
    statement = (
        select(failures, roots.c.path.label("root"))
        .join(roots, roots.c.id == failures.c.root_id)
        .where(stage if unsupported else ~stage)
        .order_by(roots.c.path, failures.c.path)
    )
    return [
        FailureRecord(absolute(row.root, row.path), Stage(row.stage), row.reason, row.failed_at)
        for row in catalog.execute(statement)
    ]
