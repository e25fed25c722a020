"""``bindsearch service`` with managers that note what they are told; a daemon's state in words."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest

from bindsearch.cli.managers import Launchd, Service, Systemd, find_manager, manager_of_system
from bindsearch.cli.standing import doing, line_of_log, lines_of
from bindsearch.errors import BindsearchError
from bindsearch.ingest.daemon.logs import logging_to
from bindsearch.remote.status import Activity, DaemonStatus, WatchedRoot, WatchMode
from tests.cli.runner import bindsearch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="puts another systemctl in place")


class Fake:
    """A manager's command that notes its arguments and answers as it is told to."""

    def __init__(self, folder: Path, program: str) -> None:
        self.notes = folder / "notes"
        self.answers = folder / "answers"
        self.answers.mkdir()
        script = folder / program
        script.write_text(
            "#!/bin/sh\n"
            f'echo "$*" >> {self.notes}\n'
            f'for word; do if [ -e "{self.answers}/$word" ]; then . "{self.answers}/$word"; fi; done\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def answer(self, verb: str, line: str) -> None:
        """From now on, run ``line`` of shell when asked for that."""
        (self.answers / verb).write_text(line + "\n")

    def told(self) -> list[str]:
        """What it was told since last time."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        return lines


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, with a folder of programs that come before all others."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def systemctl(home: Path) -> Fake:
    return Fake(home / "bin", "systemctl")


@pytest.fixture
def launchctl(home: Path) -> Fake:
    return Fake(home / "bin", "launchctl")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with a root; tests of this module only read it."""
    folder, notes = tmp_path_factory.mktemp("library"), tmp_path_factory.mktemp("notes")
    (notes / "note.md").write_text("The cat has to see the vet.\n")
    assert bindsearch(folder, "index", notes).returncode == 0
    return folder


@LINUX
def test_install_writes_the_unit_and_has_systemd_run_it(home: Path, library: Path, systemctl: Fake) -> None:
    service = Service.of(library, {})
    name = f"{service.name}.service"
    done = bindsearch(library, "service", "install")
    file = home / "config" / "systemd" / "user" / name
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert os.fsencode(file) in done.stderr
    assert b'"--library" "' + os.fsencode(library) in file.read_bytes()
    assert systemctl.told() == [
        "--user show-environment",
        "--user daemon-reload",
        f"--user enable {name}",
        f"--user reset-failed {name}",
        f"--user restart {name}",
    ]
    done = bindsearch(library, "service", "uninstall")
    assert done.returncode == 0
    assert not file.exists()
    assert systemctl.told()[1:] == [f"--user disable --now {name}", "--user daemon-reload"]


@LINUX
def test_print_shows_the_unit_and_changes_nothing(home: Path, library: Path, systemctl: Fake) -> None:
    done = bindsearch(library, "service", "install", "--print")
    assert done.returncode == 0
    assert b"\n[Service]\nType=notify\n" in done.stdout
    assert systemctl.told() == []
    assert not (home / "config").exists()


@LINUX
def test_a_systemd_that_does_not_answer_is_one_line_and_leaves_nothing(
    home: Path, library: Path, systemctl: Fake
) -> None:
    systemctl.answer("--user", "echo 'Failed to connect to bus: No medium found' >&2; exit 1")
    done = bindsearch(library, "service", "install")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"Failed to connect to bus" in done.stderr
    assert b"'bindsearch watch'" in done.stderr
    assert not (home / "config").exists()


@LINUX
def test_a_library_without_roots_gets_no_service(home: Path, tmp_path: Path, systemctl: Fake) -> None:
    done = bindsearch(tmp_path / "none", "service", "install")
    assert done.returncode == 2
    assert b"bindsearch index FOLDER" in done.stderr
    assert systemctl.told() == []


def test_a_service_is_started_stopped_and_restarted_by_name(systemctl: Fake, tmp_path: Path) -> None:
    manager, service = Systemd(), Service.of(tmp_path, {})
    with pytest.raises(BindsearchError, match="service install"):
        manager.start(service)
    assert manager.state(service) == "not installed"
    manager.install(service)
    systemctl.told()
    manager.start(service)
    manager.stop(service)
    manager.restart(service)
    orders = [line for line in systemctl.told() if "reset-failed" not in line]
    assert orders == [f"--user {verb} {service.name}.service" for verb in ("start", "stop", "restart")]
    systemctl.answer("is-active", "echo activating; exit 3")
    assert manager.state(service) == "activating"


def test_what_systemd_refuses_is_told_in_its_words(systemctl: Fake, tmp_path: Path) -> None:
    manager, service = Systemd(), Service.of(tmp_path, {})
    manager.install(service)
    systemctl.answer("start", "echo 'Job failed because of unavailable resources.' >&2; exit 1")
    with pytest.raises(BindsearchError, match="unavailable resources") as refused:
        manager.start(service)
    assert refused.value.hint is not None
    assert "service logs" in refused.value.hint


def test_launchd_is_given_the_agent_and_started(home: Path, launchctl: Fake, tmp_path: Path) -> None:
    manager, service = Launchd(), Service.of(tmp_path / "library", {"BINDSEARCH_MODELS": "/m"})
    domain = f"gui/{os.getuid()}"
    manager.check()
    manager.install(service)
    file = home / "Library" / "LaunchAgents" / f"{service.name}.plist"
    assert manager.text(service) == file.read_bytes()
    assert (tmp_path / "library" / "logs").is_dir()
    assert launchctl.told()[-2:] == [f"enable {domain}/{service.name}", f"bootstrap {domain} {file}"]
    assert manager.state(service) == "running"
    manager.restart(service)
    manager.stop(service)
    assert launchctl.told()[-1] == f"bootout {domain}/{service.name}"
    launchctl.answer("print", "exit 113")
    assert manager.state(service) == "stopped"
    manager.start(service)
    assert [line.split()[0] for line in launchctl.told()][-2:] == ["bootstrap", "kickstart"]
    manager.uninstall(service)
    assert manager.state(service) == "not installed"
    with pytest.raises(BindsearchError, match="no session"):
        manager.check()


def test_where_there_is_no_manager_the_command_to_run_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if sys.platform != "linux":
        pytest.skip("macOS always has launchd")
    assert manager_of_system() is None
    with pytest.raises(BindsearchError, match="neither systemd nor launchd") as none:
        find_manager()
    assert "bindsearch watch" in str(none.value)
    done = bindsearch(tmp_path / "library", "service", "install", "--print")
    assert done.returncode == 0
    assert done.stdout.endswith(b"watch\n")


def test_status_without_a_daemon_says_so_and_ends_with_one(library: Path, systemctl: Fake) -> None:
    done = bindsearch(library, "service", "status")
    assert done.returncode == 1
    assert b"not installed" in done.stdout
    assert b"does not run" in done.stdout
    record = json.loads(bindsearch(library, "service", "status", "--json").stdout)
    assert (record["running"], record["service_state"]) == (False, "not installed")
    overview = bindsearch(library, "status")
    assert overview.stdout.endswith(b"daemon    does not run\n")
    assert json.loads(bindsearch(library, "status", "--json").stdout)["daemon"] is None
    paused = bindsearch(library, "service", "pause")
    assert (paused.returncode, paused.stdout) == (2, b"")
    assert b"no daemon runs" in paused.stderr


def test_logs_are_shown_for_people_and_as_they_are(library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    shutil.copytree(library, folder)
    assert bindsearch(folder, "service", "logs").returncode == 1
    with logging_to(folder):
        for number in range(5):
            logging.getLogger("bindsearch.daemon").warning("something", extra={"number": number})
    done = bindsearch(folder, "service", "logs", "-n", "2")
    lines = done.stdout.decode().splitlines()
    assert [line.partition("WARNING ")[2] for line in lines] == ["something: number 3", "something: number 4"]
    records = bindsearch(folder, "service", "logs", "--json").stdout.splitlines()
    assert [json.loads(record)["number"] for record in records] == [0, 1, 2, 3, 4]


def status(**changes: object) -> DaemonStatus:
    known = {"pid": 7, "version": "0.1.0", "library": "/l", "started_at": time.time() - 3600}
    return DaemonStatus(**known | {"activity": Activity.IDLE} | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settled": True}, "idle, all is taken in"),
        ({}, "idle"),
        (
            {"activity": Activity.INDEXING, "queue": 1200, "rate": 2.0},
            "indexing, 1,200 files to go, 2 a second, 10 minutes left",
        ),
        ({"activity": Activity.INDEXING, "queue": 1}, "indexing, 1 file to go"),
        ({"activity": Activity.PAUSED, "why": "for 30 s more"}, "paused: for 30 s more"),
        (
            {"activity": Activity.STALLED, "why": "disk\nfull", "queue": 3},
            "stalled: disk\\nfull, 3 files to go",
        ),
    ],
)
def test_what_a_daemon_does_is_told_in_a_line(changes: dict[str, object], words: str) -> None:
    assert doing(status(**changes)) == words


def test_all_that_a_daemon_tells_is_shown() -> None:
    roots = (
        WatchedRoot("/pictures", WatchMode.EVENTS, walked_at=time.time() - 600),
        WatchedRoot("/mnt/nas\n", WatchMode.POLLING, "a network drive: nfs4"),
    )
    told = status(restless=3, done=1200, failed=4, searches=9, roots=roots, degraded=("watches are used up",))
    lines = list(lines_of(told))
    text = "\n".join(lines)
    assert "pid 7, bindsearch 0.1.0" in lines[0]
    assert "3 paths" in text
    assert "1,200 files done, 4 failed, 9 searches answered" in text
    assert "/pictures\tevents, walked 10 minutes ago" in text
    assert "/mnt/nas\\n\tpolling (a network drive: nfs4), not walked yet" in text
    assert "attention   watches are used up" in lines
    assert len({line[:12].rstrip() for line in lines} & {"root", "attention", "doing"}) == 3
    assert ["does not run" in line for line in lines_of(None)] == [True]


def test_a_line_of_the_log_has_its_time_on_the_local_clock() -> None:
    shown = line_of_log({"time": "2026-01-15T12:00:00.000+00:00", "level": "INFO", "message": "x", "n": 1})
    local = time.localtime(1768478400)
    assert shown == time.strftime("%Y-%m-%d %H:%M:%S", local) + " x: n 1"
    assert line_of_log({"time": "noon", "level": "ERROR", "message": "y"}) == "noon ERROR y"
    assert line_of_log({"message": "torn"}) == "torn"
