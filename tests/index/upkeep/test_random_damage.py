"""Whatever happens to the bytes: upkeep ends in findings or in one of bindsearch's errors."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindsearch.errors import LibraryError
from bindsearch.index.upkeep.backing import back_up, restore
from bindsearch.index.upkeep.findings import Severity
from bindsearch.index.upkeep.repairing import repair
from bindsearch.index.upkeep.verifying import verify

blow = st.tuples(
    st.floats(0, 1),
    st.sampled_from(("flip", "zero", "noise", "cut", "double")),
    st.integers(1, 40_000),
    st.binary(min_size=1, max_size=16),
)


def strike(file: Path, where: float, how: str, size: int, noise: bytes) -> None:
    raw = bytearray(file.read_bytes())
    at = min(int(where * len(raw)), max(0, len(raw) - 1))
    if how == "cut":
        raw = raw[:at]
    elif how == "flip" and raw:
        raw[at] ^= noise[0] or 1
    elif how == "zero":
        raw[at : at + size] = bytes(len(raw[at : at + size]))
    elif how == "noise":
        raw[at : at + size] = (noise * size)[: len(raw[at : at + size])]
    elif how == "double":
        raw[at:at] = raw[at : at + size]
    file.write_bytes(raw)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(blows=st.lists(blow, min_size=1, max_size=4), target=st.integers(0, 20))
def test_verify_and_repair_end_in_words_whatever_was_struck(
    sound: Path, blows: list[tuple[float, str, int, bytes]], target: int
) -> None:
    with TemporaryDirectory() as place:
        library = Path(place) / "library"
        shutil.copytree(sound, library)
        files = sorted(file for file in library.rglob("*") if file.is_file() and file.stat().st_size)
        # Half of all blows fall on the catalog.
        file = files[target % len(files)] if target < 10 else library / "catalog.sqlite3"
        for one in blows:
            strike(file, *one)
        with suppress(LibraryError):
            list(verify(library, files=True))
        with suppress(LibraryError):
            repair(library)
            assert [one for one in verify(library) if one.severity is Severity.DAMAGE] == []


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(blows=st.lists(blow, min_size=1, max_size=3))
def test_a_struck_backup_is_refused_or_whole(sound: Path, blows: list[tuple[float, str, int, bytes]]) -> None:
    with TemporaryDirectory() as place:
        file = Path(place) / "b"
        back_up(sound, file)
        before = file.read_bytes()
        for one in blows:
            strike(file, *one)
        if file.read_bytes() == before:
            return
        refused = False
        try:
            restore(file, Path(place) / "library")
        except LibraryError:
            refused = True
        assert refused
        assert not (Path(place) / "library").exists()
