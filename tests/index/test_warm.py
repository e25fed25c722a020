"""A library that is asked again and again: what it keeps in mind answers as the catalog itself would."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from bindsearch.answers import Via
from bindsearch.errors import LibraryDamaged, LibraryMissing, QueryError
from bindsearch.index.candidates import Candidates, apart
from bindsearch.index.catalog import CATALOG_FILE, Catalog
from bindsearch.index.evidence import Evidence
from bindsearch.index.filters import Filter
from bindsearch.index.moments import MOST_GONE, Moments, Owners, kind_of
from bindsearch.index.nearest import Question, Unread
from bindsearch.index.remembering import remembered
from bindsearch.index.schema import contents, locations, vectors
from bindsearch.index.store import Store
from bindsearch.index.vectors.exact import ExactIndex
from bindsearch.index.vectors.protocol import EVERYTHING, Selection
from bindsearch.index.vectors.scanning import Scan
from bindsearch.index.vectors.sharing import SharedLock
from bindsearch.index.vectors.widening import products, widened
from bindsearch.index.words import find_words
from bindsearch.modality import Modality
from bindsearch.words import words_of_string
from tests.index.test_vectors import unit_rows
from tests.index.test_view import rows16
from tests.index.test_words import add
from tests.tiny import DIMENSIONS, TinyEncoder

SPACE = TinyEncoder().space
WORDS = ("rain", "harbour", "zorvella", "dog")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "library")
    yield made
    made.close()


def asked(number: int = 0) -> Question:
    return Question.of(rows16(number + 1, seed=7)[number], Modality.IMAGE)


def test_every_half_is_widened_to_what_it_is() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    halves = halves[: len(halves) // 8 * 8].reshape(-1, 8)
    np.testing.assert_array_equal(widened(halves), halves.astype(np.float32))


def test_products_are_those_of_widened_rows_whatever_their_number() -> None:
    rows, query = unit_rows(3000).astype(np.float16), unit_rows(1, seed=3)[0].astype(np.float32)
    for count in (0, 1, 1023, 1025, 3000):
        expected = rows[:count].astype(np.float32) @ query
        np.testing.assert_allclose(products(rows[:count], query), expected, atol=1e-6)


def test_an_exact_index_that_grows_for_long_stays_in_few_pieces_and_right() -> None:
    rows = unit_rows(900).astype(np.float16)
    index, alive = ExactIndex(rows.shape[1]), set(range(1, 901))
    index.add(np.arange(1, 301), rows[:300])
    index.warm(1 << 20)
    for first in range(300, 900, 3):
        index.add(np.arange(first + 1, first + 4), rows[first : first + 3])
        index.remove(np.array([first - 100]))
        alive.discard(first - 100)
    assert len(index._ids) < 12
    assert index.ids.tolist() == sorted(alive)
    query = rows[450].astype(np.float32)
    scores = rows[index.ids - 1].astype(np.float32) @ query
    found = index.search(query, 10)
    assert found.ids.tolist() == index.ids[np.lexsort((index.ids, -scores))[:10]].tolist()
    own, kept = index.rows(np.array([5, 200, 451, 5000]))
    assert own.tolist() == [one for one in (5, 200, 451) if one in alive]
    np.testing.assert_array_equal(kept, rows[own - 1])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    count=st.integers(1, 400),
    k=st.integers(1, 12),
    share=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    copies=st.booleans(),
)
def test_what_faiss_proposes_holds_the_best_with_all_that_are_as_good(
    seed: int, count: int, k: int, share: float, copies: bool
) -> None:
    drawn = np.random.default_rng(seed)
    rows = unit_rows(count, seed=seed).astype(np.float16)
    if copies:
        rows = rows[drawn.integers(0, max(1, count // 50), count)]
    allowed = drawn.random(count) < share
    query = unit_rows(1, seed=seed + 1000)[0].astype(np.float32)
    near = Scan(rows).nearest(query, k, None if share == 1.0 else allowed)
    assert len(set(near.tolist())) == len(near)
    scores = rows.astype(np.float32) @ query
    places = np.arange(count) if share == 1.0 else np.flatnonzero(allowed)
    least = np.sort(scores[places])[-k:].min(initial=np.inf)
    assert set(near.tolist()) <= set(places.tolist())
    assert set(near.tolist()) >= {place for place in places.tolist() if scores[place] >= least}


def test_a_warm_index_answers_as_a_cold_one_also_under_a_selection() -> None:
    rows = unit_rows(2000).astype(np.float16)
    rows[500:520] = rows[7]  # as good as each other
    ids = np.arange(1, 2001) * 3
    cold, warm = ExactIndex.build(rows.shape[1], ids, rows), ExactIndex.build(rows.shape[1], ids, rows)
    assert warm.warm(rows.nbytes - 1) == 0, "too little room"
    assert warm.warm(rows.nbytes) == rows.nbytes
    for index in (cold, warm):
        index.remove(np.array([3, 1533]))
    for selection in (EVERYTHING, Selection(only=ids[::3]), Selection(without=ids[100:900])):
        for k in (1, 5, 15, 30, 1999):
            expected = cold.search(rows[7].astype(np.float32), k, selection)
            found = warm.search(rows[7].astype(np.float32), k, selection)
            assert found.ids.tolist() == expected.ids.tolist()
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_a_question_that_is_read_while_the_index_looks_for_words_is_answered_as_any_other(
    catalog: Catalog, tmp_path: Path
) -> None:
    add(catalog, "rain.jpg", title="rain at the harbour")
    question = replace(asked(), words=words_of_string("rain"))
    with Store.open(tmp_path / "library") as store:
        known = store.search(question, SPACE, 5)
        assert store.search(Unread(question.words, lambda: question), SPACE, 5) == known
        with pytest.raises(QueryError, match="cannot be read"):
            store.search(Unread(question.words, _unreadable), SPACE, 5)
        assert known.hits[0].via is Via.BOTH


def _unreadable() -> Question:
    raise QueryError("this cannot be read")


WRITTEN = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
FILES = st.lists(
    st.tuples(WRITTEN, st.lists(WRITTEN, max_size=3), WRITTEN, st.sampled_from(["", *WORDS]), st.booleans()),
    min_size=1,
    max_size=8,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, query=WRITTEN, kinds=st.sets(st.sampled_from([Modality.IMAGE, Modality.TEXT])))
def test_evidence_is_that_of_the_hits_by_words(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[str, list[str], str, str, bool]],
    query: str,
    kinds: set[Modality],
) -> None:
    made = Catalog.create(tmp_path_factory.mktemp("evidence"))
    for number, (name, texts, folder, tag, titled) in enumerate(files):
        title = "rain at the harbour" if titled else None
        path = f"{folder or 'x'}/{name} {number}.jpg"
        add(made, path, None, *[text or None for text in texts], title=title, tag=tag or None)
    words = words_of_string(query)
    folders = [Filter(modalities=frozenset(kinds)), Filter(folders=("/r/rain",))]
    with made.read() as connection:
        for wanted in folders:
            for all_moments in (False, True):
                hits = find_words(connection, words, None, wanted)
                known = Evidence.of_hits(hits, all_moments=all_moments)
                quick = Evidence.of_query(connection, words, 1000, wanted, all_moments=all_moments)
                assert quick == known
                few = Evidence.of_query(connection, words, 2, wanted)
                best = sorted(known.segments.values(), reverse=True)[:2]
                assert sorted(few.segments.values(), reverse=True) == best
    made.close()


def test_the_table_of_moments_answers_as_the_catalog_does(catalog: Catalog) -> None:
    for number in range(12):
        add(catalog, f"{number}.jpg", *[None] * (1 + number % 3), "a text")
    with catalog.read() as connection:
        cold, warm = Moments(1), Moments(1)
        warm.load(connection)
        for ask in ("of_vectors", "of_segments", "of_contents"):
            ids = np.array([1, 2, 5, 6, 900])
            for one, other in zip(
                getattr(cold, ask)(connection, ids), getattr(warm, ask)(connection, ids), strict=True
            ):
                assert one.tolist() == other.tolist()
                assert len(one)
        mask = np.zeros(6, bool)
        mask[[2, 3]] = True
        found = warm.among(mask, [Modality.TEXT])
        assert set(warm.of_vectors(connection, found).contents.tolist()) == {2, 3}
        assert len(found) == 2
    warm.add(np.array([[1000, 1001, 3, kind_of("text")]]))
    assert warm.among(mask, [Modality.TEXT]).tolist() == [*found.tolist(), 1000]


def test_a_table_of_moments_does_not_grow_with_vectors_that_come_and_go(catalog: Catalog) -> None:
    table, most = Moments(1), 0
    with catalog.read() as connection:
        table.load(connection)
        for turn in range(20):
            ids = np.arange(500 * turn + 1, 500 * turn + 501)
            table.add(np.stack([ids, ids, ids, np.zeros_like(ids)], axis=1))
            known = table.of_vectors(connection, np.arange(20_000)).vectors
            assert set(ids) <= set(known.tolist())
            most = max(most, len(known))
            table.forget(ids)
    assert most <= 2 * MOST_GONE


def test_what_is_remembered_goes_when_anybody_writes(catalog: Catalog) -> None:
    def count() -> int:
        with catalog.read() as connection:
            statement = select(func.count()).select_from(contents)
            return remembered(connection, "count", lambda: connection.scalar(statement) or 0)

    add(catalog, "a.jpg")
    assert count() == count() == 1
    add(catalog, "b.jpg")  # by this very process
    assert count() == 2
    other = Catalog.create(catalog.path.parent)  # by another connection
    add(other, "c.jpg")
    other.close()
    assert count() == 3
    with catalog.write() as session:  # which sees what it wrote itself
        assert remembered(session.connection(), "count", lambda: -1) == -1
        session.execute(delete(locations))
        session.execute(delete(contents))
    assert count() == 0


def test_a_catalog_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    for name, files in (("old", 3), ("new", 2)):
        made = Catalog.create(tmp_path / name)
        for number in range(files):
            add(made, f"{name} {number}.jpg")
        made.close()
    with Store.open(tmp_path / "old") as store:
        names = {hit.path.name for hit in store.search(asked(), SPACE, 9)}
        assert names <= {f"old {number}.jpg" for number in range(3)}
        shutil.copy(tmp_path / "new" / CATALOG_FILE, tmp_path / "part")
        for suffix in ("-wal", "-shm"):
            (tmp_path / "old" / (CATALOG_FILE + suffix)).unlink(missing_ok=True)
        (tmp_path / "part").replace(tmp_path / "old" / CATALOG_FILE)
        shutil.rmtree(tmp_path / "old" / "vectors")
        names = {hit.path.name for hit in store.search(asked(), SPACE, 9)}
        assert names
        assert names <= {f"new {number}.jpg" for number in range(2)}
        (tmp_path / "part").write_bytes(b"no database" * 1000)
        (tmp_path / "part").replace(tmp_path / "old" / CATALOG_FILE)
        with pytest.raises(LibraryDamaged):
            store.search(asked(), SPACE, 9)
        (tmp_path / "old" / CATALOG_FILE).unlink()
        with pytest.raises(LibraryMissing):
            store.search(asked(), SPACE, 9)


def test_a_reader_takes_up_the_index_that_a_writer_has_made(catalog: Catalog) -> None:
    folder = catalog.path.parent
    for number in range(20):
        add(catalog, f"{number}.jpg")
    with Store.open(folder) as reader, Store.writing(folder, index_kind="flat") as writer:
        before = [hit.segment_id for hit in reader.search(asked(), SPACE, 5)]
        assert set(reader.index_kinds(SPACE).values()) == {"exact"}
        writer.maintain(SPACE)
        reader._index_kind = "auto"
        reader.freshen()
        assert set(reader.index_kinds(SPACE).values()) == {"flat"}
        assert [hit.segment_id for hit in reader.search(asked(), SPACE, 5)] == before
        known = reader._views[SPACE.key]
        reader.freshen()
        assert reader._views[SPACE.key] is known


def test_searches_of_many_threads_beside_a_writer_find_what_is_there(catalog: Catalog) -> None:
    folder = catalog.path.parent
    for number in range(30):
        add(catalog, f"{number}.jpg", None, "rain")
    with Store.open(folder) as store, ThreadPoolExecutor(4) as threads:

        def ask(number: int) -> int:
            return len(store.search(asked(number % 5), SPACE, 5))

        running = [threads.submit(ask, number) for number in range(60)]
        for number in range(10):
            add(catalog, f"late {number}.jpg")
            with catalog.write() as session:
                session.execute(delete(vectors).where(vectors.c.id == number + 1))
            store.freshen()
        assert {one.result() for one in running} <= {1, 2, 3, 4, 5}
        assert len(store._views[SPACE.key]) == 30 * 2 + 10 - 10


def test_changes_are_alone_and_searches_together() -> None:
    lock, inside, together = SharedLock(), [], threading.Barrier(2, timeout=10)

    def search() -> None:
        with lock.searching():
            together.wait()  # passes only if the other is in as well

    def change() -> None:
        with lock.changing():
            inside.append(1)
            assert len(inside) == 1
            inside.pop()

    threads = [threading.Thread(target=search) for _ in range(2)]
    with lock.changing():
        for one in threads:
            one.start()
        assert together.n_waiting == 0
    for one in threads:
        one.join(10)
    threads += [threading.Thread(target=change) for _ in range(3)]
    for one in threads[2:]:
        one.start()
    for one in threads:
        one.join(10)
        assert not one.is_alive()


def test_late_candidates_are_folded_into_the_hit_that_they_are_like() -> None:
    rows = np.eye(DIMENSIONS, dtype=np.float32)[[0, 1, 0, 2, 1, 0]]
    owners = Owners(*(np.array(column) for column in (range(1, 7), range(1, 7), [1, 2, 3, 4, 5, 1], [0] * 6)))
    candidates = Candidates(*owners, rows, np.arange(6, 0, -1.0), np.zeros(6, bool))
    limits = {Modality(kind): 0.95 for kind in Modality if kind_of(kind) == 0}
    for k in (2, 4):
        kept = apart(candidates, k, all_moments=False, limits=limits)
        assert [one.content for one in kept] == [1, 2, 4][:k]
        assert [one.folded for one in kept][:2] == [[3], [5]]
    assert len(apart(candidates, 9, all_moments=True, limits={})) == 6
    assert len(apart(candidates, 9, all_moments=False, limits={})) == 5
