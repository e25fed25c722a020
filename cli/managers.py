"""Service managers: how a library's service is put in place, started and stopped by systemd or by launchd.

Raises BindsearchError with what to do instead wherever the manager is not there or refuses.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from bindsearch.cli.units import launchd_plist, passed_on, service_name, systemd_unit, watch_command
from bindsearch.errors import BindsearchError

LOAD_PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds
PATIENCE = 240.0  # seconds; longer than the manager itself waits for the daemon to be ready


@dataclass(frozen=True, slots=True)
class Service:
    """The service of the library in a folder."""

    library: Path
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, library: Path, environment: Mapping[str, str]) -> Self:
        """The service of that library, run as it would be from ``environment``."""
        return cls(library, service_name(library), tuple(watch_command(library)), passed_on(environment))


class Manager(Protocol):
    """A service manager, as far as the commands use it."""

    def file(self, service: Service) -> Path:
        """Where the file that describes the service belongs."""

    def text(self, service: Service) -> bytes:
        """What that file says."""

    def check(self) -> None:
        """Raise BindsearchError if the manager does not answer."""

    def install(self, service: Service) -> None:
        """Write the file, and have the service started now and at every login."""

    def uninstall(self, service: Service) -> None:
        """Undo that; a service that is not installed is none to complain of."""

    def start(self, service: Service) -> None:
        """Start it, and wait until it is ready."""

    def stop(self, service: Service) -> None:
        """Stop it until it is started again, or until the next login."""

    def restart(self, service: Service) -> None:
        """Stop it and start it."""

    def state(self, service: Service) -> str:
        """What the manager says of it, in a word or two."""


def find_manager() -> Manager:
    """The service manager of this system, which has been asked whether it is there.

    Raises BindsearchError where there is none that bindsearch knows.
    """
    manager = manager_of_system()
    if manager is None:
        raise BindsearchError(
            "there is neither systemd nor launchd here",
            hint="have your system run 'bindsearch watch' at login",
        )
    manager.check()
    return manager


def manager_of_system() -> Manager | None:
    """The kind of manager that this system has, whether it answers or not."""
    if sys.platform == "darwin":
        return Launchd()
    return Systemd() if shutil.which("systemctl") else None


class Systemd:
    """systemd's manager of the user's own services."""

    def file(self, service: Service) -> Path:
        """See Manager."""
        chosen = os.environ.get("XDG_CONFIG_HOME", "")
        config = Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".config"
        return config / "systemd" / "user" / f"{service.name}.service"

    def text(self, service: Service) -> bytes:
        """See Manager."""
        unit = systemd_unit(service.name, service.library, service.command, service.environment)
        return unit.encode()

    def check(self) -> None:
        """See Manager."""
        done = _run(["systemctl", "--user", "show-environment"])
        if done.returncode:
            told = _first_line(done) or "no answer"
            raise BindsearchError(
                f"the user's systemd does not answer: {told}",
                hint="log in on this machine itself, or run 'bindsearch watch'",
            )

    def install(self, service: Service) -> None:
        """See Manager."""
        _write(self.file(service), self.text(service))
        self._order("daemon-reload")
        self._order("enable", service)
        self.restart(service)

    def uninstall(self, service: Service) -> None:
        """See Manager."""
        if not self.file(service).exists():
            return
        self._order("disable", service, "--now")
        self.file(service).unlink(missing_ok=True)
        self._order("daemon-reload")

    def start(self, service: Service) -> None:
        """See Manager."""
        self._forgive(service)
        self._order("start", service)

    def stop(self, service: Service) -> None:
        """See Manager."""
        self._order("stop", service)

    def restart(self, service: Service) -> None:
        """See Manager."""
        self._forgive(service)
        self._order("restart", service)

    def state(self, service: Service) -> str:
        """See Manager: such as active, inactive, failed or activating."""
        if not self.file(service).exists():
            return "not installed"
        return _first_line(_run(["systemctl", "--user", "is-active", f"{service.name}.service"])) or "unknown"

    def _forgive(self, service: Service) -> None:
        """Let a service be started that has failed too often; it is fine if it has not."""
        _run(["systemctl", "--user", "reset-failed", f"{service.name}.service"])

    def _order(self, verb: str, service: Service | None = None, *options: str) -> None:
        names = [] if service is None else [f"{service.name}.service"]
        if service is not None and not self.file(service).exists():
            raise _not_installed(service)
        _must(_run(["systemctl", "--user", verb, *options, *names]), verb, service)


class Launchd:
    """launchd's agents of the user who is logged in."""

    def file(self, service: Service) -> Path:
        """See Manager."""
        return Path.home() / "Library" / "LaunchAgents" / f"{service.name}.plist"

    def text(self, service: Service) -> bytes:
        """See Manager."""
        return launchd_plist(service.name, service.library, service.command, service.environment)

    def check(self) -> None:
        """See Manager."""
        done = _run(["launchctl", "print", _domain()])
        if done.returncode:
            told = _first_line(done) or "no answer"
            raise BindsearchError(
                f"launchd has no session of this user: {told}",
                hint="log in on this machine itself, or run 'bindsearch watch'",
            )

    def install(self, service: Service) -> None:
        """See Manager."""
        _run(["launchctl", "bootout", self._target(service)])
        _write(self.file(service), self.text(service))
        # launchd opens the file for standard error itself, and does not make its folder.
        (service.library / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
        _must(_run(["launchctl", "enable", self._target(service)]), "enable", service)
        self._load(service)

    def uninstall(self, service: Service) -> None:
        """See Manager."""
        _run(["launchctl", "bootout", self._target(service)])
        self.file(service).unlink(missing_ok=True)

    def start(self, service: Service) -> None:
        """See Manager."""
        if self.state(service) == "stopped":
            self._load(service)
        self._kick(service)

    def stop(self, service: Service) -> None:
        """See Manager."""
        if self.state(service) == "running":
            _must(_run(["launchctl", "bootout", self._target(service)]), "stop", service)

    def restart(self, service: Service) -> None:
        """See Manager."""
        if self.state(service) == "stopped":
            self._load(service)
        self._kick(service, "-k")

    def state(self, service: Service) -> str:
        """See Manager: running (or to be run again), stopped, or not installed."""
        if not self.file(service).exists():
            return "not installed"
        return "stopped" if _run(["launchctl", "print", self._target(service)]).returncode else "running"

    def _load(self, service: Service) -> None:
        """Make it known to launchd, which refuses for a moment after the same was taken away from it."""
        done = _run(["launchctl", "bootstrap", _domain(), os.fspath(self.file(service))])
        for pause in LOAD_PAUSES:
            if done.returncode == 0:
                return
            time.sleep(pause)
            done = _run(["launchctl", "bootstrap", _domain(), os.fspath(self.file(service))])
        _must(done, "bootstrap", service)

    def _kick(self, service: Service, *options: str) -> None:
        if not self.file(service).exists():
            raise _not_installed(service)
        _must(_run(["launchctl", "kickstart", *options, self._target(service)]), "kickstart", service)

    def _target(self, service: Service) -> str:
        return f"{_domain()}/{service.name}"


def by_hand(service: Service) -> str:
    """The command that the service would run, as a shell takes it."""
    return shlex.join(service.command)


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _write(file: Path, text: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_bytes(text)
    fresh.replace(file)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """One order to the manager, with its answer."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise BindsearchError(
            "is not installed here", subject=command[0], hint="run 'bindsearch watch'"
        ) from None
    except subprocess.TimeoutExpired:
        raise BindsearchError("does not answer", subject=" ".join(command)) from None


def _must(done: subprocess.CompletedProcess[str], verb: str, service: Service | None) -> None:
    if done.returncode:
        told = _first_line(done) or f"exit code {done.returncode}"
        raise BindsearchError(
            f"{verb} failed: {told}",
            subject=service.name if service else None,
            hint="'bindsearch service logs' may tell why",
        )


def _first_line(done: subprocess.CompletedProcess[str]) -> str:
    return next(iter((done.stderr.strip() or done.stdout.strip()).splitlines()), "")


def _not_installed(service: Service) -> BindsearchError:
    return BindsearchError("is not installed", subject=service.name, hint="run 'bindsearch service install'")
