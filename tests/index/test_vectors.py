"""The vector indexes against each other: the exact one is the reference, FAISS must agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.index.vectors.exact import ExactIndex
from bindsearch.index.vectors.faiss_index import FlatIndex, IvfIndex
from bindsearch.index.vectors.protocol import Found, Selection, VectorIndex

DIMENSIONS = 24


def unit_rows(count: int, seed: int = 0, clusters: int = 30) -> np.ndarray:
    """Clustered unit vectors as float16; some repeat exactly, so that scores tie."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(clusters, DIMENSIONS))
    rows = centres[random.integers(clusters, size=count)] + 0.4 * random.normal(size=(count, DIMENSIONS))
    rows[:: max(1, count // 7)] = rows[0]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def query(seed: int) -> np.ndarray:
    vector = np.random.default_rng(1000 + seed).normal(size=DIMENSIONS)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def brute_force(ids: np.ndarray, rows: np.ndarray, vector: np.ndarray, k: int) -> Found:
    scores = rows.astype(np.float32) @ vector
    order = np.lexsort((ids, -scores))[:k]
    return Found(ids[order], scores[order])


def assert_same(found: Found, wanted: Found) -> None:
    """Equal scores in order; equal ids wherever the score leaves no doubt."""
    np.testing.assert_allclose(found.scores, wanted.scores, atol=2e-6)
    if len(wanted.ids) == 0:
        return
    close = np.abs(np.diff(wanted.scores)) < 1e-5
    doubtful = np.concatenate([close, [True]]) | np.concatenate([[False], close])
    np.testing.assert_array_equal(found.ids[~doubtful], wanted.ids[~doubtful])


@pytest.fixture(params=["exact", "flat", "ivf"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def build(kind: str, ids: np.ndarray, rows: np.ndarray) -> VectorIndex:
    classes: dict[str, type[VectorIndex]] = {"exact": ExactIndex, "flat": FlatIndex, "ivf": IvfIndex}
    index = classes[kind].build(DIMENSIONS, ids, rows)
    if isinstance(index, IvfIndex):
        index.probes = index.factor = 10_000  # every cell and every candidate: exact, but by its own path
    return index


@given(
    count=st.integers(1, 400),
    k=st.integers(1, 450),
    seed=st.integers(0, 50),
    removed=st.sets(st.integers(0, 399), max_size=60),
    mode=st.sampled_from(["all", "only", "without"]),
    chosen=st.sets(st.integers(0, 450), max_size=80),
)
@settings(max_examples=80, deadline=None)
def test_exact_and_flat_answer_as_brute_force_does_with_filters_and_deletes(
    count: int, k: int, seed: int, removed: set[int], mode: str, chosen: set[int]
) -> None:
    rows = unit_rows(count, seed)
    ids = np.cumsum(np.random.default_rng(seed).integers(1, 4, size=count)).astype(np.int64)
    some = np.array(sorted(chosen), np.int64)
    dead = ids[sorted(n for n in removed if n < count)]
    selection = {"all": Selection(), "only": Selection(only=some), "without": Selection(without=some)}[mode]
    allowed = selection.allows(ids) & ~np.isin(ids, dead)
    wanted = brute_force(ids[allowed], rows[allowed], query(seed), k)
    for index in (ExactIndex.build(DIMENSIONS, ids, rows), FlatIndex.build(DIMENSIONS, ids, rows)):
        index.remove(dead)
        found = index.search(query(seed), k, selection)
        assert_same(found, wanted)
        assert len(index) == count - len(dead)


def test_every_kind_keeps_its_answers_through_disk(kind: str, tmp_path: Path) -> None:
    ids, rows = np.arange(1, 3001, dtype=np.int64), unit_rows(3000)
    index = build(kind, ids, rows)
    index.remove(ids[5:500:3])
    files = index.write(tmp_path, "stem")
    back = type(index).read(tmp_path, files, DIMENSIONS)
    assert len(back) == len(index)
    for seed in range(10):
        assert_same(back.search(query(seed), 20), index.search(query(seed), 20))


def test_every_kind_finds_what_was_added_and_not_what_was_removed(kind: str) -> None:
    ids, rows = np.arange(1, 2001, dtype=np.int64), unit_rows(2000)
    index = build(kind, ids, rows)
    newcomer = query(77)
    index.add(np.array([5000], np.int64), newcomer[None].astype(np.float16))
    assert index.search(newcomer, 1).ids.tolist() == [5000]
    index.remove(np.array([5000, 9999], np.int64))
    assert 5000 not in index.search(newcomer, 2000).ids
    assert len(index) == 2000


def test_every_kind_gives_back_all_it_holds_in_the_order_of_ids(kind: str) -> None:
    ids, rows = np.arange(10, 1510, dtype=np.int64), unit_rows(1500)
    index = build(kind, ids, rows)
    index.remove(ids[::4])
    kept = np.setdiff1d(np.arange(1500), np.arange(1500)[::4])
    own_ids, own_rows = index.contents()
    np.testing.assert_array_equal(own_ids, ids[kept])
    np.testing.assert_array_equal(own_rows, rows[kept])


def test_an_inverted_file_reaches_its_recall_on_queries_it_was_not_calibrated_with() -> None:
    ids, rows = np.arange(1, 30_001, dtype=np.int64), unit_rows(30_000, clusters=300)
    index = IvfIndex.build(DIMENSIONS, ids, rows)
    near = rows[np.random.default_rng(3).integers(30_000, size=100)].astype(np.float32)
    held = []
    for row in near:
        noisy = row + 0.05 * np.random.default_rng(4).normal(size=DIMENSIONS).astype(np.float32)
        vector = (noisy / np.linalg.norm(noisy)).astype(np.float32)
        truth = brute_force(ids, rows, vector, 10)
        held.append(np.isin(truth.ids, index.search(vector, 10).ids).mean())
    assert index.kind == "ivf"
    assert index.factor * 10 < 3000, "the search must not be exhaustive for this test to mean anything"
    assert np.mean(held) >= 0.95


@pytest.mark.parametrize("share", [0.5, 0.05, 0.002])
def test_an_inverted_file_under_a_filter_still_finds_the_best_that_is_allowed(share: float) -> None:
    ids, rows = np.arange(1, 30_001, dtype=np.int64), unit_rows(30_000, clusters=300)
    index = IvfIndex.build(DIMENSIONS, ids, rows)
    allowed = np.sort(np.random.default_rng(5).permutation(ids)[: int(share * len(ids))])
    held = []
    for seed in range(30):
        truth = brute_force(allowed, rows[allowed - 1], query(seed), 10)
        found = index.search(query(seed), 10, Selection(only=allowed))
        assert np.isin(found.ids, allowed).all()
        held.append(np.isin(truth.ids, found.ids).mean())
    assert np.mean(held) >= 0.95


def test_an_inverted_file_that_has_outgrown_its_cells_says_so() -> None:
    ids, rows = np.arange(1, 2001, dtype=np.int64), unit_rows(2000)
    index = IvfIndex.build(DIMENSIONS, ids, rows)
    assert not index.outgrown
    index.add(np.arange(10_001, 22_001, dtype=np.int64), unit_rows(12_000, seed=9))
    assert index.outgrown


def test_rows_that_do_not_match_their_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="24 numbers"):
        ExactIndex(DIMENSIONS).add(np.arange(3, dtype=np.int64), unit_rows(4))


def test_a_selection_cannot_keep_and_leave_out_at_once() -> None:
    some = np.array([1], np.int64)
    with pytest.raises(ValueError, match="either"):
        Selection(only=some, without=some)


@given(
    own=st.sets(st.integers(0, 60), max_size=40),
    chosen=st.sets(st.integers(0, 60), max_size=40),
    keeps=st.booleans(),
)
def test_a_selection_among_ids_allows_the_same_of_them(own: set[int], chosen: set[int], keeps: bool) -> None:
    ids, others = (np.array(sorted(some), np.int64) for some in (own, chosen))
    selection = Selection(only=others) if keeps else Selection(without=others)
    among = selection.among(ids)
    assert among.allows(ids).tolist() == selection.allows(ids).tolist()
    named = among.only if keeps else among.without
    assert named is None or set(named.tolist()) == own & chosen


@pytest.mark.parametrize("count", [0, 1, 70, 1500])
def test_all_kinds_draw_the_same_sample_whatever_their_history(count: int) -> None:
    rows, ids = unit_rows(1500), np.arange(1, 1501, dtype=np.int64)
    drawn = []
    for kind in ("exact", "flat", "ivf"):
        index = build(kind, ids[:1200], rows[:1200])
        index.add(ids[1200:], rows[1200:])
        index.remove(ids[::5])
        drawn.append(index.sample(count))
    whole = ExactIndex.build(DIMENSIONS, np.delete(ids, np.s_[::5]), np.delete(rows, np.s_[::5], axis=0))
    assert len(whole.sample(count)) == min(count, 1200)
    for sample in drawn:
        np.testing.assert_array_equal(sample, whole.sample(count))


def test_an_inverted_file_is_set_for_queries_that_lie_far_from_all_it_holds() -> None:
    """As words lie from photos: all scores are low and close together, so that more candidates are needed."""
    rows, ids = unit_rows(6000, clusters=60), np.arange(6000, dtype=np.int64)
    away = -rows.astype(np.float32).mean(axis=0)
    asked = np.stack([query(seed) + 3 * away / np.linalg.norm(away) for seed in range(150)])
    asked = (asked / np.linalg.norm(asked, axis=1, keepdims=True)).astype(np.float32)
    plain = IvfIndex.build(DIMENSIONS, ids, rows)
    told = IvfIndex.build(DIMENSIONS, ids, rows, asked[:75])

    def recall(index: IvfIndex) -> float:
        pairs = [(index.search(one, 10).ids, brute_force(ids, rows, one, 10).ids) for one in asked[75:]]
        return float(np.mean([np.isin(wanted, found).mean() for found, wanted in pairs]))

    assert recall(told) >= 0.97
    assert recall(told) >= recall(plain)
    assert (told.factor, told.probes) >= (plain.factor, plain.probes)
