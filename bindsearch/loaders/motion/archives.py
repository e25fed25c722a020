"""Exports that are ZIP archives: a table for each sensor, and small tables that tell of the device.

Sensor Logger puts ``Metadata.csv`` beside its tables, phyphox ``meta/device.csv`` and ``meta/time.csv`` below
them. What an archive claims to hold, and what its members turn out to hold, is bounded together.
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.motion.arrays import read_array, tables_of_arrays
from bindsearch.loaders.motion.delimited import Nameless, read_delimited, read_pairs
from bindsearch.loaders.motion.records import read_json, read_ndjson
from bindsearch.loaders.motion.tables import Scheme, Table

_TABLES = (".csv", ".tsv", ".txt")
_RECORDS = {".json": read_json, ".ndjson": read_ndjson, ".jsonl": read_ndjson}
_MAX_MEMBERS = 2_000
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError,
    struct.error, ValueError, OverflowError, KeyError,
)  # fmt: skip


@dataclass(slots=True)
class Export:
    """What a file holds: tables, the device's name, and the moment (s since 1970) of its clock's zero."""

    tables: list[Table]
    device: str | None = None
    started: float | None = None
    notes: list[str] = field(default_factory=list)


class Archive:
    """A ZIP archive of which at most ``limit`` bytes are ever unpacked."""

    def __init__(self, archive: zipfile.ZipFile, limit: int, subject: str) -> None:
        self._archive = archive
        self._left = limit
        self._subject = subject
        self.members = [one for one in archive.infolist() if not one.is_dir()]
        if len(self.members) > _MAX_MEMBERS:
            raise DamagedFile(f"an archive of {len(self.members):,} files, not an export", subject=subject)

    def read(self, member: zipfile.ZipInfo) -> bytes:
        """The bytes of a member. Raises DamagedFile when they are broken or too many."""
        if member.flag_bits & 0x1:
            raise UnsupportedFile("an archive that is locked with a password", subject=self._subject)
        if member.file_size > self._left:
            raise self._too_large()
        try:
            with self._archive.open(member) as file:
                raw = file.read(self._left + 1)
        except _BROKEN as fault:
            raise DamagedFile(f"a broken archive: {fault}", subject=self._subject) from fault
        if len(raw) > self._left:
            raise self._too_large()
        self._left -= len(raw)
        return raw

    def _too_large(self) -> DamagedFile:
        return DamagedFile("too large: it unpacks to more than max_table_bytes", subject=self._subject)


@contextmanager
def opened(file: BinaryIO, limit: int, subject: str) -> Iterator[Archive]:
    """The archive in ``file``. Raises DamagedFile for what is none."""
    try:
        archive = zipfile.ZipFile(file)
    except _BROKEN as fault:
        raise DamagedFile(f"not an archive that can be read: {fault}", subject=subject) from fault
    with archive:
        yield Archive(archive, limit, subject)


def read_export(file: BinaryIO, scheme: Scheme, limit: int, subject: str) -> Export:
    """All tables of a zipped export, each named by its member, with what it tells of the device."""
    export = Export([])
    folders: set[str] = set()
    with opened(file, limit, subject) as archive:
        for member in archive.members:
            path = PurePosixPath(member.filename.replace("\\", "/"))
            suffix = path.suffix.lower()
            if "__MACOSX" in path.parts or path.name.startswith("."):
                continue
            if path.parent.name.lower() == "meta" or path.stem.lower() == "metadata":
                _read_about(archive, member, path, export, subject)
            elif found := _read_tables(archive, member, path, suffix, scheme, subject):
                export.tables += found
                folders.add(str(path.parent))
    if len(folders) > 1:
        raise UnsupportedFile(
            f"an archive of {len(folders)} folders with sensors", subject=subject, hint="unpack it"
        )
    return export


def read_named_arrays(file: BinaryIO, scheme: Scheme, limit: int, subject: str) -> list[Table]:
    """The tables in the arrays of an NPZ file; those that are no numbers are passed over."""
    arrays = {}
    with opened(file, limit, subject) as archive:
        for member in archive.members:
            if member.filename.endswith(".npy"):
                array = read_array(archive.read(member), subject)
                arrays[member.filename.removesuffix(".npy")] = array
    return tables_of_arrays(arrays, scheme)


def _read_tables(
    archive: Archive, member: zipfile.ZipInfo, path: PurePosixPath, suffix: str, scheme: Scheme, subject: str
) -> list[Table]:
    if suffix in _TABLES:
        raw = archive.read(member)
        table = read_delimited(io.BytesIO(raw), path.stem, scheme, subject, Nameless.PASSED_OVER)
        return [table] if table.has_sensors else []
    if suffix in _RECORDS:
        tables, _ = _RECORDS[suffix](archive.read(member), scheme, subject)
        return [table for table in tables if table.has_sensors]
    return []


def _read_about(
    archive: Archive, member: zipfile.ZipInfo, path: PurePosixPath, export: Export, subject: str
) -> None:
    if path.suffix.lower() != ".csv":
        return
    rows = read_pairs(io.BytesIO(archive.read(member)), subject)
    if path.stem.lower() == "metadata" and len(rows) > 1:
        told = {key.strip().lower(): value for key, value in zip(*rows[:2], strict=False)}
        export.device = told.get("device name") or export.device
    elif path.stem.lower() == "device":
        told = {row[0]: row[1] for row in rows if len(row) > 1}
        export.device = told.get("deviceModel") or export.device
    elif path.stem.lower() == "time":
        export.started = _start(rows)


def _start(rows: list[list[str]]) -> float | None:
    """The moment of zero on an experiment's clock, from phyphox's table of starts and pauses."""
    for row in rows[1:]:
        try:
            if row[0] == "START":
                return float(row[2]) - float(row[1])
        except (IndexError, ValueError):
            return None
    return None
