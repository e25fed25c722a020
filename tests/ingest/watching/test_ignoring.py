"""What ignore files say of a path, compared with what the walk leaves out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.ingest.walk import IGNORE_FILE, Entry, walk
from bindsearch.ingest.watching.ignoring import Ignoring

FOLDERS = ("", "a", "a/b", "c", "c/b")
LINES = st.sampled_from(
    ["*.jpg", "!one.jpg", "/a", "b/", "a/b/*", "!b", "two.*", "**/b/one.jpg", "# note", ""]
)
RULES = st.dictionaries(st.sampled_from(FOLDERS), st.lists(LINES, max_size=4), max_size=3)


@settings(max_examples=60, deadline=None)
@given(RULES)
def test_exactly_what_the_walk_leaves_out_is_left_out(rules: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        files = [root / folder / name for folder in FOLDERS for name in ("one.jpg", "two.png")]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        for folder, lines in rules.items():
            (root / folder / IGNORE_FILE).write_text("\n".join(lines))
        walked = {entry.path for entry in walk(root) if isinstance(entry, Entry)}
        ignoring = Ignoring(place, 100.0)
        heard = {os.fspath(file) for file in files if not ignoring.leaves_out(os.fspath(file), 0.0)}
    assert heard == walked


def test_verdicts_are_given_up_after_a_moment(tmp_path: Path) -> None:
    file = tmp_path / "one.jpg"
    ignoring = Ignoring(str(tmp_path), 1.0)
    assert not ignoring.leaves_out(str(file), 10.0)
    (tmp_path / IGNORE_FILE).write_text("*.jpg")
    assert not ignoring.leaves_out(str(file), 10.5)
    assert ignoring.leaves_out(str(file), 11.0)
    assert not ignoring.leaves_out(str(tmp_path), 11.0)


def test_ignore_files_that_cannot_be_read_leave_out_nothing(tmp_path: Path) -> None:
    (tmp_path / IGNORE_FILE).write_text("*.jpg")
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / IGNORE_FILE)
    (tmp_path / "folder" / IGNORE_FILE).mkdir(parents=True)
    ignoring = Ignoring(str(tmp_path), 1.0)
    assert ignoring.leaves_out(str(tmp_path / "one.jpg"), 0.0)
    assert not ignoring.leaves_out(str(tmp_path / "folder" / "one.jpg"), 0.0)
    ignoring.leaves_out(str(tmp_path / "fifo" / "one.jpg"), 0.0)  # and does not hang
