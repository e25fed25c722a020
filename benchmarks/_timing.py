"""What the benchmarks share: whole processes timed in turn, and a folder of pictures to work on."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def command(*arguments: str) -> list[str]:
    """The bindsearch command of this environment."""
    return [str(Path(sys.executable).parent / "bindsearch"), *arguments]


def run(arguments: list[str], environment: dict[str, str] | None = None) -> float:
    """Wall seconds of one whole process."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # Whoever has installed a package has it compiled; a checkout on a fresh machine may not.
    known["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "bindsearch-bytecode")
    started = time.perf_counter()
    subprocess.run(arguments, check=False, capture_output=True, env=known | (environment or {}), cwd=ROOT)
    return time.perf_counter() - started


def medians(commands: dict[str, list[str]], runs: int, environment: dict[str, str] | None = None) -> None:
    """Print the median of several runs of each command, taken in turn so that drift hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, arguments in commands.items():
            seconds = run(arguments, environment)
            if turn:  # the first turn warms the disk's cache
                times[name].append(seconds)
    for name, taken in times.items():
        print(f"  {name:<44}{statistics.median(taken):7.3f} s   ({min(taken):.3f} to {max(taken):.3f})")


def make_pictures(folder: Path, count: int) -> None:
    """``count`` different JPEGs of about 640 x 480 from the pictures that scikit-image carries."""
    import skimage.data
    from PIL import Image

    source = Path(skimage.data.__file__).parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg")
    pictures = [Image.open(source / name).convert("RGB").resize((800, 600)) for name in names]
    for n in range(count):
        picture = pictures[n % len(pictures)]
        left, top = n % 160, n // 160  # so that no two are alike
        picture.crop((left, top, left + 640, top + 480)).save(folder / f"{n:05}.jpg", quality=85)
