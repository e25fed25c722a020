"""What tells a service manager how to run the daemon: a systemd user unit, a launchd property list.

Both run ``bindsearch watch`` for one library, as the user, from login on. A library has a service of its own,
named after the library's folder unless that is the usual one.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NAME = "bindsearch"

# Where models lie, and how Python finds this package, must be for the service as they are for the user now.
PASSED_ON = ("BINDSEARCH_MODELS", "PYTHONPATH", "XDG_DATA_HOME")

_UNIT = """\
# Written by 'bindsearch service install'; run that again instead of editing it. What should differ
# goes into [watch] of the library's settings.toml, or into a drop-in ('systemctl --user edit {name}').
[Unit]
Description=bindsearch: takes new files into {described}, answers searches
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=notify
ExecStart=:{command}
{environment}\
# A library that is damaged, or an order that makes no sense, is not mended by another try.
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=2 3
WatchdogSec=90
WatchdogSignal=SIGKILL
TimeoutStartSec=180
TimeoutStopSec=15
# The process that indexes is told by the daemon to end; whatever is left then is killed, which loses nothing.
KillMode=mixed
# If memory runs out while a file is decoded, the daemon starts another process for the rest.
OOMPolicy=continue

# Indexing makes itself the last in every queue. The daemon itself, which answers searches, is hardly any less
# urgent than the program that asks it.
Nice=1
CPUWeight=50
IOWeight=50
UMask=0077

# It reads whatever files the user can read, so nothing is hidden from it; but it needs no other powers.
NoNewPrivileges=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap

[Install]
WantedBy=default.target
"""


def service_name(library: Path) -> str:
    """The name of the service for the library in this folder: one for each library."""
    from platformdirs import user_data_path

    if library == user_data_path("bindsearch", appauthor=False) / "library":
        return NAME
    readable = re.sub(r"[^A-Za-z0-9]+", "-", library.name).strip("-")[:40]
    unique = hashlib.sha256(os.fsencode(library)).hexdigest()[:8]
    return "-".join(part for part in (NAME, readable, unique) if part)


def watch_command(library: Path) -> list[str]:
    """What runs the daemon of that library; works from any folder."""
    return [sys.executable, "-P", "-m", "bindsearch", "--quiet", "--library", os.fspath(library), "watch"]


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Those variables that the service must have too."""
    return {name: environment[name] for name in PASSED_ON if environment.get(name)}


def systemd_unit(name: str, library: Path, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """The text of a systemd user unit; see systemd.service(5) and systemd.exec(5)."""
    variables = [f"Environment={_quoted(f'{key}={value}')}\n" for key, value in environment.items()]
    return _UNIT.format(
        name=name,
        described=_plain(library),
        command=" ".join(map(_quoted, command)),
        environment="".join(variables),
    )


def launchd_plist(label: str, library: Path, command: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """The property list of a launchd agent; see launchd.plist(5).

    Ends with an error start it again, once a minute at most. Standard error holds what the log does not:
    why it could not even begin.
    """
    import plistlib

    return plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": list(command),
            "EnvironmentVariables": dict(environment),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 60,
            "ExitTimeOut": 15,
            "ProcessType": "Standard",
            "Umask": 0o077,
            "StandardErrorPath": str(library / "logs" / "service.err"),
        },
        sort_keys=False,
    )


def _plain(path: Path) -> str:
    """A path as a description may hold it: one line, no specifiers."""
    shown = os.fsencode(path).decode("utf-8", "replace").replace("%", "%%")
    return "".join(sign if sign.isprintable() else "?" for sign in shown)


def _quoted(word: str) -> str:
    """One word of a command line or one assignment, as systemd.syntax(7) has it."""
    return '"' + "".join(map(_escaped, os.fsencode(word).decode("utf-8", "surrogateescape"))) + '"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    if sign == "%":
        return "%%"
    return sign if sign.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(sign))
