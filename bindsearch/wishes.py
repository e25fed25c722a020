"""Wishes: which moments a search may find, as a person has typed it.

A plain record that can cross a socket; the daemon reads it as the command line would, with
``bindsearch.here`` for names of files. Of several values of one field any will do; what different fields ask
for must all hold, and so must ``where``.

``within`` is one field with two readers: a distance for ``near``, a span of time for a sequence. Which of the
two a value is, its unit says; ``10m`` is metres or minutes by which of the others is given.
``distance_within`` and ``timespan_within`` tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from bindsearch.errors import QueryError
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from bindsearch.conditions import Condition, Key


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of hits; nothing, by default. The command line's options have the same names."""

    types: tuple[Modality, ...] = ()
    folders: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    when: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    longer: str | None = None
    shorter: str | None = None
    cameras: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    where: str | None = None
    offline: bool = False

    def record(self) -> dict[str, Any]:
        """What is asked for, as JSON has it; nothing else."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in given.items() if value not in ((), None, False)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The wishes that ``record`` gives. Raises ValueError and TypeError for what are none."""
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
        }
        told["types"] = tuple(Modality(kind) for kind in told.get("types", ()))
        return cls(**told)

    def condition(self, *, sequence: bool = False) -> Condition | None:
        """All that is not a plain field of a filter, as one condition; None where that is nothing.

        ``sequence`` tells that what came next is asked for, too, which ``within`` may be for. Raises
        QueryError for a value that cannot be read. Places that are named by a hit or a file are still to be
        looked up (see ingest.nearby).
        """
        if not self._asks_conditions:
            return None
        from bindsearch.conditions import all_of

        return all_of(self._conditions(sequence))

    @property
    def _asks_conditions(self) -> bool:
        """Whether there is need for conditions, whose import a plain search is spared."""
        several = (self.globs, self.watched, self.cameras, self.tags, self.near, self.when, self.within)
        single = (self.longer, self.shorter, self.where)
        return any(several) or any(value is not None for value in single)

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
        for value in self.when:
            condition = _fact("--when", Key.TIME, value)
            kinds.setdefault(type(read_when(value)), []).append(condition)
        yield from map(any_of, kinds.values())

    def _places(self, sequence: bool) -> list[str]:
        distance = distance_within(self.within, near=bool(self.near), sequence=sequence)
        if distance is not None and not _is(distance, "distance"):
            hint = "write 500m, 2km, 1.5mi or 300ft"
            raise QueryError("this is not a distance", subject=f"--within {distance}", hint=hint)
        return [place if distance is None else f"{place},{distance}" for place in self.near]


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
