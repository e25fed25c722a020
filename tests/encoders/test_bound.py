"""Bound spaces: one tower over another space, from the folder to the models folder."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bindsearch.encoders import describe_space, list_spaces, open_encoder
from bindsearch.encoders.bound import BoundEncoder
from bindsearch.encoders.bound.readings import sampled
from bindsearch.errors import EncoderError
from bindsearch.evaluation.bonds import is_emergent
from bindsearch.media import MotionLog, Passage, Readings
from bindsearch.modality import Modality
from bindsearch.models import shelf
from bindsearch.models.install import add_folder
from tests.bound import CHANNELS, TOWER, bound_folder
from tests.evaluation.folders import SensesEncoder
from tests.tiny import MODALITIES, TinyEncoder


def readings(values: Any, times: Any = None) -> Readings:
    values = np.asarray(values, np.float32)
    return Readings(np.asarray(range(len(values)) if times is None else times, np.float64), values)


def opened(folder: Path, base: TinyEncoder, **wishes: Any) -> BoundEncoder:
    return BoundEncoder(folder, open_base=lambda name, threads: base, **wishes)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder."""
    monkeypatch.setenv("BINDSEARCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def radar(tmp_path: Path, models: Path) -> Path:
    """A folder bound to the compact space."""
    return bound_folder(tmp_path / "made", open_encoder().space)


def test_readings_are_drawn_onto_even_moments_of_their_own_span() -> None:
    found = sampled(readings([[0, 1], [10, 1], [30, 1]], [2.0, 3.0, 5.0]), 7)
    assert found.tolist() == [[n * 5, 1] for n in range(7)]
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)


def test_missing_readings_are_bridged_and_silent_channels_are_zero() -> None:
    nan = np.nan
    found = sampled(readings([[nan, nan], [1, nan], [nan, nan], [3, nan], [nan, nan]]), 5)
    assert found.tolist() == [[1, 0], [1, 0], [2, 0], [3, 0], [3, 0]]


def test_one_reading_is_repeated() -> None:
    assert sampled(readings([[4, 5]]), 3).tolist() == [[4, 5]] * 3


@given(values=st.lists(st.lists(st.floats(width=32), min_size=2, max_size=2), min_size=1, max_size=9))
def test_whatever_is_read_becomes_finite_numbers_within_what_was_read(values: list[list[float]]) -> None:
    found = sampled(readings(values), 16)
    assert found.shape == (16, 2)
    assert np.isfinite(found).all()
    for place in range(2):
        known = np.array(values, np.float32)[:, place]
        known = known[np.isfinite(known)] if np.isfinite(known).any() else np.zeros(1)
        assert known.min() <= found[:, place].min()
        assert found[:, place].max() <= known.max()


def test_the_tower_serves_its_modality_and_the_base_the_others(tmp_path: Path) -> None:
    base = TinyEncoder()
    encoder = opened(bound_folder(tmp_path / "made", base.space), base)
    first, second = encoder.encode([readings([[0, 2, 0]] * 4), readings([[3, 0, 4], [3, 0, 4]])])
    assert np.array_equal(first, np.eye(16, dtype=np.float32)[1])
    assert np.allclose(second[:3], [0.6, 0, 0.8])
    words = [Passage("red")]
    assert np.array_equal(encoder.encode(words), base.encode(words))
    assert encoder.encode([]).shape == (0, 16)
    assert encoder.picture_side == base.picture_side
    encoder.warm(Modality.SENSOR)
    encoder.warm(Modality.TEXT)


def test_the_space_is_another_one_than_its_base_and_than_other_towers(tmp_path: Path) -> None:
    base, other = TinyEncoder(), TinyEncoder(revision="2")
    one = opened(bound_folder(tmp_path / "one", base.space), base).space
    again = opened(bound_folder(tmp_path / "again", base.space), base).space
    two = opened(bound_folder(tmp_path / "two", other.space), other).space
    assert one == again
    assert len({one.key, two.key, base.space.key}) == 3
    assert one.modalities == MODALITIES | {Modality.SENSOR}


def test_readings_of_other_channels_are_refused(tmp_path: Path) -> None:
    base = TinyEncoder()
    encoder = opened(bound_folder(tmp_path / "made", base.space), base)
    with pytest.raises(EncoderError, match=r"radar: takes readings of 3 channels, not 5 x 2 .*channels = \["):
        encoder.encode([readings(np.ones((5, 2)))])
    with pytest.raises(EncoderError, match="one modality"):
        encoder.encode([readings(np.ones((5, 3))), Passage("red")])


def test_another_version_of_the_base_is_refused(tmp_path: Path) -> None:
    folder = bound_folder(tmp_path / "made", TinyEncoder().space)
    with pytest.raises(EncoderError, match=r"radar: was bound to tiny-1-0000.*bind it again"):
        opened(folder, TinyEncoder(revision="2"))


def test_a_precision_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = bound_folder(tmp_path / "made", TinyEncoder().space)
    with pytest.raises(EncoderError, match="radar@int8: computes in the precision of tiny"):
        opened(folder, TinyEncoder(), precision="int8")


@pytest.mark.parametrize(
    "changes",
    [
        {"family": "imagebind"},
        {"base": {"name": "../compact", "key": "k"}},
        {"base": {"name": "compact"}},
        {"tower": TOWER | {"model": "other.onnx"}},
        {"tower": TOWER | {"recipe": "imu"}},
        {"tower": TOWER | {"steps": 0}},
        {"tower": TOWER | {"channels": "3"}},
        {"tower": TOWER | {"modality": "text", "recipe": "text"}},
        {"files": [{"name": "../tower.onnx", "size": 1, "sha256": "0" * 64}]},
        {"id": "../radar"},
        {"dimensions": 8},
        {"modalities": ["sensor"]},
        {"format": 2},
        {"tower": []},
    ],
)
def test_manifests_that_misstate_anything_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    base = TinyEncoder()
    with pytest.raises(EncoderError):
        opened(bound_folder(tmp_path / "made", base.space, **changes), base)


def test_a_bound_tower_may_take_the_place_of_the_base_s(tmp_path: Path) -> None:
    """Of a known modality the network takes what the compact space's tower takes."""
    from bindsearch.encoders.compact.inputs import network_inputs

    log = MotionLog(
        np.arange(250) / 50, np.ones((250, 3), np.float32), np.zeros((250, 3), np.float32), 0.0, 5.0
    )
    name, given = network_inputs(log)
    base = SensesEncoder()
    folder = bound_folder(
        tmp_path / "made",
        base.space,
        modalities=sorted(base.space.modalities),
        tower={"modality": "imu", "model": "tower.onnx", "recipe": "imu"},
    )
    _replace_tower(folder, _mean_of(name, given, base.space.dimensions))
    vector = opened(folder, base).encode([log])[0]
    assert np.allclose(np.linalg.norm(vector), 1)
    assert not np.array_equal(vector, base.encode([log])[0])


def _mean_of(name: str, given: NDArray[Any], dimensions: int) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.eye(given.shape[2], dimensions, dtype=np.float32), "weights")
    axes = numpy_helper.from_array(np.array([1]), "axes")
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", [name, "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "weights"], ["vector"]),
        ],
        "tower",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *given.shape[1:]])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, dimensions])],
        [weights, axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def _replace_tower(folder: Path, data: bytes) -> None:
    (folder / "tower.onnx").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["size"] = len(data)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_folder_is_a_space_by_its_path(radar: Path) -> None:
    path = str(radar)
    assert open_encoder(path).encode([readings(np.ones((4, CHANNELS)))]).shape == (1, 384)
    info = describe_space(path, verify=True)
    assert (info.id, info.problem, info.path) == ("radar", None, radar)
    with pytest.raises(EncoderError, match=r"manifest\.json: No such file"):
        open_encoder("./nowhere")


def test_an_added_folder_is_a_model_like_any_other(radar: Path, models: Path) -> None:
    add_folder(radar)
    assert sorted(path.name for path in (models / "radar").iterdir()) == [
        "manifest.json", "tower.onnx", "tower.safetensors"
    ]  # fmt: skip
    info = next(info for info in list_spaces(verify=True) if info.id == "radar")
    assert (info.problem, info.dimensions) == (None, 384)
    assert Modality.SENSOR in info.modalities
    space = open_encoder("radar").space
    assert (space.id, space.modalities) == (info.id, info.modalities)
    assert not (models / ".partial" / "radar").exists()
    assert shelf.remove("radar") == sum(path.stat().st_size for path in radar.iterdir())
    assert not (models / "radar").exists()


def test_adding_again_replaces(radar: Path, models: Path) -> None:
    add_folder(radar)
    before = open_encoder("radar").space.key
    manifest = json.loads((radar / "manifest.json").read_text()) | {"revision": "2"}
    (radar / "manifest.json").write_text(json.dumps(manifest))
    add_folder(radar)
    assert open_encoder("radar").space.key != before


@pytest.mark.parametrize("name", ["tower.onnx", "tower.safetensors"])
def test_a_folder_with_a_damaged_file_is_not_added(radar: Path, models: Path, name: str) -> None:
    content = bytearray((radar / name).read_bytes())
    content[-1] ^= 1
    (radar / name).write_bytes(content)
    with pytest.raises(EncoderError, match=f"{name}: is not the file that the manifest means"):
        add_folder(radar)
    assert not (models / "radar").exists()
    assert describe_space(str(radar), verify=True).problem == "weights are damaged"


def test_a_network_that_is_none_is_not_added(radar: Path, models: Path) -> None:
    import hashlib

    data = b"no network at all"
    _replace_tower(radar, data)
    manifest = json.loads((radar / "manifest.json").read_text())
    manifest["files"][0]["sha256"] = hashlib.sha256(data).hexdigest()
    (radar / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EncoderError, match="weights are damaged"):
        add_folder(radar)
    assert not (models / "radar").exists()


@pytest.mark.parametrize("name", ["compact", "imagebind-huge"])
def test_the_names_of_other_models_are_not_taken(tmp_path: Path, models: Path, name: str) -> None:
    with pytest.raises(EncoderError, match="is the name of another model"):
        add_folder(bound_folder(tmp_path / "made", open_encoder().space, id=name))


def test_a_missing_file_is_told_with_the_way_back(radar: Path, models: Path) -> None:
    add_folder(radar)
    (models / "radar" / "tower.onnx").unlink()
    with pytest.raises(EncoderError, match=r"weights are missing .*models add FOLDER' installs it again"):
        open_encoder("radar")
    assert describe_space("radar").problem == "weights are missing"


def test_what_another_is_bound_to_is_not_removed(tmp_path: Path, radar: Path, models: Path) -> None:
    add_folder(radar)
    second = bound_folder(tmp_path / "second", open_encoder("radar").space, id="sonar")
    add_folder(second)
    assert open_encoder("sonar").encode([readings(np.ones((4, CHANNELS)))]).shape == (1, 384)
    with pytest.raises(EncoderError, match="radar: is what sonar is bound to"):
        shelf.remove("radar")
    shelf.remove("sonar")
    shelf.remove("radar")


def test_what_the_base_was_trained_on_is_not_emergent(radar: Path) -> None:
    space = str(radar)
    assert is_emergent(space, Modality.SENSOR, Modality.IMAGE) is False
    assert is_emergent(space, Modality.SENSOR, Modality.AUDIO) == (
        None if is_emergent("compact", Modality.AUDIO, Modality.TEXT) is None else True
    )
    assert is_emergent(space, Modality.IMAGE, Modality.TEXT) == is_emergent(
        "compact", Modality.IMAGE, Modality.TEXT
    )


def test_spaces_bound_in_a_circle_are_refused(tmp_path: Path, models: Path) -> None:
    made = partial(bound_folder, below=open_encoder().space)
    made(models / "one", base_name="two", id="one")
    made(models / "two", base_name="one", id="two")
    with pytest.raises(EncoderError, match="bound to itself"):
        open_encoder("one")
    assert "bound to itself" in str(describe_space("two").problem)
