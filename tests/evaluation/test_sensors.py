"""Rows of any other sensor: windows of arrays and files, which need no rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bindsearch.errors import DamagedFile
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests
from bindsearch.media import Media, Readings
from bindsearch.modality import Modality
from tests.evaluation.folders import SensesEncoder, write_manifest

VALUES = np.arange(24, dtype=np.float32).reshape(2, 4, 3)


def seen(folder: Path, row: tuple[str, ...]) -> Readings:
    """What an encoder is shown of a manifest's one row."""
    manifest = write_manifest(folder / "manifest.csv", [row])
    rows = Manifests((manifest,)).rows("test", Modality.SENSOR)
    encoder = SensesEncoder()
    Embedder(encoder).rows(rows)
    medium: Media = encoder.seen[0]
    assert isinstance(medium, Readings)
    return medium


def window(folder: Path, **arrays: Any) -> Readings:
    np.savez(folder / "radar.npz", **arrays)
    return seen(folder, ("radar.npz", "sensor", "1", "test", "", "", "1"))


def test_a_window_of_an_array_has_any_number_of_channels(tmp_path: Path) -> None:
    log = window(tmp_path, x=VALUES, hz=2, n_valid=np.array([4, 3]))
    assert np.array_equal(log.values, VALUES[1, :3])
    assert log.times.tolist() == [0, 0.5, 1]
    assert (log.start, log.end) == (0.0, 1.5)


def test_a_window_without_a_rate_has_no_seconds(tmp_path: Path) -> None:
    log = window(tmp_path, x=VALUES)
    assert (log.times.tolist(), log.start, log.end) == ([0, 1, 2, 3], None, None)


def test_a_window_of_motion_needs_six_channels(tmp_path: Path) -> None:
    np.savez(tmp_path / "walk.npz", x=VALUES, hz=2)
    manifest = write_manifest(tmp_path / "manifest.csv", [("walk.npz", "imu", "1", "test", "", "", "1")])
    rows = Manifests((manifest,)).rows("test", Modality.IMU)
    with pytest.raises(DamagedFile, match=r"holds no floats x of shape \(windows, samples, 6\)"):
        Embedder(SensesEncoder()).rows(rows)


def test_a_file_is_a_sensor_s_because_the_manifest_says_so(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("t,ax,ay,az\n0,1,2,3\n1,4,5,6\n")
    log = seen(tmp_path, ("log.csv", "sensor", "1", "test"))
    assert (log.channels, log.values.tolist()) == (("ax", "ay", "az"), [[1, 2, 3], [4, 5, 6]])


def test_a_rule_that_is_there_is_followed(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("t,a,b\n0,1,2\n1,3,4\n")
    (tmp_path / ".bindsearch.toml").write_text(
        '[[rule]]\nfiles = "*.csv"\nmodality = "sensor"\ncolumns = { channels = ["b"] }\n'
    )
    assert seen(tmp_path, ("log.csv", "sensor", "1", "test")).channels == ("b",)
