"""The sandbox with real processes: it gives what loading in place gives, and a failure costs one file."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from bindsearch.errors import BindsearchError, DamagedFile, MediaError, UnsupportedFile
from bindsearch.loaders import LoadedFile, LoadOptions, load
from bindsearch.loaders.hints import Hint, Neighbour
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality
from bindsearch.sandbox import Sandbox
from tests.media import BLUE, GREEN, RED, film, picture

STAND_INS = "tests.sandbox.stand_ins"
PATIENCE = 20.0
MEMORY = 200_000_000
Make = Callable[..., Sandbox]

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
needs_a_kept_cap = pytest.mark.skipif(sys.platform != "linux", reason="the memory cap is kept on Linux")


@pytest.fixture
def sandbox() -> Iterator[Make]:
    """Makes a sandbox with a stand-in as its loader, and closes it after the test."""
    made: list[Sandbox] = []

    def make(name: str | None = None, seconds: float = PATIENCE, memory: int = MEMORY) -> Sandbox:
        loader = (f"{STAND_INS}:{name}",) if name else ()
        made.append(Sandbox(seconds, memory, *loader))
        return made[-1]

    yield make
    for one in made:
        one.close()


def worker_of(loaded: LoadedFile) -> int:
    """The process that answered, for stand-ins that tell."""
    return int(loaded.notes[0])


def failure(sandbox: Sandbox, path: str | Path = "/bad") -> MediaError:
    with pytest.raises(MediaError) as raised:
        list(sandbox.load(path).media)
    assert raised.value.subject == os.fspath(path)
    return raised.value


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that has ended and waits for its parent does not count."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def assert_same(left: Media, right: Media) -> None:
    assert type(left) is type(right)
    for field in fields(left):
        np.testing.assert_array_equal(getattr(left, field.name), getattr(right, field.name))


def note(path: Path) -> Path:
    path.write_text("# Harbour\n\nThe boat lay still.\n\n# Köln\n\nRain 雨 all day.\n", encoding="utf-8")
    return path


# What it gives


@pytest.mark.parametrize("name", ["a.png", "b.jpg", "c.mp4", "d.md"])
def test_a_file_is_loaded_as_in_place(name: str, tmp_path: Path, sandbox: Make) -> None:
    path = tmp_path / name
    makers = {".mp4": lambda file: film(file, [RED, GREEN, BLUE], 3.0), ".md": note}
    makers.get(path.suffix, picture)(path)
    options = LoadOptions(picture_side=32, span_seconds=2.0)
    there, here = sandbox(memory=2_000_000_000).load(path, options), load(path, options)
    assert (there.path, there.facts, there.notes) == (here.path, here.facts, here.notes)
    for left, right in zip(there.media, here.media, strict=True):
        assert_same(left, right)


def test_a_refusal_is_the_same_as_in_place(tmp_path: Path, sandbox: Make) -> None:
    path = picture(tmp_path / "half.png", size=(300, 300))
    path.write_bytes(path.read_bytes()[:200])
    shared = sandbox(memory=2_000_000_000)
    for bad in (path, tmp_path / "missing.jpg", Path("relative/\udcff\0.jpg")):
        with pytest.raises(DamagedFile) as here:
            list(load(bad).media)
        there = failure(shared, bad)
        assert (str(there), type(there)) == (str(here.value), DamagedFile)


def test_a_refusal_keeps_its_kind_and_hint(sandbox: Make) -> None:
    error = failure(sandbox("refuse"), "here/x.jpg")
    assert (type(error), error.message, error.hint) == (UnsupportedFile, "not read", "write a rule")


def test_path_options_and_hint_arrive_whole_each_time(sandbox: Make, tmp_path: Path) -> None:
    shared = sandbox("echo")
    tilted = replace(LoadOptions(), span_seconds=float("inf"), picture_side=9)
    hint = Hint(
        modality=Modality.IMU, ruled=True, scale=0.001, columns=(("t", "time"), ("ax", "x")),
        neighbours=(Neighbour("gyroscope", "/g\udcff.csv", 3, 4),),
    )  # fmt: skip
    for options, told in [(LoadOptions(), Hint()), (tilted, hint), (tilted, Hint()), (LoadOptions(), hint)]:
        loaded = shared.load(tmp_path / "x y", options, told)
        assert loaded.notes == (str(tmp_path / "x y"), repr(options), repr(told))
        assert list(loaded.media) == [Passage("x")]


def test_hundreds_of_files_go_through_one_worker(sandbox: Make) -> None:
    shared = sandbox("grey")
    workers = set()
    for number in range(300):
        loaded = shared.load(f"/{number}")
        workers.add(worker_of(loaded))
        assert [medium.modality for medium in loaded.media] == [Modality.IMAGE]
    assert len(workers) == 1


def test_arrays_are_owned_and_outlive_the_sandbox(sandbox: Make) -> None:
    shared = sandbox("grey")
    (first,) = shared.load("/1").media
    (second,) = shared.load("/2").media
    shared.close()
    first.pixels[:] = 7
    assert (second.pixels == 128).all()


def test_it_serves_again_after_it_was_closed(sandbox: Make) -> None:
    shared = sandbox("grey")
    first = shared.load("/1")
    shared.close()
    assert worker_of(shared.load("/2")) != worker_of(first)
    with pytest.raises(RuntimeError):
        next(first.media)


# What fails


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crash", "its decoder crashed (segmentation fault)"),
        ("crash_half_way", "its decoder crashed (segmentation fault)"),
        ("abort", "its decoder crashed (aborted)"),
        ("kill_itself", "its decoder was killed (out of memory?)"),
        ("leave", "its decoder ended without a result (exit status 0)"),
        ("leave_politely", "its decoder ended without a result (exit status 3)"),
        ("blunder", "its decoder failed (ZeroDivisionError: a fault of ours)"),
        ("scribble", "its decoder gave an answer that makes no sense"),
        ("wrong_type", "its decoder gave an answer that makes no sense"),
    ],
)
def test_a_decoder_that_breaks_is_a_damaged_file_with_its_reason(
    name: str, reason: str, sandbox: Make
) -> None:
    error = failure(sandbox(name))
    assert type(error) is DamagedFile
    assert error.message.startswith(reason)


@pytest.mark.parametrize("name", ["crash", "scribble"])
def test_after_a_failure_the_next_file_is_read(name: str, sandbox: Make) -> None:
    shared = sandbox(name)
    for _ in range(2):
        failure(shared)
        assert len(list(shared.load("/good").media)) == 1


@pytest.mark.parametrize("name", ["hang", "hang_half_way"])
def test_a_decoder_that_hangs_is_stopped(name: str, sandbox: Make) -> None:
    shared = sandbox(name, seconds=1.0)
    assert failure(shared).message == "its decoder was silent for 1 s and was stopped"
    assert list(shared.load("/good").media)


@needs_a_kept_cap
@pytest.mark.parametrize("name", ["grow", "grow_in_small_steps"])
def test_a_decoder_that_grows_is_refused_its_memory(name: str, sandbox: Make) -> None:
    error = failure(sandbox(name))
    assert error.message == "needs more memory than the 0.2 GB allowed"
    assert error.hint is not None
    assert "decoder_memory" in error.hint


def test_a_decoder_that_prints_disturbs_nothing(sandbox: Make, capfd: pytest.CaptureFixture[str]) -> None:
    shared = sandbox("chatter")
    for number in range(3):
        assert len(list(shared.load(f"/{number}").media)) == 1
    assert capfd.readouterr() == ("", "")


def test_only_silence_is_counted_not_the_whole_time_of_a_file(sandbox: Make) -> None:
    assert len(list(sandbox("slow_steps", seconds=1.5).load("/x").media)) == 10


def test_a_slow_reader_is_no_hang(sandbox: Make) -> None:
    media = sandbox("endless", seconds=1.0).load("/x").media
    next(media)
    time.sleep(1.3)
    for _ in range(200):
        next(media)


@needs_proc
def test_a_decoder_that_dies_and_leaves_a_child_is_noticed_and_the_child_ended(
    sandbox: Make, tmp_path: Path
) -> None:
    path = tmp_path / "child"
    error = failure(sandbox("fork_and_crash", seconds=1000), path)
    assert error.message == "its decoder crashed (segmentation fault)"
    assert eventually(lambda: not is_running(int(path.read_text())))


# How it is left


def test_media_that_are_left_half_way_do_not_come_with_the_next_file(sandbox: Make) -> None:
    shared = sandbox("endless")
    left = shared.load("/x")
    next(left.media)
    good = shared.load("/good")
    assert [medium.pixels[0, 0, 0] for medium in good.media] == [128]
    assert worker_of(good) == worker_of(left)
    with pytest.raises(RuntimeError):
        next(left.media)


def test_media_that_are_never_asked_for_are_not_waited_for(sandbox: Make) -> None:
    shared = sandbox("hang_half_way", seconds=1000)
    for _ in range(2):
        shared.load("/x")


def test_a_worker_that_died_while_idle_is_replaced_without_a_word(sandbox: Make) -> None:
    shared = sandbox("grey")
    loaded = shared.load("/1")
    list(loaded.media)
    os.kill(worker_of(loaded), signal.SIGKILL)
    assert eventually(lambda: not is_running(worker_of(loaded)))
    assert list(shared.load("/2").media)


def test_a_worker_is_replaced_after_its_share_of_files(sandbox: Make) -> None:
    shared = sandbox("leaky")
    workers = []
    for number in range(7):
        loaded = shared.load(f"/{number}")
        workers.append(worker_of(loaded))
        list(loaded.media)
    assert [workers.count(pid) for pid in dict.fromkeys(workers)] == [3, 3, 1]


def test_a_worker_that_has_grown_too_large_is_replaced(sandbox: Make) -> None:
    shared = sandbox("grown")
    first, second = shared.load("/1"), None
    list(first.media)
    second = shared.load("/2")
    assert worker_of(first) != worker_of(second)


@needs_proc
def test_a_sandbox_that_is_forgotten_is_warned_of_and_its_worker_ended() -> None:
    sandbox = Sandbox(PATIENCE, MEMORY, f"{STAND_INS}:grey")
    pid = worker_of(sandbox.load("/x"))
    assert is_running(pid)
    with pytest.warns(ResourceWarning):
        del sandbox
        gc.collect()
    assert eventually(lambda: not is_running(pid))


def test_another_thread_can_stop_it_at_once(sandbox: Make) -> None:
    shared = sandbox("hang", seconds=1000)
    list(shared.load("/good").media)
    raised: list[BaseException] = []

    def read() -> None:
        try:
            shared.load("/x")
        except BindsearchError as error:
            raised.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    shared.stop()
    reader.join(PATIENCE)
    assert [type(error) for error in raised] == [BindsearchError]
    with pytest.raises(BindsearchError, match="stopped"):
        shared.load("/good")


@needs_proc
def test_neither_processes_nor_descriptors_are_left_behind(sandbox: Make) -> None:
    def descriptors() -> list[str]:
        return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())

    def children() -> set[str]:
        return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())

    open_before, children_before = descriptors(), children()
    for name in ("crash", "endless", "missing"):
        with sandbox(name) as shared:
            for path in ("/bad", "/good"):
                try:
                    next(shared.load(path).media)
                except BindsearchError:
                    continue
    assert descriptors() == open_before
    assert children() <= children_before


# The process


@needs_proc
def test_the_worker_has_its_surroundings_in_order(sandbox: Make) -> None:
    shared = sandbox("surroundings")
    threads, folder, current_folder_imported, session, score, core, running = shared.load("/x").notes
    assert (threads, folder, current_folder_imported) == ("1", "/", "False")
    assert int(session) != os.getsid(0)
    assert (score, core, running) == ("1000", "0", "1")


@pytest.mark.parametrize("loader", ["tests.sandbox.nowhere:load", f"{STAND_INS}:missing", "json:loads(("])
def test_a_worker_that_cannot_start_is_no_fault_of_the_file(loader: str) -> None:
    with (
        Sandbox(PATIENCE, MEMORY, loader) as sandbox,
        pytest.raises(BindsearchError, match=r"cannot be started: \w*Error") as raised,
    ):
        sandbox.load("/x")
    assert not isinstance(raised.value, MediaError)


def test_an_interpreter_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, sandbox: Make) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(BindsearchError, match="cannot be started: No such file"):
        sandbox("grey").load("/x")


HOST = """
import sys
from pathlib import Path
import bindsearch
from bindsearch.sandbox import Sandbox
sandbox = Sandbox(1000, 400_000_000, sys.argv[1])
print(len(list(sandbox.load(sys.argv[2]).media)), flush=True)
sandbox.close()
"""


def test_it_works_from_a_checkout_that_is_not_installed_in_any_folder(tmp_path: Path) -> None:
    (tmp_path / "bindsearch.py").write_text("raise ImportError('a stranger')")
    (tmp_path / "json.py").write_text("raise ImportError('a stranger')")
    root = str(Path(__file__).resolve().parents[2])
    program = f"import sys; sys.path = [p for p in sys.path if p]; sys.path.append({root!r})\n" + HOST
    command = [sys.executable, "-P", "-c", program, f"{STAND_INS}:grey", "/x"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


@needs_proc
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_survives_its_host(how: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "pids"
    root = Path(__file__).resolve().parents[2]
    host = subprocess.Popen([sys.executable, "-c", HOST, f"{STAND_INS}:fork_and_hang", str(path)], cwd=root)
    try:
        assert eventually(lambda: path.exists() and len(path.read_text().split()) == 2)
    finally:
        host.send_signal(how)
        host.wait()
    pids = [int(pid) for pid in path.read_text().split()]
    assert len(pids) == 2
    assert eventually(lambda: not any(is_running(pid) for pid in pids))


def test_a_worker_outlives_the_thread_that_started_it(sandbox: Make) -> None:
    shared = sandbox("grey")
    loaded: list[LoadedFile] = []
    starter = threading.Thread(target=lambda: loaded.append(shared.load("/1")))
    starter.start()
    starter.join()
    assert len(list(loaded[0].media)) == 1
    assert worker_of(shared.load("/2")) == worker_of(loaded[0])


WATCHED = """
import sys
import time
from bindsearch.sandbox.limits import watch
watch(int(sys.argv[1]))
print("watching", flush=True)
time.sleep(1000)
"""


def test_without_help_of_the_kernel_a_thread_ends_the_worker() -> None:
    theirs, ours = os.pipe()
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WATCHED, str(theirs)]
    options = {"cwd": root, "stdout": subprocess.PIPE, "pass_fds": [theirs], "start_new_session": True}
    with subprocess.Popen(command, **options) as child:  # type: ignore[call-overload]
        os.close(theirs)
        assert child.stdout.readline() == b"watching\n"
        assert child.poll() is None
        os.close(ours)
        assert child.wait(PATIENCE) == -signal.SIGKILL
