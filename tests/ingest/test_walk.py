"""The walk over real folders: its order, what it leaves out, and that nothing makes it hang or stop."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.ingest.walk import CLUTTER, Entry, Problem, WalkOptions, walk


def make(root: Path, *names: str) -> Path:
    """Files of these names, folders and all; their content is their name."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return root


def found(root: Path, options: WalkOptions | None = None) -> list[str]:
    """The files of a walk in order, relative to the root."""
    return [os.path.relpath(item.path, root) for item in walk(root, options) if isinstance(item, Entry)]


def problems(root: Path, options: WalkOptions | None = None) -> dict[str, str]:
    """The problems of a walk: relative path to reason."""
    return {
        os.path.relpath(item.path, root): item.reason
        for item in walk(root, options)
        if isinstance(item, Problem)
    }


def test_the_order_is_files_by_their_bytes_and_then_folders(tmp_path: Path) -> None:
    make(tmp_path, "b/1.txt", "a/z.txt", "a/b/c.txt", "é.txt", "z.txt", "B.txt")
    assert found(tmp_path) == ["B.txt", "z.txt", "é.txt", "a/z.txt", "a/b/c.txt", "b/1.txt"]


def test_an_entry_tells_what_the_file_system_knows(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    status = (tmp_path / "a.txt").stat()
    expected = Entry(
        str(tmp_path / "a.txt"), status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev
    )
    assert list(walk(tmp_path)) == [expected]


def test_a_root_may_be_one_file_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.jpg")
    assert [item.path for item in walk(tmp_path / ".hidden.jpg")] == [str(tmp_path / ".hidden.jpg")]


def test_a_root_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path / "nothing") == {".": "no such file or folder"}


def test_hidden_names_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    make(tmp_path, ".a.txt", ".b/c.txt", "d.txt")
    assert found(tmp_path) == ["d.txt"]
    assert found(tmp_path, WalkOptions(hidden=True)) == [".a.txt", "d.txt", ".b/c.txt"]


def test_clutter_is_left_out_in_any_spelling_even_among_hidden_names(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "._a.jpg", "THUMBS.DB", "Lost+Found/x", *(f"{name}/b.jpg" for name in CLUTTER))
    assert found(tmp_path, WalkOptions(hidden=True)) == ["a.jpg"]


def test_ignore_files_hold_below_their_folder_and_the_innermost_wins(tmp_path: Path) -> None:
    make(
        tmp_path, "a.txt", "a.raw", "x/a.raw", "x/keep.raw", "x/y/b.raw", "x/y/c.txt", "top.txt", "x/top.txt"
    )
    (tmp_path / ".bindsearchignore").write_text("# raw files are too large\n*.raw\n/top.txt\n")
    (tmp_path / "x" / ".bindsearchignore").write_text("!keep.raw\n")
    (tmp_path / "x" / "y" / ".bindsearchignore").write_text("!*.raw\r\nc.txt\r\n")
    assert found(tmp_path) == ["a.txt", "x/keep.raw", "x/top.txt", "x/y/b.raw"]


def test_an_ignored_folder_is_not_entered(tmp_path: Path) -> None:
    make(tmp_path, "cache/a.txt", "b/cache/c.txt", "cache.txt", "d/cache")
    (tmp_path / ".bindsearchignore").write_text("cache/\n!cache/a.txt\n")
    assert found(tmp_path) == ["cache.txt", "d/cache"]


def test_patterns_of_the_options_outrank_the_ignore_files(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "a.log", "x/b.log", "x/b.txt")
    (tmp_path / ".bindsearchignore").write_text("!*.log\n")
    assert found(tmp_path, WalkOptions(exclude=("*.log", "/a.txt"))) == ["x/b.txt"]


def test_a_line_that_is_no_pattern_costs_that_line(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "b.raw")
    (tmp_path / ".bindsearchignore").write_bytes(b"!\n*.raw\n\xff\xfe\n")
    assert found(tmp_path) == ["a.txt"]
    assert problems(tmp_path) == {".bindsearchignore": "ignore rule not understood: '!'"}


def test_an_ignore_file_that_is_a_fifo_does_not_hang(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    os.mkfifo(tmp_path / ".bindsearchignore")
    assert found(tmp_path) == ["a.txt"]
    assert problems(tmp_path) == {".bindsearchignore": "ignore file cannot be read: not a regular file"}


def test_what_is_no_regular_file_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    (tmp_path / "null").symlink_to("/dev/null")
    assert problems(tmp_path) == {
        "pipe": "not a regular file but a named pipe",
        "socket": "not a regular file but a socket",
        "null": "not a regular file but a character device",
    }
    assert problems(tmp_path / "pipe") == {".": "not a regular file but a named pipe"}


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    make(tmp_path / "outside", "photo.jpg", "album/1.jpg")
    root = make(tmp_path / "root", "a.txt")
    (root / "b.jpg").symlink_to(tmp_path / "outside/photo.jpg")
    (root / "c").symlink_to(tmp_path / "outside/album")
    assert found(root) == ["a.txt", "b.jpg", "c/1.jpg"]
    assert found(root / "c") == ["1.jpg"]


def test_a_link_keeps_the_identity_of_its_file(tmp_path: Path) -> None:
    make(tmp_path, "z.jpg")
    (tmp_path / "a.jpg").symlink_to("z.jpg")
    link, file = walk(tmp_path)
    assert isinstance(link, Entry)
    assert isinstance(file, Entry)
    assert link[1:] == file[1:]
    assert link.path != file.path


def test_a_folder_is_walked_once_and_by_its_own_path(tmp_path: Path) -> None:
    make(tmp_path, "folder/1.jpg")
    (tmp_path / "a").symlink_to("folder")
    (tmp_path / "z").symlink_to("folder")
    assert found(tmp_path) == ["folder/1.jpg"]
    assert problems(tmp_path) == {}


def test_links_that_lead_nowhere_or_back_are_problems(tmp_path: Path) -> None:
    root = make(tmp_path / "root", "x/y/a.txt")
    (root / "gone").symlink_to("nothing")
    (root / "self").symlink_to("self")
    (root / "x/y/up").symlink_to("..")
    (root / "x/here").symlink_to(".")
    (root / "above").symlink_to("/")
    assert found(root) == ["x/y/a.txt"]
    assert problems(root) == {
        "gone": "a symbolic link to nothing",
        "self": "symbolic links in a circle",
        "x/y/up": "link loop: leads back to a folder that holds it",
        "x/here": "link loop: leads back to a folder that holds it",
        "above": "link loop: leads back to a folder that holds it",
    }


def test_two_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    make(tmp_path, "a/1.txt", "b/2.txt")
    (tmp_path / "a/b").symlink_to("../b")
    (tmp_path / "b/a").symlink_to("../a")
    assert found(tmp_path) == ["a/1.txt", "b/2.txt"]


def test_a_loop_outside_the_root_ends(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", "1.txt")
    (outside / "loop").symlink_to(outside)
    root = make(tmp_path / "root", "a.txt")
    (root / "out").symlink_to(outside)
    assert found(root) == ["a.txt", "out/1.txt"]
    assert problems(root) == {"out/loop": "link loop: leads back to a folder that holds it"}


def test_a_folder_to_skip_is_not_entered_by_any_path(tmp_path: Path) -> None:
    make(tmp_path, "library/catalog.db", "a.txt")
    (tmp_path / "link").symlink_to("library")
    status = (tmp_path / "library").stat()
    options = WalkOptions(skip=frozenset({(status.st_dev, status.st_ino)}))
    assert found(tmp_path, options) == ["a.txt"]
    assert list(walk(tmp_path / "library", options)) == []


@contextmanager
def without_privileges() -> Iterator[None]:
    """As a user to whom permissions apply: the superuser may read every folder."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_unreadable_folder_is_a_problem_and_the_rest_goes_on() -> None:
    with tempfile.TemporaryDirectory() as name:  # the test runner's own folders are closed to other users
        root = make(Path(name), "a/1.txt", "b/2.txt")
        root.chmod(0o755)
        (root / "a").chmod(0)
        (root / "link").symlink_to("a/1.txt")
        with without_privileges():
            files, reasons = found(root), problems(root)
        (root / "a").chmod(0o700)
    assert files == ["b/2.txt"]
    assert reasons == {
        "a": "unreadable folder: Permission denied",
        "link": "cannot be read: Permission denied",
    }


def test_a_path_too_long_for_the_system_is_a_problem_and_the_rest_goes_on(tmp_path: Path) -> None:
    make(tmp_path, "z.txt")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    assert found(tmp_path) == ["z.txt"]
    assert [reason.partition(":")[2].strip() for reason in problems(tmp_path).values()] == [
        "File name too long"
    ]
    shutil.rmtree(tmp_path / ("d" * 200))  # the test runner keeps old folders, and nobody wants this one


def test_folders_may_vanish_during_the_walk(tmp_path: Path) -> None:
    make(tmp_path, "0.txt", "a/1.txt", "b/2.txt", "c/3.txt")
    seen = []
    for item in walk(tmp_path):
        seen.append(os.path.relpath(item.path, tmp_path))
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
    assert seen == ["0.txt", "a/1.txt", "c/3.txt"]


def test_a_root_that_vanishes_during_the_walk_is_a_problem(tmp_path: Path) -> None:
    root = make(tmp_path / "disk", "0.txt", "a/1.txt")
    items = []
    for item in walk(root):
        items.append(item)
        shutil.rmtree(root, ignore_errors=True)
    assert items[1:] == [Problem(str(root), "vanished during the walk")]


def test_names_with_newlines_and_bytes_that_are_not_utf8_come_through(tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"line\nbreak.jpg", b"\xff\xfe/\n.txt", b" \t.txt"]
    make(tmp_path, *(os.fsdecode(name) for name in names))
    (tmp_path / ".bindsearchignore").write_text("*.raw\n")
    assert sorted(os.fsencode(name) for name in found(tmp_path)) == sorted(names)


_components = st.sampled_from(["a", "b", ".c", "D", "é", "x y", "\n", "node_modules", "z.txt", "._r"])
_paths = st.lists(st.lists(_components, min_size=1, max_size=4).map("/".join), max_size=12, unique=True)


@settings(max_examples=60, deadline=None)
@given(paths=_paths, hidden=st.booleans())
def test_a_walk_finds_what_a_plain_reading_of_the_tree_finds(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str], hidden: bool
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for path in paths:
        if not any((root / parent).is_file() for parent in Path(path).parents) and not (root / path).exists():
            make(root, path)

    def wanted(name: str) -> bool:
        return name not in CLUTTER and not name.startswith("._") and (hidden or not name.startswith("."))

    expected = {
        os.path.relpath(f"{top}/{name}", root)
        for top, _, names in os.walk(root)
        for name in names
        if all(wanted(part) for part in (*Path(top).relative_to(root).parts, name))
    }
    options = WalkOptions(hidden=hidden)
    assert set(found(root, options)) == expected
    assert found(root, options) == found(root, options)


PARTS = st.lists(st.sampled_from("abB"), min_size=1, max_size=3)
RULES = st.lists(st.sampled_from(["a", "b/", "!a", "*.x", "/a/b", "b/a"]), max_size=2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(PARTS, max_size=8),
    st.lists(st.tuples(PARTS, RULES), max_size=2),
    st.lists(st.tuples(PARTS, PARTS), max_size=2),
    PARTS,
)
def test_a_walk_below_a_path_gives_what_the_whole_walk_gives_there(
    files: list[list[str]],
    rules: list[tuple[list[str], list[str]]],
    links: list[tuple[list[str], list[str]]],
    part: list[str],
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for names in files:
            with suppress(OSError):
                make(root, "/".join((*names, "1.txt")), "/".join(names) + ".x")
        for folder, lines in rules:
            with suppress(OSError):
                (root / "/".join(folder) / ".bindsearchignore").write_text("\n".join(lines))
        for place, target in links:
            with suppress(OSError):
                (root / "/".join(place)).symlink_to(root / "/".join(target))
        below = "/".join(part)
        inside = str(root / below)
        whole = [item for item in walk(root) if item.path == inside or item.path.startswith(inside + "/")]
        some = [item for item in walk(root, below=below) if (item.path + "/").startswith(inside + "/")]
        assert some == whole


def test_a_walk_below_a_path_looks_into_no_other_folder(tmp_path: Path) -> None:
    make(tmp_path, "a/b/1.txt", "a/c/2.txt", "d/3.txt", "4.txt")
    below = [os.path.relpath(item.path, tmp_path) for item in walk(tmp_path, below="a/b")]
    assert below == ["a/b/1.txt"]
    assert [item.path for item in walk(tmp_path, below="d/3.txt")] == [str(tmp_path / "d/3.txt")]
    assert list(walk(tmp_path, below="a/B")) == []
