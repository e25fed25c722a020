"""Movements made by formula, and the layouts in which apps and people write them down."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bindsearch.loaders.base import LoadedFile, LoadOptions
from bindsearch.loaders.hints import NO_HINT, Hint, Neighbour
from bindsearch.loaders.motion import load_motion
from bindsearch.media import MotionLog

G = 9.80665
START = 1_700_000_000.25  # seconds since 1970
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Movement:
    """``acceleration`` (n, 3) in m/s^2 with gravity, ``rotation`` (n, 3) in rad/s at ``times`` (n,) in s."""

    times: Reals
    acceleration: Reals
    rotation: Reals

    @property
    def gravity(self) -> Reals:
        return np.broadcast_to([0.6 * G, -0.64 * G, 0.48 * G], self.acceleration.shape)

    @property
    def linear(self) -> Reals:
        return self.acceleration - self.gravity

    @property
    def six(self) -> Reals:
        return np.hstack([self.acceleration, self.rotation])

    @property
    def seven(self) -> Reals:
        return np.hstack([self.times[:, None], self.six])


def movement(times: Reals) -> Movement:
    """Someone who walks with a phone held at a slant, at any times."""
    waves = [np.sin(times * pace + axis) for axis, pace in enumerate((11.0, 7.0, 12.5, 6.0, 9.0, 5.0))]
    shape = np.stack(waves, axis=1)
    still = Movement(times, shape[:, :3], shape[:, 3:])
    return Movement(times, still.gravity + 2.5 * shape[:, :3], 1.5 * shape[:, 3:])


def walk(seconds: float = 12.0, rate: float = 50.0) -> Movement:
    """Readings at a steady rate."""
    return movement(np.arange(round(seconds * rate)) / rate)


def text(
    names: Sequence[str], columns: Iterable[Reals | Sequence[str]], sep: str = ",", form: str = ".9g"
) -> str:
    """A delimited table."""
    cells = [
        [format(value, form) for value in column.tolist()] if isinstance(column, np.ndarray) else list(column)
        for column in columns
    ]
    return "\n".join([sep.join(names), *(sep.join(row) for row in zip(*cells, strict=True))]) + "\n"


def sensor_logger(times: Reals, values: Reals, start: float = START) -> str:
    """One table of Sensor Logger: time in ns since 1970, then z before y before x."""
    epochs = [str(round((start + time) * 1e9)) for time in times.tolist()]
    return text(("time", "seconds_elapsed", "z", "y", "x"), (epochs, times, *values.T[::-1]))


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A ZIP archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def sensor_logger_export(one: Movement) -> bytes:
    """A zipped recording, with what the app tells of it and sensors of no use here."""
    about = "version,device name,recording epoch time,platform\n3,My Phone,1700000000250,android\n"
    return zipped(
        {
            "Metadata.csv": about,
            "Accelerometer.csv": sensor_logger(one.times, one.linear),
            "Gravity.csv": sensor_logger(one.times, one.gravity),
            "Gyroscope.csv": sensor_logger(one.times, one.rotation),
            "AccelerometerUncalibrated.csv": sensor_logger(one.times, one.acceleration / G),
            "GyroscopeUncalibrated.csv": sensor_logger(one.times, one.rotation + 0.1),
            "Magnetometer.csv": sensor_logger(one.times, one.rotation * 30),
            "Annotation.csv": "time,seconds_elapsed,text\n",
        }
    )


def sensor_logger_records(one: Movement) -> list[dict[str, str]]:
    """The records of its JSON export, sensors in turns, all values as text."""
    records = [{"sensor": "Metadata", "device name": "My Phone", "version": "3"}]
    for place, time in enumerate(one.times.tolist()):
        for name, values in (("TotalAcceleration", one.acceleration), ("Gyroscope", one.rotation)):
            axes = {axis: repr(value) for axis, value in zip("xyz", values[place].tolist(), strict=True)}
            moment = str(round((START + time) * 1e9))
            records.append({"sensor": name, "time": moment, "seconds_elapsed": repr(time), **axes})
    return records


def phyphox(one: Movement, sep: str = ",", comma: bool = False) -> dict[str, str]:
    """The two tables of a phyphox experiment."""
    tables = {}
    for stem, name, unit, values in (
        ("Accelerometer", "Acceleration", "m/s^2", one.acceleration),
        ("Gyroscope", "Gyroscope", "rad/s", one.rotation),
    ):
        names = ['"Time (s)"', *(f'"{name} {axis} ({unit})"' for axis in "xyz"), f'"Absolute ({unit})"']
        absolute = np.linalg.norm(values, axis=1)
        table = text(names, (one.times, *values.T, absolute), sep, ".9E")
        head, _, rows = table.partition("\n")
        tables[stem] = head + "\n" + (rows.replace(".", ",") if comma else rows)
    return tables


PHYPHOX_META = {
    "meta/device.csv": '"property","value"\n"version","1.1.16"\n"deviceModel","Pixel 9"\n',
    "meta/time.csv": '"event","experiment time","system time","system time text"\n'
    '"START",0.000000000E0,1700000000.250,"2023-11-14 22:13:20.250 UTC+00:00"\n',
}


def physics_toolbox(one: Movement) -> str:
    """G-forces, linear acceleration in m/s^2, rotation, and a magnetometer."""
    names = ("time", "gFx", "gFy", "gFz", "ax", "ay", "az", "wx", "wy", "wz", "Bx", "By", "Bz")
    columns = (one.times, *(one.acceleration / G).T, *one.linear.T, *one.rotation.T, *(one.rotation * 30).T)
    return text(names, columns)


def androsensor(one: Movement) -> bytes:
    """Semicolons, spaces around names, milliseconds, a date, and Windows-1252."""
    groups = (
        ("ACCELEROMETER", "m/s²"),
        ("GRAVITY", "m/s²"),
        ("LINEAR ACCELERATION", "m/s²"),
        ("GYROSCOPE", "rad/s"),
    )
    names = [f"{name} {axis} ({unit})" for name, unit in groups for axis in "XYZ"]
    values = np.hstack([one.acceleration, one.gravity, one.linear, one.rotation])
    milliseconds = [f"{time * 1000:.0f}" for time in one.times.tolist()]
    moments = [datetime.fromtimestamp(1_700_000_000 + time, UTC) for time in one.times.tolist()]
    dates = [f"{moment:%Y-%m-%d %H:%M:%S}:{moment.microsecond // 1000:03}" for moment in moments]
    names += ["Time since start in ms ", "YYYY-MO-DD HH-MI-SS_SSS"]
    return ("sep=;\n" + text(names, (*values.T, milliseconds, dates), ";")).encode("cp1252")


def sensorlog(one: Movement) -> str:
    """SensorLog of iOS: G, the system's own user acceleration beside it, times of three kinds."""
    moments = [datetime.fromtimestamp(START + time, UTC) for time in one.times.tolist()]
    dates = [f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} +0000" for moment in moments]
    names = [
        *("loggingTime(txt)", "loggingSample(N)", "locationTimestamp_since1970(s)"),
        *(
            "accelerometerTimestamp_sinceReboot(s)",
            *(f"accelerometerAcceleration{axis}(G)" for axis in "XYZ"),
        ),
        *("motionTimestamp_sinceReboot(s)", "motionYaw(rad)"),
        *(f"motionRotationRate{axis}(rad/s)" for axis in "XYZ"),
        *(f"motionUserAcceleration{axis}(G)" for axis in "XYZ"),
        *(f"gyroRotation{axis}(rad/s)" for axis in "XYZ"),
    ]
    count = np.arange(len(one.times)) + 1.0
    reboot = one.times + 62_608.0
    columns = (
        *(dates, count, np.zeros_like(count), reboot, *(one.acceleration / G).T, reboot, count * 0),
        *(*one.rotation.T, *(one.linear / G).T, *(one.rotation + 0.05).T),
    )
    return text(names, columns, form=".12g")


def npz(**arrays: object) -> bytes:
    """The bytes of an NPZ file."""
    target = io.BytesIO()
    np.savez_compressed(target, **arrays)  # type: ignore[arg-type]
    return target.getvalue()


def npy(array: NDArray[np.generic]) -> bytes:
    """The bytes of an NPY file."""
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


def parquet(columns: dict[str, object]) -> bytes:
    """The bytes of a Parquet file."""
    import pyarrow
    from pyarrow import parquet as files

    target = io.BytesIO()
    files.write_table(pyarrow.table(columns), target, row_group_size=200)
    return target.getvalue()


def ndjson(records: Iterable[object]) -> str:
    """One record a line."""
    return "\n".join(json.dumps(record) for record in records)


def read(path: Path, kind: str, content: str | bytes, hint: Hint = NO_HINT, **options: float) -> LoadedFile:
    """Write ``content`` to ``path`` and open it as a motion log."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_motion(path, kind, LoadOptions(**options), hint)  # type: ignore[arg-type]


def beside(path: Path, role: str) -> Neighbour:
    """A neighbour of a hint."""
    return Neighbour(role, str(path), path.stat().st_size, path.stat().st_mtime_ns)


def whole(loaded: LoadedFile) -> Movement:
    """All windows of a log joined again."""
    logs = [media for media in loaded.media if isinstance(media, MotionLog)]
    return Movement(
        np.concatenate([log.times for log in logs]),
        np.concatenate([log.acceleration for log in logs]).astype(np.float64),
        np.concatenate([log.rotation for log in logs]).astype(np.float64),
    )
