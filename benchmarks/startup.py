"""Whole processes: how long until --help, until a cold search answers, until nothing is found to be done.

Beside them, what any tool pays that imports torch, or FAISS and SQLAlchemy, before it can start.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from _timing import command, make_pictures, medians, run


def main() -> None:
    """Index a few pictures, then time the commands in turn."""
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(Path(folder) / "pictures", 100)
        library = {"BINDSEARCH_LIBRARY": str(Path(folder) / "library")}
        run(command("index", f"{folder}/pictures"), library)
        medians(
            {
                "bindsearch --help": command("--help"),
                "bindsearch search --help": command("search", "--help"),
                'bindsearch search "a cat"': command("search", "a cat"),
                "bindsearch search PICTURE": command("search", f"{folder}/pictures/00000.jpg"),
                "bindsearch index (nothing new)": command("index"),
                "bindsearch status": command("status"),
                "python -c pass": [sys.executable, "-c", "pass"],
                "python -c 'import faiss, sqlalchemy'": [sys.executable, "-c", "import faiss, sqlalchemy"],
                "python -c 'import torch'": [sys.executable, "-c", "import torch"],
            },
            runs=5,
            environment=library,
        )


if __name__ == "__main__":
    main()
