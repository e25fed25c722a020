"""The encoder over a folder of small random weights: vectors, spaces, precisions, and media that are odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bindsearch.encoders.imagebind import ImageBindEncoder
from bindsearch.encoders.imagebind.audio import file_clips
from bindsearch.encoders.imagebind.load import build
from bindsearch.encoders.imagebind.pictures import still
from bindsearch.encoders.imagebind.recipes import TOWER_FOR
from bindsearch.encoders.imagebind.text import token_ids
from bindsearch.encoders.protocol import Vectors
from bindsearch.errors import EncoderError
from bindsearch.media import Clip, DepthMap, HeatMap, Media, MotionLog, Passage, Picture, Sound
from bindsearch.modality import Modality
from tests.encoders.imagebind.small import OUTPUT, SETTINGS, random_state, write_folder, write_manifest

NEAR = 1e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("weights") / "small", random_state())


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ImageBindEncoder:
    return ImageBindEncoder(folder)


def media(modality: Modality, seed: int) -> Media:
    """Something of each modality, another for each seed."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (500 + 100 * seed, 3)).astype(np.float32)
    match modality:
        case Modality.IMAGE:
            return Picture(rng.integers(0, 256, (90 + seed, 120, 3), np.uint8))
        case Modality.VIDEO:
            return Clip(rng.integers(0, 256, (3 + seed, 60, 80, 3), np.uint8), 0.0, 4.0)
        case Modality.TEXT:
            return Passage("seven words of which some are more " * (seed + 1))
        case Modality.AUDIO:
            return Sound(rng.normal(0, 0.1, 24000 + 9000 * seed).astype(np.float32), 22050, 0.0, 1.0)
        case Modality.DEPTH:
            return DepthMap(rng.uniform(1, 6, (40, 50 + seed)).astype(np.float32))
        case Modality.THERMAL:
            return HeatMap(rng.uniform(0, 1, (40, 50 + seed)).astype(np.float32))
        case Modality.IMU:
            return MotionLog(np.arange(len(noise)) / 100, noise, noise[::-1].copy(), 0.0, len(noise) / 100)


def distances(a: Vectors, b: Vectors) -> float:
    return float(np.linalg.norm(a - b, axis=-1).max())


@pytest.mark.parametrize("modality", list(TOWER_FOR))
def test_vectors_are_unit_float32_and_differ(encoder: ImageBindEncoder, modality: Modality) -> None:
    vectors = encoder.encode([media(modality, seed) for seed in range(3)])
    assert vectors.shape == (3, OUTPUT)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert distances(vectors[:1], vectors[1:]) > 1e-4


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("modality", list(TOWER_FOR))
def test_neighbours_in_the_batch_change_nothing_but_rounding(
    folder: Path, modality: Modality, precision: str
) -> None:
    encoder = ImageBindEncoder(folder, precision)
    batch = [media(modality, seed) for seed in range(5)]
    alone = np.concatenate([encoder.encode([item]) for item in batch])
    # A rounding that falls on the other side of an 8-bit step is a step, about a hundredth.
    assert distances(encoder.encode(batch), alone) < (NEAR if precision == "float32" else 0.02)


def test_an_empty_batch_gives_no_vectors(encoder: ImageBindEncoder) -> None:
    assert encoder.encode([]).shape == (0, OUTPUT)


def test_the_official_recipe_gives_the_published_way_from_media_to_vector(folder: Path) -> None:
    encoder = ImageBindEncoder(folder, recipe="official")
    model = build(random_state(), SETTINGS)
    picture, sound = media(Modality.IMAGE, 1), media(Modality.AUDIO, 1)
    assert isinstance(picture, Picture)
    assert isinstance(sound, Sound)
    clips = torch.from_numpy(file_clips(sound.samples[np.newaxis], sound.rate))
    with torch.inference_mode():
        seen = model("vision", torch.from_numpy(still(picture.pixels))[None])
        heard = model("audio", clips[None])
        read = model("text", torch.from_numpy(token_ids(["A dog."])))
    for item, raw in ((picture, seen), (sound, heard), (Passage("A dog."), read)):
        want = torch.nn.functional.normalize(raw, dim=-1).numpy()
        assert distances(encoder.encode([item]), want) < NEAR


def test_recipes_differ_for_films_and_sounds_only(folder: Path) -> None:
    span, official = ImageBindEncoder(folder), ImageBindEncoder(folder, recipe="official")
    different = {
        modality
        for modality in TOWER_FOR
        if distances(span.encode([media(modality, 3)]), official.encode([media(modality, 3)])) > NEAR
    }
    assert different == {Modality.VIDEO, Modality.AUDIO}


@pytest.mark.parametrize("modality", list(TOWER_FOR))
@pytest.mark.parametrize("precision", ["bfloat16", "float16", "int8"])
def test_lower_precisions_stay_near(folder: Path, modality: Modality, precision: str) -> None:
    batch = [media(modality, seed) for seed in range(2)]
    exact, coarse = (ImageBindEncoder(folder, p).encode(batch) for p in ("float32", precision))
    assert (exact * coarse).sum(axis=1).min() > 0.995
    assert distances(exact, coarse) > 1e-6


def test_precision_and_recipe_make_other_spaces(folder: Path) -> None:
    encoders = [
        ImageBindEncoder(folder, precision, recipe=recipe)
        for precision in ("float32", "bfloat16", "float16", "int8")
        for recipe in ("span", "official")
    ]
    assert len({encoder.space.key for encoder in encoders}) == 8
    space = encoders[0].space
    assert (space.id, space.revision, space.dimensions) == ("small", "3", OUTPUT)
    assert space.modalities == frozenset(TOWER_FOR)


@pytest.mark.parametrize("wish", [{"precision": "float8"}, {"recipe": "best"}])
def test_an_unknown_precision_or_recipe_is_refused_with_the_known_ones(
    folder: Path, wish: dict[str, str]
) -> None:
    with pytest.raises(EncoderError, match="known: "):
        ImageBindEncoder(folder, **wish)


def test_a_text_query_reads_the_text_tower_alone(folder: Path, tmp_path: Path) -> None:
    kept = write_folder(tmp_path / "copy", random_state())
    encoder = ImageBindEncoder(kept)
    for tower in ("vision", "audio", "depth", "thermal", "imu"):
        (kept / f"{tower}.safetensors").write_bytes(b"not weights")
    encoder.warm(Modality.TEXT)
    assert encoder.encode([Passage("a dog")]).shape == (1, OUTPUT)
    with pytest.raises(EncoderError, match="damaged"):
        encoder.encode([media(Modality.IMAGE, 1)])


def test_a_model_without_a_tower_does_not_know_its_modality(tmp_path: Path) -> None:
    kept = write_folder(tmp_path / "small", random_state())
    (kept / "imu.safetensors").unlink()
    encoder = ImageBindEncoder(kept)
    assert Modality.IMU not in encoder.space.modalities
    with pytest.raises(EncoderError, match="no tower for imu"):
        encoder.encode([media(Modality.IMU, 1)])


def test_a_mixed_batch_is_refused(encoder: ImageBindEncoder) -> None:
    with pytest.raises(EncoderError, match="one modality"):
        encoder.encode([media(Modality.IMAGE, 1), media(Modality.TEXT, 1)])


@pytest.mark.parametrize("content", ["", "[]", '{"id": "x"}', '{"config": 3, "weights_sha256": "0"}'])
def test_a_manifest_that_cannot_be_used_is_refused(folder: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "text.safetensors").symlink_to(folder / "text.safetensors")
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(EncoderError):
        ImageBindEncoder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"manifest\.json"):
        ImageBindEncoder(tmp_path)
    write_manifest(tmp_path)
    with pytest.raises(EncoderError, match="holds no tower"):
        ImageBindEncoder(tmp_path)


@pytest.mark.parametrize(
    "item",
    [
        Picture(np.zeros((1, 1, 3), np.uint8)),
        Passage(""),
        Passage("word " * 10_000),
        Sound(np.zeros(400, np.float32), 16000, 0.0, 0.025),
        HeatMap(np.zeros((1, 1), np.float32)),
        DepthMap(np.ones((1, 1), np.float32)),
        MotionLog(np.zeros(1), np.ones((1, 3), np.float32), np.ones((1, 3), np.float32), 0.0, 0.0),
    ],
    ids=lambda item: type(item).__name__,
)
def test_the_least_of_everything_gives_a_sane_vector(encoder: ImageBindEncoder, item: Media) -> None:
    assert np.isfinite(encoder.encode([item])).all()


@pytest.mark.parametrize(
    "item",
    [
        Picture(np.zeros((0, 5, 3), np.uint8)),
        Clip(np.zeros((0, 5, 5, 3), np.uint8), 0.0, 1.0),
        Sound(np.zeros(1, np.float32), 16000, 0.0, 0.0),
        Sound(np.zeros(0, np.float32), 16000, 0.0, 0.0),
        HeatMap(np.zeros((0, 0), np.float32)),
        DepthMap(np.zeros((0, 0), np.float32)),
        MotionLog(np.zeros(0), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), 0.0, 0.0),
    ],
    ids=lambda item: type(item).__name__,
)
def test_nothing_at_all_is_refused(encoder: ImageBindEncoder, item: Media) -> None:
    with pytest.raises(EncoderError):
        encoder.encode([item])


def test_the_threads_of_the_process_are_left_as_they_were(folder: Path) -> None:
    before = torch.get_num_threads()
    ImageBindEncoder(folder, threads=before + 1).encode([media(Modality.IMU, 1)])
    assert torch.get_num_threads() == before


def test_scales_for_logits_stay_available(encoder: ImageBindEncoder) -> None:
    assert encoder.logit_scale(Modality.IMAGE) == encoder.logit_scale(Modality.VIDEO) == 1
    assert 0 < encoder.logit_scale(Modality.AUDIO) <= 100
