"""What becomes of the rows of a manifest: which media are encoded, and which vectors are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bindsearch.errors import DamagedFile, EncoderError, MediaError, SettingsError
from bindsearch.evaluation.embedding import BATCH, Embedder
from bindsearch.evaluation.manifest import Manifests, spread
from bindsearch.media import Clip, DepthMap, HeatMap, MotionLog
from bindsearch.modality import Modality
from tests.evaluation.folders import METRES, SensesEncoder, rooms, walks, windows, write_manifest
from tests.media import BLUE, RED, film, picture
from tests.sounds import tone, write_film


def test_a_window_of_an_array_becomes_a_motion_log_in_metres_and_seconds(tmp_path: Path) -> None:
    encoder = SensesEncoder()
    Embedder(encoder).rows(Manifests([walks(tmp_path)]).rows("test", Modality.IMU)[1:2])
    (log,) = encoder.seen
    assert isinstance(log, MotionLog)
    assert (log.acceleration.dtype, log.rotation.dtype, log.times.dtype) == ("float32", "float32", "float64")
    assert log.acceleration[0] == pytest.approx([0, 9.80665, 0])
    assert log.rotation[0] == pytest.approx([0, 0, 0.5])
    assert (log.start, log.end, log.times[1]) == (0.0, 4.0, pytest.approx(0.02))


def test_what_only_fills_a_window_up_is_left_out(tmp_path: Path) -> None:
    encoder = SensesEncoder()
    Embedder(encoder).rows(Manifests([walks(tmp_path)]).rows("test", Modality.IMU)[:1])
    (log,) = encoder.seen
    assert isinstance(log, MotionLog)
    assert len(log.times) == len(log.acceleration) == len(log.rotation) == 200


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"hz": 50}, "holds no floats x of shape"),
        ({"x": np.zeros((2, 6), np.float16), "hz": 50}, "holds no floats x of shape"),
        ({"x": np.zeros((1, 9, 3), np.float16), "hz": 50}, "holds no floats x of shape"),
        ({"x": windows(2)}, "holds no hz"),
        ({"x": windows(2), "hz": 0}, "holds no hz"),
        ({"x": windows(2), "hz": np.nan}, "holds no hz"),
        ({"x": windows(2), "hz": "fast"}, "holds no hz"),
        ({"x": windows(2), "hz": 50, "n_valid": np.array([1, 251])}, "n_valid that does not fit"),
        ({"x": windows(2), "hz": 50, "n_valid": np.array([9])}, "n_valid that does not fit"),
    ],
)
def test_arrays_of_another_make_are_refused(tmp_path: Path, arrays: dict[str, object], reason: str) -> None:
    manifest = walks(tmp_path)
    np.savez(tmp_path / "walks.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DamagedFile, match=reason):
        Embedder(SensesEncoder()).rows(Manifests([manifest]).rows("test", Modality.IMU))


@pytest.mark.parametrize("keep", [0, 1, 100, 2000])
def test_an_array_file_that_is_cut_short_is_refused(tmp_path: Path, keep: int) -> None:
    manifest = walks(tmp_path)
    whole = (tmp_path / "walks.npz").read_bytes()
    (tmp_path / "walks.npz").write_bytes(whole[:keep])
    with pytest.raises(DamagedFile, match=r"walks\.npz: is not an NPZ file of arrays"):
        Embedder(SensesEncoder()).rows(Manifests([manifest]).rows("test", Modality.IMU))


def test_an_index_past_the_end_is_refused(tmp_path: Path) -> None:
    walks(tmp_path, 3)
    manifest = write_manifest(tmp_path / "more.csv", [("walks.npz", "imu", "", "test", "", "", "3")])
    with pytest.raises(MediaError, match="has 3 windows, no number 3"):
        Embedder(SensesEncoder()).rows(Manifests([manifest]).rows("test", Modality.IMU))


def test_an_index_that_is_no_number_is_refused(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "m.csv", [("walks.npz", "imu", "", "test", "", "", "-1")])
    with pytest.raises(SettingsError, match=r"has the index '-1' for walks\.npz"):
        Manifests([manifest]).rows("test", Modality.IMU)


def test_depth_is_read_as_its_folder_hints(tmp_path: Path) -> None:
    encoder = SensesEncoder()
    Embedder(encoder).rows(Manifests([rooms(tmp_path, copies=1)]).rows("test", Modality.DEPTH))
    assert all(isinstance(media, DepthMap) for media in encoder.seen)
    means = [float(np.nanmean(media.metres)) for media in encoder.seen if isinstance(media, DepthMap)]
    assert means == pytest.approx([value / 1000 for value in METRES.values()])


def test_heat_is_read_as_its_folder_hints(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "thermal").mkdir()
    Image.fromarray(np.tile(np.arange(0, 240, 10, np.uint8), (16, 1))).save(tmp_path / "thermal" / "1.png")
    manifest = write_manifest(tmp_path / "m.csv", [("thermal/1.png", "thermal", "", "test")])
    encoder = SensesEncoder()
    Embedder(encoder).rows(Manifests([manifest]).rows("test", Modality.THERMAL))
    assert [type(media) for media in encoder.seen] == [HeatMap]


def test_a_film_gets_the_mean_of_its_segments(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4", [RED, BLUE], seconds=8)
    manifest = write_manifest(tmp_path / "m.csv", [("film.mp4", "video", "", "test")])
    encoder = SensesEncoder()
    (vector,) = Embedder(encoder).rows(Manifests([manifest]).rows("test", Modality.VIDEO))
    assert len(encoder.seen) > 1
    mean = encoder.encode(encoder.seen).mean(axis=0)
    assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_what_a_film_sounds_like_is_not_part_of_what_it_shows(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", np.zeros((30, 48, 64, 3), np.uint8), [tone(3.0)])
    manifest = write_manifest(
        tmp_path / "m.csv", [("film.mp4", "video", "", "test"), ("film.mp4", "audio", "", "test")]
    )
    encoder = SensesEncoder()
    Embedder(encoder).rows(Manifests([manifest]).rows("test", Modality.VIDEO))
    assert {type(media) for media in encoder.seen} == {Clip}
    Embedder(encoder).rows(Manifests([manifest]).rows("test", Modality.AUDIO))
    assert {media.modality for media in encoder.seen} == {Modality.VIDEO, Modality.AUDIO}


def test_a_file_without_any_of_the_modality_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    manifest = write_manifest(tmp_path / "m.csv", [("a.png", "audio", "", "test")])
    with pytest.raises(MediaError, match=r"a\.png: holds no audio"):
        Embedder(SensesEncoder()).rows(Manifests([manifest]).rows("test", Modality.AUDIO))


def test_vectors_come_in_the_order_of_the_rows_whatever_the_batches(tmp_path: Path) -> None:
    manifest = walks(tmp_path, 2 * BATCH + 7)
    rows = Manifests([manifest]).rows("test", Modality.IMU)
    vectors = Embedder(SensesEncoder()).rows(rows[::-1])
    assert vectors.argmax(axis=1).tolist() == [row.index % 3 for row in rows[::-1] if row.index is not None]


def test_a_second_run_encodes_nothing_that_is_kept(tmp_path: Path) -> None:
    rows = Manifests([walks(tmp_path)]).rows("test", Modality.IMU)
    first, second = SensesEncoder(), SensesEncoder()
    there = Embedder(first, tmp_path / "kept").rows(rows)
    again = Embedder(second, tmp_path / "kept").rows(rows)
    assert (first.encoded, second.encoded) == (9, 0)
    assert np.array_equal(there, again)


def test_a_larger_run_encodes_only_what_a_smaller_one_left(tmp_path: Path) -> None:
    rows = Manifests([walks(tmp_path)]).rows("test", Modality.IMU)
    Embedder(SensesEncoder(), tmp_path / "kept").rows(spread(rows, 4))
    encoder = SensesEncoder()
    whole = Embedder(encoder, tmp_path / "kept").rows(rows)
    assert encoder.encoded == 5
    assert np.array_equal(whole, Embedder(SensesEncoder()).rows(rows))


def test_words_are_kept_as_well(tmp_path: Path) -> None:
    first, second = SensesEncoder(), SensesEncoder()
    there = Embedder(first, tmp_path).texts(["red", "", "blüe\nsky", "red"])
    again = Embedder(second, tmp_path).texts(["red", "", "blüe\nsky", "red"])
    assert (first.encoded, second.encoded) == (3, 0)
    assert np.array_equal(there, again)
    assert np.array_equal(there[0], there[3])


def test_another_manifest_or_space_shares_no_vectors(tmp_path: Path) -> None:
    manifest = walks(tmp_path)
    Embedder(SensesEncoder(), tmp_path / "kept").rows(Manifests([manifest]).rows("test", Modality.IMU))
    manifest.write_text(manifest.read_text().replace("somebody", "someone"))
    changed, other = SensesEncoder(), SensesEncoder([Modality.IMU])
    other.space = type(other.space)("other", "1", "1" * 64, 16, other.space.modalities, "1")
    rows = Manifests([manifest]).rows("test", Modality.IMU)
    Embedder(changed, tmp_path / "kept").rows(rows)
    Embedder(other, tmp_path / "kept").rows(rows)
    assert (changed.encoded, other.encoded) == (9, 9)


@pytest.mark.parametrize("content", [b"", b"PK", b"nothing of the sort"])
def test_a_damaged_cache_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    rows = Manifests([walks(tmp_path)]).rows("test", Modality.IMU)
    there = Embedder(SensesEncoder(), tmp_path / "kept").rows(rows)
    (file,) = (tmp_path / "kept").rglob("*.npz")
    file.write_bytes(content)
    encoder = SensesEncoder()
    assert np.array_equal(Embedder(encoder, tmp_path / "kept").rows(rows), there)
    assert encoder.encoded == 9


def test_a_cache_that_cannot_be_written_is_an_error_of_settings(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file, not a folder")
    with pytest.raises(SettingsError, match="cannot be written"):
        Embedder(SensesEncoder(), tmp_path / "kept").texts(["red"])


def test_progress_tells_how_many_of_how_many(tmp_path: Path) -> None:
    told: list[str] = []
    Embedder(SensesEncoder(), say=told.append).rows(Manifests([walks(tmp_path)]).rows("test", Modality.IMU))
    assert told == ["imu of test: 9 of 9 embedded"]


def test_a_modality_outside_the_space_is_refused_by_name() -> None:
    embedder = Embedder(SensesEncoder([Modality.TEXT, Modality.IMAGE]))
    with pytest.raises(EncoderError, match=r"tiny: cannot encode thermal \(it knows image, text\)"):
        embedder.require(Modality.IMAGE, Modality.THERMAL)


@pytest.mark.parametrize("limit", [1, 2, 5, 9, 10, 99, None])
def test_a_limit_takes_items_from_everywhere_in_order(limit: int | None) -> None:
    taken = spread(range(10), limit)
    assert len(taken) == min(limit or 10, 10)
    assert taken == sorted(set(taken))
    assert np.diff([*taken, 10 + taken[0]]).max() <= 10 // len(taken) + 1
