"""Logs of any other sensor: what is a channel, what is the clock, and what is refused."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.errors import DamagedFile, MediaError, SettingsError, UnsupportedFile
from bindsearch.loaders import Hint, LoadOptions, Surroundings, load
from bindsearch.loaders.base import LoadedFile
from bindsearch.loaders.rules import RULES_FILE
from bindsearch.media import Readings
from bindsearch.modality import Modality

SENSOR = Hint(modality=Modality.SENSOR, ruled=True)
TABLE = "t,a,b\n0,1,10\n0.5,2,20\n1.0,3,30\n"


def ruled(**said: Any) -> Hint:
    return Hint(modality=Modality.SENSOR, ruled=True, **said)


def opened(path: Path, content: bytes | str, hint: Hint = SENSOR, **options: Any) -> LoadedFile:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(path, LoadOptions(**options), hint)


def media(path: Path, content: bytes | str, hint: Hint = SENSOR, **options: Any) -> list[Readings]:
    found = list(opened(path, content, hint, **options).media)
    assert all(isinstance(one, Readings) for one in found)
    return [one for one in found if isinstance(one, Readings)]


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def test_a_table_gives_its_clock_and_its_channels_by_name(tmp_path: Path) -> None:
    loaded = opened(tmp_path / "log.csv", TABLE)
    facts = loaded.facts
    assert (facts.modality, facts.format, facts.duration) == (Modality.SENSOR, "CSV", 1.0)
    assert loaded.notes == ("2 channels (a, b)", "time in s, as nothing says otherwise")
    (log,) = loaded.media
    assert isinstance(log, Readings)
    assert log.channels == ("a", "b")
    assert (log.start, log.end) == (0.0, 1.0)
    assert log.times.tolist() == [0, 0.5, 1]
    assert log.values.tolist() == [[1, 10], [2, 20], [3, 30]]
    assert (log.times.dtype, log.values.dtype) == (np.float64, np.float32)
    assert log.values.flags.c_contiguous


@pytest.mark.parametrize(
    "text",
    [
        "a;b\n1,5;10\n2,5;20\n",
        "a\tb\n1.5\t10\n2.5\t20\n",
        "a b\n1.5 10\n2.5 20\n",
        "# a, b\n1.5, 10\n2.5, 20\n",
        "made by a device\n\na,b\n1.5,10\n2.5,20\n",
        "a,b,state\n1.5,10,warm\n2.5,20,cold\n",
        "\ufeffa|b\r\n1.5|10\r\n2.5|20\r\n",
    ],
)
def test_tables_are_cut_where_most_of_them_is_numbers(tmp_path: Path, text: str) -> None:
    (log,) = media(tmp_path / "log.txt", text)
    assert (log.channels, log.values.tolist()) == (("a", "b"), [[1.5, 10], [2.5, 20]])


def test_without_a_header_columns_have_numbers(tmp_path: Path) -> None:
    (log,) = media(tmp_path / "log.csv", "1,2,3\n4,5,6\n")
    assert (log.channels, log.values.tolist()) == (("1", "2", "3"), [[1, 2, 3], [4, 5, 6]])
    assert (log.start, log.end, log.times.tolist()) == (None, None, [0, 1])


def test_missing_cells_are_missing_and_keep_their_place(tmp_path: Path) -> None:
    (log,) = media(tmp_path / "log.csv", "a,b\nnan,nan\n1,\n,\n2,3\n")
    wanted = np.array([[np.nan] * 2, [1, np.nan], [np.nan] * 2, [2, 3]])
    assert np.array_equal(log.values, wanted, equal_nan=True)


def test_columns_of_equal_names_are_both_there(tmp_path: Path) -> None:
    (log,) = media(tmp_path / "log.csv", "a,a,\n1,2,3\n4,5,6\n")
    assert (log.channels, log.values.shape) == (("a", "2", "3"), (2, 3))


def test_a_rule_chooses_channels_and_their_order(tmp_path: Path) -> None:
    hint = ruled(columns=(("t", "clock"), ("channel", "b"), ("channel", "A")))
    (log,) = media(tmp_path / "log.csv", "a,b,c,clock\n1,2,3,0\n4,5,6,1\n", hint)
    assert (log.channels, log.values.tolist()) == (("b", "a"), [[2, 1], [5, 4]])
    assert log.times.tolist() == [0, 1]


def test_a_channel_that_was_asked_for_stays_when_it_is_silent(tmp_path: Path) -> None:
    hint = ruled(columns=(("channel", "a"), ("channel", "b")))
    (log,) = media(tmp_path / "log.csv", "a,b\n,1\n,2\n", hint)
    assert log.values.shape == (2, 2)
    assert np.isnan(log.values[:, 0]).all()


def test_a_column_that_a_rule_names_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile, match=r"has no column 'x' of numbers \(it has t, a, b\)"):
        opened(tmp_path / "log.csv", TABLE, ruled(columns=(("channel", "x"),)))


@pytest.mark.parametrize(
    ("clock", "cells", "hint", "step", "note"),
    [
        ("time_ms", ("0", "500"), SENSOR, 0.5, "time in ms, by the name 'time_ms'"),
        ("t", ("0", "60"), SENSOR, 60.0, "time in s, as nothing says otherwise"),
        ("t", ("0", "60"), ruled(time="ms"), 0.06, "time in ms, by a rule"),
        ("t", ("1700000000000", "1700000000250"), SENSOR, 0.25, "time in ms, by its size"),
        ("time", ("2024-01-01 10:00:00", "2024-01-01 10:00:30"), SENSOR, 30.0, "time by the dates in 'time'"),
    ],
)
def test_the_unit_of_a_clock_is_known_in_order(
    tmp_path: Path, clock: str, cells: tuple[str, str], hint: Hint, step: float, note: str
) -> None:
    loaded = opened(tmp_path / "log.csv", f"{clock},a\n{cells[0]},1\n{cells[1]},2\n", hint)
    assert loaded.notes[1] == note
    assert loaded.facts.duration == pytest.approx(step)


def test_a_rate_takes_the_place_of_a_clock_and_cuts_windows(tmp_path: Path) -> None:
    logs = media(tmp_path / "log.npy", npy(np.arange(600.0).reshape(300, 2)), ruled(rate=20.0))
    assert [(log.start, log.end, len(log.times)) for log in logs] == [
        (0.0, 5.0, 100), (5.0, 10.0, 100), (10.0, 14.95, 100)
    ]  # fmt: skip


def test_a_rule_says_how_long_a_window_is(tmp_path: Path) -> None:
    logs = media(tmp_path / "log.npy", npy(np.ones((300, 2))), ruled(rate=1.0, window=100.0))
    assert [(log.start, log.end) for log in logs] == [(0, 100), (100, 200), (200, 299)]


def test_without_a_clock_the_whole_file_is_one_segment_without_seconds(tmp_path: Path) -> None:
    loaded = opened(tmp_path / "log.npy", npy(np.arange(3000).reshape(1000, 3)))
    (log,) = loaded.media
    assert isinstance(log, Readings)
    assert (log.start, log.end, loaded.facts.duration) == (None, None, None)
    assert log.times.tolist() == list(range(1000))
    assert log.values.shape == (1000, 3)


def test_the_arrays_of_an_npz_file_that_belong_together_are_channels(tmp_path: Path) -> None:
    content = npz(
        time=np.arange(50) / 10, wind=np.ones(50), rain=np.zeros((50, 2)), other=np.ones(7), hz=np.array(10)
    )
    (log,) = media(tmp_path / "log.npz", content)
    assert log.channels == ("wind", "rain_1", "rain_2")
    assert (log.times[-1], log.values.shape) == (4.9, (50, 3))


def test_an_npz_file_may_say_its_rate(tmp_path: Path) -> None:
    (log,) = media(tmp_path / "log.npz", npz(x=np.ones((40, 2)), hz=10.0))
    assert (log.start, log.end) == (0.0, 3.9)


def test_a_rule_outranks_what_the_columns_look_like(tmp_path: Path) -> None:
    rows = "".join(f"{n / 50},0,0,9.8,0,0,0\n" for n in range(200))
    content = "t,ax,ay,az,gx,gy,gz\n" + rows
    assert {type(one) for one in opened(tmp_path / "a.csv", content).media} == {Readings}
    assert opened(tmp_path / "a.csv", content, Hint()).facts.modality is Modality.IMU


def test_any_text_is_a_log_where_a_rule_says_so(tmp_path: Path) -> None:
    assert len(media(tmp_path / "log.dat", TABLE)) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("log.csv", "a,b\nx,y\n", "holds no rows of up to 1,000 numbers"),
        ("log.csv", "t\n1\n2\n", "holds no column of numbers beside its clock"),
        ("log.csv", ",".join("1" * 1001) + "\n", "holds no rows"),
        ("log.npy", npy(np.ones((2, 3, 4))), "2 x 3 x 4: its rows have to be readings"),
        ("log.npy", npy(np.ones((2, 1500))), "1,500 columns"),
        ("log.npz", npz(x=np.ones((2, 3, 4))), "holds no array of readings"),
        ("log.json", '[{"a": 1}]', "JSON is not read as a sensor's log"),
        ("log.csv", "t,a\n" + "".join(f"{n % 50},{n}\n" for n in range(100)), "starts again"),
    ],
)
def test_what_is_no_log_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes | str, reason: str
) -> None:
    with pytest.raises(UnsupportedFile, match=reason):
        media(tmp_path / name, content)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("log.npy", npy(np.ones((500, 2)))[:-9], "truncated"),
        ("log.npy", npy(np.array([{}, 1], object)), "not of numbers"),
        ("log.npz", npz(x=np.ones((50, 2)))[:-30], "archive"),
        ("log.npy", npy(np.ones((900, 2), np.uint8)), "too large"),
        ("log.npz", npz(x=np.ones((900, 2), np.uint8)), "too large"),
        ("log.csv", "1,1\n" * 700, "too large"),
        ("log.csv", "t,a\n0,1\n5e10,2\n", "lasts 578,704 days"),
        ("log.csv", "t,a\n1,nan\nnan,1\n2,\n", "no readings in it that have a time"),
    ],
)
def test_what_is_broken_or_too_large_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes | str, reason: str
) -> None:
    with pytest.raises(DamagedFile, match=reason):
        media(tmp_path / name, content, max_table_bytes=10_000)


@pytest.mark.parametrize("rate", [1e-300, 5e-324, 1e300])
def test_rates_beyond_reason_neither_hang_nor_fail(tmp_path: Path, rate: float) -> None:
    with suppress(MediaError):
        assert len(media(tmp_path / "log.npy", npy(np.ones((5, 2))), ruled(rate=rate, window=1e-300))) <= 5


WHOLE = {
    "log.csv": [TABLE.encode(), b"time;a\n2024-01-01 10:00:00;1,5\n2024-01-01 10:00:01;2,5\n"],
    "log.npy": [npy(np.ones((20, 3))), npy(np.arange(9, dtype=np.int16))],
    "log.npz": [npz(t=np.arange(9.0), x=np.ones((9, 2)), hz=4)],
}


@pytest.mark.parametrize("name", list(WHOLE))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_cut_and_flipped_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(WHOLE[name])))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    try:
        found = media(tmp_path_factory.mktemp("broken") / name, bytes(content))
    except MediaError as fault:
        assert fault.subject
        assert "\n" not in fault.message
    else:
        assert all(len(log.times) == len(log.values) > 0 for log in found)
        assert all((np.diff(log.times) > 0).all() for log in found)


def test_without_a_rule_no_table_is_a_sensor_s_but_the_rule_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile, match='modality = "sensor"'):
        media(tmp_path / "log.csv", TABLE, Hint())
    with pytest.raises(UnsupportedFile, match='modality = "sensor"'):
        media(tmp_path / "log.npy", npy(np.ones((200, 4))), Hint())


def hint_of(folder: Path, rule: str) -> Hint:
    (folder / RULES_FILE).write_text(f'[[rule]]\nfiles = "*.csv"\nmodality = "sensor"\n{rule}')
    return Surroundings().hint(folder / "log.csv")


def test_a_rule_for_a_sensor_is_understood(tmp_path: Path) -> None:
    rule = 'columns = { channels = ["b", "a"], t = "clock" }\ntime = "ms"\nrate = 5\nwindow = 2.5'
    assert hint_of(tmp_path, rule) == ruled(
        columns=(("t", "clock"), ("channel", "b"), ("channel", "a")), time="ms", rate=5.0, window=2.5
    )


@pytest.mark.parametrize(
    "rule",
    [
        'columns = ["a"]',
        'columns = { ax = "a" }',
        'columns = { channels = "a" }',
        "columns = { channels = [1] }",
        "columns = { t = 1 }",
        "window = 0",
        'acceleration = "g"',
    ],
)
def test_what_a_rule_for_a_sensor_misstates_is_refused(tmp_path: Path, rule: str) -> None:
    with pytest.raises(SettingsError, match="rule 1"):
        hint_of(tmp_path, rule)


def test_the_gyroscope_beside_it_is_a_log_of_its_own_where_a_rule_says_so(tmp_path: Path) -> None:
    for name in ("accelerometer.csv", "gyroscope.csv"):
        (tmp_path / name).write_text(TABLE)
    assert Surroundings().is_part(tmp_path / "gyroscope.csv")
    hint_of(tmp_path, "")
    assert not Surroundings().is_part(tmp_path / "gyroscope.csv")
