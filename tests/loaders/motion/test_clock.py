"""Clocks: any unit, dates, order, gaps, jitter, missing cells, and sensors that run at their own pace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.hints import Hint
from bindsearch.loaders.motion.tables import date
from bindsearch.media import MotionLog
from bindsearch.modality import Modality
from tests.loaders.motion import logs
from tests.loaders.motion.logs import START, Movement, beside, movement, read, walk, whole

SIX = ("ax", "ay", "az", "gx", "gy", "gz")


def with_times(times: list[str], one: Movement, name: str = "time") -> str:
    return logs.text((name, *SIX), (times, *one.six.T))


def assert_close(found: Movement, wanted: Movement, times: float = 1e-6) -> None:
    np.testing.assert_allclose(found.times, wanted.times - wanted.times[0], atol=times)
    np.testing.assert_allclose(found.six, wanted.six, atol=1e-4)


@pytest.mark.parametrize(("factor", "name"), [(1, "s"), (1e3, "ms"), (1e6, "us"), (1e9, "ns")])
def test_a_clock_since_1970_gives_the_date_in_any_unit(tmp_path: Path, factor: float, name: str) -> None:
    times = [f"{(START + time) * factor:.6f}" for time in walk().times.tolist()]
    loaded = read(tmp_path / "log.csv", "CSV", with_times(times, walk()))
    assert_close(whole(loaded), walk(), times=1e-5)
    assert loaded.facts.taken_at == pytest.approx(START, abs=1e-3)
    assert f"time in {name}, by its size" in loaded.notes


def test_a_clock_since_the_start_has_no_date(tmp_path: Path) -> None:
    times = [str(time) for time in walk().times.tolist()]
    assert read(tmp_path / "log.csv", "CSV", with_times(times, walk())).facts.taken_at is None


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]
)
def test_dates_with_a_zone(tmp_path: Path, zone: timezone) -> None:
    moments = [
        datetime.fromtimestamp(START + time, zone).isoformat("T", "milliseconds") for time in walk().times
    ]
    loaded = read(tmp_path / "log.csv", "CSV", with_times(moments, walk(), "timestamp"))
    assert_close(whole(loaded), walk(), times=2e-3)
    assert loaded.facts.taken_at == pytest.approx(START, abs=2e-3)


def test_dates_without_a_zone_are_local_time(tmp_path: Path) -> None:
    local = datetime(2024, 5, 6, 7, 8, 9, 250_000)
    moments = [f"{local + timedelta(seconds=time):%Y/%m/%d %H:%M:%S.%f}" for time in walk().times.tolist()]
    loaded = read(tmp_path / "log.csv", "CSV", with_times(moments, walk(), "datetime"))
    assert_close(whole(loaded), walk(), times=1e-5)
    assert loaded.facts.taken_at == pytest.approx(local.timestamp(), abs=1e-3)


def test_a_time_of_day_goes_on_after_midnight(tmp_path: Path) -> None:
    start = datetime(2024, 1, 1, 23, 59, 55)
    moments = [f"{start + timedelta(seconds=time):%H:%M:%S.%f}" for time in walk().times.tolist()]
    assert_close(whole(read(tmp_path / "log.csv", "CSV", with_times(moments, walk()))), walk(), times=1e-5)


@pytest.mark.parametrize(
    ("text", "seconds", "zoned"),
    [
        ("1970-01-01T00:00:01Z", 1.0, True),
        ("1970-01-01 01:00:00 +0100", 0.0, True),
        ("1970-01-01 00:00:00.000 UTC-07:00", 25_200.0, True),
        ("1970-01-02 00:00:23:466", 86_423.466, False),
        ("1970-01-01 00-00-07_125", 7.125, False),
    ],
)
def test_the_ways_to_write_a_date(text: str, seconds: float, zoned: bool) -> None:
    assert date(text) == (pytest.approx(seconds), zoned)


@pytest.mark.parametrize(
    "text", ["2024-13-01 00:00:00", "2024-01-01", "12.5", "2024-01-01 25:00:00", "yesterday"]
)
def test_what_is_no_date(text: str) -> None:
    assert date(text) is None


def test_readings_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    shuffled = np.random.default_rng(1).permutation(len(walk().times))
    one = Movement(walk().times[shuffled], walk().acceleration[shuffled], walk().rotation[shuffled])
    content = logs.text(("t_s", *SIX), one.seven.T)
    assert_close(whole(read(tmp_path / "log.csv", "CSV", content)), walk())


def test_repeated_readings_are_dropped(tmp_path: Path) -> None:
    lines = logs.text(("t_s", *SIX), walk().seven.T).splitlines(keepends=True)
    content = "".join([*lines, *lines[1:100], *lines[50:60]])
    assert_close(whole(read(tmp_path / "log.csv", "CSV", content)), walk())


def test_readings_within_one_tick_of_a_coarse_clock_are_spread(tmp_path: Path) -> None:
    coarse = Movement(np.floor(walk().times * 10) / 10, walk().acceleration, walk().rotation)
    found = whole(read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), coarse.seven.T)))
    assert_close(found, walk(), times=1e-6)
    dates = [f"{datetime.fromtimestamp(int(START + time), UTC):%Y-%m-%dT%H:%M:%SZ}" for time in walk().times]
    found = whole(read(tmp_path / "log.csv", "CSV", with_times(dates, walk())))
    assert (np.diff(found.times) > 0).all()
    assert np.abs(found.times - walk().times).max() < 1.0


def test_a_clock_that_starts_again_is_refused(tmp_path: Path) -> None:
    twice = np.vstack([walk().seven, walk().seven + np.array([0.003, *[0.1] * 6])])
    with pytest.raises(UnsupportedFile, match="starts again 1 times"):
        read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), twice.T))


def test_jitter_is_kept(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    one = movement(np.cumsum(random.uniform(0.002, 0.05, 400)))
    assert_close(whole(read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), one.seven.T))), one)


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    times = walk(20).times
    one = movement(times[(times < 4) | (times > 9.3)])
    found = whole(read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), one.seven.T)))
    assert_close(found, one)
    assert np.diff(found.times).max() == pytest.approx(5.34)


def test_missing_cells_are_missing_readings(tmp_path: Path) -> None:
    lines = logs.text(("t_s", *SIX), walk().seven.T).splitlines()
    for row, place, cell in (
        (11, 1, ""),
        (21, 2, "NaN"),
        (31, 5, "n/a"),
        (41, 6, "inf"),
        (51, 0, ""),
        (61, 3, "?"),
    ):
        cells = lines[row].split(",")
        cells[place] = cell
        lines[row] = ",".join(cells)
    lines[71] = lines[71].rsplit(",", 3)[0]
    lines.insert(81, "")
    found = whole(read(tmp_path / "log.csv", "CSV", "\n".join(lines)))
    kept = np.delete(np.arange(600), 50)
    wanted = walk().six[kept].copy()
    wanted[[10, 20, 30, 40, 59], [0, 1, 4, 5, 2]] = np.nan
    wanted[69, 3:] = np.nan
    np.testing.assert_allclose(found.times, walk().times[kept], atol=1e-7)
    np.testing.assert_allclose(found.six, wanted, atol=1e-5)


def test_sensors_at_different_paces_are_joined_on_the_clock_of_the_accelerometer(tmp_path: Path) -> None:
    fast, slow = walk(12, 100), movement(np.arange(0.013, 11.9, 1 / 40))
    (tmp_path / "Gyroscope.csv").write_text(logs.sensor_logger(slow.times, slow.rotation))
    hint = Hint(neighbours=(beside(tmp_path / "Gyroscope.csv", "gyroscope"),))
    content = logs.sensor_logger(fast.times, fast.acceleration)
    loaded = read(tmp_path / "TotalAcceleration.csv", "CSV", content, hint)
    found = whole(loaded)
    assert "rotation brought to the times of the acceleration" in loaded.notes
    np.testing.assert_allclose(found.acceleration, fast.acceleration, atol=1e-5)
    covered = (fast.times >= 0.0131) & (fast.times <= slow.times[-1] - 1e-4)
    assert np.isnan(found.rotation[~covered]).all()
    np.testing.assert_allclose(found.rotation[covered], fast.rotation[covered], atol=0.02)


def test_a_gap_of_the_gyroscope_is_not_bridged(tmp_path: Path) -> None:
    whole_log = walk()
    there = (whole_log.times < 3) | (whole_log.times > 3.3)
    tables = {
        "TotalAcceleration.csv": logs.sensor_logger(whole_log.times, whole_log.acceleration),
        "Gyroscope.csv": logs.sensor_logger(whole_log.times[there], whole_log.rotation[there]),
    }
    found = whole(read(tmp_path / "log.zip", "ZIP", logs.zipped(tables)))
    assert np.isnan(found.rotation[~there]).all()
    np.testing.assert_allclose(found.rotation[there], whole_log.rotation[there], atol=1e-5)


def test_sensors_that_take_turns_in_one_table_are_joined(tmp_path: Path) -> None:
    one = walk(12, 100)
    rows = np.hstack([one.times[:, None], one.six])
    rows[::2, 4:] = np.nan
    rows[1::2, 1:4] = np.nan
    found = whole(read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), rows.T)))
    np.testing.assert_allclose(found.times, one.times[::2], atol=1e-7)
    np.testing.assert_allclose(found.rotation[1:], one.rotation[::2][1:], atol=0.02)


def test_a_gyroscope_of_another_day_leaves_the_rotation_unknown(tmp_path: Path) -> None:
    tables = {
        "TotalAcceleration.csv": logs.sensor_logger(walk().times, walk().acceleration),
        "Gyroscope.csv": logs.sensor_logger(walk().times, walk().rotation, START + 90_000),
    }
    loaded = read(tmp_path / "log.zip", "ZIP", logs.zipped(tables))
    assert "the gyroscope ran at other times: the rotation is unknown" in loaded.notes
    assert np.isnan(whole(loaded).rotation).all()


def test_a_rate_takes_the_place_of_a_clock(tmp_path: Path) -> None:
    content = logs.text(SIX, walk().six.T)
    with pytest.raises(UnsupportedFile, match="without a clock") as fault:
        read(tmp_path / "log.csv", "CSV", content)
    assert "rate = 50" in str(fault.value.hint)
    assert_close(
        whole(read(tmp_path / "log.csv", "CSV", content, Hint(Modality.IMU, ruled=True, rate=50))), walk()
    )


def test_a_count_of_rows_is_no_clock(tmp_path: Path) -> None:
    counted = Movement(np.arange(600.0), walk().acceleration, walk().rotation)
    content = logs.text(("t", *SIX), counted.seven.T)
    with pytest.raises(UnsupportedFile, match="unit of the clock 't'") as fault:
        read(tmp_path / "log.csv", "CSV", content)
    assert 'time = "ms"' in str(fault.value.hint)
    assert_close(
        whole(read(tmp_path / "log.csv", "CSV", content, Hint(Modality.IMU, ruled=True, rate=50))), walk()
    )


def test_logs_that_are_too_slow_too_long_or_too_short(tmp_path: Path) -> None:
    slow = movement(np.arange(100) * 60.0)
    with pytest.raises(UnsupportedFile, match="60 s between readings"):
        read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), slow.seven.T))
    far = walk().times.copy()
    far[-1] = 2e7
    with pytest.raises(DamagedFile, match="lasts 231 days"):
        read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), np.c_[far, walk().six].T))
    with pytest.raises(UnsupportedFile):
        read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), walk().seven[:1].T))


def test_a_long_gap_costs_no_time(tmp_path: Path) -> None:
    times = np.concatenate([walk().times, walk().times + 9_000_000])
    loaded = read(tmp_path / "log.csv", "CSV", logs.text(("t_s", *SIX), movement(times).seven.T, form=".12g"))
    starts = [one.start for one in loaded.media if isinstance(one, MotionLog)]
    assert starts == [0, 5, 10, 9_000_000, 9_000_005, 9_000_010]
