"""Every layout of the formats' table is read from a real file, and comes back in m/s^2, rad/s and seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bindsearch.errors import UnsupportedFile
from bindsearch.loaders.base import LoadedFile, LoadOptions
from bindsearch.loaders.hints import Hint
from bindsearch.loaders.motion import load_motion
from bindsearch.media import MotionLog
from bindsearch.modality import Modality
from tests.loaders.motion import logs
from tests.loaders.motion.logs import G, Movement, beside, movement, read, walk, whole

EXAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "imu" / "examples"


STANDARD = ("t", "ax", "ay", "az", "gx", "gy", "gz")


def assert_same(
    loaded: LoadedFile, wanted: Movement, within: float = 2e-5, time_within: float = 1e-6
) -> None:
    """The log holds what was written, within the format's resolution."""
    found = whole(loaded)
    assert loaded.facts.modality is Modality.IMU
    assert found.times.shape == wanted.times.shape
    np.testing.assert_allclose(found.times, wanted.times - wanted.times[0], atol=time_within)
    np.testing.assert_allclose(found.acceleration, wanted.acceleration, atol=within)
    np.testing.assert_allclose(found.rotation, wanted.rotation, atol=within)
    assert loaded.facts.duration == pytest.approx(wanted.times[-1] - wanted.times[0], abs=1e-3)


def said(loaded: LoadedFile) -> str:
    return "; ".join(loaded.notes)


def test_a_zip_of_sensor_logger(tmp_path: Path) -> None:
    loaded = read(tmp_path / "walk.zip", "ZIP", logs.sensor_logger_export(walk()))
    assert_same(loaded, walk())
    assert loaded.facts.camera == "My Phone"
    assert loaded.facts.taken_at == pytest.approx(logs.START, abs=1e-3)
    assert "gravity, which was measured apart, is added" in said(loaded)
    assert "m/s^2, by the layout of Sensor Logger" in said(loaded)


def test_a_zip_of_sensor_logger_prefers_the_total_acceleration(tmp_path: Path) -> None:
    members = {
        "walk/TotalAcceleration.csv": logs.sensor_logger(walk().times, walk().acceleration),
        "walk/Accelerometer.csv": logs.sensor_logger(walk().times, walk().linear + 5),
        "walk/Gyroscope.csv": logs.sensor_logger(walk().times, walk().rotation),
        "__MACOSX/walk/._Gyroscope.csv": "no table",
    }
    assert_same(read(tmp_path / "walk.zip", "ZIP", logs.zipped(members)), walk())


def test_a_folder_of_sensor_logger_through_the_neighbours_of_its_accelerometer(tmp_path: Path) -> None:
    for name, values in (("Gyroscope", walk().rotation), ("Gravity", walk().gravity)):
        (tmp_path / f"{name}.csv").write_text(logs.sensor_logger(walk().times, values))
    neighbours = tuple(beside(tmp_path / f"{name}.csv", name.lower()) for name in ("Gyroscope", "Gravity"))
    content = logs.sensor_logger(walk().times, walk().linear)
    loaded = read(tmp_path / "Accelerometer.csv", "CSV", content, Hint(neighbours=neighbours))
    assert_same(loaded, walk())
    assert loaded.facts.taken_at == pytest.approx(logs.START, abs=1e-3)


def test_an_accelerometer_of_sensor_logger_alone_is_read_and_says_what_is_missing(tmp_path: Path) -> None:
    loaded = read(tmp_path / "Accelerometer.csv", "CSV", logs.sensor_logger(walk().times, walk().linear))
    found = whole(loaded)
    np.testing.assert_allclose(found.acceleration, walk().linear, atol=2e-5)
    assert np.isnan(found.rotation).all()
    assert "without gravity" in said(loaded)
    assert "no gyroscope" in said(loaded)


def test_uncalibrated_acceleration_of_sensor_logger_may_be_in_g(tmp_path: Path) -> None:
    content = logs.sensor_logger(walk().times, walk().acceleration / G)
    loaded = read(tmp_path / "AccelerometerUncalibrated.csv", "CSV", content)
    np.testing.assert_allclose(whole(loaded).acceleration, walk().acceleration, atol=2e-5)


@pytest.mark.parametrize("kind", ["JSON", "NDJSON"])
def test_json_of_sensor_logger(tmp_path: Path, kind: str) -> None:
    records = logs.sensor_logger_records(walk())
    content = json.dumps(records) if kind == "JSON" else logs.ndjson(records)
    loaded = read(tmp_path / "walk.json", kind, content)
    assert_same(loaded, walk())
    assert loaded.facts.camera == "My Phone"


def test_messages_that_sensor_logger_pushes(tmp_path: Path) -> None:
    def message(start: int) -> dict[str, object]:
        payload = []
        for place in range(start, start + 100):
            for name, values in (("totalacceleration", walk().acceleration), ("gyroscope", walk().rotation)):
                axes = dict(zip("xyz", values[place].tolist(), strict=True))
                moment = round((logs.START + walk().times[place]) * 1e9)
                payload.append({"name": name, "time": moment, "values": axes})
        return {"messageId": start, "deviceId": "one", "payload": payload}

    content = logs.ndjson(message(start) for start in range(0, 600, 100))
    assert_same(read(tmp_path / "push.ndjson", "NDJSON", content), walk())


@pytest.mark.parametrize(
    ("sep", "comma"), [(",", False), (";", False), ("\t", False), (";", True), ("\t", True)]
)
def test_a_zip_of_phyphox(tmp_path: Path, sep: str, comma: bool) -> None:
    tables = {f"{name}.csv": table for name, table in logs.phyphox(walk(), sep, comma).items()}
    loaded = read(tmp_path / "walk.zip", "ZIP", logs.zipped({**tables, **logs.PHYPHOX_META}))
    assert_same(loaded, walk())
    assert loaded.facts.camera == "Pixel 9"
    assert loaded.facts.taken_at == pytest.approx(logs.START)


def test_older_tables_of_phyphox_with_bare_axes(tmp_path: Path) -> None:
    tables = logs.phyphox(walk())
    short = tables["Accelerometer"].replace("Acceleration x", "X").replace("Acceleration y", "Y")
    (tmp_path / "Gyroscope.csv").write_text(tables["Gyroscope"])
    hint = Hint(neighbours=(beside(tmp_path / "Gyroscope.csv", "gyroscope"),))
    path = tmp_path / "Accelerometer.csv"
    assert_same(read(path, "CSV", short.replace("Acceleration z", "Z"), hint), walk())


def test_linear_acceleration_of_phyphox(tmp_path: Path) -> None:
    content = logs.phyphox(Movement(walk().times, walk().linear, walk().rotation))["Accelerometer"]
    loaded = read(tmp_path / "Raw Data.csv", "CSV", content.replace("Acceleration", "Linear Acceleration"))
    np.testing.assert_allclose(whole(loaded).acceleration, walk().linear, atol=1e-5)
    assert "without gravity" in said(loaded)


def test_physics_toolbox(tmp_path: Path) -> None:
    loaded = read(tmp_path / "walk.csv", "CSV", logs.physics_toolbox(walk()))
    assert_same(loaded, walk())
    assert "acceleration in g, by the name gF of Physics Toolbox" in said(loaded)


def test_linear_acceleration_of_physics_toolbox(tmp_path: Path) -> None:
    names = ("time", "ax", "ay", "az", "wx", "wy", "wz")
    content = logs.text(names, (walk().times, *walk().linear.T, *walk().rotation.T), ";")
    found = whole(read(tmp_path / "walk.csv", "CSV", content))
    np.testing.assert_allclose(found.acceleration, walk().linear, atol=1e-5)


def test_androsensor(tmp_path: Path) -> None:
    loaded = read(tmp_path / "Sensor_record.csv", "CSV", logs.androsensor(walk()))
    assert_same(loaded, walk())
    assert loaded.facts.taken_at is not None  # a date without a zone: the local time of this machine
    assert "time in ms, by the name" in said(loaded)


def test_sensorlog_of_ios(tmp_path: Path) -> None:
    loaded = read(tmp_path / "stream.csv", "CSV", logs.sensorlog(walk()))
    assert_same(loaded, walk(), time_within=1e-5)
    assert loaded.facts.taken_at == pytest.approx(logs.START, abs=2e-3)


def test_the_layout_of_the_examples(tmp_path: Path) -> None:
    names = ("t_s", "acc_x_g", "acc_y_g", "acc_z_g", "gyro_x_rad_s", "gyro_y_rad_s", "gyro_z_rad_s")
    columns = (walk().times, *(walk().acceleration / G).T, *walk().rotation.T)
    loaded = read(tmp_path / "walk.csv", "CSV", logs.text(names, columns, form=".4f"))
    assert_same(loaded, walk(), within=5.5e-4)
    assert "acceleration in g, by the columns' names" in said(loaded)


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples lie beside the project, not in it")
def test_every_example_is_read() -> None:
    paths = sorted(EXAMPLES.glob("*.csv"))
    assert paths
    for path in paths:
        found = whole(load_motion(path, "CSV", LoadOptions()))
        rows = np.loadtxt(path, delimiter=",", skiprows=1)
        np.testing.assert_allclose(found.times, rows[:, 0] - rows[0, 0], atol=1e-9)
        np.testing.assert_allclose(found.acceleration, rows[:, 1:4] * G, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.rotation, rows[:, 4:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        "t ax ay az gx gy gz",
        "Timestamp accX accY accZ gyroX gyroY gyroZ",
        "time acc_x acc_y acc_z gyr_x gyr_y gyr_z",
        "time accel_x accel_y accel_z gyro_x gyro_y gyro_z",
        "seconds x_acc y_acc z_acc x_gyro y_gyro z_gyro",
        "time imu_ax imu_ay imu_az imu_gx imu_gy imu_gz",
        "ts linear_acceleration.x linear_acceleration.y linear_acceleration.z "
        "angular_velocity.x angular_velocity.y angular_velocity.z",
    ],
)
@pytest.mark.parametrize("sep", [",", "\t", ";", " ", "|"])
def test_plain_names_without_units(tmp_path: Path, names: str, sep: str) -> None:
    assert_same(read(tmp_path / "walk.csv", "CSV", logs.text(names.split(), walk().seven.T, sep)), walk())


def test_json_records_flat_nested_and_in_lists(tmp_path: Path) -> None:
    flat = [dict(zip(STANDARD, row, strict=True)) for row in walk().seven.tolist()]
    nested = [
        {"t": row[0], "acc": dict(zip("xyz", row[1:4], strict=True)), "gyro": row[4:]}
        for row in walk().seven.tolist()
    ]
    for content in (flat, nested, {"info": {"app": "mine"}, "samples": nested}):
        assert_same(read(tmp_path / "walk.json", "JSON", json.dumps(content)), walk())
    assert_same(read(tmp_path / "walk.jsonl", "NDJSON", logs.ndjson(nested)), walk())


def test_json_columns_by_name_and_by_sensor(tmp_path: Path) -> None:
    columns = {name: column.tolist() for name, column in zip(STANDARD, walk().seven.T, strict=True)}
    assert_same(read(tmp_path / "walk.json", "JSON", json.dumps(columns)), walk())
    sensors = {
        name: {
            "t": columns["t"],
            **{axis: column.tolist() for axis, column in zip("xyz", values.T, strict=True)},
        }
        for name, values in (("accelerometer", walk().acceleration), ("gyroscope", walk().rotation))
    }
    assert_same(read(tmp_path / "walk.json", "JSON", json.dumps(sensors)), walk())
    lists = {
        name: [
            dict(zip(("t", "x", "y", "z"), row, strict=True)) for row in np.c_[walk().times, values].tolist()
        ]
        for name, values in (("accelerometer", walk().acceleration), ("gyroscope", walk().rotation))
    }
    assert_same(read(tmp_path / "walk.json", "JSON", json.dumps(lists)), walk())


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    moments = (np.round(walk().times * 1e6) + 1.7e15).astype("datetime64[us]")
    columns = dict(zip(("ax", "ay", "az", "gx", "gy", "gz"), walk().six.T, strict=True))
    loaded = read(
        tmp_path / "walk.parquet",
        "PARQUET",
        logs.parquet({"timestamp": moments, **columns, "label": ["a"] * 600}),
    )
    assert_same(loaded, walk())
    numbers = {
        "timestamp_ms": walk().times * 1000,
        **{f"{name}_": column for name, column in columns.items()},
    }
    assert_same(read(tmp_path / "walk.parquet", "PARQUET", logs.parquet(numbers)), walk())


def test_npz_with_an_array_for_each_sensor(tmp_path: Path) -> None:
    for names in (
        ("acc", "gyr", "t"),
        ("accelerometer", "gyroscope", "timestamps"),
        ("accel", "gyro", "time"),
    ):
        arrays = dict(zip(names, (walk().acceleration, walk().rotation, walk().times), strict=True))
        assert_same(read(tmp_path / "walk.npz", "NPZ", logs.npz(**arrays)), walk())


def test_npz_with_six_columns_and_its_rate(tmp_path: Path) -> None:
    content = logs.npz(x=(walk().six / [G, G, G, 1, 1, 1]).astype(np.float32), hz=np.int16(50))
    loaded = read(tmp_path / "walk.npz", "NPZ", content)
    assert_same(loaded, walk())
    assert "50 readings a second, by the log" in said(loaded)


def test_npy_of_seven_columns_where_gravity_tells_which_are_which(tmp_path: Path) -> None:
    for array in (walk().seven, walk().seven.T.copy()):
        assert_same(read(tmp_path / "walk.npy", "NPY", logs.npy(array)), walk())


def test_npy_of_six_columns_by_a_rule(tmp_path: Path) -> None:
    hint = Hint(modality=Modality.IMU, ruled=True, rate=50, rotation="deg/s")
    wanted = Movement(walk().times, walk().acceleration, np.radians(walk().rotation))
    for array in (walk().six, walk().six.T.copy()):
        assert_same(read(tmp_path / "walk.npy", "NPY", logs.npy(array), hint), wanted)


def test_npy_whose_order_or_clock_is_in_doubt_asks_for_a_rule(tmp_path: Path) -> None:
    gyro_first = np.hstack([walk().times[:, None], walk().rotation, walk().acceleration])
    with pytest.raises(UnsupportedFile, match="in doubt"):
        read(tmp_path / "walk.npy", "NPY", logs.npy(gyro_first))
    with pytest.raises(UnsupportedFile, match="without a clock") as fault:
        read(tmp_path / "walk.npy", "NPY", logs.npy(walk().six))
    assert "rate = 50" in str(fault.value.hint)
    with pytest.raises(UnsupportedFile, match="without accelerometer"):
        read(tmp_path / "stack.npy", "NPY", logs.npy(np.zeros((4, 250, 6))))


def test_a_table_without_a_header_needs_a_rule(tmp_path: Path) -> None:
    content = logs.text([], walk().seven.T).lstrip("\n")
    path = tmp_path / "walk.csv"
    with pytest.raises(UnsupportedFile, match="without a header") as fault:
        read(path, "CSV", content)
    assert 'columns = { t = "1"' in str(fault.value.hint)
    assert_same(read(path, "CSV", content, Hint(modality=Modality.IMU, ruled=True)), walk())
    columns = tuple((name, str(place)) for place, name in enumerate(STANDARD, start=1))
    assert_same(read(path, "CSV", content, Hint(Modality.IMU, ruled=True, columns=columns)), walk())


def test_a_rule_names_columns_that_nobody_would_guess(tmp_path: Path) -> None:
    names = ("tick", "u", "v", "w1", "p", "q", "r", "ax", "ay", "az")
    content = logs.text(names, (*walk().seven.T, *np.zeros((3, 600))))
    pairs = zip(STANDARD, names, strict=False)
    hint = Hint(modality=Modality.IMU, ruled=True, columns=tuple(pairs))
    assert_same(read(tmp_path / "walk.csv", "CSV", content, hint), walk())


def test_tables_that_are_no_motion_logs_are_unsupported(tmp_path: Path) -> None:
    tables = {
        "sales.csv": "date,shop,amount\n2024-01-01,a,3\n2024-01-02,b,4\n",
        "points.csv": "x,y,z\n1,2,3\n4,5,6\n",
        "Magnetometer.csv": logs.sensor_logger(walk().times, walk().rotation),
        "Gravity.csv": logs.sensor_logger(walk().times, walk().gravity),
        "accounts.csv": "time,x,y,z\n1,2,3,4\n2,3,4,5\n",
        "one word.csv": "word\n",
    }
    for name, content in tables.items():
        with pytest.raises(UnsupportedFile, match="without accelerometer and gyroscope columns") as fault:
            read(tmp_path / name, "CSV", content)
        assert "columns = {" in str(fault.value.hint)
    for kind, record in (("JSON", '{"a": [1, 2], "b": {"c": 3}}'), ("JSON", "3"), ("NDJSON", '{"a": 1}\n')):
        with pytest.raises(UnsupportedFile):
            read(tmp_path / "data.json", kind, record)
    with pytest.raises(UnsupportedFile):
        read(tmp_path / "photos.zip", "ZIP", logs.zipped({"a.jpg": b"\xff\xd8", "notes.txt": "words"}))
    with pytest.raises(UnsupportedFile):
        read(tmp_path / "weights.npz", "NPZ", logs.npz(w=np.zeros((3, 4)), names=np.array([1, 2])))


def test_a_gyroscope_alone_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile, match="without an accelerometer"):
        read(tmp_path / "Gyroscope.csv", "CSV", logs.sensor_logger(walk().times, walk().rotation))


def test_an_archive_of_several_logs_is_refused(tmp_path: Path) -> None:
    one = logs.physics_toolbox(walk())
    with pytest.raises(UnsupportedFile, match="several sensors"):
        read(tmp_path / "all.zip", "ZIP", logs.zipped({"a.csv": one, "b.csv": one}))
    with pytest.raises(UnsupportedFile, match="2 folders"):
        read(tmp_path / "all.zip", "ZIP", logs.zipped({"1/a.csv": one, "2/b.csv": one}))


def test_windows_cover_the_log_and_a_short_rest_belongs_to_the_last(tmp_path: Path) -> None:
    for seconds, ends in ((12.0, [5, 10, 11.98]), (10.6, [5, 10.58]), (3.0, [2.98]), (11.02, [5, 10, 11.0])):
        content = logs.physics_toolbox(walk(seconds))
        media = list(read(tmp_path / "walk.csv", "CSV", content).media)
        windows = [one for one in media if isinstance(one, MotionLog)]
        assert [one.end for one in windows] == pytest.approx(ends)
        assert [one.start for one in windows] == pytest.approx([0, *ends[:-1]])
        assert sum(len(one.times) for one in windows) == round(seconds * 50)
        for one in windows:
            assert one.times.dtype == np.float64
            assert one.acceleration.dtype == one.rotation.dtype == np.float32
            assert one.acceleration.shape == one.rotation.shape == (len(one.times), 3)
            assert (one.times >= one.start).all()
            assert (one.times <= one.end).all()


def test_windows_without_readings_are_left_out(tmp_path: Path) -> None:
    times = walk(40).times
    times = times[(times < 6) | (times > 31)]
    content = logs.physics_toolbox(movement(times))
    windows = list(read(tmp_path / "walk.csv", "CSV", content).media)
    assert [one.start for one in windows if isinstance(one, MotionLog)] == [0, 5, 30, 35]


def test_the_length_of_windows_is_an_option(tmp_path: Path) -> None:
    loaded = read(tmp_path / "walk.csv", "CSV", logs.physics_toolbox(walk()), motion_seconds=2.0)
    assert len(list(loaded.media)) == 6
