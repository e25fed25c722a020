"""The watcher as a whole: whatever happens below a root becomes due."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindsearch.ingest.watching.mounts import Mount
from bindsearch.ingest.watching.watcher import HAS_INOTIFY, Clocks, Due, Watcher
from bindsearch.settings import WatchSettings
from tests.ingest.watching.following import Follower, following, modes

needs_inotify = pytest.mark.skipif(not HAS_INOTIFY, reason="inotify is Linux's")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture(params=[pytest.param("tree", marks=needs_inotify), "portable", "polled"])
def follower(root: Path, request: pytest.FixtureRequest) -> Iterator[Follower]:
    """One for each way to watch."""
    how = {
        "tree": {"inotify": True},
        "portable": {"inotify": False},
        "polled": {"mounts": lambda: (Mount(str(root), "nfs4", "0:99"),)},
    }[request.param]
    with following(root, **how) as one:
        yield one


def test_a_root_is_due_at_the_start_and_settled_once_walked(root: Path) -> None:
    watcher = Watcher(WatchSettings())
    watcher.start([root])
    try:
        assert not watcher.settled
        assert watcher.wake.wait(5)
        assert watcher.take_due(time.monotonic()) == [Due(root, whole=True, reason="start")]
        assert not watcher.settled
        watcher.reconciled(root)
        assert watcher.settled
        assert watcher.take_due(time.monotonic()) == []
        assert (watcher.next_due() or 0) > time.monotonic() + 500
    finally:
        watcher.stop()


def test_files_that_come_change_and_go_are_due(root: Path, follower: Follower) -> None:
    file = root / "one.jpg"
    file.write_bytes(b"1")
    follower.until_due(file)
    follower.settle()
    file.write_bytes(b"22")
    follower.until_due(file)
    follower.settle()
    file.rename(root / "two.jpg")
    follower.until_due(file, root / "two.jpg")
    follower.settle()
    (root / "two.jpg").unlink()
    follower.until_due(root / "two.jpg")


def test_files_in_new_moved_and_renamed_folders_are_due(
    root: Path, tmp_path: Path, follower: Follower
) -> None:
    deep = root / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "one.jpg").write_bytes(b"1")
    follower.until_due(deep / "one.jpg")
    follower.settle()
    (root / "a").rename(root / "z")
    follower.until_due(deep / "one.jpg", root / "z/b/c/one.jpg")
    follower.settle()
    (root / "z/b/c/two.jpg").write_bytes(b"2")
    follower.until_due(root / "z/b/c/two.jpg")
    follower.settle()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "three.jpg").write_bytes(b"3")
    outside.rename(root / "inside")
    follower.until_due(root / "inside" / "three.jpg")


def test_an_editor_that_saves_by_renaming_is_noticed(root: Path, follower: Follower) -> None:
    (root / ".note.txt.swp").write_text("draft")
    (root / ".note.txt.swp").rename(root / "note.txt")
    follower.until_due(root / "note.txt")
    assert not any(".swp" in str(due.path) for due in follower.seen)


def test_files_of_rules_and_ignore_patterns_make_their_folder_due(root: Path, follower: Follower) -> None:
    folder = root / "sub"
    folder.mkdir()
    (folder / "one.png").write_bytes(b"1")
    follower.until_due(folder / "one.png")
    follower.settle()
    (folder / ".bindsearch.toml").write_text("")
    follower.until(lambda: any(due.path == folder for due in follower.seen))
    follower.settle()
    (folder / ".bindsearchignore").write_text("*.png")
    follower.until(lambda: any(due.path in (folder, root) for due in follower.seen))


def test_a_root_that_vanishes_is_due_and_watched_again_when_it_returns(
    root: Path, tmp_path: Path, follower: Follower
) -> None:
    root.rename(tmp_path / "unplugged")
    follower.until_whole(root, "vanished")
    assert modes(follower.watcher) == ["offline"]
    assert any("not there" in told for told in follower.watcher.degraded())
    (tmp_path / "unplugged").rename(root)
    follower.until_whole(root, "returned")
    follower.settle()
    (root / "new.jpg").write_bytes(b"1")
    follower.until_due(root / "new.jpg")


def test_a_root_that_is_replaced_at_once_is_due_and_watched(root: Path, tmp_path: Path) -> None:
    with following(root) as follower:
        other = tmp_path / "other"
        other.mkdir()
        root.rename(tmp_path / "old")
        other.rename(root)
        follower.until(lambda: any(due.whole for due in follower.seen))
        follower.settle()
        (root / "new.jpg").write_bytes(b"1")
        follower.until_due(root / "new.jpg")


@needs_inotify
def test_what_happens_to_a_folder_that_was_moved_out_is_not_heard_any_more(
    root: Path, tmp_path: Path
) -> None:
    (root / "sub" / "deep").mkdir(parents=True)
    with following(root) as follower:
        (root / "sub").rename(tmp_path / "away")
        follower.until_due(root / "sub")
        follower.settle()
        (tmp_path / "away" / "deep" / "one.jpg").write_bytes(b"1")
        (root / "mark.jpg").write_bytes(b"1")
        follower.until_due(root / "mark.jpg")
        follower.settle()
        assert not follower.was_due(root / "sub" / "deep" / "one.jpg")


@needs_inotify
def test_a_folder_moved_between_two_roots_is_heard_in_its_new_place(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "album" / "deep").mkdir(parents=True)
    second.mkdir()
    with following(first, second) as follower:
        (first / "album").rename(second / "album")
        follower.until_due(first / "album", second / "album")
        follower.settle()
        (second / "album" / "deep" / "one.jpg").write_bytes(b"1")
        follower.until_due(second / "album" / "deep" / "one.jpg")
        assert not follower.was_due(first / "album")


@needs_inotify
def test_what_lies_behind_a_link_is_heard_under_the_link(root: Path, tmp_path: Path) -> None:
    target, other = tmp_path / "target", tmp_path / "other"
    (target / "deep").mkdir(parents=True)
    other.mkdir()
    with following(root) as follower:
        (root / "link").symlink_to(target)
        follower.until_due(root / "link")
        follower.settle()
        (target / "deep" / "one.jpg").write_bytes(b"1")
        follower.until_due(root / "link" / "deep" / "one.jpg")
        follower.settle()
        (root / "fresh").symlink_to(other)
        (root / "fresh").rename(root / "link")
        follower.until_due(root / "link")
        follower.settle()
        (other / "two.jpg").write_bytes(b"2")
        follower.until_due(root / "link" / "two.jpg")
        (target / "three.jpg").write_bytes(b"3")
        follower.settle()
        assert not follower.was_due(root / "link" / "three.jpg")


@needs_inotify
def test_a_target_of_links_that_goes_and_comes_back_is_noticed(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "file.jpg").write_bytes(b"1")
    (root / "link").symlink_to(target)
    (root / "one.jpg").symlink_to(tmp_path / "file.jpg")
    (root / "loop").symlink_to(root)
    with following(root) as follower:
        target.rename(tmp_path / "away")
        follower.until_due(root / "link")
        follower.settle()
        (tmp_path / "away").rename(target)
        follower.until_due(root / "link")
        follower.settle()
        (target / "two.jpg").write_bytes(b"2")
        follower.until_due(root / "link" / "two.jpg")
        (tmp_path / "file.jpg").write_bytes(b"22")
        follower.until_due(root / "one.jpg")


@needs_inotify
def test_permissions_and_times_that_change_make_a_file_due(root: Path) -> None:
    (root / "one.jpg").write_bytes(b"1")
    with following(root) as follower:
        (root / "one.jpg").chmod(0o600)
        follower.until_due(root / "one.jpg")
        follower.settle()
        os.utime(root / "one.jpg", (1, 1))
        follower.until_due(root / "one.jpg")


def test_reading_files_makes_nothing_due(root: Path) -> None:
    (root / "one.jpg").write_bytes(b"1")
    with following(root) as follower:
        (root / "one.jpg").read_bytes()
        list(root.iterdir())
        (root / "mark.jpg").write_bytes(b"1")
        follower.until_due(root / "mark.jpg")
        assert not follower.was_due(root / "one.jpg")


def test_the_library_itself_hidden_names_and_clutter_are_not_heard(root: Path) -> None:
    library = root / "library"
    library.mkdir()
    with following(root, skip=[library]) as follower:
        (library / "catalog.sqlite3").write_bytes(b"1")
        (root / ".hidden").mkdir()
        (root / ".hidden" / "one.jpg").write_bytes(b"1")
        (root / "node_modules").mkdir()
        (root / "Thumbs.db").write_bytes(b"1")
        (root / "mark.jpg").write_bytes(b"1")
        follower.until_due(root / "mark.jpg")
        follower.settle()
        (library / "catalog.sqlite3").write_bytes(b"2")
        time.sleep(0.2)
        follower.take()
        assert follower.seen == []


def test_what_ignore_files_leave_out_is_not_heard_until_they_say_otherwise(root: Path) -> None:
    (root / ".bindsearchignore").write_text("build/\n*.part\n!kept.part\n")
    (root / "build" / "deep").mkdir(parents=True)
    with following(root) as follower:
        for number in range(300):
            (root / "build" / "deep" / f"{number}.jpg").write_bytes(b"1")
        (root / "one.part").write_bytes(b"1")
        (root / "kept.part").write_bytes(b"1")
        follower.until_due(root / "kept.part")
        follower.settle()
        (root / "build" / "deep" / "1.jpg").unlink()
        (root / "mark.jpg").write_bytes(b"1")
        follower.until_due(root / "mark.jpg")
        assert {due.path.name for due in follower.seen} == {"mark.jpg"}
        (root / ".bindsearchignore").unlink()
        follower.until_due(root)
        follower.settle()
        (root / "build" / "deep" / "2.jpg").unlink()
        follower.until_due(root / "build" / "deep" / "2.jpg")


def test_a_caption_makes_its_photo_due_and_a_photo_its_caption(root: Path) -> None:
    photo, caption = root / "IMG_1.jpg", root / "IMG_1.jpg.txt"
    photo.write_bytes(b"1")
    (root / "IMG_2.jpg").write_bytes(b"2")
    with following(root) as follower:
        caption.write_text("a heron")
        follower.until_due(caption, photo)
        assert not follower.was_due(root / "IMG_2.jpg")
        follower.settle()
        photo.unlink()
        follower.until_due(photo, caption)


def test_a_root_that_is_a_file_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "one.txt"
    file.write_text("1")
    with following(file) as follower:
        (tmp_path / "other.txt").write_text("1")
        (tmp_path / "fresh").write_text("2")
        (tmp_path / "fresh").replace(file)
        follower.until_due(file)
        file.unlink()
        follower.until_whole(file, "vanished")
        assert not any(due.path.name == "other.txt" for due in follower.seen)


@pytest.mark.parametrize("inotify", [pytest.param(True, marks=needs_inotify), False])
def test_a_root_that_is_a_link_is_heard_by_its_own_name(root: Path, tmp_path: Path, inotify: bool) -> None:
    (tmp_path / "link").symlink_to(root)
    with following(tmp_path / "link", inotify=inotify) as follower:
        (root / "one.jpg").write_bytes(b"1")
        follower.until_due(tmp_path / "link" / "one.jpg")
        other = tmp_path / "other"
        other.mkdir()
        (tmp_path / "fresh").symlink_to(other)
        (tmp_path / "fresh").rename(tmp_path / "link")
        follower.until_whole(tmp_path / "link", "replaced by another folder")
        follower.settle()
        (other / "two.jpg").write_bytes(b"1")
        follower.until_due(tmp_path / "link" / "two.jpg")


def test_thousands_of_files_at_once_become_a_few_folders(root: Path) -> None:
    (root / "drop").mkdir()
    with following(root) as follower:
        for number in range(3000):
            (root / "drop" / f"{number}.jpg").write_bytes(b"1")
        follower.until_due(*(root / "drop" / f"{number}.jpg" for number in range(3000)))
        assert len(follower.seen) < 200
        assert follower.watcher.restless <= 1


def test_a_path_that_is_put_back_is_due_again_later(root: Path) -> None:
    with following(root) as follower:
        before = time.monotonic()
        follower.watcher.put_back(root / "growing.mp4", 0.2)
        assert follower.watcher.restless == 1
        assert not follower.watcher.settled
        follower.until_due(root / "growing.mp4")
        assert time.monotonic() >= before + 0.2
        follower.watcher.put_back(root.parent / "elsewhere", 0.0)
        assert follower.watcher.restless == 0


def test_sleep_makes_every_root_due_and_a_clock_set_back_none(root: Path) -> None:
    asleep = [0.0]
    with following(root, clocks=Clocks(asleep=lambda: asleep[0])) as follower:
        asleep[0] -= 3600.0
        follower.take()
        assert follower.seen == []
        asleep[0] += 8 * 3600.0
        follower.until_whole(root, "sleep")


def test_a_root_is_walked_on_schedule(root: Path) -> None:
    settings = WatchSettings(quiet_seconds=0.05, walk_minutes=0.3 / 60)
    with following(root, settings=settings) as follower:
        follower.until_whole(root, "schedule")
        assert follower.watcher.settled


def test_a_polled_root_says_why(root: Path) -> None:
    with following(root, mounts=lambda: (Mount(str(root), "cifs", "0:99"),)) as follower:
        assert modes(follower.watcher) == ["polling"]
        (told,) = follower.watcher.degraded()
        assert "network file system (cifs)" in told
        assert "0.05 s" in told


@needs_inotify
def test_a_network_file_system_inside_a_root_is_polled(root: Path, tmp_path: Path) -> None:
    inner = root / "share"
    inner.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "none", inner], capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        mounts = (Mount("/", "ext4", "8:1"), Mount(str(inner), "nfs", "0:99"))
        with following(root, mounts=lambda: mounts) as follower:
            assert modes(follower.watcher) == ["events"]
            assert str(inner) in follower.watcher.degraded()[0]
            (inner / "one.jpg").write_bytes(b"1")
            (root / "two.jpg").write_bytes(b"1")
            follower.until_due(inner / "one.jpg", root / "two.jpg")
    finally:
        subprocess.run(["umount", inner], check=True)


@needs_inotify
def test_a_disk_mounted_and_taken_away_in_a_root_is_noticed(root: Path) -> None:
    inner = root / "disk"
    inner.mkdir()
    with following(root) as follower:
        done = subprocess.run(["mount", "-t", "tmpfs", "none", inner], capture_output=True)
        if done.returncode:
            pytest.skip("mounting is not allowed here")
        try:
            follower.until_whole(root, "mounts changed")
            follower.settle()
            (inner / "one.jpg").write_bytes(b"1")
            follower.until_due(inner / "one.jpg")
            follower.settle()
        finally:
            subprocess.run(["umount", inner], check=True)
        follower.until_whole(root, "mounts changed")


@needs_inotify
def test_lost_events_make_the_root_due_and_new_folders_are_watched_afterwards(root: Path) -> None:
    held = threading.Event()
    held.set()

    def clock() -> float:
        if threading.current_thread().name.startswith("Thread-"):  # the one that reads the kernel's queue
            held.wait()
        return time.monotonic()

    with following(root, clocks=Clocks(steady=clock)) as follower:
        held.clear()
        try:
            most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
            (root / "first").touch()
            for number in range(most // 3 + 200):
                (root / str(number)).touch()
                (root / str(number)).unlink()
            (root / "unheard").mkdir()
        finally:
            held.set()
        follower.until_whole(root, "events lost")
        follower.settle()
        (root / "unheard" / "one.jpg").write_bytes(b"1")
        follower.until_due(root / "unheard" / "one.jpg")


def test_a_disk_that_does_not_answer_holds_up_nothing_else(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    answers, later = threading.Event(), [0.0]

    def mounts() -> tuple[Mount, ...]:
        if threading.current_thread().name == f"watching {bad}":
            answers.wait()
        return ()

    clocks = Clocks(steady=lambda: time.monotonic() + later[0])
    with following(good, mounts=mounts, clocks=clocks) as follower:
        watcher = follower.watcher
        watcher.set_roots([good, bad])
        try:
            (good / "one.jpg").write_bytes(b"1")
            follower.until_due(good / "one.jpg")
            assert not watcher.settled
            later[0] = 60.0
            assert f"{bad}: the disk does not answer" in watcher.degraded()
            later[0] = 0.0
            watcher.set_roots([good])
            follower.until(lambda: watcher.settled)
        finally:
            answers.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_attendant_that_fails_is_replaced(root: Path) -> None:
    failing = [True]

    def mounts() -> tuple[Mount, ...]:
        if failing[0]:
            failing[0] = False
            raise RuntimeError("a fault that nobody thought of")
        return ()

    with following(root, mounts=mounts) as follower:
        (root / "one.jpg").write_bytes(b"1")
        follower.until_due(root / "one.jpg")


@needs_inotify
def test_a_listener_whose_thread_dies_is_made_anew(root: Path) -> None:
    with following(root) as follower:
        follower.watcher._listening().stop()
        follower.until(lambda: any(due.whole for due in follower.seen))
        follower.settle()
        (root / "one.jpg").write_bytes(b"1")
        follower.until_due(root / "one.jpg")


def test_roots_come_and_go_without_leaving_threads_or_descriptors(tmp_path: Path) -> None:
    roots = [tmp_path / str(number) for number in range(4)]
    for folder in roots:
        folder.mkdir()
    with following(roots[0]) as follower:
        watcher = follower.watcher
        threads = threading.active_count()
        descriptors = len(os.listdir("/proc/self/fd")) if HAS_INOTIFY else 0  # noqa: PTH208
        for number in range(60):
            watcher.set_roots([roots[0], roots[1 + number % 3]])
        watcher.set_roots([roots[0]])
        assert threading.active_count() == threads
        if HAS_INOTIFY:
            assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
        (roots[1] / "unheard.jpg").write_bytes(b"1")
        (roots[0] / "heard.jpg").write_bytes(b"1")
        follower.until_due(roots[0] / "heard.jpg")
        assert not follower.was_due(roots[1] / "unheard.jpg")


def test_a_tree_that_is_deleted_and_written_anew_all_the_time_is_followed(root: Path) -> None:
    with following(root) as follower:
        for number in range(40):
            (root / "a" / "b").mkdir(parents=True)
            (root / "a" / "b" / f"{number}.jpg").write_bytes(b"1")
            shutil.rmtree(root / "a")
        (root / "a" / "b").mkdir(parents=True)
        follower.settle()
        (root / "a" / "b" / "last.jpg").write_bytes(b"1")
        follower.until_due(root / "a" / "b" / "last.jpg")
