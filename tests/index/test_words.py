"""Words: what triggers keep is what a fresh filling would hold, and what is written is found."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import Connection, delete, insert, select, text, update

from bindsearch.errors import LibraryError
from bindsearch.index.catalog import CATALOG_FILE, Catalog
from bindsearch.index.changes import Move, NewContent, Placement, SegmentFacts, move, place, store_contents
from bindsearch.index.evidence import Evidence
from bindsearch.index.filters import Filter
from bindsearch.index.models import Root
from bindsearch.index.records import FileStat, ensure_space
from bindsearch.index.schema import contents, locations, roots, segments, tags
from bindsearch.index.words import Field, WordHit, find_words, search_words
from bindsearch.loaders import FileFacts
from bindsearch.modality import Modality
from bindsearch.words import tokens_of, words_of_string
from tests.index.test_catalog import old_library
from tests.tiny import DIMENSIONS, TinyEncoder

SPACE = TinyEncoder().space


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "library")
    yield made
    made.close()


def add(
    catalog: Catalog,
    path: str,
    *texts: str | None,
    title: str | None = None,
    tag: str | None = None,
    modality: Modality = Modality.IMAGE,
    root: str = "/r",
) -> int:
    """A content with a segment for each of ``texts`` (one without, if there are none); its id."""
    cut = [
        SegmentFacts(Modality.TEXT if words else modality, None, None, n + 1, n + 1, words)
        for n, words in enumerate(texts or (None,))
    ]
    sha256, facts = os.urandom(32), FileFacts(modality, "PNG", title=title)
    rows = np.eye(DIMENSIONS, dtype=np.float32)[np.zeros(len(cut), int)]
    new = NewContent(sha256, sha256, "", 1, facts, cut, [True] * len(cut), rows)
    with catalog.write() as session:
        owner = session.scalar(select(Root).where(Root.path == root)) or Root(path=root, added_at=0.0)
        session.add(owner)
        session.flush()
        (content_id,) = store_contents(session, ensure_space(session, SPACE).id, [new])
        place(session, [Placement(owner.id, path, FileStat(1, 2, content_id, 4), content_id)])
        if tag:
            row = {"content_id": content_id, "name": tag, "source": "hand", "added_at": 0.0}
            session.execute(insert(tags).values(row))
    return content_id


def found(catalog: Catalog, asked: str, wanted: Filter | None = None, *, exact: bool = True) -> list[WordHit]:
    with catalog.read() as connection:
        return find_words(connection, asked, None, wanted, exact=exact)


def owners(catalog: Catalog, asked: str, wanted: Filter | None = None) -> set[int]:
    return {hit.content_id for hit in found(catalog, asked, wanted)}


NAMES = [
    ("IMG_2024-birthday_party.jpg", ["birthday", "party", "2024", "img", '"birthday party"', "birth*"]),
    ("BirthdayParty2.png", ["birthday", "Birthday party", "birthdayparty2", "BirthdayParty"]),
    ("東京タワー_夜景.jpg", ["東京", "タワー", "夜景", "京タ"]),
    ("cafe\u0301 \u30ab\u3099.jpg", ["café", "CAFE", "ガ"]),
    ("한국 여행.jpg", ["여행"]),
    ("say \"cheese\" 'n' AND NEAR(x).jpg", ["cheese", "near", "and"]),
    ("🎂 tart.jpg", ["🎂", "tart"]),
    (os.fsdecode(b"caf\xe9 \xff rex.jpg"), ["caf", "rex"]),
    ("Été à la plage.jpg", ["ete", "plage"]),
    ("2024-06-01 12.30.jpg", ["2024-06-01", "2024", '"06 01"']),
    ("Holidays/RomeTrip/a.jpg", ["holidays", "rome", "trip"]),
    ("dogs.jpg", ["dog", "dogs", '"dogs"']),
    ("nul.jpg", ["nul\0", "jpg"]),
]


@pytest.mark.parametrize(("name", "queries"), NAMES, ids=[ascii(name) for name, _ in NAMES])
def test_a_file_is_found_by_the_words_of_its_name(catalog: Catalog, name: str, queries: list[str]) -> None:
    content_id = add(catalog, name)
    add(catalog, "other.mp4")
    assert {query: owners(catalog, query) for query in queries} == {query: {content_id} for query in queries}


@pytest.mark.parametrize(
    ("asked", "unlike"),
    [('"dog"', "dogs.jpg"), ('"party birthday"', "birthday party.jpg"), ("art", "tart.jpg")],
)
def test_words_in_quotes_are_meant_as_written(catalog: Catalog, asked: str, unlike: str) -> None:
    add(catalog, unlike)
    assert found(catalog, asked) == []


def test_a_root_that_is_a_file_is_found_by_its_own_name(catalog: Catalog) -> None:
    content_id = add(catalog, ".", root="/home/me/GoldenGate.mp4")
    assert owners(catalog, "golden gate") == {content_id}
    assert found(catalog, "home") == []


def test_each_hit_says_where_its_words_are(catalog: Catalog) -> None:
    photo = add(catalog, "Rome/forum.jpg", None, "the emperor", title="A walk", tag="holiday")
    (hit,) = found(catalog, "rome forum walk holiday")
    assert hit.fields == (Field.NAME, Field.FOLDER, Field.TITLE, Field.TAG)
    assert hit.words == ("rome", "forum", "walk", "holiday")
    (told,) = found(catalog, "emperor rome")
    assert told.fields == (Field.FOLDER, Field.TEXT)
    assert (told.content_id, told.segment_id) == (photo, hit.segment_id + 1)


def test_a_passage_is_a_hit_of_its_own(catalog: Catalog) -> None:
    add(catalog, "diary.txt", "rain all day", "sun at last", "rain again", modality=Modality.TEXT)
    assert [hit.segment_id for hit in found(catalog, "sun")] == [2]
    assert {hit.segment_id for hit in found(catalog, "rain")} == {1, 3}
    assert found(catalog, "sun rain") == [], "no passage holds both"
    assert {hit.segment_id for hit in found(catalog, "sun rain", exact=False)} == {1, 2, 3}


def test_what_is_taken_away_excludes_a_file(catalog: Catalog) -> None:
    from bindsearch.query import parse_query
    from bindsearch.words import words_of_query

    first = add(catalog, "black cat.jpg")
    second = add(catalog, "white cat.jpg", None, "with a black dog")
    third = add(catalog, "grey cat.jpg")
    with catalog.read() as connection:
        for expression, left in (
            ("cat", {first, second, third}),
            ("cat - black", {third}),
            ('cat - "black dog"', {first, third}),
        ):
            asked = words_of_query(parse_query(expression), exact=True)
            assert {hit.content_id for hit in find_words(connection, asked, exact=True)} == left


def test_filters_act_inside(catalog: Catalog) -> None:
    for n in range(30):
        add(catalog, f"a/rex {n}.jpg")
    wanted = add(catalog, "b/rex.wav", modality=Modality.AUDIO)
    with catalog.read() as connection:
        for only in (Filter(modalities=frozenset({Modality.AUDIO})), Filter(folders=("/r/b",))):
            assert [hit.content_id for hit in find_words(connection, "rex", 1, only)] == [wanted]


def test_a_file_is_not_found_by_a_name_that_the_filter_hides(catalog: Catalog) -> None:
    content_id = add(catalog, "here/plain.jpg")
    with catalog.write() as session:
        place(session, [Placement(1, "there/secret.jpg", FileStat(1, 2, 3, 4), content_id)])
    assert owners(catalog, "secret") == {content_id}
    assert owners(catalog, "secret", Filter(folders=("/r/here",))) == set()
    set_state = text("UPDATE locations SET state = :state WHERE path = CAST('there/secret.jpg' AS BLOB)")
    for state, offline, visible in (
        ("missing", True, False),
        ("offline", False, False),
        ("offline", True, True),
    ):
        with catalog.write() as session:
            session.execute(set_state, {"state": state})
        assert bool(owners(catalog, "secret", Filter(offline=offline))) is visible
        assert owners(catalog, "plain") == {content_id}


def test_a_renamed_file_is_found_by_its_new_name_only(catalog: Catalog) -> None:
    content_id = add(catalog, "old.jpg")
    with catalog.write() as session:
        move(session, [Move(1, 1, "new.jpg")])
    assert owners(catalog, "new") == {content_id}
    assert owners(catalog, "old") == set()


def test_a_rare_word_counts_more_than_a_usual_one(catalog: Catalog) -> None:
    for n in range(40):
        add(catalog, f"dog {n}.jpg" if n % 2 else f"{n}.jpg")
    rare = add(catalog, "zorvella dog.jpg")
    first, *rest = found(catalog, "a dog with zorvella", exact=False)
    assert first.content_id == rare
    assert {round(hit.evidence, 6) for hit in rest} == {round(rest[0].evidence, 6)}
    assert first.evidence > 2 * rest[0].evidence


def test_hits_by_words_alone_are_one_a_file_unless_all_moments_are_asked_for(catalog: Catalog) -> None:
    add(catalog, "diary.txt", "rain all day", "rain again", modality=Modality.TEXT)
    add(catalog, "rain.jpg")
    with catalog.read() as connection:
        asked = words_of_string("rain", exact=True)
        hits = search_words(connection, asked, 10)
        assert [hit.path.name for hit in hits] == ["rain.jpg", "diary.txt"]
        assert len(search_words(connection, asked, 10, all_moments=True)) == 3
        assert len(search_words(connection, asked, 1, all_moments=True)) == 1
        lines = {hit.first_line for hit in search_words(connection, asked, 9, all_moments=True)}
        assert lines == {1, 2}


def test_the_evidence_of_a_file_is_that_of_its_pictures_but_not_of_its_other_passages(
    catalog: Catalog,
) -> None:
    for n in range(60):
        add(catalog, f"{n}.txt", "nothing else", modality=Modality.TEXT)
    photo = add(catalog, "a.jpg", None, "zorvella at the harbour")
    note = add(catalog, "b.txt", "quintrell came", "and went", modality=Modality.TEXT)
    evidence = Evidence.of_hits(found(catalog, "zorvella quintrell", exact=False))
    assert evidence.of(61, photo, "image") == evidence.of(62, photo, "text") > 0
    assert evidence.of(63, note, "text") > 0
    assert evidence.of(64, note, "text") == 0
    for modality, owners in (
        ("image", (61, photo)),
        ("text", (62, photo)),
        ("text", (63, note)),
        ("text", (64, note)),
    ):
        many = evidence.of_many(*(np.array([one]) for one in owners), modality)
        assert many.tolist() == [evidence.of(*owners, modality)]
    moments = Evidence.of_hits(found(catalog, "zorvella", exact=False), all_moments=True)
    assert moments.of(61, photo, "image") == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.text() | st.text(alphabet="ab \"*-+:^(){}AND OR NEAR NOT'\\\0", max_size=30), exact=st.booleans()
)
def test_no_text_is_an_error(catalog: Catalog, asked: str, exact: bool) -> None:
    with catalog.read() as connection:
        find_words(connection, asked, 5, exact=exact)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("abc de\u00e9\u65e5\u672c.-", min_size=1, max_size=12), min_size=1, max_size=6),
    asked=st.text("abc\u00e9\u65e5\u672c", min_size=1, max_size=3),
)
def test_whole_words_are_found_as_a_plain_search_finds_them(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], asked: str
) -> None:
    made = Catalog.create(tmp_path_factory.mktemp("words"))
    given_texts = [words for words in texts if words.strip()] or ["x"]
    add(made, "9.txt", *given_texts, modality=Modality.TEXT)
    hits = {hit.segment_id for hit in found(made, f'"{asked}"')}
    made.close()

    def folded(words: str) -> str:
        return f" {' '.join(tokens_of(words)).replace(chr(233), 'e')} "

    assert hits == {n for n, words in enumerate(given_texts, start=1) if folded(asked) in folded(words)}


def rows_kept(connection: Connection) -> tuple[list[tuple[object, ...]], set[tuple[str, int]]]:
    """What the tables of words hold: the rows of files, and the words of texts by row."""
    rows = connection.exec_driver_sql("SELECT rowid, name, folder, title, tag FROM file_words ORDER BY rowid")
    return [tuple(row) for row in rows], vocabulary(connection)


def vocabulary(connection: Connection) -> set[tuple[str, int]]:
    connection.exec_driver_sql(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.held USING fts5vocab('main', 'segment_words', 'instance')"
    )
    return {(row[0], row[1]) for row in connection.exec_driver_sql("SELECT term, doc FROM temp.held")}


def rows_due(connection: Connection) -> tuple[list[tuple[object, ...]], set[tuple[str, int]]]:
    """What they should hold, made from the other tables by plain Python."""
    from bindsearch.words import words_of_name, words_of_path, words_of_text

    due: list[tuple[object, ...]] = []
    for row in connection.execute(select(locations, roots.c.path.label("root")).join(roots)):
        path = os.fsencode(row.path)
        name = (os.fsencode(row.root) if path == b"." else path).rpartition(b"/")[2]
        due.append((4 * row.id, words_of_name(name), words_of_path(path), None, None))
    due += [
        (4 * row.id + 1, None, None, words_of_text(row.title), None)
        for row in connection.execute(select(contents).where(contents.c.title.is_not(None)))
    ]
    due += [
        (4 * row.id + 2, None, None, None, words_of_text(row.name))
        for row in connection.execute(select(tags))
    ]
    texts = connection.execute(select(segments.c.id, segments.c.text).where(segments.c.text.is_not(None)))
    words = {(token, row.id) for row in texts for token in tokens_of(row.text)}
    return sorted(due), words


WORDS = st.text("ab A1_-/\u65e5", min_size=1, max_size=6).map(lambda name: f"x{name}".rstrip("/"))


class Writers(RuleBasedStateMachine):
    """Whatever is done to the catalog, the words are those that a filling from scratch would make."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.catalog = Catalog.create(Path(self.folder.name))

    def teardown(self) -> None:
        self.catalog.close()
        self.folder.cleanup()

    @rule(
        name=WORDS,
        words=st.none() | WORDS,
        title=st.none() | WORDS,
        tag=st.none() | WORDS,
        file=st.booleans(),
    )
    def a_file_comes(
        self, name: str, words: str | None, title: str | None, tag: str | None, file: bool
    ) -> None:
        root = f"/{name}" if file else "/r"
        add(self.catalog, "." if file else name, None, words, title=title, tag=tag, root=root)

    @rule(name=WORDS, number=st.integers(1, 6))
    def a_file_is_renamed(self, name: str, number: int) -> None:
        with self.catalog.write() as session:
            there = session.execute(select(locations).where(locations.c.id == number)).first()
            if there is not None and there.path != ".":
                move(session, [Move(number, there.root_id, name)])

    @rule(
        number=st.integers(1, 6), what=st.sampled_from(["tags", "locations", "contents", "roots", "segments"])
    )
    def something_goes(self, number: int, what: str) -> None:
        table = {
            "tags": tags,
            "locations": locations,
            "contents": contents,
            "roots": roots,
            "segments": segments,
        }[what]
        with self.catalog.write() as session:
            if what == "contents":
                session.execute(delete(locations).where(locations.c.content_id == number))
            session.execute(delete(table).where(table.c.id == number))

    @rule(number=st.integers(1, 6), words=st.none() | WORDS)
    def words_change(self, number: int, words: str | None) -> None:
        with self.catalog.write() as session:
            session.execute(update(contents).where(contents.c.id == number).values(title=words))
            session.execute(update(segments).where(segments.c.id == number).values(text=words))
            if words is not None:
                session.execute(update(tags).where(tags.c.id == number).values(name=words))

    @invariant()
    def the_words_are_those_of_the_tables(self) -> None:
        with self.catalog.read() as connection:
            assert rows_kept(connection) == rows_due(connection)


Writers.TestCase.settings = settings(max_examples=8, stateful_step_count=10, deadline=None)
TestWriters = Writers.TestCase


@pytest.mark.parametrize("version", ["0001", "0003", "0004"])
def test_an_older_library_gets_its_words(tmp_path: Path, version: str) -> None:
    old_library(tmp_path, version)
    with sqlite3.connect(tmp_path / CATALOG_FILE) as connection:
        connection.execute("UPDATE segments SET text = 'seagulls over the harbour' WHERE id = 2")
    connection.close()
    made = Catalog.create(tmp_path)
    assert [hit.segment_id for hit in found(made, "film")] == [1]
    assert [hit.segment_id for hit in found(made, "harbour")] == [2]
    with made.read() as reader:
        assert rows_kept(reader) == rows_due(reader)
    made.close()


def test_a_program_that_does_not_keep_the_words_cannot_change_them(catalog: Catalog) -> None:
    add(catalog, "a.jpg")
    with (
        sqlite3.connect(catalog.path) as stranger,
        pytest.raises(sqlite3.OperationalError, match="name_words_1"),
    ):
        stranger.execute("UPDATE locations SET path = CAST('b.jpg' AS BLOB)")
    stranger.close()


def test_damaged_words_are_an_error_of_the_library_not_a_crash(catalog: Catalog) -> None:
    add(catalog, "a.jpg")
    with catalog.write() as session:
        session.execute(text("DROP TABLE file_words"))
    with pytest.raises(LibraryError, match="cannot be used"), catalog.read() as connection:
        find_words(connection, "a")
