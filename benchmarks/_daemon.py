"""What the proofs of the daemon share: the tests' machinery, processes looked at, a verdict."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parents[1]
_BARE = "BINDSEARCH_PROOF_BARE"

sys.path.insert(1, str(CHECKOUT))  # for the tests' worlds, drivers and encoders


def without_privileges() -> None:
    """Have permissions mean something to root as well: start this program again without such powers."""
    tool = shutil.which("setpriv")
    if os.geteuid() == 0 and tool and _BARE not in os.environ:
        powers = "-dac_override,-dac_read_search"
        command = [tool, "--bounding-set", powers, sys.executable, *sys.argv]
        os.execve(tool, command, {**os.environ, _BARE: "1"})


@contextmanager
def workplace(keep: Path | None = None) -> Iterator[Path]:
    """A folder to work in, gone at the end; ``keep`` is one that stays."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="bindsearch-proof-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def verdict(name: str, figures: str, faults: list[str]) -> NoReturn:
    """The last line, and the end: status 1 if there is any fault."""
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{name}: {'VIOLATED' if faults else 'HOLDS'}: {figures}", flush=True)
    sys.exit(1 if faults else 0)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process and all that it has started; ``memory`` is bytes."""

    memory: int
    descriptors: int
    threads: int
    processes: int


def sample(pid: int) -> Sample:
    """How much a process and all below it take up now; nothing for one that is gone."""
    import psutil

    looks = []
    with suppress(psutil.Error):
        own = psutil.Process(pid)
        for process in (own, *own.children(recursive=True)):
            with suppress(psutil.Error):
                looks.append((process.memory_info().rss, process.num_fds(), process.num_threads()))
    totals = [sum(column) for column in zip(*looks, strict=True)] or [0, 0, 0]
    return Sample(*totals, len(looks))


def files_below(folder: Path) -> tuple[int, int]:
    """How many files lie below a folder, and their bytes together."""
    count = size = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(at, name)).st_size  # noqa: PTH118
                count += 1
    return count, size


def percentile(values: list[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def say(text: str) -> None:
    """A line of progress with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
