"""The previews of a library: drawn from the files when they are first asked for, kept in its folder.

    <library>/previews/ab/<identity>-<ordinal>-<mark>-<side>.webp

``ab`` is the identity's beginning, ``mark`` eight hex digits of what else the drawing depends on: where in
its file the segment lies, and the version of the drawings. Contract:

* A preview is written under a temporary name and renamed, so any number of processes may make the same one.
  It is not synced: after a loss of power it may be broken, and a broken one is made anew.
* One that is kept is served whether its file is there or not. It goes when its content leaves the catalog
  (``sweep``), or when all together take more than ``most_bytes`` and it is among those not asked for longest.
* Where the folder cannot be written, previews last as long as this object.
"""

from __future__ import annotations

import io
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select

from bindsearch.errors import DamagedFile, MediaError, QueryError
from bindsearch.index.fetching import IDS_PER_STATEMENT
from bindsearch.index.hits import absolute
from bindsearch.index.schema import contents, locations, roots, segments
from bindsearch.loaders import LoadOptions, Surroundings
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality
from bindsearch.previews import DRAWING, MIN_SIDE, draw
from bindsearch.sandbox import Sandbox
from bindsearch.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "previews"
MOST_BYTES = 500_000_000  # some 50,000 previews of 256 points
MOST_SIDE = 4096

_SUFFIX = ".webp"
_QUALITY = 80
_TRIMMED_TO = 0.9  # of most_bytes, so that not every further preview looks through all of them
_LOOK_EVERY = 64  # previews made, about


@dataclass(frozen=True, slots=True)
class Place:
    """A file that holds a content, as the catalog knows it."""

    path: Path
    size: int
    mtime_ns: int
    hint: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What a preview is to be of: a row of ``segments`` with its content's identity, and where that lies."""

    segment: Row[Any]
    places: tuple[Place, ...]

    @classmethod
    def find(cls, catalog: Connection, segment_id: int) -> Subject:
        """The subject of that id. Raises QueryError for a segment that does not exist."""
        statement = select(segments, contents.c.identity).join(contents).where(segments.c.id == segment_id)
        row = catalog.execute(statement).first()
        if row is None:
            raise QueryError("there is no such segment", subject=f"segment {segment_id}")
        return cls(row, _places(catalog, row.content_id))

    def name(self, side: int) -> str:
        """Where within the folder of previews that of this subject lies."""
        row = self.segment
        place = (row.modality, row.start, row.end, row.first_line, row.last_line, row.text)
        mark = zlib.crc32(repr((DRAWING, *place)).encode("utf-8", "surrogatepass"))
        identity: str = row.identity.hex()
        return f"{identity[:2]}/{identity}-{row.ordinal}-{mark:08x}-{side}{_SUFFIX}"


class Previews:
    """The previews of the library in ``folder``; call ``close`` in the end. For one thread at a time."""

    def __init__(
        self, folder: Path, settings: Settings, options: LoadOptions, most_bytes: int = MOST_BYTES
    ) -> None:
        self.folder = folder / FOLDER
        self._options = options
        self._sandbox = Sandbox(settings.decoder_seconds, settings.decoder_memory)
        self._most_bytes = most_bytes
        self._temporary: TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """End the decoder; previews that could not be kept are gone."""
        self._sandbox.close()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def get(self, subject: Subject, side: int) -> Path:
        """The preview of ``subject``, a WebP picture; made now if it is not there.

        Raises QueryError for a side that cannot be drawn; MediaError when the file is gone, has changed or
        can no longer be read, and no preview of it was kept.
        """
        if not MIN_SIDE <= side <= MOST_SIDE:
            raise QueryError(f"a preview has from {MIN_SIDE} to {MOST_SIDE} points on a side, not {side}")
        name = subject.name(side)
        for folder in self._folders():
            kept: Path = folder / name
            if is_intact(kept, side):
                with suppress(OSError):
                    os.utime(kept)
                return kept
        return self._keep(name, draw(self._media(subject, side), side))

    def sweep(self, catalog: Connection) -> None:
        """Remove the previews of contents that the catalog no longer holds, and what is too much."""
        kept = list(_stored(self.folder))
        known = _known(catalog, {name.partition("-")[0] for _, name in kept})
        for folder, name in kept:
            if name.partition("-")[0] not in known:
                with suppress(OSError):
                    (folder / name).unlink()
        self._trim()

    def _folders(self) -> list[Path]:
        return [self.folder, *([Path(self._temporary.name)] if self._temporary else [])]

    def _media(self, subject: Subject, side: int) -> Media:
        segment = subject.segment
        if segment.modality == Modality.TEXT:
            return Passage(segment.text or "", segment.first_line, segment.last_line)
        fault: MediaError | None = None
        for place in subject.places:
            try:
                return self._read(place, segment, side)
            except MediaError as error:
                fault = fault or error
        raise fault or MediaError("no file holds it any more", subject=f"segment {segment.id}")

    def _read(self, place: Place, segment: Row[Any], side: int) -> Media:
        hint = Surroundings().hint(place.path)
        _require_as_indexed(place, hint.key)
        span = None if segment.start is None else (segment.start, segment.end)
        options = replace(self._options, picture_side=side, part=span)
        wanted = Modality(segment.modality)
        best: tuple[float, Media] | None = None
        for number, media in enumerate(self._sandbox.load(place.path, options, hint).media):
            if media.modality is not wanted:
                continue
            distance = abs(number - segment.ordinal) if span is None else _apart(media, span)
            if best is None or distance < best[0]:
                best = distance, media
            if distance < 1e-3:
                break
        if best is None:
            raise DamagedFile("does not hold this segment any more", subject=str(place.path))
        return best[1]

    def _keep(self, name: str, drawing: Image) -> Path:
        """Write ``drawing`` to where it is kept, or to a temporary folder if that cannot be."""
        encoded = io.BytesIO()
        drawing.save(encoded, "WEBP", quality=_QUALITY)
        kept = self.folder / name
        try:
            _write(kept, encoded.getvalue())
        except OSError:
            self._temporary = self._temporary or TemporaryDirectory(prefix="bindsearch-")
            kept = Path(self._temporary.name, name)
            _write(kept, encoded.getvalue())
            return kept
        if secrets.randbelow(_LOOK_EVERY) == 0:
            self._trim()
        return kept

    def _trim(self) -> None:
        """Remove those not asked for longest until the rest take no more than they may."""
        found = []
        for folder, name in _stored(self.folder):
            with suppress(OSError):
                status = (folder / name).stat()
                found.append((status.st_mtime, status.st_size, folder / name))
        excess: float = sum(size for _, size, _ in found) - self._most_bytes
        if excess <= 0:
            return
        excess += self._most_bytes * (1 - _TRIMMED_TO)
        for _, size, path in sorted(found):
            if excess <= 0:
                return
            with suppress(OSError):
                path.unlink()
                excess -= size


def is_intact(path: Path, side: int) -> bool:
    """Whether ``path`` is a picture of at most ``side`` points that can be decoded to its end."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=("WEBP",)) as picture:
            if max(picture.size) > side:
                return False
            picture.load()
    except (OSError, ValueError, SyntaxError, EOFError, UnidentifiedImageError, Image.DecompressionBombError):
        return False
    return True


def _places(catalog: Connection, content_id: int) -> tuple[Place, ...]:
    columns = (locations.c.size, locations.c.mtime_ns, locations.c.hint)
    statement = (
        select(roots.c.path.label("root"), locations.c.path, *columns)
        .join(roots, roots.c.id == locations.c.root_id)
        .where(locations.c.content_id == content_id)
        .order_by(locations.c.state.desc(), roots.c.path, locations.c.path)
    )
    rows: Iterable[Any] = catalog.execute(statement)
    return tuple(Place(absolute(row.root, row.path), row.size, row.mtime_ns, row.hint) for row in rows)


def _require_as_indexed(place: Place, hint: str) -> None:
    """What a file has become is not what its segment was."""
    try:
        status = place.path.stat()
    except OSError as fault:
        raise MediaError(
            "is not there now, and no preview of it was kept", subject=str(place.path)
        ) from fault
    if (status.st_size, status.st_mtime_ns, hint) != (place.size, place.mtime_ns, place.hint):
        raise MediaError(
            "has changed since it was indexed",
            subject=str(place.path),
            hint="'bindsearch index' takes it in anew",
        )


def _apart(media: Media, span: tuple[float, float]) -> float:
    start, end = getattr(media, "start", 0.0), getattr(media, "end", 0.0)
    return float(abs(start - span[0]) + abs(end - span[1]))


def _write(path: Path, encoded: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(encoded)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def _stored(folder: Path) -> Iterator[tuple[Path, str]]:
    """The folder and the name of every file among the previews, temporary ones that were left behind too."""
    try:
        inner = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in inner:
        with suppress(OSError):
            for entry in os.scandir(path):
                if entry.name.endswith((_SUFFIX, ".tmp")):
                    yield Path(path), entry.name


def _known(catalog: Connection, identities: set[str]) -> set[str]:
    """Those of ``identities``, in hex, that are contents of the catalog."""
    wanted = [bytes.fromhex(identity) for identity in identities if _is_hex(identity)]
    known: set[str] = set()
    for first in range(0, len(wanted), IDS_PER_STATEMENT):
        some = wanted[first : first + IDS_PER_STATEMENT]
        found = catalog.scalars(select(contents.c.identity).where(contents.c.identity.in_(some)))
        known |= {identity.hex() for identity in found}
    return known


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True
