"""Generations: a vector index on disk, replaced as a whole.

    <folder>/current.json         the manifest: which files, of which kind, up to which sequence numbers
    <folder>/<token>.*            the files of one generation; the token is random

Order of a replacement: the new files are written and synced, then the manifest is written under a
temporary name, synced, renamed over ``current.json``, and the folder synced. A crash before the rename
leaves the old generation in force, a crash after it the new one. Files that no manifest names are swept by
the next replacement. A reader that opens files just as they are swept sees "absent" and rebuilds.

Nothing here is ever the only copy: whatever does not fit is reported as absent.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bindsearch.durable import sync

MANIFEST = "current.json"
FORMAT = 2
CHUNK_BYTES = 1 << 20

# Memory-mapped rows can be wrong but cannot crash the reader; checking them would read all of a large
# library at every search, so their size is compared and ``verify`` reads them through.
CHECKSUM_BELOW = 64 << 20


@dataclass(frozen=True, slots=True)
class Shelf:
    """One modality's index: its kind, how many vectors it holds, and the names of its files."""

    kind: str
    count: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Generation:
    """What ``current.json`` says; ``shelves`` by modality, ``files`` maps names to (size, CRC-32)."""

    format: int
    space: str
    dimensions: int
    shelves: dict[str, Shelf]
    last_vector: int
    last_tombstone: int
    files: dict[str, tuple[int, int]]


def write_generation(
    folder: Path,
    describe: Callable[[dict[str, tuple[int, int]]], Generation],
    write: Callable[[Path, str], list[str]],
) -> Generation:
    """Put a new generation in force: ``write(folder, stem)`` makes its files, ``describe`` its manifest.

    Raises OSError, as for a full disk; the generation before stays in force.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = secrets.token_hex(8)
    try:
        files = {name: _sealed(folder / name) for name in write(folder, stem)}
        generation = describe(files)
        temporary = folder / f"{stem}.json"
        temporary.write_text(json.dumps(asdict(generation), indent=1))
        sync(temporary)
        temporary.replace(folder / MANIFEST)
    except BaseException:
        for leftover in folder.glob(f"{stem}.*"):
            leftover.unlink(missing_ok=True)
        raise
    sync(folder)
    _sweep(folder, keep={MANIFEST, *generation.files})
    return generation


def read_generation(folder: Path) -> Generation | None:
    """The generation in force, its files checked; None where there is none that can be used."""
    generation = read_manifest(folder)
    if generation is None or generation.format != FORMAT:
        return None
    with suppress(OSError):
        if all(_intact(folder / name, seal) for name, seal in generation.files.items()):
            return generation
    return None


def read_manifest(folder: Path) -> Generation | None:
    """What the manifest says, without a look at the files; None where it is absent or makes no sense."""
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        raw = json.loads((folder / MANIFEST).read_text())
        if not isinstance(raw, dict) or not isinstance(raw.get("files"), dict):
            return None
        files = {name: (int(size), int(checksum)) for name, (size, checksum) in raw["files"].items()}
        shelves = {
            name: Shelf(str(one["kind"]), int(one["count"]), tuple(one["files"]))
            for name, one in raw["shelves"].items()
        }
        numbers = {name: int(raw[name]) for name in ("dimensions", "last_vector", "last_tombstone")}
        generation = Generation(**raw | numbers | {"files": files, "shelves": shelves})
        inside = all(Path(name).name == name for name in files)
        if inside and all(set(shelf.files) <= set(files) for shelf in shelves.values()):
            return generation
    return None


def as_sealed(path: Path, seal: tuple[int, int]) -> bool:
    """Whether a file is the one that was written, to the last byte. Raises OSError."""
    size, checksum = seal
    return path.stat().st_size == size and _checksum(path) == checksum


def _intact(path: Path, seal: tuple[int, int]) -> bool:
    size, _ = seal
    if path.suffix == ".npy" and size > CHECKSUM_BELOW:
        return path.stat().st_size == size
    return as_sealed(path, seal)


def _sealed(path: Path) -> tuple[int, int]:
    sync(path)
    return path.stat().st_size, _checksum(path)


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def _sweep(folder: Path, keep: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in keep:
            path.unlink(missing_ok=True)
