"""Windows of sensors kept as arrays: ``x`` in an NPZ file is (windows, samples, channels); a row names one.

Of motion there are six channels: acceleration x, y, z in g, gravity included, and rotation x, y, z in rad/s.
``hz`` is samples a second, which only another sensor may leave out. Where ``n_valid`` (windows,) is there,
only that many samples of a window were measured: the rest only fills it up and is left out.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile, MediaError
from bindsearch.media import Floats, MotionLog, Readings

STANDARD_GRAVITY = 9.80665  # m/s^2 in one g, as the metre convention defines it
AXES = 6


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    x: NDArray[np.floating]
    hz: float | None
    valid: NDArray[np.int64]


@dataclass(slots=True)
class MotionArrays:
    """Reads windows; a file that was opened stays in memory, since its rows come one after another."""

    _open: dict[Path, _Windows] = field(default_factory=dict)

    def readings(self, path: Path, index: int) -> Readings:
        """As ``window``, of any other sensor: of any number of channels, and perhaps without a clock."""
        values, hz = self._samples(path, index)
        times = np.arange(len(values), dtype=np.float64)
        return Readings(times, values) if hz is None else Readings(times / hz, values, 0.0, len(values) / hz)

    def window(self, path: Path, index: int) -> MotionLog:
        """One window. Raises DamagedFile for a file of another make, MediaError for an index past its end."""
        readings, hz = self._samples(path, index)
        if readings.shape[1] != AXES:
            raise DamagedFile(f"holds no floats x of shape (windows, samples, {AXES})", subject=str(path))
        if hz is None:
            raise DamagedFile("holds no hz, the samples a second", subject=str(path))
        return MotionLog(
            times=np.arange(len(readings)) / hz,
            acceleration=np.ascontiguousarray(readings[:, :3] * np.float32(STANDARD_GRAVITY)),
            rotation=np.ascontiguousarray(readings[:, 3:]),
            start=0.0,
            end=len(readings) / hz,
        )

    def _samples(self, path: Path, index: int) -> tuple[Floats, float | None]:
        """What was measured of one window, (samples, channels), and the samples a second."""
        windows = self._open.get(path) or self._open.setdefault(path, _read(path))
        if index >= len(windows.x):
            raise MediaError(f"has {len(windows.x)} windows, no number {index}", subject=str(path))
        return np.array(windows.x[index, : windows.valid[index]], np.float32), windows.hz


def _read(path: Path) -> _Windows:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("x", "hz", "n_valid") if name in arrays}
    except OSError as error:
        raise DamagedFile((error.strerror or "cannot be read").lower(), subject=str(path)) from error
    except (ValueError, EOFError, TypeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedFile("is not an NPZ file of arrays", subject=str(path)) from error
    return _checked(path, found)


def _checked(path: Path, arrays: dict[str, Any]) -> _Windows:
    x, hz = arrays.get("x"), arrays.get("hz")
    if x is None or x.ndim != 3 or x.shape[1] < 1 or x.shape[2] < 1 or x.dtype.kind != "f":
        raise DamagedFile("holds no floats x of shape (windows, samples, channels)", subject=str(path))
    if hz is not None and (
        hz.size != 1 or hz.dtype.kind not in "iuf" or not 0 < float(hz.reshape(-1)[0]) < np.inf
    ):
        raise DamagedFile("holds no hz that can be the samples a second", subject=str(path))
    valid = arrays.get("n_valid", np.full(len(x), x.shape[1]))
    if valid.shape != (len(x),) or valid.dtype.kind not in "iu" or not _within(valid, x.shape[1]):
        raise DamagedFile("holds an n_valid that does not fit x", subject=str(path))
    return _Windows(x, None if hz is None else float(hz.reshape(-1)[0]), valid.astype(np.int64))


def _within(valid: NDArray[np.integer], samples: int) -> bool:
    return bool(((valid >= 1) & (valid <= samples)).all())
