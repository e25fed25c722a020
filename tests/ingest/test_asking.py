"""Queries in a library: what each kind of term asks with, and how a score splits into shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bindsearch.encoders import Vectors
from bindsearch.errors import QueryError
from bindsearch.index.filters import Filter
from bindsearch.ingest.asking import Asker, Reading
from bindsearch.ingest.library import Library
from bindsearch.ingest.opened import MOST_WORDS, AskedWords
from bindsearch.media import DepthMap, Media, MotionLog, Passage, Sound
from bindsearch.modality import Modality
from bindsearch.query import Term, parse_query
from bindsearch.settings import Settings
from tests.media import BLUE, GREEN, RED, film, picture
from tests.sounds import pitch, tone, write, write_film
from tests.tiny import DIMENSIONS, MODALITIES, TinyEncoder

RATE = 16_000


class HearingEncoder(TinyEncoder):
    """As TinyEncoder, and: sounds by their pitch, depth by its mean, motion by its first axis."""

    def __init__(self) -> None:
        super().__init__(modalities=MODALITIES | {Modality.AUDIO, Modality.DEPTH, Modality.IMU})

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode."""
        numbers = [_number(media) for media in batch]
        if None in numbers:
            return super().encode(batch)
        vectors = np.zeros((len(batch), DIMENSIONS), np.float32)
        for row, (axis, value) in zip(vectors, filter(None, numbers), strict=True):
            row[axis], row[axis + 1] = np.cos(value), np.sin(value)
        return vectors


def _number(media: Media) -> tuple[int, float] | None:
    match media:
        case Sound(samples=samples, rate=rate):
            return 4, pitch(samples, rate) / 2_000
        case DepthMap(metres=metres):
            return 6, float(np.nanmean(metres)) / 10
        case MotionLog(acceleration=acceleration):
            return 8, float(np.nanmean(acceleration[:, 0])) / 20
    return None


@pytest.fixture
def hearing(tmp_path: Path, folder: Path) -> Iterator[Library]:
    """A library that hears, with one picture in it."""
    picture(folder / "red.png", RED)
    with Library(tmp_path / "library", Settings(), HearingEncoder()) as opened:
        opened.index(folder)
        yield opened


def read(library: Library, expression: str) -> Reading:
    """What the first term of ``expression`` is read as."""
    query = parse_query(expression)
    term = query.terms[0]
    assert isinstance(term, Term)
    with Asker(library.encoder, library.settings, library._reading().catalog) as asker:
        return asker.read(term, query)


def span_of(reading: Reading) -> tuple[float, float]:
    starts = [moment.start for moment in reading.moments if moment.start is not None]
    ends = [moment.end for moment in reading.moments if moment.end is not None]
    return min(starts), max(ends)


def test_a_film_asks_with_its_pictures_and_when_told_with_its_sound(hearing: Library, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_film(path, np.full((80, 48, 64, 3), GREEN, np.uint8), [tone(8, RATE, 1_000)])
    assert set(read(hearing, str(path)).counts) == {Modality.VIDEO}
    assert set(read(hearing, f"image:{path}").counts) == {Modality.VIDEO}
    assert set(read(hearing, f"video:{path}").counts) == {Modality.VIDEO}
    heard = read(hearing, f"audio:{path}")
    assert set(heard.counts) == {Modality.AUDIO}
    assert np.arctan2(heard.vector[5], heard.vector[4]) * 2_000 == pytest.approx(1_000, abs=5)


def test_a_span_of_a_film_asks_with_what_is_seen_then(hearing: Library, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", [RED, GREEN, BLUE], seconds=4.0)
    for index, span in enumerate(("0-3.5", "4.2-7.8", "0:09-0:11.5")):
        vector = read(hearing, f"{path}[{span}]").vector
        assert int(vector[:3].argmax()) == index
        assert vector[index] > 0.9
    whole = read(hearing, str(path)).vector
    assert np.ptp(whole[:3]) < 0.2


def test_each_segment_counts_by_how_much_of_it_lies_in_the_span(hearing: Library, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", [RED, GREEN], seconds=4.0)
    vector = read(hearing, f"{path}[1-5]").vector  # three seconds of red, one of green
    assert vector[0] / vector[1] == pytest.approx(3, rel=0.25)


def test_a_span_of_a_sound_asks_with_what_is_heard_then(hearing: Library, tmp_path: Path) -> None:
    samples = np.concatenate([tone(10, RATE, hertz) for hertz in (500, 1_500)])
    path = write(tmp_path / "sound.wav", samples, RATE, "wav", "pcm_s16le")
    for span, hertz in (("0-8", 500), ("14-19.5", 1_500)):
        reading = read(hearing, f"{path}[{span}]")
        assert np.arctan2(reading.vector[5], reading.vector[4]) * 2_000 == pytest.approx(hertz, abs=5)
        assert len(reading.moments) < len(read(hearing, str(path)).moments)


def test_a_span_of_a_motion_log_asks_with_what_was_moved_then(hearing: Library, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [f"{n / 50},{8 if n >= 1000 else 1},0,9" for n in range(2000)]
    path.write_text("time (s),ax (m/s^2),ay (m/s^2),az (m/s^2)\n" + "\n".join(rows) + "\n")
    for span, axis in (("2-14", 1), ("26-38", 8)):
        reading = read(hearing, f"{path}[{span}]")
        start, end = span_of(reading)
        assert start <= float(span.partition("-")[0]) and end >= float(span.partition("-")[2])
        assert np.arctan2(reading.vector[9], reading.vector[8]) * 20 == pytest.approx(axis, abs=0.5)


def test_a_grey_picture_is_read_as_depth_when_told(hearing: Library, tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    slope = np.linspace(1000, 4000, 48)[:, np.newaxis] + np.linspace(0, 300, 64)
    Image.fromarray(slope.astype(np.uint16)).save(path)
    assert set(read(hearing, f"depth:{path}").counts) == {Modality.DEPTH}
    assert set(read(hearing, f"image:{path}").counts) == {Modality.IMAGE}


def test_a_segment_of_the_library_asks_with_its_own_vector(hearing: Library, folder: Path) -> None:
    picture(folder / "green.png", GREEN)
    hearing.index(folder)
    hit = hearing.search("green", 1)[0]
    assert hit.path.name == "green.png"
    again = hearing.search(f"@{hit.segment_id}", 1)[0]
    assert (again.segment_id, again.score) == (hit.segment_id, pytest.approx(1, abs=1e-3))
    assert read(hearing, f"@{hit.segment_id}").moments[0].modality is Modality.IMAGE


def test_a_group_is_made_unit_length_before_it_counts(hearing: Library) -> None:
    red, green, blue = (hearing.embed(colour) for colour in ("red", "green", "blue"))
    inner = green + blue
    expected = red - 0.5 * inner / np.linalg.norm(inner)
    for written in ("red - 0.5*(green + blue)", "red - 0.5*(9*green + 9*blue)"):
        np.testing.assert_allclose(hearing.embed(written), expected / np.linalg.norm(expected), atol=1e-5)


def test_a_term_that_is_written_twice_is_read_once(hearing: Library, folder: Path) -> None:
    encoder = hearing.encoder
    assert isinstance(encoder, HearingEncoder)
    calls = encoder.calls
    hearing.embed("red + 0.5*(green - red)")
    assert encoder.calls == calls + 2


@pytest.mark.parametrize(
    ("expression", "place", "message"),
    [
        ("red + @999", 6, "there is no such segment"),
        ("red + audio:{red}", 6, "this is image, without audio in it"),
        ("red + video:{red}", 6, "this is image, without video in it"),
        ("red + thermal:{red}", 6, "tiny does not embed thermal"),
        ("red + {red}[1-2]", 6, "this is image without a time"),
        ("red + {note}[1-2]", 6, "this is text without a time"),
        ("red + {film}[100-200]", 6, "there is no video in this span; the file lasts 4.0 s"),
        ("red + 2*audio:{film}[1-2]", 6, "there is no audio in this span"),
        ("red + file:-", 6, "there is no standard input here"),
        ("red + (blue - blue)", 6, "the terms cancel each other out"),
    ],
)
def test_a_term_that_cannot_ask_is_pointed_at(
    hearing: Library, folder: Path, tmp_path: Path, expression: str, place: int, message: str
) -> None:
    (tmp_path / "note.txt").write_text("a note of some words")
    if "{film}" in expression:
        film(tmp_path / "film.mp4", [RED], seconds=4.0)
    written = expression.format(
        red=folder / "red.png", note=tmp_path / "note.txt", film=tmp_path / "film.mp4"
    )
    with pytest.raises(QueryError) as caught:
        hearing.search(written)
    assert message in caught.value.message
    assert (caught.value.position, caught.value.expression) == (place, written)


def test_a_segment_without_a_vector_in_the_space_cannot_ask(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    picture(folder / "red.png", RED)
    library.index(folder)
    number = library.search("red", 1)[0].segment_id
    with (
        Library(tmp_path / "library", Settings(), TinyEncoder(revision="2")) as other,
        pytest.raises(QueryError, match="it has no vector in tiny, at character 1"),
    ):
        other.search(f"@{number}")


EXPRESSION = "red + 2*(green - 0.5*(blue + white)) - 0.3*blue"


def test_the_shares_of_a_hit_add_up_to_its_score(library: Library, folder: Path) -> None:
    for name, colour in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        picture(folder / f"{name}.png", colour)
    library.index(folder)
    hits = library.search(EXPRESSION, 3)
    found = library.explain(EXPRESSION, 3)
    assert [item.segment_id for item in found.items] == [hit.segment_id for hit in hits]
    assert [node.depth for node in found.nodes] == [0, 0, 1, 1, 2, 2, 0]
    assert [node.leaves for node in found.nodes] == [(0, 1), (1, 4), (1, 2), (2, 4), (2, 3), (3, 4), (4, 5)]
    for hit, item in zip(hits, found.items, strict=True):
        assert item.score == pytest.approx(hit.score, abs=1e-3)
        red, outer, green, inner, blue, white, again = item.shares
        assert red + outer + again == pytest.approx(item.score, abs=1e-9)
        assert green + inner == pytest.approx(outer, abs=1e-9)
        assert blue + white == pytest.approx(inner, abs=1e-9)
    green_one = next(item for item in found.items if item.path.endswith("green.png"))
    assert green_one.shares[2] > 0.5
    assert blue * again > 0  # both are taken away


def test_a_share_is_the_factor_times_the_terms_own_cosine(library: Library, folder: Path) -> None:
    picture(folder / "red.png", RED)
    library.index(folder)
    found = library.explain(EXPRESSION, 1)
    for node, share, own in zip(found.nodes, found.items[0].shares, found.items[0].own, strict=True):
        if node.factor is None:
            assert own is None
        else:
            assert own is not None
            assert share == pytest.approx(node.factor * own, abs=1e-9)
    terms = [node.part for node in found.nodes if isinstance(node.part, Term)]
    alone = [library.search(term.name, 1)[0].score for term in terms]
    assert [own for own in found.items[0].own if own is not None] == pytest.approx(alone, abs=2e-3)


def test_any_file_and_any_segment_can_be_explained(hearing: Library, folder: Path, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", [RED, GREEN, BLUE], seconds=4.0)
    found = hearing.explain("green - red", 2, item=str(path))
    assert len(found.items) == 2
    best = found.items[0]
    assert (best.path, best.segment_id) == (str(path), None)
    assert best.moment.start == pytest.approx(4, abs=0.4)
    assert best.score > 0.4 > found.items[1].score
    number = hearing.search("red", 1, Filter(modalities=frozenset({Modality.IMAGE})))[0].segment_id
    one = hearing.explain("green - red", item=f"@{number}").items[0]
    assert (one.segment_id, one.shares[1] < -0.5) == (number, True)
    assert sum(one.shares) == pytest.approx(one.score, abs=1e-9)


@pytest.mark.parametrize("item", ["some words", "a + b"])
def test_words_are_nothing_whose_score_could_be_explained(hearing: Library, item: str) -> None:
    with pytest.raises(QueryError, match="neither a file nor a segment"):
        hearing.explain("red", item=item)


def test_a_text_that_was_asked_with_before_is_not_encoded_again_as_long_as_it_is_among_the_last() -> None:
    asked: list[str] = []

    class Counting(TinyEncoder):
        def encode(self, batch: Sequence[Media]) -> Vectors:
            asked.extend(one.text for one in batch if isinstance(one, Passage))
            return super().encode(batch)

    known, encoder = AskedWords(), Counting()
    first = known.vectors(encoder, "red")
    for number in range(MOST_WORDS - 1):
        known.vectors(encoder, f"word {number}")
    np.testing.assert_array_equal(known.vectors(encoder, "red"), first)
    assert asked.count("red") == 1
    known.vectors(encoder, "one more")
    known.vectors(encoder, "red")
    known.vectors(encoder, "word 0")
    assert (asked.count("red"), asked.count("word 0")) == (1, 2)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0
