"""Inspections as people and programs read them: lines, and records for JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bindsearch.errors import BindsearchError, DamagedFile, UnsupportedFile
from bindsearch.modality import Modality
from bindsearch.when import format_instant, format_offset

if TYPE_CHECKING:
    from bindsearch.ingest.inspection import Group, Inspection
    from bindsearch.loaders import Hint
    from bindsearch.media import Media

_LABEL = 11  # letters; what is told begins behind them


@dataclass(frozen=True, slots=True)
class Space:
    """The space that would embed; ``modalities`` is None where it is not known which."""

    name: str
    modalities: frozenset[Modality] | None


def record(found: Inspection, space: Space) -> dict[str, Any]:
    """What JSON says of a file; the units are those of Group and FileFacts."""
    facts = asdict(found.facts)
    known = space.modalities
    return {
        "path": os.fspath(found.path),
        "modality": facts.pop("modality"),
        "format": facts.pop("format"),
        "notes": list(found.notes),
        "hint": {
            "origin": found.origin,
            **_said(found.hint),
            "neighbours": [{"role": one.role, "path": one.path} for one in found.hint.neighbours],
        },
        "facts": facts,
        "media": [asdict(group) for group in found.groups],
        "complete": found.complete,
        "space": {
            "name": space.name,
            "embeds": {g.modality: None if known is None else g.modality in known for g in found.groups},
        },
        "error": None,
    }


def failure_record(path: Path, error: BindsearchError) -> dict[str, Any]:
    """What JSON says of a file that cannot be read."""
    kinds = {"unsupported": UnsupportedFile, "damaged": DamagedFile}
    sort = next((name for name, kind in kinds.items() if isinstance(error, kind)), "other")
    told = {"sort": sort, "subject": error.subject, "reason": error.message, "hint": error.hint}
    return {"path": os.fspath(path), "error": told}


def lines(found: Inspection, space: Space) -> Iterator[str]:
    """What a person reads: the path, and below it a line for each thing there is to say."""
    yield os.fspath(found.path)
    for label, text in _told(found, space):
        yield f"  {label:<{_LABEL}} {text}"


def place(media: Media) -> str:
    """Where in its file a medium lies; nothing where it is the whole file."""
    start, end = getattr(media, "start", None), getattr(media, "end", None)
    if start is not None and end is not None:
        return f"{format_offset(start)}-{format_offset(end)}"
    first = getattr(media, "first_line", None)
    return "" if first is None else f"line {first}"


def _told(found: Inspection, space: Space) -> Iterator[tuple[str, str]]:
    yield "kind", f"{found.facts.modality} ({found.facts.format})"
    for note in found.notes:
        yield "understood", note
    if found.origin is not None:
        said = ", ".join(f"{name} {_shown(value)}" for name, value in _said(found.hint).items())
        yield "told by", f"{found.origin}: {said}"
    for neighbour in found.hint.neighbours:
        yield "beside it", f"{Path(neighbour.path).name} ({neighbour.role})"
    yield from _facts(found)
    for group in found.groups:
        yield str(group.modality), _group(group, found.complete)
    if not found.groups:
        yield "segments", "none" if found.complete else "none in the first minute; --all looks at the rest"
    yield "space", _embedding(found, space)


def _said(hint: Hint) -> dict[str, Any]:
    """What a rule or a name says, without what it leaves open."""
    said = {name: value for name, value in asdict(hint).items() if value is not None and value != ()}
    return {name: value for name, value in said.items() if name not in ("ruled", "neighbours")}


def _shown(value: Any) -> str:
    pairs = isinstance(value, (tuple, list))
    return " ".join(f"{name}={own}" for name, own in value) if pairs else str(value)


def _facts(found: Inspection) -> Iterator[tuple[str, str]]:
    facts = found.facts
    if facts.title:
        yield "title", facts.title
    if facts.width and facts.height:
        yield "size", f"{facts.width} x {facts.height}"
    if facts.duration is not None:
        clock = f" ({format_offset(facts.duration)})" if facts.duration >= 60 else ""
        yield "length", f"{facts.duration:,.1f} s{clock}"
    if facts.taken_at is not None:
        yield "taken", format_instant(facts.taken_at)
    if facts.latitude is not None and facts.longitude is not None:
        yield "place", f"{facts.latitude:.5f}, {facts.longitude:.5f}"
    if facts.camera:
        yield "camera", facts.camera


def _group(group: Group, complete: bool) -> str:
    count = "1 segment" if group.segments == 1 else f"{group.segments:,} segments"
    some = group.modality is Modality.TEXT or complete
    parts = [count if some else f"{count} in the first minute (--all looks at the rest)"]
    parts += [text for text in (_shape(group), *_measures(group)) if text]
    return ", ".join(parts) + _spans(group)


def _shape(group: Group) -> str:
    shape = group.constants.get("shape")
    if not shape:
        return ""
    if group.modality is Modality.VIDEO:
        return f"{shape[0]} frames of {shape[2]} x {shape[1]} each"
    return f"{shape[1]} x {shape[0]} points"


def _measures(group: Group) -> Iterator[str]:
    """Ranges and constants with their units."""
    told = group.ranges
    if "metres" in told:
        yield _from_to(told["metres"], "m", 2)
    if "holes" in told:
        yield f"{max(told['holes']):.1%} of the points unknown"
    if "focal_length" in group.constants:
        yield f"focal length {group.constants['focal_length']:.1f} points"
    if "baseline" in group.constants:
        yield f"baseline {group.constants['baseline']:.4f} m"
    if "celsius" in told:
        yield _from_to(told["celsius"], "degrees Celsius", 1)
    if group.constants.get("unit") == "relative":
        yield "relative, not in degrees"
    if "rate" in group.constants:
        yield f"{group.constants['rate']:,} Hz"
    if "level" in told:
        yield f"level {_from_to(told['level'], 'dB', 0)}, peak {max(told['peak']):.0f} dB"
    if "channels" in group.constants:
        yield f"{group.constants['channels']} channels"
        yield _from_to(told["readings"], "readings each", 0)
    for sensor in ("accelerometer", "gyroscope", "sensor"):
        if f"{sensor}_hz" in told:
            yield _sensor(sensor, told[f"{sensor}_hz"], told[f"{sensor}_longest_gap"])
    if "characters" in told:
        low, high = told["characters"]
        yield f"{low:.0f} characters" if low == high else f"{low:.0f} to {high:.0f} characters"


def _sensor(name: str, rate: tuple[float, float], gap: tuple[float, float]) -> str:
    if not max(rate):
        return f"no {name}"
    pause = f" with gaps of up to {max(gap):.2f} s" if max(gap) > 4 / max(rate) else ""
    return f"{name} {_from_to(rate, 'Hz', 1)}{pause}"


def _from_to(bounds: tuple[float, float], unit: str, digits: int) -> str:
    low, high = (f"{bound:.{digits}f}" for bound in bounds)
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _spans(group: Group) -> str:
    if not group.spans or (group.modality is Modality.TEXT and group.segments == 1):
        return ""
    if group.modality is Modality.TEXT:
        shown = [f"{first:.0f}-{last:.0f}" for first, last in group.spans]
    else:
        shown = [f"{start:.1f}-{end:.1f}" for start, end in group.spans]
    more = ", ..." if group.segments > len(group.spans) else ""
    unit = "lines" if group.modality is Modality.TEXT else "seconds"
    return f": {unit} {', '.join(shown)}{more}"


def _embedding(found: Inspection, space: Space) -> str:
    if space.modalities is None:
        return f"{space.name}, which is not known here"
    kinds = [group.modality for group in found.groups] or [found.facts.modality]
    embedded = [kind for kind in kinds if kind in space.modalities]
    others = [kind for kind in kinds if kind not in space.modalities]
    parts = [f"embeds {' and '.join(embedded)}"] if embedded else []
    parts += [f"does not embed {' or '.join(others)}"] if others else []
    return f"{space.name} {', '.join(parts)}"
