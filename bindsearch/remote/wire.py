"""Answers and errors as JSON, there and back: what a client builds is equal to what the library gave.

Paths that are not UTF-8 keep their bytes as lone surrogates, which JSON writes as escapes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from bindsearch import errors
from bindsearch.answers import Answer, Hit, MomentSequence, Neighbour, State, Via
from bindsearch.errors import BindsearchError
from bindsearch.modality import Modality

_HIT = tuple(one.name for one in fields(Hit))
_NEIGHBOUR = tuple(one.name for one in fields(Neighbour))
_ERROR = ("message", "subject", "hint", "position", "expression", "pid")


def hit_record(hit: Hit) -> dict[str, Any]:
    """A hit as JSON has it."""
    return _told(hit, _HIT)


def hit_of(record: Mapping[str, Any]) -> Hit:
    """The hit that ``record`` tells of. Raises KeyError, TypeError and ValueError for what is none."""
    told = _read(record)
    duplicates = tuple(map(Path, record["duplicates"]))
    return Hit(**told | {"duplicates": duplicates, "tags": tuple(record["tags"]), "via": Via(record["via"])})


def neighbour_record(one: Neighbour) -> dict[str, Any]:
    """A neighbour as JSON has it."""
    return _told(one, _NEIGHBOUR)


def neighbour_of(record: Mapping[str, Any]) -> Neighbour:
    """The neighbour that ``record`` tells of. Raises as ``hit_of``."""
    return Neighbour(**_read(record))


def answer_record(answer: Answer) -> dict[str, Any]:
    """An answer as JSON has it."""
    return {
        "hits": [hit_record(hit) for hit in answer.hits],
        "level": answer.level,
        "best": answer.best,
        "judged": answer.judged,
        "used": sorted(answer.used),
        "has_vectors": answer.has_vectors,
    }


def answer_of(record: Mapping[str, Any]) -> Answer:
    """The answer that ``record`` tells of. Raises as ``hit_of``."""
    hits = tuple(map(hit_of, record["hits"]))
    return Answer(**record | {"hits": hits, "used": frozenset(map(Via, record["used"]))})  # type: ignore[operator]


def sequence_record(one: MomentSequence) -> dict[str, Any]:
    """A sequence as JSON has it."""
    moments = [hit_record(hit) for hit in one.moments]
    return {"moments": moments, "gaps": list(one.gaps), "score": one.score, "standing": one.standing}


def sequence_of(record: Mapping[str, Any]) -> MomentSequence:
    """The sequence that ``record`` tells of. Raises as ``hit_of``."""
    moments = tuple(map(hit_of, record["moments"]))
    return MomentSequence(moments, tuple(record["gaps"]), record["score"], record["standing"])


def error_record(error: BindsearchError) -> dict[str, Any]:
    """An error with all that it carries; ``kind`` is its class, or the one of ours that it is one of."""
    kind = next(one.__name__ for one in type(error).__mro__ if one.__module__ == errors.__name__)
    told = {name: getattr(error, name, None) for name in _ERROR}
    return {"kind": kind, **{name: value for name, value in told.items() if value is not None}}


def error_of(record: Mapping[str, Any]) -> BindsearchError:
    """The error that ``record`` tells of. Raises KeyError and ValueError for what is none."""
    told = dict(record)
    kind = {one.__name__: one for one in _kinds(BindsearchError)}.get(told.pop("kind"))
    if kind is None:
        raise ValueError("there is no such error")
    error = kind.__new__(kind, told["message"])
    for name in _ERROR:
        setattr(error, name, told.get(name))
    return error


def _kinds(kind: type[BindsearchError]) -> Iterator[type[BindsearchError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _kinds(below)


def _told(one: Hit | Neighbour, names: tuple[str, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in names:
        value = getattr(one, name)
        if isinstance(value, Path):
            value = os.fspath(value)
        elif isinstance(value, tuple):
            value = [os.fspath(part) for part in value]
        told[name] = value
    return told


def _read(record: Mapping[str, Any]) -> dict[str, Any]:
    """What hits and neighbours have in common, read; the rest as it is."""
    return {
        **record,
        "path": Path(record["path"]),
        "modality": Modality(record["modality"]),
        "state": State(record["state"]),
        "other_paths": tuple(map(Path, record["other_paths"])),
    }
