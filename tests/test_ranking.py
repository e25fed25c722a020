"""How far items stand out: what a standing does not depend on, and what it must tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.modality import Modality
from bindsearch.ranking import BELIEVED, SAMPLE, Backgrounds, Part, spread_out

D = 32
IMAGE, TEXT, AUDIO = Modality.IMAGE, Modality.TEXT, Modality.AUDIO


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def around(centre: np.ndarray, count: int, seed: int, noise: float = 1.0) -> np.ndarray:
    """Unit vectors near ``centre``, whose own length says how near."""
    return unit(centre + noise * np.random.default_rng(seed).normal(size=(count, D)))


def axis(place: int, length: float) -> np.ndarray:
    return length * np.eye(D)[place]


def backgrounds(samples: dict[Modality, np.ndarray], words: np.ndarray | None = None) -> Backgrounds:
    return Backgrounds(
        samples={kind: rows[:SAMPLE] for kind, rows in samples.items()},
        more={kind: rows[-64:] for kind, rows in samples.items()},
        sizes={kind: len(rows) for kind, rows in samples.items()},
        references=words,
    )


def asked(vector: np.ndarray, kind: Modality = TEXT) -> list[Part]:
    return [Part(kind, 1.0, vector)]


def test_a_modality_that_is_close_to_every_query_gains_nothing_by_it() -> None:
    """All notes lie near to words here; a photo that fits stands out further than a note that does not."""
    notes, photos = around(axis(0, 6.0), 300, 1), around(axis(1, 6.0), 300, 2)
    words = around(axis(0, 6.0), 64, 3)
    query = unit(axis(0, 6.0) + axis(2, 6.0))
    right = unit(axis(1, 6.0) + axis(2, 6.0))
    judge = backgrounds({TEXT: notes, IMAGE: photos}, words).judge(asked(query))
    best_note = notes[np.argmax(notes @ query)]
    assert best_note @ query > right @ query
    assert (
        judge.standings(IMAGE, right[None] @ judge.vector)[0]
        > judge.standings(TEXT, best_note[None] @ judge.vector)[0]
    )


def test_an_item_that_is_near_to_all_queries_falls_behind_one_that_fits_this_query() -> None:
    words = around(axis(0, 4.0), 64, 1)
    query = unit(axis(0, 4.0) + axis(3, 4.0))
    hub, right = unit(axis(0, 6.0) + axis(1, 2.0)), unit(axis(3, 5.0) + axis(1, 5.0))
    photos = np.concatenate([around(axis(1, 3.0), 300, 2), hub[None], right[None]])
    judge = backgrounds({IMAGE: photos}, words).judge(asked(query))
    assert hub @ query > right @ query
    far = judge.standings(IMAGE, np.stack([hub, right]) @ judge.vector)
    assert far[1] > far[0]


def test_what_a_library_holds_nothing_but_of_still_stands_out() -> None:
    """All photos are of the one thing that is asked for: their common mean must not hide them."""
    words = around(axis(0, 0.0), 64, 1)
    dogs = around(axis(4, 12.0), 200, 2)
    judge = backgrounds({IMAGE: dogs}, words).judge(asked(unit(axis(4, 1.0))))
    assert np.median(judge.standings(IMAGE, dogs @ judge.vector)) > 3


def test_a_query_that_fits_nothing_does_not_stand_out() -> None:
    words, photos = around(axis(0, 0.0), 64, 1), around(axis(1, 0.0), 400, 2)
    strange = around(axis(0, 0.0), 50, 3)
    best = [
        backgrounds({IMAGE: photos}, words).judge(asked(query)).standings(IMAGE, photos @ query).max()
        for query in strange
    ]
    assert np.mean(np.array(best) < 4) > 0.9


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_library_of_few_items_gives_finite_standings_in_the_order_of_their_cosines(count: int) -> None:
    photos = around(axis(1, 1.0), count, 2)
    for words in (None, around(axis(0, 1.0), 64, 1)):
        judge = backgrounds({IMAGE: photos}, words).judge(asked(photos[0], IMAGE))
        far = judge.standings(IMAGE, photos @ judge.vector)
        assert np.isfinite(far).all()
        assert list(np.argsort(-far)) == list(np.argsort(-(photos @ photos[0])))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 700), st.booleans())
def test_within_a_modality_a_file_asks_in_the_order_of_the_cosines(
    seed: int, count: int, words: bool
) -> None:
    photos = around(axis(seed % D, 1.0), count, seed)
    known = backgrounds({IMAGE: photos, AUDIO: around(axis(0, 1.0), 30, 5)}, photos[:64] if words else None)
    query = around(axis(0, 0.0), 1, seed + 1)[0]
    judge = known.judge(asked(query, IMAGE))
    scores = photos @ query
    far = judge.standings(IMAGE, photos @ judge.vector)
    assert np.all(np.diff(far[np.argsort(scores)]) >= -1e-4)
    assert np.isfinite(far).all()


def test_a_sum_is_judged_by_its_terms_and_a_term_alone_as_the_sum_of_one() -> None:
    photos, words = around(axis(1, 2.0), 300, 1), around(axis(0, 2.0), 64, 2)
    known = backgrounds({IMAGE: photos, TEXT: words}, words)
    one, two = around(axis(0, 1.0), 2, 3)
    alone = known.judge(asked(one))
    again = known.judge([Part(TEXT, 0.5, one), Part(TEXT, 0.5, one)])
    assert np.allclose(alone.vector, again.vector, atol=1e-6)
    both = known.judge([Part(TEXT, 0.7, one), Part(TEXT, -0.3, two)])
    assert np.isclose(np.linalg.norm(both.vector), 1.0)
    centred = 0.7 * one - 0.3 * two - 0.4 * words.mean(axis=0)
    assert np.allclose(both.vector * both.length, centred, atol=1e-5)


def test_few_items_move_the_background_less_than_many() -> None:
    words = around(axis(0, 0.0), 64, 1)
    query = unit(axis(4, 1.0))

    def mean(count: int) -> float:
        rows = around(axis(4, 12.0), 1, 2).repeat(count, axis=0)
        return backgrounds({IMAGE: rows}, words).judge(asked(query)).levels[IMAGE][0]

    assert abs(mean(BELIEVED // 10)) < abs(mean(BELIEVED)) < abs(mean(20 * BELIEVED))


@given(st.sets(st.integers(0, 10**9), min_size=1, max_size=200), st.integers(1, 50))
def test_a_sample_depends_on_the_ids_alone_and_hardly_changes_with_one_more(
    ids: set[int], count: int
) -> None:
    own = np.array(sorted(ids), np.int64)
    drawn = own[spread_out(own, count)]
    assert len(set(drawn.tolist())) == min(count, len(ids))
    more = np.array(sorted(ids | {10**9 + 1}), np.int64)
    assert len(set(drawn.tolist()) - set(more[spread_out(more, count)].tolist())) <= 1
    assert spread_out(own, count + 1)[:count].tolist() == spread_out(own, count).tolist()
