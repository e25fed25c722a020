"""What is given up and when: contents that no file holds any more, and not a moment before that is sure."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from bindsearch.index.schema import TagSource, contents
from bindsearch.index.store import Store
from bindsearch.index.tags import NewTag, put_tags
from bindsearch.ingest.library import Library
from tests.media import RED, picture


def tagged(library: Library, path: Path) -> tuple[str, ...]:
    """The tags of a file, as a search shows them."""
    return next(hit.tags for hit in library.search("red", 9) if hit.path == path)


def count_of_contents(library: Library) -> int:
    with Store.open(library.folder) as store, store.catalog.read() as catalog:
        return catalog.scalar(select(func.count()).select_from(contents)) or 0


def test_bytes_that_lie_under_another_name_when_their_file_is_replaced_keep_their_tags(
    library: Library, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    picture(one / "a.png", RED)
    (two / "b.png").write_bytes(b"")
    library.index([one, two])
    with Store.writing(library.folder) as store, store.catalog.write() as session:
        tagged_one = session.scalars(select(contents.c.id)).one()
        put_tags(session, TagSource.HAND, [NewTag(tagged_one, "holiday")])
    (two / "b.png").write_bytes((one / "a.png").read_bytes())
    (one / "a.png").write_text("replaced")
    library.index(one / "a.png")  # as the daemon does, which hears of the one before the other
    library.index(two / "b.png")
    assert tagged(library, two / "b.png") == ("holiday",)


def test_what_no_file_holds_is_given_up_by_a_walk_of_all_roots(library: Library, folder: Path) -> None:
    path = picture(folder / "a.png", RED)
    library.index(folder)
    path.write_text("replaced")
    library.index(path)
    assert count_of_contents(library) == 1
    library.index()
    assert count_of_contents(library) == 0
