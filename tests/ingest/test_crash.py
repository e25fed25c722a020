"""What a crash may cost: the chunk in flight, never anything that was committed, never a wrong result."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.dump import dump
from tests.media import film, picture
from tests.tiny import APART, TinyEncoder

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20


def make_media(folder: Path) -> None:
    for n in range(260):
        picture(folder / f"{n:03}.png", (n % 256, (7 * n) % 256, (13 * n) % 256))
    for n in range(6):
        film(folder / f"film{n}.mp4", [(40 * n, 90, 200), (200, 40 * n, 20), (10, 10, 40 * n)], seconds=0.5)
    for n in range(30):
        (folder / f"{n}.txt").write_text(f"note {n}\n\n" + "red words " * 90 + "\n\n" + "blue words " * 90)
    for n in range(5):
        (folder / f"bad{n}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(n))
        (folder / f"copy{n}.png").write_bytes((folder / f"{n:03}.png").read_bytes())


def start(library: Path, folder: Path, seconds_a_medium: float = 0.002) -> subprocess.Popen[str]:
    arguments = [str(library), str(folder), str(seconds_a_medium)]
    command = [sys.executable, "-m", "tests.ingest.crash_child", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_commits(child: subprocess.Popen[str], files: int) -> int:
    """Wait until the child has committed so many files; returns how many it set out to read."""
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(files + 1)]
    assert lines[-1], child.communicate()[1]
    return int(lines[0])


def assert_sound(library: Path) -> None:
    """Whatever is committed is whole: every content has its segments, every segment its vector."""
    state = dump(library)
    assert {segment[0] for segment in state["segments"]} == set(state["contents"])
    assert {(sha, str(ordinal)) for _, sha, ordinal in state["vectors"]} == {
        (segment[0], segment[1]) for segment in state["segments"]
    }


def test_a_library_that_was_killed_twenty_times_equals_one_that_never_was(
    tmp_path: Path, folder: Path
) -> None:
    make_media(folder)
    with Library(tmp_path / "calm", Settings(), TinyEncoder()) as library:
        library.index(folder)
    harried = tmp_path / "harried"
    moments = random.Random(20)
    left = []
    for _ in range(KILLS):
        child = start(harried, folder)
        left.append(wait_for_commits(child, moments.randrange(18)))
        time.sleep(moments.uniform(0.0, 0.03))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert_sound(harried)
    child = start(harried, folder)
    left.append(wait_for_commits(child, 0))
    assert child.communicate()[1] == ""
    assert dump(harried) == dump(tmp_path / "calm")
    assert left[0] > left[-1], "killed runs must keep what they committed"
    assert left[-1] > 0, "the kills must come while there is work to lose"
    with (
        Library(harried, Settings(), TinyEncoder()) as first,
        Library(tmp_path / "calm", Settings(), TinyEncoder()) as second,
    ):
        for query in ("red", "blue", "green white"):
            scores = [
                [hit.score for hit in library.search(query, 50, options=APART)] for library in (first, second)
            ]
            assert scores[0] == scores[1]


def test_an_interrupted_run_keeps_what_was_finished_and_lets_go_of_the_lock(
    tmp_path: Path, folder: Path
) -> None:
    make_media(folder)
    child = start(tmp_path / "library", folder, seconds_a_medium=0.05)
    wait_for_commits(child, 20)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert_sound(tmp_path / "library")
    kept = len(dump(tmp_path / "library")["contents"])
    assert 15 < kept < 290
    with Library(tmp_path / "library", Settings(), TinyEncoder()) as library:
        report = library.index(folder)
    assert report.indexed + kept == len(dump(tmp_path / "library")["contents"])
