"""Previews are made once, kept, remade when broken, and go with their content."""

from __future__ import annotations

import multiprocessing
import os
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bindsearch.answers import Hit, SearchOptions
from bindsearch.errors import LibraryMissing, MediaError, QueryError
from bindsearch.ingest.library import Library
from bindsearch.ingest.previews import Previews
from bindsearch.loaders import LoadOptions
from bindsearch.settings import Settings
from tests.media import BLUE, GREEN, RED, film, picture
from tests.tiny import APART, TinyEncoder


def kept(library: Library) -> list[Path]:
    """Every file among the previews, whatever its name."""
    return sorted(path for path in (library.folder / "previews").rglob("*") if path.is_file())


def hits(library: Library, words: str = "red", options: SearchOptions = APART) -> Sequence[Hit]:
    return library.search(words, 50, options=options)


def colour(path: Path, at: tuple[float, float] = (0.5, 0.5)) -> tuple[int, ...]:
    """The colour at a place, in shares of width and height, to the nearest 50."""
    with Image.open(path) as shown:
        place = (int(at[0] * shown.width), int(at[1] * shown.height))
        return tuple(round(level / 50) * 50 for level in shown.convert("RGB").getpixel(place))


def indexed(library: Library, folder: Path) -> Hit:
    """The one hit for the one picture, of red, that is indexed."""
    picture(folder / "red.png", RED, (300, 200))
    library.index(folder)
    (hit,) = hits(library)
    return hit


def test_a_preview_is_small_has_the_colours_of_its_picture_and_lies_in_the_library(
    library: Library, folder: Path
) -> None:
    hit = indexed(library, folder)
    path = library.preview(hit.segment_id, 64)
    with Image.open(path) as shown:
        assert (shown.format, shown.size) == ("WEBP", (64, 43))
    assert colour(path) == (250, 0, 0)
    assert kept(library) == [path]
    assert path.name.startswith(hit.sha256)
    assert path.parent.name == hit.sha256[:2]


def test_a_preview_that_is_kept_is_not_made_again(library: Library, folder: Path) -> None:
    hit = indexed(library, folder)
    first = library.preview(hit.segment_id, 64)
    before = first.stat().st_ino
    assert library.preview(hit.segment_id, 64) == first
    assert first.stat().st_ino == before, "a new file would be another inode"
    assert library.preview(hit.segment_id, 32) != first, "each side is kept apart"


def test_a_preview_is_served_when_its_file_is_not_there(library: Library, folder: Path) -> None:
    hit = indexed(library, folder)
    path = library.preview(hit.segment_id)
    folder.rename(folder.with_name("unplugged"))
    assert library.preview(hit.segment_id) == path
    with pytest.raises(MediaError, match=r"red\.png: is not there now, and no preview of it was kept"):
        library.preview(hit.segment_id, 100)


def test_a_file_that_has_changed_is_not_shown_in_place_of_what_it_was(library: Library, folder: Path) -> None:
    hit = indexed(library, folder)
    picture(folder / "red.png", BLUE, (320, 200))
    with pytest.raises(MediaError, match="has changed since it was indexed"):
        library.preview(hit.segment_id)


def test_a_copy_elsewhere_serves_as_well(library: Library, folder: Path) -> None:
    picture(folder / "a.png", RED)
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes())
    library.index(folder)
    (hit,) = hits(library)
    hit.path.unlink()
    assert colour(library.preview(hit.segment_id)) == (250, 0, 0)


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"no picture at all" * 99, None])
def test_a_broken_preview_is_made_anew(library: Library, folder: Path, damage: bytes | None) -> None:
    hit = indexed(library, folder)
    path = library.preview(hit.segment_id)
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    assert library.preview(hit.segment_id) == path
    assert colour(path) == (250, 0, 0)


def test_each_span_of_a_film_has_its_own_preview(library: Library, folder: Path) -> None:
    film(folder / "film.mp4", [RED, GREEN, BLUE], seconds=4)
    library.index(folder)
    spans = sorted(
        hits(library, options=SearchOptions(all_moments=True, duplicates=True)),
        key=lambda hit: hit.start or 0,
    )
    assert len(spans) == 3
    for hit, level in zip(spans, (RED, GREEN, BLUE), strict=True):
        shown = np.array(colour(library.preview(hit.segment_id), (0.25, 0.25)))
        assert shown.argmax() == np.argmax(level)


def test_a_note_is_shown_by_its_words_even_when_its_file_is_gone(library: Library, folder: Path) -> None:
    (folder / "note.md").write_text("the red cat\n")
    library.index(folder)
    (hit,) = hits(library)
    (folder / "note.md").unlink()
    with Image.open(library.preview(hit.segment_id)) as shown:
        levels = np.asarray(shown.convert("L"))
    assert levels.max() > 230
    assert levels.min() < 100, "there is ink"


def test_segments_that_the_space_does_not_embed_have_previews(library: Library, folder: Path) -> None:
    samples = np.sin(2 * np.pi * 1000 * np.arange(16_000 * 12) / 16_000)
    with wave.open(str(folder / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 20_000).astype("<i2").tobytes())
    report = library.index(folder)
    assert report.set_aside == {"audio": 3}
    for segment_id in (1, 2, 3):
        with Image.open(library.preview(segment_id)) as shown:
            assert shown.size == (256, 192)


def test_a_segment_that_does_not_exist_is_refused(library: Library, folder: Path) -> None:
    with pytest.raises(LibraryMissing):
        library.preview(1)
    hit = indexed(library, folder)
    with pytest.raises(QueryError, match="there is no such segment"):
        library.preview(hit.segment_id + 1)
    for side in (0, -5, 15, 5000):
        with pytest.raises(QueryError, match="from 16 to 4096 points"):
            library.preview(hit.segment_id, side)


def test_what_is_forgotten_leaves_no_preview_behind(library: Library, folder: Path) -> None:
    picture(folder / "red.png", RED)
    picture(folder / "blue.png", BLUE)
    library.index(folder)
    red, blue = hits(library, "red")
    for hit in (red, blue):
        library.preview(hit.segment_id)
    library.forget([red.path])
    assert [path.name.partition("-")[0] for path in kept(library)] == [blue.sha256]


def test_a_run_removes_the_previews_of_what_a_file_no_longer_holds_and_leftovers(
    library: Library, folder: Path
) -> None:
    hit = indexed(library, folder)
    path = library.preview(hit.segment_id)
    (path.parent / "0123456789abcdef.tmp").write_bytes(b"left by a process that was killed")
    (path.parent / "notes-0-x.webp").write_bytes(b"of a name that nobody gives")
    library.index()
    assert kept(library) == [path]
    picture(folder / "red.png", GREEN, (301, 200))
    library.index()
    assert kept(library) == []


def test_previews_that_nobody_asked_for_go_first_when_there_are_too_many(
    library: Library, folder: Path
) -> None:
    noise = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(noise.integers(0, 256, (64, 64, 3), np.uint8)).save(folder / f"{number}.png")
    library.index(folder)
    paths = [library.preview(number, 64) for number in range(1, 7)]
    for age, path in enumerate(paths):
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    library.preview(6, 64)  # the oldest is asked for
    each = paths[0].stat().st_size
    with library._reading().catalog.read() as catalog:
        Previews(library.folder, Settings(), LoadOptions(), most_bytes=4 * each).sweep(catalog)
        left = kept(library)
        assert paths[5] in left
        assert sum(path.stat().st_size for path in left) <= 4 * each
        assert len(left) >= 2
        assert paths[4] not in left, "the next oldest goes first"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_library_that_cannot_be_written_still_gives_previews_by_rights(
    library: Library, folder: Path
) -> None:
    hit = indexed(library, folder)
    library.folder.chmod(0o500)
    try:
        assert colour(library.preview(hit.segment_id)) == (250, 0, 0)
    finally:
        library.folder.chmod(0o700)


def test_where_nothing_can_be_kept_a_preview_lasts_until_the_library_is_closed(
    library: Library, folder: Path
) -> None:
    hit = indexed(library, folder)
    (library.folder / "previews").write_text("a file where the folder should be")
    path = library.preview(hit.segment_id)
    assert colour(path) == (250, 0, 0)
    assert library.preview(hit.segment_id) == path, "it is made once only"
    assert not path.is_relative_to(library.folder)
    library.close()
    assert not path.exists()


def _ask(folder: Path, segment_id: int, times: int) -> set[str]:
    """In a process of its own: the preview, removed and asked for again and again."""
    told = set()
    with Library(folder, Settings(), TinyEncoder()) as library:
        for number in range(times):
            path = library.preview(segment_id, 64)
            told.add(str(colour(path)))
            if number % 3 == 0:
                path.unlink(missing_ok=True)
    return told


def test_many_processes_may_make_and_remove_the_same_preview(library: Library, folder: Path) -> None:
    hit = indexed(library, folder)
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        try:
            told = pool.starmap(_ask_safely, [(library.folder, hit.segment_id, 7)] * 2)
        finally:
            pool.terminate()
            pool.join()
    assert set().union(*told) == {"(250, 0, 0)"}
    assert [path.suffix for path in kept(library)] in ([], [".webp"]), "no temporary file is left"


def _ask_safely(folder: Path, segment_id: int, times: int) -> set[str]:
    """As ``_ask``; a preview that another process removed before it was opened is asked for again."""
    for _ in range(50):
        try:
            return _ask(folder, segment_id, times)
        except FileNotFoundError:
            continue
    return {"never there"}


def test_threads_with_a_library_each_share_the_folder(library: Library, folder: Path) -> None:
    hit = indexed(library, folder)

    def ask(_: int) -> Path:
        with Library(library.folder, Settings(), TinyEncoder()) as own:
            return own.preview(hit.segment_id, 64)

    with ThreadPoolExecutor(3) as pool:
        paths = set(pool.map(ask, range(6)))
    assert kept(library) == sorted(paths)
    assert len(paths) == 1


def test_depth_and_motion_are_shown_from_their_files_as_they_were_read(
    library: Library, folder: Path
) -> None:
    (folder / "depth").mkdir()
    millimetres = np.full((48, 64), 1500, np.uint16)
    millimetres[:, 32:] = 3000
    Image.fromarray(millimetres).save(folder / "depth" / "1.png")
    rows = [f"{n / 100},{n % 3},0,9.81,0.1,0.2,0.3" for n in range(1200)]
    (folder / "log.csv").write_text("\n".join(["time_s,ax,ay,az,gx,gy,gz", *rows]) + "\n")
    report = library.index(folder)
    assert set(report.set_aside) == {"depth", "imu"}
    sizes = []
    for segment_id in range(1, 1 + sum(report.set_aside.values())):
        with Image.open(library.preview(segment_id, 200)) as shown:
            sizes.append(shown.size)
            if shown.size != (200, 150):
                depth = np.asarray(shown.convert("RGB")).astype(int)
    assert sizes.count((200, 150)) == report.set_aside["imu"] > 1
    assert depth[60, 40, 0] > depth[60, 160, 0] + 100, "the nearer half is the warmer"
