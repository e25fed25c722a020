"""Files that are being written, runs that are cut short, parts of a root: ``index`` as the daemon uses it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindsearch.ingest.library import Library
from bindsearch.ingest.pace import FullPace
from bindsearch.ingest.progress import RunReport
from tests.tiny import APART, TinyEncoder


def note(path: Path, text: str, age: float = 3600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    grow_old(path, age)
    return path


def grow_old(path: Path, age: float = 3600) -> None:
    os.utime(path, (time.time() - age,) * 2)


def found(library: Library) -> set[str]:
    return {hit.path.name for hit in library.search("red", 100, options=APART).hits}


class Limited(FullPace):
    """Lets so many files be begun, or asks so many times whether to go on."""

    def __init__(self, files: int = 1_000_000, questions: int = 1_000_000) -> None:
        self.files = files
        self.questions = questions

    def go_on(self) -> bool:
        """See Pace."""
        self.questions -= 1
        return self.questions >= 0

    def begin_more(self) -> bool:
        """See Pace."""
        self.files -= 1
        return self.files >= 0


def test_a_file_that_was_just_written_is_left_for_later(library: Library, folder: Path) -> None:
    note(folder / "old.txt", "red old")
    new = note(folder / "new.txt", "red new", age=0)
    report = library.index(folder, quiet=30)
    assert (report.restless, report.indexed, report.seen) == ([new], 1, 2)
    assert library.failures() == []
    grow_old(new, 31)
    assert library.index(folder, quiet=30).restless == []
    assert found(library) == {"old.txt", "new.txt"}


def test_what_is_known_of_a_restless_file_stays_until_it_is_quiet(library: Library, folder: Path) -> None:
    path = note(folder / "a.txt", "red before")
    library.index(folder)
    note(path, "red after", age=0)
    assert library.index(folder, quiet=30).restless == [path]
    assert found(library) == {"a.txt"}


def test_a_file_from_the_future_is_not_waited_for(library: Library, folder: Path) -> None:
    note(folder / "a.txt", "red", age=-86_400)
    assert library.index(folder, quiet=30).indexed == 1


def test_a_young_file_that_fails_is_a_failure_only_at_the_second_try(library: Library, folder: Path) -> None:
    path = folder / "half.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n half")
    grow_old(path, 10)
    assert library.index(folder, quiet=2).restless == [path]
    assert library.failures() == []
    assert library.index(folder, quiet=2).failed == 1
    assert [failure.path for failure in library.failures()] == [path]
    path.write_bytes(b"\x89PNG\r\n\x1a\n more of it")
    grow_old(path, 10)
    assert library.index(folder, quiet=2).restless == [path], "it has been written to since"


def test_copies_of_a_half_written_file_are_left_for_later_together(library: Library, folder: Path) -> None:
    for name in "abcd":
        (folder / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
        grow_old(folder / f"{name}.png", 10)
    assert len(library.index(folder, quiet=2).restless) == 4


def test_an_old_file_that_fails_is_a_failure_at_once(library: Library, folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
    grow_old(folder / "bad.png")
    assert library.index(folder, quiet=2).failed == 1


def test_a_run_that_may_begin_no_more_files_finishes_those_in_hand(library: Library, folder: Path) -> None:
    for n in range(60):
        note(folder / f"{n}.txt", f"red {n}")
    first = library.index(folder, pace=Limited(files=5))
    assert first.unfinished
    assert first.indexed < 60
    assert len(found(library)) == first.indexed
    rest = library.index(folder)
    assert (rest.unfinished, first.indexed + rest.indexed) == (False, 60)


@pytest.mark.parametrize("questions", [1, 30])
def test_a_run_that_is_ended_has_committed_what_it_reports(
    library: Library, folder: Path, questions: int
) -> None:
    for n in range(40):
        note(folder / f"{n}.txt", f"red {n}")
    report = library.index(folder, pace=Limited(questions=questions))
    assert report.unfinished
    assert len(found(library)) == report.indexed
    assert library.index(folder).indexed == 40 - report.indexed


def test_a_walk_that_is_ended_changes_nothing(library: Library, folder: Path) -> None:
    for n in range(10):
        note(folder / f"{n}.txt", f"red {n}")
    library.index(folder)
    (folder / "3.txt").unlink()
    assert library.index(folder, pace=Limited(questions=0)).missing == 0
    assert len(found(library)) == 10


def test_slices_that_retry_failures_come_to_an_end(library: Library, folder: Path) -> None:
    for n in range(30):
        path = folder / f"{n}.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([n]))
        grow_old(path)
    library.index(folder)
    began = time.time()

    def slices() -> Iterator[RunReport]:
        while True:
            report = library.index(folder, retry_failed=began, pace=Limited(files=9))
            yield report
            if not report.unfinished:
                return

    assert sum(report.failed for report in slices()) == 30


def test_a_file_that_could_not_be_read_is_tried_again_when_its_permissions_change(
    library: Library, folder: Path
) -> None:
    if os.geteuid() == 0:
        pytest.skip("an administrator may read everything")
    path = note(folder / "a.txt", "red")
    path.chmod(0)
    assert library.index(folder).failed == 1
    assert library.index(folder).failing == 1
    path.chmod(0o600)
    assert library.index(folder).indexed == 1


def test_a_path_in_no_root_is_passed_over_if_no_roots_are_to_be_added(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    note(folder / "a.txt", "red")
    library.index(folder)
    other = note(tmp_path / "other" / "b.txt", "red").parent
    assert library.index([other, tmp_path / "nothing"], adds_roots=False).seen == 0
    assert [root.path for root in library.roots()] == [folder]


def test_a_part_of_a_root_is_reconciled_without_the_rest(
    library: Library, folder: Path, encoder: TinyEncoder
) -> None:
    note(folder / "a" / "1.txt", "red a")
    note(folder / "b" / "2.txt", "red b")
    library.index(folder)
    note(folder / "a" / "3.txt", "red c")
    (folder / "b" / "2.txt").unlink()
    report = library.index(folder / "a")
    assert (report.seen, report.indexed, report.missing) == (2, 1, 0)
    assert found(library) == {"1.txt", "2.txt", "3.txt"}
    assert library.index(folder / "b" / "2.txt").missing == 1
    assert found(library) == {"1.txt", "3.txt"}


def test_a_file_that_moves_to_another_folder_is_not_decoded_again_whichever_end_is_seen_first(
    library: Library, folder: Path, encoder: TinyEncoder
) -> None:
    for order in ((0, 1), (1, 0)):
        old = note(folder / "a" / "1.txt", f"red {order}")
        library.index(folder)
        new = folder / "b" / "1.txt"
        new.parent.mkdir(exist_ok=True)
        calls = encoder.calls
        old.rename(new)
        for n in order:
            library.index((old, new)[n])
        assert encoder.calls == calls
        assert [hit.path for hit in library.search("red", 9).hits] == [new]
        assert sum(root.missing for root in library.roots()) == 0
        new.unlink()
        library.index(folder)
        library.forget(missing=True)
