"""Films: spans that follow the scenes, cover the whole and stay small in memory."""

from __future__ import annotations

import resource
import threading
import tracemalloc
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile
from bindsearch.loaders import FileFacts, LoadOptions, load
from bindsearch.loaders.spans import CutFinder, SpanCollector, change
from bindsearch.media import Clip
from bindsearch.modality import Modality
from tests.hostile import film, scene

SMALL = LoadOptions(picture_side=32)


def _clips(folder: Path, content: bytes, options: LoadOptions = SMALL) -> tuple[FileFacts, list[Clip]]:
    path = folder / "film.h264"  # raw H.264 is known by its suffix alone; all else overrules it
    path.write_bytes(content)
    loaded = load(path, options)
    assert loaded.facts.modality is Modality.VIDEO
    return loaded.facts, [medium for medium in loaded.media if isinstance(medium, Clip)]


def _seamless(clips: list[Clip], end: float) -> bool:
    joined = all(one.end == other.start for one, other in pairwise(clips))
    return joined and clips[0].start == 0 and clips[-1].end == pytest.approx(end, abs=0.02)


def _looks_like(frame: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> bool:
    small = pixels[::2, ::2][: frame.shape[0], : frame.shape[1]]
    return float(np.abs(small.astype(int) - frame.astype(int)).mean()) < 12


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "mpeg4"), ("mp4", "libx264"), ("mov", "libx264"), ("matroska", "libx264"),
     ("webm", "libvpx-vp9"), ("avi", "mpeg4"), ("mpegts", "mpeg2video"), ("h264", "libx264")],
)  # fmt: skip
def test_cuts_are_found_in_every_container(tmp_path: Path, container: str, codec: str) -> None:
    scenes = [scene(seed=seed) for seed in (1, 2, 3)]
    content = film(scenes, frames_per_scene=50, rate=25, container=container, codec=codec, keyframe_every=250)
    _, clips = _clips(tmp_path, content)
    assert [clip.start for clip in clips] == pytest.approx([0, 2, 4], abs=0.13)
    assert _seamless(clips, 6)
    for clip, pixels in zip(clips, scenes, strict=True):
        assert len(clip.frames) == 4 and all(_looks_like(frame, pixels) for frame in clip.frames)


def test_key_frames_alone_tell_the_scenes_where_they_come_often(tmp_path: Path) -> None:
    scenes = [scene(seed=seed) for seed in (1, 2)]
    content = film(scenes, frames_per_scene=50, rate=10, codec="mjpeg", container="avi")
    _, clips = _clips(tmp_path, content)
    assert all(clip.end - clip.start <= 4 for clip in clips)
    assert any(clip.start == pytest.approx(5, abs=0.3) for clip in clips)
    assert _seamless(clips, 10)


def test_a_film_over_the_budget_gives_its_key_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = film([scene(seed=1), scene(seed=2)], frames_per_scene=100, rate=10, keyframe_every=60)
    monkeypatch.setattr("bindsearch.loaders.packets.DECODED_PIXELS", 100_000)
    _, clips = _clips(tmp_path, content)
    assert _seamless(clips, 20)
    assert sum(len(clip.frames) for clip in clips) <= 6
    assert any(clip.start == 10 for clip in clips)  # the encoder put a key frame there


def test_a_scene_without_cuts_is_cut_into_equal_spans_none_too_long(tmp_path: Path) -> None:
    _, clips = _clips(tmp_path, film([scene()], frames_per_scene=103, rate=10, keyframe_every=200))
    assert [clip.end - clip.start for clip in clips] == pytest.approx([10.3 / 3] * 3, abs=0.01)
    assert _seamless(clips, 10.3)


@pytest.mark.parametrize("span_seconds, span_frames", [(1.0, 1), (2.0, 8), (60.0, 3), (0.5, 2)])
def test_spans_and_frames_are_options(tmp_path: Path, span_seconds: float, span_frames: int) -> None:
    options = LoadOptions(picture_side=32, span_seconds=span_seconds, span_frames=span_frames)
    _, clips = _clips(tmp_path, film([scene()], frames_per_scene=100, rate=20, keyframe_every=300), options)
    assert all(clip.end - clip.start <= span_seconds + 1e-6 for clip in clips)
    assert all(1 <= len(clip.frames) <= span_frames for clip in clips)
    assert _seamless(clips, 5)


def test_frames_are_small_upright_and_of_one_size(tmp_path: Path) -> None:
    facts, clips = _clips(tmp_path, film([scene(96, 64)], rotation=90))
    assert (facts.width, facts.height) == (64, 96)
    frame = clips[0].frames[0]
    assert frame.shape == (48, 32, 3) and frame.dtype == np.uint8 and clips[0].frames.flags.c_contiguous
    assert _looks_like(frame, np.rot90(scene(96, 64)))


@pytest.mark.parametrize("rotation, turns", [(180, 2), (-90, 3), (270, 3)])
def test_every_rotation_is_undone(tmp_path: Path, rotation: int, turns: int) -> None:
    _, clips = _clips(tmp_path, film([scene(96, 64)], rotation=rotation))
    assert _looks_like(clips[0].frames[0], np.rot90(scene(96, 64), turns))


def test_without_a_side_frames_keep_their_size_and_are_never_enlarged(tmp_path: Path) -> None:
    for options in (LoadOptions(), LoadOptions(picture_side=500)):
        assert _clips(tmp_path, film([scene(96, 64)]), options)[1][0].frames.shape[1:] == (64, 96, 3)


def test_a_variable_frame_rate_is_told_by_time_stamps(tmp_path: Path) -> None:
    times = [*np.arange(0, 2, 0.05), *np.arange(2, 9, 0.5)]
    scenes = [scene(seed=1)] * 40 + [scene(seed=2)] * 14
    content = film(scenes, frames_per_scene=1, times=[float(time) for time in times], keyframe_every=300)
    _, clips = _clips(tmp_path, content)
    assert any(clip.start == pytest.approx(2, abs=0.1) for clip in clips)
    assert clips[-1].end == pytest.approx(8.55, abs=0.5)


def test_a_picture_that_stands_for_long_is_one_span(tmp_path: Path) -> None:
    content = film(
        [scene(seed=1), scene(seed=2)], frames_per_scene=1, times=[0.0, 1000.0], keyframe_every=300
    )
    _, clips = _clips(tmp_path, content)
    assert (clips[0].start, clips[0].end) == (0, 1000)
    assert len(clips) == 2


def test_a_film_of_one_frame_is_one_span(tmp_path: Path) -> None:
    _, clips = _clips(tmp_path, film([scene()], frames_per_scene=1))
    assert len(clips) == 1 and clips[0].start == 0 < clips[0].end


def test_black_frames_do_not_stand_for_a_span_that_shows_something(tmp_path: Path) -> None:
    black = np.zeros((64, 96, 3), np.uint8)
    content = film([black] * 3 + [scene()] * 27, frames_per_scene=1, rate=10, keyframe_every=200)
    _, clips = _clips(tmp_path, content)
    assert all(np.ptp(frame) > 100 for clip in clips for frame in clip.frames)


def test_a_wholly_black_film_is_still_covered(tmp_path: Path) -> None:
    _, clips = _clips(tmp_path, film([np.zeros((64, 96, 3), np.uint8)], frames_per_scene=60))
    assert _seamless(clips, 6)


def test_time_place_and_camera_come_from_the_tags(tmp_path: Path) -> None:
    tags = {"creation_time": "2024-05-31T16:20:07.000000Z", "location": "+48.8577+002.2950+035.0/"}
    tags |= {"make": "Apple", "model": "iPhone 15"}
    content = film(metadata=tags, options={"movflags": "use_metadata_tags"})
    facts, _ = _clips(tmp_path, content)
    assert facts.taken_at == datetime(2024, 5, 31, 16, 20, 7, tzinfo=UTC).timestamp()
    assert (facts.latitude, facts.longitude) == (48.8577, 2.2950)
    assert facts.camera == "Apple iPhone 15"
    assert facts.duration == pytest.approx(3, abs=0.01)


def test_apples_own_tags_carry_the_zone(tmp_path: Path) -> None:
    tags = {
        "creation_time": "2001-01-01T00:00:00.000000Z",
        "com.apple.quicktime.creationdate": "2024-05-31T18:20:07+0200",
        "com.apple.quicktime.location.ISO6709": "-33.8600+151.2000+010.000/",
    }
    facts, _ = _clips(
        tmp_path, film(container="mov", metadata=tags, options={"movflags": "use_metadata_tags"})
    )
    assert facts.taken_at == datetime(2024, 5, 31, 16, 20, 7, tzinfo=UTC).timestamp()
    assert (facts.latitude, facts.longitude) == (-33.86, 151.2)


@pytest.mark.parametrize("part", [0.5, 0.7, 0.9])
def test_a_film_that_ends_early_is_refused_after_its_whole_spans(tmp_path: Path, part: float) -> None:
    whole = film(
        [scene(seed=seed) for seed in range(12)], frames_per_scene=20, options={"movflags": "faststart"}
    )
    path = tmp_path / "film"
    path.write_bytes(whole[: int(len(whole) * part)])
    media = load(path, SMALL).media
    with pytest.raises(DamagedFile, match=r"truncated: it says it lasts 24\.0 s, but ends after|damaged"):
        list(media)


def test_a_film_with_destroyed_packets_is_refused(tmp_path: Path) -> None:
    whole = bytearray(
        film([scene(seed=seed) for seed in range(6)], frames_per_scene=40, options={"movflags": "faststart"})
    )
    start = whole.index(b"mdat") + 2000
    whole[start:-500] = bytes(len(whole) - 500 - start)
    path = tmp_path / "film"
    path.write_bytes(bytes(whole))
    with pytest.raises(DamagedFile, match=r"damaged|truncated"):
        list(load(path, SMALL).media)


def test_pixel_limits_hold_for_films_too(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(film())
    with pytest.raises(DamagedFile, match="too many pixels"):
        load(path, LoadOptions(max_pixels=6_000))


def test_media_are_made_as_they_are_asked_for_and_the_file_is_closed_early(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(film([scene(seed=seed) for seed in range(20)], frames_per_scene=10))
    before = _open_files()
    media = load(path, SMALL).media
    assert _open_files() == before
    first = next(media)
    assert isinstance(first, Clip) and first.start == 0 and _open_files() == before + 1
    media.close()  # type: ignore[attr-defined]
    assert _open_files() == before


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        path = tmp_path / f"{seconds}.mp4"
        path.write_bytes(film([scene(320, 240)], frames_per_scene=10 * seconds, rate=10, keyframe_every=50))
        tracemalloc.start()
        for _ in load(path, LoadOptions()).media:
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(8)
    assert peak(80) < 1.5 * peak(16)


def test_the_same_film_gives_the_same_spans_in_every_thread(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(film([scene(seed=seed) for seed in range(5)], frames_per_scene=20))
    results: list[list[tuple[float, float, int]]] = []

    def read() -> None:
        clips = [medium for medium in load(path, SMALL).media if isinstance(medium, Clip)]
        results.append([(clip.start, clip.end, int(clip.frames.astype(np.int64).sum())) for clip in clips])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 4 and all(result == results[0] for result in results)


def test_the_measure_of_change_knows_a_cut_from_a_pan_and_a_flicker() -> None:
    here, there = scene(64, 18, seed=1), scene(32, 18, seed=2)
    assert change(here[:, :32], there) > 0.26
    assert change(here[:, :32], here[:, 2:34]) < 0.2
    assert change(here[:, :32], (here[:, :32] * 0.9).astype(np.uint8)) < 0.2
    assert change(there, there) == 0


def test_a_shaking_camera_is_not_cut_to_pieces() -> None:
    random = np.random.default_rng(3)
    wide = scene(96, 54, seed=5)
    finder = CutFinder()
    cuts = 0
    for _ in range(100):
        x, y = random.integers(0, 64), random.integers(0, 36)
        cuts += finder.is_cut(np.ascontiguousarray(wide[y : y + 18, x : x + 32]))
    assert cuts < 10


@given(
    st.lists(st.tuples(st.floats(0.01, 9), st.booleans()), min_size=1, max_size=60),
    st.floats(0.5, 10),
    st.integers(1, 8),
)
def test_spans_never_overlap_and_leave_no_hole(
    gaps: list[tuple[float, bool]], longest: float, count: int
) -> None:
    looks = (scene(32, 18, seed=1), scene(32, 18, seed=2))
    collector = SpanCollector(longest, count)
    clips: list[Clip] = []
    time, look = 0.0, 0
    for gap, other in gaps:
        look ^= other
        clips += collector.ends_before(time, looks[look])
        if collector.wants(time):
            collector.keep(time, looks[look], looks[look])
        time += gap
    clips += collector.last(time)
    assert clips[0].start == 0 and clips[-1].end == pytest.approx(time)
    assert all(one.end == other.start for one, other in pairwise(clips))
    assert all(clip.start < clip.end and 1 <= len(clip.frames) <= count for clip in clips)


def _open_files() -> int:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    links = Path("/proc/self/fd")
    assert limit
    return sum(1 for link in links.iterdir() if link.exists() and link.resolve().name == "film")
