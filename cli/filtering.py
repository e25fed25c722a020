"""The options that say which moments a search may find, shared by all commands that search.

``FilterOptions`` becomes one ``Filter`` by its method ``filter``. Of several values of one option any will
do; what different options ask for must all hold, and so must ``--where``.

``--within`` is one option with two readers: a distance for ``--near``, a span of time for ``--then`` and
``--before``. Which of the two a value is, its unit says; ``10m`` is metres or minutes by which of the options
is given. ``distance_within`` and ``timespan_within`` tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.errors import QueryError
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from bindsearch.conditions import Condition, Key
    from bindsearch.index.filters import Filter


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """What a command line asks of hits; nothing, by default."""

    types: Annotated[
        list[Modality] | None, typer.Option("--type", help="Only this kind; may be repeated.")
    ] = None
    folders: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="PATH", help="Only files at or below this path; may be repeated."),
    ] = None
    globs: Annotated[
        list[str] | None,
        typer.Option(
            "--path", metavar="GLOB", help='Only files so called or in folders so called: "*.jpg", 2023.'
        ),
    ] = None
    watched: Annotated[
        list[str] | None, typer.Option("--root", metavar="GLOB", help="Only files of this root.")
    ] = None
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help='Only from then on: 2024, 2024-06, yesterday, "3 days ago".'),
    ] = None
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only up to the end of then; as --since.")
    ] = None
    when: Annotated[
        list[str] | None,
        typer.Option(metavar="TIME", help='Only then: "last summer", 2024-06, morning, weekend, 22:00-2:00.'),
    ] = None
    near: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE", help="Only near LAT,LON, or where @ID or a file was taken."),
    ] = None
    within: Annotated[
        list[str] | None,
        typer.Option(metavar="SPAN", help="How far from --near, as 2km; how long after --then, as 10min."),
    ] = None
    longer: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Only files that last this long: 10s, 2m, 1:30.")
    ] = None
    shorter: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Only files that last no longer than this.")
    ] = None
    cameras: Annotated[
        list[str] | None,
        typer.Option("--camera", metavar="NAME", help="Only taken with a device whose name holds this."),
    ] = None
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="NAME", help="Only with this tag.")] = (
        None
    )
    where: Annotated[
        str | None,
        typer.Option(metavar="EXPR", help="Only where this holds: 'tag:dog and not (type:text or path:old)'"),
    ] = None
    offline: Annotated[
        bool, typer.Option("--offline", help="Also files on roots that are not there now.")
    ] = False

    def filter(self, *, sequence: bool = False) -> Filter:
        """The filter; ``sequence`` tells that --then or --before is given, which --within may be for.

        Raises QueryError for a value that cannot be read. Places that are named by a hit or a file are
        still to be looked up (see ingest.nearby).
        """
        import os
        from pathlib import Path

        from bindsearch.index.filters import Filter
        from bindsearch.when import parse_instant

        folders = (os.path.abspath(Path(folder).expanduser()) for folder in self.folders or ())  # noqa: PTH100
        return Filter(
            modalities=frozenset(self.types or ()),
            folders=tuple(folders),
            since=None if self.since is None else parse_instant(self.since, end=False),
            until=None if self.until is None else parse_instant(self.until, end=True),
            offline=self.offline,
            where=self._where(sequence) if self._asks_conditions else None,
        )

    @property
    def _asks_conditions(self) -> bool:
        """Whether there is need for conditions, whose import a plain search is spared."""
        several = (self.globs, self.watched, self.cameras, self.tags, self.near, self.when, self.within)
        single = (self.longer, self.shorter, self.where)
        return any(several) or any(value is not None for value in single)

    def _where(self, sequence: bool) -> Condition | None:
        from bindsearch.conditions import all_of

        return all_of(self._conditions(sequence))

    def _conditions(self, sequence: bool) -> Iterator[Condition]:
        from bindsearch.conditions import Key, any_of, parse_condition

        for option, key, values in (
            ("--path", Key.PATH, self.globs),
            ("--root", Key.ROOT, self.watched),
            ("--camera", Key.CAMERA, self.cameras),
            ("--tag", Key.TAG, self.tags),
            ("--near", Key.NEAR, self._places(sequence)),
            ("--longer", Key.DURATION, self.longer and [f">={self.longer}"]),
            ("--shorter", Key.DURATION, self.shorter and [f"<={self.shorter}"]),
        ):
            if values:
                yield any_of(_fact(option, key, value) for value in values)
        yield from self._times()
        if self.where is not None:
            yield parse_condition(self.where)

    def _times(self) -> Iterator[Condition]:
        """One condition for each kind of time: any of the periods, any of the hours, any of the weekdays."""
        from bindsearch.conditions import Key, any_of
        from bindsearch.periods import read_when

        kinds: dict[type, list[Condition]] = {}
        for value in self.when or ():
            condition = _fact("--when", Key.TIME, value)
            kinds.setdefault(type(read_when(value)), []).append(condition)
        yield from map(any_of, kinds.values())

    def _places(self, sequence: bool) -> list[str]:
        distance = distance_within(self.within or (), near=bool(self.near), sequence=sequence)
        if distance is not None and not _is(distance, "distance"):
            hint = "write 500m, 2km, 1.5mi or 300ft"
            raise QueryError("this is not a distance", subject=f"--within {distance}", hint=hint)
        return [place if distance is None else f"{place},{distance}" for place in self.near or ()]


def distance_within(within: Sequence[str], *, near: bool, sequence: bool) -> str | None:
    """Which value of --within is the distance of --near, as it was written; None without one.

    ``near`` and ``sequence`` say whether --near is given, and whether --then or --before is. Raises
    QueryError where none of them is, and where it cannot be told what a value is for.
    """
    return _parted(within, near, sequence)[0]


def timespan_within(within: Sequence[str], *, near: bool, sequence: bool) -> str | None:
    """Which value of --within is the span of time of a sequence, as it was written; None without one.

    Parameters and errors are those of ``distance_within``.
    """
    return _parted(within, near, sequence)[1]


def _parted(within: Sequence[str], near: bool, sequence: bool) -> tuple[str | None, str | None]:
    if not within:
        return None, None
    if not near and not sequence:
        hint = "it goes with --near, --then or --before"
        raise QueryError("there is nothing that this could limit", subject=f"--within {within[0]}", hint=hint)
    if len(within) > near + sequence:
        hint = "give it once for a distance, once for a span of time"
        raise QueryError("this is one --within too many", subject=f"--within {within[-1]}", hint=hint)
    if not sequence:
        return within[0], None
    if not near:
        return None, within[0]
    return _by_unit(within)


def _by_unit(within: Sequence[str]) -> tuple[str | None, str | None]:
    distances = [value for value in within if _is(value, "distance")]
    timespans = [value for value in within if _is(value, "timespan")]
    for value in within:
        if value not in distances and value not in timespans:
            hint = "write a distance as in 500 metres or 2km, a span of time as in 10min or 1h"
            raise QueryError("this is neither", subject=f"--within {value}", hint=hint)
    sure = [value for value in within if (value in distances) != (value in timespans)]
    if not sure:
        hint = "write 10min or 10 metres"
        raise QueryError("these could be metres or minutes", subject=f"--within {within[0]}", hint=hint)
    other = next((value for value in within if value != sure[0]), None)
    distance, timespan = (sure[0], other) if sure[0] in distances else (other, sure[0])
    if other is not None and (distance not in distances or timespan not in timespans):
        kind = "distances" if sure[0] in distances else "spans of time"
        raise QueryError(f"these are both {kind}", subject=f"--within {within[0]} --within {other}")
    return distance, timespan


def _is(value: str, kind: str) -> bool:
    from bindsearch.places import parse_distance
    from bindsearch.when import parse_timespan

    try:
        (parse_distance if kind == "distance" else parse_timespan)(value)
    except QueryError:
        return False
    return True


def _fact(option: str, key: Key, value: str) -> Condition:
    from bindsearch.conditions import fact

    try:
        return fact(key, value)
    except QueryError as error:
        error.subject = f"{option} {value}"
        raise
