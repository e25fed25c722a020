"""Units: what is written in any unit, in any format, comes back in m/s^2, rad/s and s, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.errors import UnsupportedFile
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.loaders.motion.columns import Quantity, meaning, sensor
from bindsearch.loaders.motion.units import spelt
from bindsearch.modality import Modality
from tests.loaders.motion import logs
from tests.loaders.motion.logs import G, Movement, movement, read, walk, whole

ACCELERATIONS = {"m/s^2": 1.0, "g": G, "mg": G / 1000}
ROTATIONS = {"rad/s": 1.0, "deg/s": np.pi / 180}
TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
NAMES = ("ax", "ay", "az", "gx", "gy", "gz")


def written(one: Movement, acceleration: str, rotation: str, time: str) -> dict[str, list[float]]:
    """The columns of a log in other units, their names without."""
    values = np.hstack([one.acceleration / ACCELERATIONS[acceleration], one.rotation / ROTATIONS[rotation]])
    times = one.times / TIMES[time]
    return {
        "time": times.tolist(),
        **{name: column.tolist() for name, column in zip(NAMES, values.T, strict=True)},
    }


def content(kind: str, columns: dict[str, list[float]]) -> str | bytes:
    """The columns as a file of a kind."""
    if kind == "CSV":
        return logs.text(list(columns), [np.array(column) for column in columns.values()], form=".15g")
    if kind == "ZIP":
        return logs.zipped({"log.csv": content("CSV", columns)})
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if kind == "JSON":
        return json.dumps(records)
    if kind == "NDJSON":
        return logs.ndjson(records)
    if kind == "NPZ":
        return logs.npz(**{name: np.array(column) for name, column in columns.items()})
    if kind == "NPY":
        return logs.npy(np.array(list(columns.values())).T)
    return logs.parquet(dict(columns))


def loaded_movement(kind: str, columns: dict[str, list[float]], hint: Hint = NO_HINT) -> Movement:
    with TemporaryDirectory() as folder:
        return whole(read(Path(folder) / "log", kind, content(kind, columns), hint))


def assert_close(found: Movement, wanted: Movement) -> None:
    np.testing.assert_allclose(found.times, wanted.times - wanted.times[0], atol=1e-6)
    np.testing.assert_allclose(found.acceleration, wanted.acceleration, atol=1e-4)
    np.testing.assert_allclose(found.rotation, wanted.rotation, atol=1e-4)


KINDS = st.sampled_from(["CSV", "JSON", "NDJSON", "NPY", "NPZ", "PARQUET", "ZIP"])
UNITS = (st.sampled_from(list(ACCELERATIONS)), st.sampled_from(list(ROTATIONS)), st.sampled_from(list(TIMES)))
MOVEMENTS = st.builds(
    lambda rate, seconds, start: movement(start + np.arange(int(rate * seconds)) / rate),
    st.sampled_from([20.0, 50.0, 100.0, 128.0]),
    st.floats(2.0, 7.0),
    st.sampled_from([0.0, 3.5, 1000.0]),
)


@settings(max_examples=20, deadline=None)
@given(KINDS, MOVEMENTS, *UNITS)
def test_units_by_a_rule(kind: str, one: Movement, acceleration: str, rotation: str, time: str) -> None:
    hint = Hint(Modality.IMU, ruled=True, acceleration=acceleration, rotation=rotation, time=time)
    assert_close(loaded_movement(kind, written(one, acceleration, rotation, time), hint), one)


@settings(max_examples=20, deadline=None)
@given(KINDS.filter(lambda kind: kind != "NPY"), MOVEMENTS, *UNITS)
def test_units_in_the_names(kind: str, one: Movement, acceleration: str, rotation: str, time: str) -> None:
    columns = written(one, acceleration, rotation, time)
    units = dict(zip(columns, (time, *[acceleration] * 3, *[rotation] * 3), strict=True))
    named = {f"{name} ({units[name]})": column for name, column in columns.items() if kind != "NPZ"}
    if kind == "NPZ":  # a slash is no part of a member's name
        plain = {"m/s^2": "m_s2", "rad/s": "rad_s", "deg/s": "deg_s"}
        renamed = {"ax": "accx", "ay": "accy", "az": "accz", "gx": "gyrox", "gy": "gyroy", "gz": "gyroz"}
        named = {
            f"{renamed.get(name, name)}_{plain.get(units[name], units[name])}": column
            for name, column in columns.items()
        }
    if acceleration == "g":
        named = {name.replace("ax (g)", "accx (g)"): column for name, column in named.items()}
        named = {name.replace("ay (g)", "accy (g)"): column for name, column in named.items()}
        named = {name.replace("az (g)", "accz (g)"): column for name, column in named.items()}
    assert_close(loaded_movement(kind, named), one)


@settings(max_examples=20, deadline=None)
@given(KINDS, MOVEMENTS, *UNITS)
def test_units_by_the_numbers(kind: str, one: Movement, acceleration: str, rotation: str, time: str) -> None:
    fast = Movement(one.times, one.acceleration, one.rotation * 2)  # beyond 40 when written in deg/s
    assert_close(loaded_movement(kind, written(fast, acceleration, rotation, time)), fast)


def test_acceleration_without_gravity_and_unit_is_refused(tmp_path: Path) -> None:
    for factor in (1.0, 1 / G, 4.0, 1000 / G):
        one = Movement(walk().times, walk().linear * factor, walk().rotation)
        with pytest.raises(UnsupportedFile, match="unit of its acceleration is in doubt") as fault:
            read(tmp_path / "log.csv", "CSV", content("CSV", written(one, "m/s^2", "rad/s", "s")))
        assert 'acceleration = "m/s^2"' in str(fault.value.hint)


def test_raw_counts_of_a_chip_are_refused(tmp_path: Path) -> None:
    one = Movement(walk().times, walk().acceleration * 16384 / G, walk().rotation * 131)
    with pytest.raises(UnsupportedFile, match="unit of its acceleration"):
        read(tmp_path / "log.csv", "CSV", content("CSV", written(one, "m/s^2", "rad/s", "s")))


def test_notes_say_how_every_unit_was_known(tmp_path: Path) -> None:
    columns = written(walk(), "g", "rad/s", "ms")
    guessed = "; ".join(read(tmp_path / "log.csv", "CSV", content("CSV", columns)).notes)
    assert "time in ms, by its steps" in guessed
    assert "acceleration in g, as its median of 1.0" in guessed
    assert "rotation in rad/s, as nothing says otherwise" in guessed
    hint = Hint(Modality.IMU, ruled=True, acceleration="g", rotation="deg/s", time="ms")
    ruled = "; ".join(read(tmp_path / "log.csv", "CSV", content("CSV", columns), hint).notes)
    assert "time in ms, by a rule; acceleration in g, by a rule; rotation in deg/s, by a rule" in ruled


def test_rotation_faster_than_sensors_is_in_degrees(tmp_path: Path) -> None:
    columns = written(walk(), "g", "deg/s", "s")
    loaded = read(tmp_path / "log.csv", "CSV", content("CSV", columns))
    assert "rotation in deg/s" in "; ".join(loaded.notes)
    np.testing.assert_allclose(whole(loaded).rotation, walk().rotation, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("m/s^2", "m/s^2"), ("m/s²", "m/s^2"), ("m/sÂ²", "m/s^2"), ("m/s\ufffd", "m/s^2"),
        ("m s⁻²", "m/s^2"), ("m*s^-2", "m/s^2"),
        ("G", "g"), ("mg", "mg"), ("rad/s", "rad/s"), ("°/s", "deg/s"), ("dps", "deg/s"), ("deg/s", "deg/s"),
        ("µs", "us"), ("msec", "ms"), ("s", "s"), ("rad", None), ("°", None), ("uT", None), ("", None),
    ],
)  # fmt: skip
def test_spellings_of_units(text: str, unit: str | None) -> None:
    assert spelt(text) == unit


@pytest.mark.parametrize(
    ("name", "quantity", "axis", "unit"),
    [
        ("acc_x_g", Quantity.ACCELERATION, "x", "g"),
        ("gyro_z_rad_s", Quantity.ROTATION, "z", "rad/s"),
        ("Accel Y [mg]", Quantity.ACCELERATION, "y", "mg"),
        ("gyroX (°/s)", Quantity.ROTATION, "x", "deg/s"),
        ("accel_x_m_s2", Quantity.ACCELERATION, "x", "m/s^2"),
        ("motionUserAccelerationX(G)", Quantity.LINEAR, "x", "g"),
        ("Acceleration (without g) x (m/s²)", Quantity.LINEAR, "x", "m/s^2"),
        ("GRAVITY Z (m/s²)", Quantity.GRAVITY, "z", "m/s^2"),
        ("Time since start in ms ", Quantity.TIME, "", "ms"),
        ("timestamp_us", Quantity.TIME, "", "us"),
        ("ts", Quantity.TIME, "", None),
    ],
)
def test_names_of_columns(name: str, quantity: Quantity, axis: str, unit: str | None) -> None:
    found = meaning(name)
    assert found is not None
    assert (found.quantity, found.axis, found.unit) == (quantity, axis, unit)


@pytest.mark.parametrize(
    "name", ["magX", "quaternionX", "gx (g)", "ax (rad/s)", "x", "aT (m/s^2)", "pressure", ""]
)
def test_names_that_mean_nothing(name: str) -> None:
    assert meaning(name) is None


def test_a_bare_axis_is_what_its_table_is_called() -> None:
    assert [
        getattr(meaning("x", table), "quantity", None) for table in ("Gyroscope", "my_acc_2", "Magnetometer")
    ] == [
        Quantity.ROTATION,
        Quantity.ACCELERATION,
        None,
    ]
    assert sensor("accounts") is None
    assert sensor("Linear Accelerometer") is Quantity.LINEAR
