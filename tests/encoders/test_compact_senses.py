"""Depth, heat and motion in the compact space: sane vectors of anything, real ones near what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bindsearch.encoders.compact import CompactEncoder
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests
from bindsearch.evaluation.retrieval import retrieval
from bindsearch.evaluation.zeroshot import zero_shot
from bindsearch.media import DepthMap, HeatMap, Media
from bindsearch.modality import Modality
from tests.encoders.scenes import room
from tests.encoders.test_compact_motions import walk

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
beside = pytest.mark.skipif(not DATA.is_dir(), reason="the sets are not beside the checkout")
ODD: dict[str, Media] = {
    "depth of one point": DepthMap(np.ones((1, 1), np.float32)),
    "depth that is unknown": DepthMap(np.full((9, 9), np.nan, np.float32)),
    "even heat": HeatMap(np.full((20, 30), 21.5, np.float32), celsius=True),
    "heat that is unknown": HeatMap(np.full((9, 9), np.nan, np.float32)),
    "a motion of a tenth of a second": walk(seconds=0.1),
}


@pytest.fixture(scope="module")
def encoder() -> CompactEncoder:
    """One encoder for the whole file, so that its towers load once."""
    return CompactEncoder()


def test_the_space_knows_all_six_senses(encoder: CompactEncoder) -> None:
    assert encoder.space.modalities == frozenset(Modality) - {Modality.SENSOR}


@pytest.mark.parametrize("name", ODD)
def test_odd_media_get_a_vector_of_unit_length(encoder: CompactEncoder, name: str) -> None:
    vector = encoder.encode([ODD[name]])[0]
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_vector_does_not_depend_on_its_batch(encoder: CompactEncoder) -> None:
    maps = [room(), room(60, 60), room(400, 300)]
    together = encoder.encode(maps)
    assert all(
        np.array_equal(encoder.encode([one])[0], vector) for one, vector in zip(maps, together, strict=True)
    )


@beside
def test_rooms_are_known_by_their_depth(encoder: CompactEncoder) -> None:
    manifests = Manifests([DATA / "depth_nyuv2" / "manifest.csv"])
    embedder = Embedder(encoder)
    assert zero_shot(manifests, "test", Modality.DEPTH, embedder, limit=40).top_1 > 0.5
    there, _ = retrieval(manifests, "test", Modality.DEPTH, Modality.IMAGE, embedder, limit=40)
    assert there.recall_at_5 > 0.7


@beside
def test_heat_finds_the_photo_of_the_same_moment(encoder: CompactEncoder) -> None:
    manifests = Manifests([DATA / "thermal" / "manifest.csv"])
    there, _ = retrieval(manifests, "test", Modality.THERMAL, Modality.IMAGE, Embedder(encoder))
    assert there.recall_at_5 > 2 * there.chance_at_5


@beside
def test_what_somebody_does_is_known_by_their_phone(encoder: CompactEncoder) -> None:
    manifests = Manifests([DATA / "imu" / "manifest.csv"], where={"source": frozenset({"HAPT"})})
    assert zero_shot(manifests, "test", Modality.IMU, Embedder(encoder), limit=100).top_1 > 0.8
