"""The files that tell service managers how to run the daemon, read back by the managers' own rules."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bindsearch.cli.units import launchd_plist, passed_on, service_name, systemd_unit, watch_command

ODD = Path(os.fsdecode(b'/tmp/a $HOME %h "quoted" back\\slash\n caf\xe9/libr\xc3\xa4ry'))


def unit(library: Path, environment: dict[str, str] | None = None) -> str:
    return systemd_unit(service_name(library), library, watch_command(library), environment or {})


def test_the_usual_library_has_the_plain_name_and_each_other_one_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    usual = service_name(tmp_path / "bindsearch" / "library")
    others = [service_name(Path(folder)) for folder in ("/a/photos", "/b/photos", "/", os.fspath(ODD))]
    assert usual == "bindsearch" or sys.platform == "darwin"
    assert len({usual, *others}) == 5
    assert others[0].startswith("bindsearch-photos-")
    assert all(name.replace("-", "").isalnum() and name.isascii() for name in others)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd to judge its own files")
@pytest.mark.parametrize("library", [Path("/srv/library"), ODD], ids=["plain", "odd"])
def test_systemd_finds_nothing_wrong_with_the_unit(library: Path, tmp_path: Path) -> None:
    file = tmp_path / f"{service_name(library)}.service"
    file.write_bytes(unit(library, {"BINDSEARCH_MODELS": "/a b%"}).encode())
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", file],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    if "Failed to initialize manager" in done.stderr:
        pytest.skip("systemd cannot look at units here")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def words(line: str) -> list[bytes]:
    """The words of a quoted line, read as systemd.syntax(7) describes it."""
    found: list[bytes] = []
    signs = iter(line.encode())
    for sign in signs:
        if sign == ord('"'):
            word = b""
            while (sign := next(signs)) != ord('"'):
                if sign == ord("\\"):
                    sign = next(signs)
                    sign = int(bytes((next(signs), next(signs))), 16) if sign == ord("x") else sign
                word += bytes((sign,))
            found.append(word.replace(b"%%", b"%"))
    return found


def test_the_command_reaches_the_daemon_byte_for_byte() -> None:
    (line,) = [line for line in unit(ODD).splitlines() if line.startswith("ExecStart=")]
    assert line.startswith("ExecStart=:")  # or systemd would put variables in
    assert words(line) == [os.fsencode(word) for word in watch_command(ODD)]
    assert "%h" not in unit(ODD).replace("%%", "")


def test_a_daemon_that_ends_for_good_reason_is_not_started_over_and_over() -> None:
    lines = unit(Path("/srv/library")).splitlines()
    assert {"Type=notify", "Restart=on-failure", "RestartPreventExitStatus=2 3"} <= set(lines)
    assert any(line.startswith("StartLimitBurst=") for line in lines)
    assert any(line.startswith("WatchdogSec=") for line in lines)


def test_nothing_in_the_unit_hides_files_or_forbids_what_the_encoders_need() -> None:
    keys = {line.partition("=")[0] for line in unit(Path("/srv/library")).splitlines()}
    assert keys.isdisjoint({"ProtectHome", "PrivateTmp", "PrivateUsers", "ProtectSystem", "PrivateMounts"})
    assert "MemoryDenyWriteExecute" not in keys  # numba and torch write code as they go
    assert "NoNewPrivileges" in keys


def test_only_variables_that_matter_are_passed_on() -> None:
    environment = {"BINDSEARCH_MODELS": "/models", "PYTHONPATH": "", "SECRET": "x", "HOME": "/root"}
    assert passed_on(environment) == {"BINDSEARCH_MODELS": "/models"}
    assert 'Environment="BINDSEARCH_MODELS=/a %%20\\"b\\""\n' in unit(
        Path("/l"), {"BINDSEARCH_MODELS": '/a %20"b"'}
    )


def test_launchd_reads_the_same_command_and_starts_again_what_fails() -> None:
    library = Path("/Users/ada/Photo Library")
    command = watch_command(library)
    read = plistlib.loads(launchd_plist("bindsearch-x", library, command, {"BINDSEARCH_MODELS": "/m"}))
    assert read["Label"] == "bindsearch-x"
    assert read["ProgramArguments"] == command
    assert read["EnvironmentVariables"] == {"BINDSEARCH_MODELS": "/m"}
    assert (read["RunAtLoad"], read["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert read["ThrottleInterval"] >= 10


def test_the_command_runs_this_very_program_from_any_folder(tmp_path: Path) -> None:
    *program, _ = watch_command(tmp_path / "library")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([*program, "roots"], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no library here" in done.stderr
