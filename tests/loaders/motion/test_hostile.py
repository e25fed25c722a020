"""Broken and hostile logs: only errors about the file, and never more memory than is allowed."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bindsearch.errors import DamagedFile, MediaError, UnsupportedFile
from bindsearch.loaders.hints import Hint
from bindsearch.modality import Modality
from tests.loaders.motion import logs
from tests.loaders.motion.logs import read, walk

RULED = Hint(modality=Modality.IMU, ruled=True, rate=50)


def samples() -> dict[str, list[bytes]]:
    """Whole files of every kind, small."""
    one = walk(1.6)
    columns = dict(zip(("t", "ax", "ay", "az", "gx", "gy", "gz"), one.seven.T, strict=True))
    records = [dict(zip(columns, row, strict=True)) for row in one.seven.tolist()]
    return {
        "CSV": [logs.physics_toolbox(one).encode(), logs.androsensor(one), logs.sensorlog(one).encode()],
        "JSON": [json.dumps(records).encode(), json.dumps(logs.sensor_logger_records(one)).encode()],
        "NDJSON": [logs.ndjson(records).encode()],
        "NPY": [logs.npy(one.seven)],
        "NPZ": [logs.npz(acc=one.acceleration, gyr=one.rotation, t=one.times), logs.npz(x=one.six, hz=50)],
        "ZIP": [logs.sensor_logger_export(one), logs.zipped({"log.csv": logs.physics_toolbox(one)})],
        "PARQUET": [logs.parquet(dict(columns))],
    }


def outcome(path: Path, kind: str, content: bytes) -> str:
    """What comes of a file; any exception that is not about the file goes through."""
    try:
        list(read(path, kind, content, RULED).media)
    except MediaError as fault:
        assert fault.subject
        assert "\n" not in fault.message
        return type(fault).__name__
    return "read"


@pytest.mark.parametrize("kind", list(samples()))
def test_cut_and_flipped_files_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(5)
    outcomes = set()
    for whole in samples()[kind]:
        assert outcome(tmp_path / "log", kind, whole) == "read"
        for _ in range(20):
            cut = whole[: int(random.integers(0, len(whole)))]
            outcomes.add(outcome(tmp_path / "log", kind, cut))
            flipped = bytearray(whole)
            for _ in range(int(random.integers(1, 8))):
                flipped[int(random.integers(0, len(whole)))] ^= 1 << int(random.integers(0, 8))
            outcomes.add(outcome(tmp_path / "log", kind, bytes(flipped)))
    assert "DamagedFile" in outcomes or "UnsupportedFile" in outcomes


@pytest.mark.parametrize("kind", list(samples()))
def test_noise_and_other_kinds_are_refused(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(6).bytes(3000)
    others = [content[0] for other, content in samples().items() if other != kind]
    for content in (
        b"",
        b"\0",
        b"\n\n",
        noise,
        noise[:7],
        b"{" * 5000,
        b"[" * 100_000,
        b'"' * 1000,
        b",\n" * 500,
    ):
        assert outcome(tmp_path / "log", kind, content) != "read"
    for content in others:
        outcome(tmp_path / "log", kind, content)


def test_a_log_over_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="the limit is 1,000 bytes"):
        read(tmp_path / "log.csv", "CSV", logs.physics_toolbox(walk()), max_table_bytes=1000)


@pytest.mark.parametrize("kind", ["ZIP", "NPZ"])
def test_a_bomb_is_refused_by_what_it_claims_and_by_what_it_holds(tmp_path: Path, kind: str) -> None:
    name = "Accelerometer.csv" if kind == "ZIP" else "acc.npy"
    bomb = logs.zipped({name: bytes(20_000_000)})
    assert len(bomb) < 100_000
    with pytest.raises(DamagedFile, match="max_table_bytes"):
        read(tmp_path / "log", kind, bomb, max_table_bytes=1_000_000)
    claimed = struct.pack("<I", 20_000_000)
    liar = bomb.replace(claimed, struct.pack("<I", 5_000))
    assert liar != bomb
    with pytest.raises(DamagedFile):
        read(tmp_path / "log", kind, liar, max_table_bytes=1_000_000)


def test_many_members_share_one_limit(tmp_path: Path) -> None:
    bomb = logs.zipped({f"{place}.csv": bytes(400_000) for place in range(5)})
    with pytest.raises(DamagedFile, match="max_table_bytes"):
        read(tmp_path / "log.zip", "ZIP", bomb, max_table_bytes=1_000_000)
    crowd = logs.zipped({f"{place}.csv": b"" for place in range(2_001)})
    with pytest.raises(DamagedFile, match="2,001 files"):
        read(tmp_path / "log.zip", "ZIP", crowd)


def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    whole = logs.npy(walk().seven)
    liar = whole.replace(b"(600, 7)", b"(9999999999999, 7)").replace(b"         \n", b"\n", 1)
    with pytest.raises(DamagedFile, match=r"truncated|plain numbers"):
        read(tmp_path / "log.npy", "NPY", liar, RULED)


def test_arrays_of_objects_are_never_unpickled(tmp_path: Path) -> None:
    target = io.BytesIO()
    np.save(target, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedFile, match=r"not of numbers|plain numbers"):
        read(tmp_path / "log.npy", "NPY", target.getvalue(), RULED)


def test_a_line_without_an_end_and_a_cell_without_an_end(tmp_path: Path) -> None:
    head = b"t,ax,ay,az,gx,gy,gz\n"
    with pytest.raises(MediaError):
        read(tmp_path / "log.csv", "CSV", head + b"1" * 3_000_000)
    with pytest.raises(DamagedFile):
        read(tmp_path / "log.csv", "CSV", head + b'"' + b"1,2\n" * 200_000)


def test_an_archive_with_a_password_is_unsupported(tmp_path: Path) -> None:
    content = bytearray(logs.sensor_logger_export(walk()))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        offsets = [one.header_offset for one in archive.infolist()]
    for offset in offsets:
        content[offset + 6] |= 1
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 8] |= 1
        at = content.find(b"PK\x01\x02", at + 4)
    with pytest.raises(UnsupportedFile, match="password"):
        read(tmp_path / "log.zip", "ZIP", bytes(content))


def test_numbers_beyond_all_measure_are_missing(tmp_path: Path) -> None:
    lines = logs.physics_toolbox(walk()).splitlines()
    lines[7] = lines[7].replace("0.12,", "1e400,", 1)
    for row, cell in ((9, "1e308"), (11, "-1e200"), (13, "9" * 5000)):
        lines[row] = ",".join([lines[row].split(",")[0], *[cell] * 12])
    assert outcome(tmp_path / "log.csv", "CSV", "\n".join(lines).encode()) == "read"
    record = '{"t": %s, "ax": 1, "ay": 9, "az": 1, "gx": 0, "gy": 0, "gz": 0}'
    rows = [record % cell for cell in ("0.0", "0.1", "9" * 6000, "1e999", "NaN", "-Infinity", "0.2")]
    assert outcome(tmp_path / "log.json", "JSON", ("[" + ",".join(rows) + "]").encode()) == "read"


def test_a_missing_neighbour_is_named(tmp_path: Path) -> None:
    gyroscope = tmp_path / "Gyroscope.csv"
    gyroscope.write_text("x")
    hint = Hint(neighbours=(logs.beside(gyroscope, "gyroscope"),))
    gyroscope.unlink()
    content = logs.sensor_logger(walk().times, walk().linear)
    with pytest.raises(DamagedFile) as fault:
        read(tmp_path / "Accelerometer.csv", "CSV", content, hint)
    assert fault.value.subject == str(gyroscope)


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    from bindsearch.loaders.base import LoadOptions
    from bindsearch.loaders.motion import load_motion

    with pytest.raises(DamagedFile):
        load_motion(tmp_path, "CSV", LoadOptions())
    with pytest.raises(DamagedFile):
        load_motion(tmp_path / "none.csv", "CSV", LoadOptions())
