"""A library over real folders: what an index run takes in, recognises, loses and finds again."""

from __future__ import annotations

import os
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bindsearch.answers import SearchOptions, State
from bindsearch.encoders import Vectors
from bindsearch.errors import LibraryMissing, MediaError, QueryError
from bindsearch.index.filters import Filter
from bindsearch.index.schema import Stage
from bindsearch.ingest.library import Library
from bindsearch.ingest.walk import IGNORE_FILE
from bindsearch.media import Media
from bindsearch.modality import Modality
from bindsearch.settings import Settings
from tests.dump import dump
from tests.media import BLUE, GREEN, RED, film, picture
from tests.tiny import APART, TinyEncoder


def best(library: Library, query: str, wanted: Filter | None = None) -> Path | None:
    hits = library.search(query, 1, wanted)
    return hits[0].path if hits else None


def test_pictures_films_and_notes_are_found_by_words_by_file_and_by_a_sum(
    library: Library, folder: Path
) -> None:
    red = picture(folder / "a.png", RED)
    green = picture(folder / "b.jpg", GREEN)
    note = folder / "note.md"
    note.write_text("# Paint\n\nthe blue one\n")
    report = library.index(folder)
    assert (report.seen, report.indexed, report.failed) == (3, 3, 0)
    assert best(library, "red") == red
    assert best(library, str(green)) == green
    assert best(library, "blue") == note
    assert best(library, f'"{"red green"}" - file:{red}') == green


def test_a_hit_in_a_film_names_its_moment(library: Library, folder: Path) -> None:
    film(folder / "film.mp4", [RED, GREEN, BLUE], seconds=2.0)
    library.index(folder)
    hit = library.search("green", 1)[0]
    assert hit.modality is Modality.VIDEO
    assert hit.start == pytest.approx(2.0, abs=0.3)
    assert hit.end == pytest.approx(4.0, abs=0.3)


def test_a_hit_in_a_note_names_its_lines_and_carries_its_words(library: Library, folder: Path) -> None:
    filler = "\n\n".join(f"nothing of note, paragraph {n} " + "word " * 100 for n in range(8))
    (folder / "long.txt").write_text(filler + "\n\na red letter day\n\n" + filler)
    library.index(folder)
    hit = library.search("red", 1)[0]
    assert hit.text is not None
    assert "red letter" in hit.text
    assert hit.first_line is not None
    assert hit.last_line is not None
    assert hit.first_line <= 17 <= hit.last_line


def test_a_second_run_over_an_unchanged_folder_reads_nothing(
    library: Library, folder: Path, encoder: TinyEncoder
) -> None:
    for n in range(5):
        picture(folder / f"{n}.png", (n * 50, 0, 0))
    library.index(folder)
    calls = encoder.calls
    report = library.index()
    assert (report.unchanged, report.indexed, encoder.calls) == (5, 0, calls)


@pytest.mark.parametrize(
    "rename",
    [
        lambda folder: (folder / "a.png").rename(folder / "z.png"),
        lambda folder: (folder / "sub").rename(folder / "bus"),
        lambda folder: shutil.move(folder / "a.png", folder / "sub" / "a.png"),
        lambda folder: folder.rename(folder.with_name("renamed")),
        lambda folder: shutil.copy(folder / "a.png", folder / "copy.png"),
        lambda folder: os.link(folder / "a.png", folder / "hard.png"),
        lambda folder: (folder / "a.png").touch(),
    ],
)
def test_no_rename_move_or_copy_costs_an_encoder_call(
    library: Library, folder: Path, encoder: TinyEncoder, rename: Callable[[Path], object]
) -> None:
    (folder / "sub").mkdir()
    picture(folder / "a.png", RED)
    picture(folder / "sub" / "b.png", GREEN)
    library.index(folder)
    calls = encoder.calls
    rename(folder)
    now = folder if folder.exists() else folder.with_name("renamed")
    library.index(now)
    assert encoder.calls == calls
    files = {path for path in now.rglob("*") if path.is_file()}
    found = {
        path for hit in library.search("red", 10, options=APART) for path in (hit.path, *hit.other_paths)
    }
    assert found == files
    assert [root.path for root in library.roots()] == [now]


def test_copies_within_one_run_are_encoded_once_and_all_found(
    library: Library, folder: Path, encoder: TinyEncoder
) -> None:
    for n in range(20):
        picture(folder / f"{n}.png", RED)
    report = library.index(folder)
    assert (report.indexed, report.recognised, encoder.encoded) == (1, 19, 1)
    hit = library.search("red", 5)[0]
    assert len(hit.other_paths) == 19


@pytest.mark.parametrize("chunk_seconds", [0.0, 1e9])
def test_a_run_ends_whether_chunks_are_committed_at_once_or_as_late_as_can_be(
    library: Library,
    folder: Path,
    encoder: TinyEncoder,
    monkeypatch: pytest.MonkeyPatch,
    chunk_seconds: float,
) -> None:
    monkeypatch.setattr("bindsearch.ingest.pipeline.CHUNK_SECONDS", chunk_seconds)
    encode = encoder.encode

    def slowly(batch: Sequence[Media]) -> Vectors:
        time.sleep(0.1)  # so that the readers are done before the last file is encoded
        return encode(batch)

    monkeypatch.setattr(encoder, "encode", slowly)
    for n in range(6):
        picture(folder / f"{n}.png", (n // 2 * 80, 0, 0))
    film(folder / "film.mp4", [RED, GREEN])
    (folder / "bad.png").touch()
    report = library.index(folder)
    assert (report.indexed + report.recognised, report.failed) == (7, 1)


def test_an_edited_file_is_found_by_what_it_is_now_and_not_by_what_it_was(
    library: Library, folder: Path
) -> None:
    note = folder / "note.txt"
    note.write_text("red")
    library.index(folder)
    before = library.search("red", 1)[0].score
    note.write_text("blue")
    library.index(folder)
    assert library.search("blue", 1)[0].score == pytest.approx(before, abs=0.1)
    assert library.search("red", 1)[0].score < 0.5
    assert sum(library.segments_by_modality().values()) == 1, "the old bytes must leave no segments"


def test_a_vanished_file_is_missing_and_comes_back_without_work(
    library: Library, folder: Path, encoder: TinyEncoder
) -> None:
    path = picture(folder / "a.png", RED)
    picture(folder / "b.png", GREEN)
    library.index(folder)
    kept = path.rename(folder.parent / "elsewhere.png")
    assert library.index(folder).missing == 1
    assert best(library, "red") != path
    assert library.roots()[0].missing == 1
    calls = encoder.calls
    kept.rename(path)
    library.index(folder)
    assert encoder.calls == calls
    assert best(library, "red") == path


def test_a_vanished_root_is_offline_and_comes_back_without_work(
    library: Library, folder: Path, encoder: TinyEncoder
) -> None:
    path = picture(folder / "a.png", RED)
    library.index(folder)
    away = folder.rename(folder.with_name("unplugged"))
    report = library.index()
    assert report.offline_roots == [folder]
    assert library.roots()[0].offline == 1
    assert len(library.search("red")) == 0
    offline = library.search("red", 1, Filter(offline=True))[0]
    assert (offline.path, offline.state) == (path, State.OFFLINE)
    calls = encoder.calls
    away.rename(folder)
    library.index()
    assert encoder.calls == calls
    assert best(library, "red") == path


def test_indexing_one_root_notices_that_another_has_vanished(library: Library, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        root.mkdir()
        picture(root / "a.png", RED if root is first else GREEN)
    library.index([first, second])
    shutil.rmtree(first)
    library.index(second)
    assert [root.state for root in library.roots()] == [State.OFFLINE, State.PRESENT]


def test_part_of_a_root_can_be_updated_alone(library: Library, folder: Path) -> None:
    (folder / "sub").mkdir()
    library.index(folder)
    picture(folder / "outside.png", RED)
    inside = picture(folder / "sub" / "inside.png", GREEN)
    assert library.index(folder / "sub").indexed == 1
    assert best(library, "green") == inside
    assert len(library.roots()) == 1
    inside.unlink()
    assert library.index(inside).missing == 1
    assert library.index(folder).indexed == 1


def test_a_root_inside_another_is_walked_once(library: Library, folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    picture(inner / "a.png", RED)
    library.index(inner)
    picture(folder / "b.png", GREEN)
    report = library.index(folder)
    assert (report.indexed, report.unchanged) == (1, 1)
    assert {hit.path.name for hit in library.search("red", 5, options=APART)} == {"a.png", "b.png"}
    assert all(hit.other_paths == () for hit in library.search("red", 5, options=APART))


def test_a_single_file_can_be_a_root(library: Library, folder: Path) -> None:
    path = picture(folder / "a.png", RED)
    picture(folder / "b.png", RED)
    library.index(path)
    assert [hit.path for hit in library.search("red", 5, options=APART)] == [path]


def test_what_an_ignore_file_names_stays_out_and_goes_out(library: Library, folder: Path) -> None:
    picture(folder / "a.png", RED)
    picture(folder / "b.png", GREEN)
    library.index(folder)
    (folder / IGNORE_FILE).write_text("a.*\n")
    library.index(folder)
    assert {hit.path.name for hit in library.search("red", 5, options=APART)} == {"b.png"}


def test_the_librarys_own_folder_is_never_indexed(tmp_path: Path, encoder: TinyEncoder) -> None:
    picture(tmp_path / "a.png", RED)
    with Library(tmp_path / "library", Settings(), encoder) as library:
        assert library.index(tmp_path).seen == 1
        assert library.index(tmp_path).seen == 1


def test_failures_are_listed_left_alone_until_they_change_and_retried_when_asked(
    library: Library, folder: Path
) -> None:
    bad = folder / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 nothing that a camera wrote")
    assert library.index(folder).failed == 1
    (failure,) = library.failures()
    assert (failure.path, failure.stage) == (bad, Stage.DECODE)
    assert library.index(folder).failing == 1
    assert library.index(folder, retry_failed=True).failed == 1
    picture(bad, RED)
    assert library.index(folder).indexed == 1
    assert library.failures() == []
    assert best(library, "red") == bad


def test_a_good_file_that_goes_bad_is_no_longer_found(library: Library, folder: Path) -> None:
    path = picture(folder / "a.png", RED)
    library.index(folder)
    path.write_bytes(path.read_bytes()[:40])
    library.index(folder)
    assert len(library.search("red")) == 0
    assert [failure.path for failure in library.failures()] == [path]
    path.unlink()
    library.index(folder)
    assert library.failures() == []


def test_bytes_that_the_encoder_refuses_are_a_failure_of_every_copy(library: Library, folder: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (folder / name).write_text("this is unencodable")
    picture(folder / "good.png", RED)
    report = library.index(folder)
    assert (report.indexed, report.failed) == (1, 3)
    assert {failure.stage for failure in library.failures()} == {Stage.ENCODE}


def test_kinds_that_are_not_read_are_listed_apart(library: Library, folder: Path) -> None:
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("note.txt", "red")
    report = library.index(folder)
    assert (report.unsupported, report.failed) == (1, 0)
    assert library.failures() == []
    assert [failure.path.name for failure in library.failures(unsupported=True)] == ["archive.zip"]


def test_a_file_that_changes_while_it_is_read_is_taken_up_by_the_next_run(
    library: Library, folder: Path
) -> None:
    path = folder / "growing.txt"
    path.write_text("red\n" * 2_000_000)
    stop = threading.Event()

    def grow() -> None:
        while not stop.is_set():
            with path.open("a") as file:
                file.write("blue\n")
            time.sleep(0.001)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        assert library.index(folder).indexed == 0
    finally:
        stop.set()
        writer.join()
    assert "changed while it was being read" in library.failures()[0].reason
    path.write_text("blue")
    assert library.index(folder).indexed == 1


def test_filters_act_inside_the_search(library: Library, folder: Path) -> None:
    for n in range(40):
        picture(folder / f"{n}.png", (255, n, n))
    (folder / "sub").mkdir()
    lone = picture(folder / "sub" / "lone.png", BLUE)
    (folder / "note.txt").write_text("white")
    library.index(folder)
    os.utime(lone, (86_400.0, 86_400.0))
    library.index(folder)
    assert best(library, "red", Filter(folders=(str(folder / "sub"),))) == lone
    assert best(library, "red", Filter(folders=(str(folder / "su"),))) is None
    assert len(library.search("red", 99, Filter(folders=(str(folder.parent),)), APART)) == 42
    assert best(library, "red", Filter(until=90_000.0)) == lone
    assert best(library, "blue", Filter(since=90_000.0)) != lone
    assert best(library, "red", Filter(modalities=frozenset({Modality.TEXT}))) == folder / "note.txt"
    assert best(library, "red", Filter(modalities=frozenset({Modality.VIDEO}))) is None


def test_one_hit_a_file_unless_all_moments_are_asked_for(library: Library, folder: Path) -> None:
    film(folder / "film.mp4", [RED, GREEN] * 6, seconds=1.0)
    picture(folder / "a.png", BLUE)
    library.index(folder)
    assert len(library.search("red", 10, options=APART)) == 2
    moments = library.search("red", 4, options=SearchOptions(all_moments=True))
    assert [hit.path.name for hit in moments] == ["film.mp4"] * 4


def test_forgetting_takes_things_out_of_the_library_and_never_off_the_disk(
    library: Library, folder: Path
) -> None:
    red, green = picture(folder / "a.png", RED), picture(folder / "b.png", GREEN)
    library.index(folder)
    assert library.forget([red]) == 1
    assert best(library, "red") == green
    green.unlink()
    library.index(folder)
    assert library.forget(missing=True) == 1
    assert best(library, "red") == red, "a forgotten file inside a root comes back with the next run"
    assert library.forget([folder]) == 1
    assert (library.roots(), len(library.search("red"))) == ([], 0)
    assert red.exists()
    assert dump(library.folder)["vectors"] == {}


def test_a_new_revision_of_the_space_embeds_anew_and_keeps_segments(
    library: Library, folder: Path, encoder: TinyEncoder
) -> None:
    film(folder / "film.mp4", [RED, GREEN])
    library.index(folder)
    segments = dump(library.folder)["segments"]
    newer = TinyEncoder(revision="2")
    with Library(library.folder, Settings(), newer) as upgraded:
        assert len(upgraded.search("red")) == 0
        assert upgraded.index().indexed == 1
        assert best(upgraded, "red") == folder / "film.mp4"
    after = dump(library.folder)
    assert after["segments"] == segments
    assert {space for space, _, _ in after["vectors"]} == {encoder.space.key, newer.space.key}
    assert best(library, "red") == folder / "film.mp4", "the old space stays searchable"


def test_searching_before_anything_is_indexed_says_so(library: Library) -> None:
    with pytest.raises(LibraryMissing, match="bindsearch index"):
        library.search("red")


def test_a_run_over_all_roots_of_a_library_without_any_says_what_to_do(library: Library) -> None:
    with pytest.raises(QueryError, match="bindsearch index FOLDER"):
        library.index()


def test_a_path_that_is_not_there_is_an_error_and_no_root(library: Library, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no such file or folder"):
        library.index(tmp_path / "nowhere")
    assert library.roots() == []


def test_a_damaged_file_in_a_query_is_named_with_its_reason(library: Library, folder: Path) -> None:
    library.index(folder)
    (folder / "empty.jpg").touch()
    with pytest.raises(MediaError, match=r"empty.jpg: empty file"):
        library.search(str(folder / "empty.jpg"))


def test_searches_go_on_while_an_index_run_writes(library: Library, folder: Path) -> None:
    for n in range(150):
        picture(folder / f"{n}.png", (n, 255 - n, 7))
    picture(folder / "red.png", RED)
    library.index(folder / "red.png")
    library.index(folder / "0.png")
    errors: list[BaseException] = []

    def run() -> None:
        with Library(library.folder, Settings(chunk_files=1), TinyEncoder()) as other:
            other.index(folder)

    writer = threading.Thread(target=run)
    writer.start()
    counts = []
    while writer.is_alive():
        counts.append(len(library.search("red", 500, options=APART)))
    writer.join()
    assert errors == []
    assert counts == sorted(counts)
    assert len(library.search("red", 500, options=APART)) == 151
