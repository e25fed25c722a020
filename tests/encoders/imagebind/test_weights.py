"""Checkpoints that cannot be used are refused, and say why; those that can load one tower at a time."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bindsearch.encoders.imagebind import (
    HUGE,
    TOWERS,
    ImageBindEncoder,
    check_shapes,
    read_checkpoint,
    split_state_dict,
    tower_of,
)
from bindsearch.encoders.imagebind.load import build, expected_shapes, load_tower
from bindsearch.encoders.imagebind.text import token_ids
from bindsearch.errors import EncoderError
from bindsearch.media import Passage
from tests.encoders.imagebind.small import CONFIGS, SETTINGS, random_state, write_folder

State = dict[str, Tensor]
NORM = "modality_trunks.imu.blocks.0.norm_1.weight"


class Trap:
    """What a hostile pickle holds: reading it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.fixture
def state() -> State:
    """The weights of one small tower."""
    return random_state({"imu": CONFIGS["imu"]})


def test_every_key_belongs_to_one_tower() -> None:
    split = split_state_dict(random_state())
    assert list(split) == list(TOWERS)
    assert all(tower_of(key) == tower for tower, weights in split.items() for key in weights)


@pytest.mark.parametrize("key", ["visual.proj", "modality_heads.smell.0.weight", "modality_heads.vision"])
def test_a_foreign_key_is_refused(key: str) -> None:
    with pytest.raises(EncoderError, match="no ImageBind tower"):
        split_state_dict({key: torch.zeros(1)})


@pytest.mark.parametrize("key", sorted(expected_shapes({"imu": CONFIGS["imu"]})))
def test_any_missing_key_is_named(state: State, key: str) -> None:
    del state[key]
    with pytest.raises(EncoderError, match="misses") as caught:
        build(state, SETTINGS)
    assert key in str(caught.value) or "more" in str(caught.value)


def test_extra_keys_are_counted_and_the_first_named(state: State) -> None:
    extra = {f"modality_heads.imu.{n}.scale": torch.zeros(1) for n in range(4, 9)}
    with pytest.raises(EncoderError, match=r"holds modality_heads\.imu\.4\.scale, .* and 2 more"):
        build(state | extra, SETTINGS)


def test_a_misshapen_key_is_named_with_both_shapes(state: State) -> None:
    state[NORM] = torch.zeros(15)
    with pytest.raises(EncoderError, match=r"norm_1\.weight of shape \[15\] instead of \[16\]"):
        build(state, SETTINGS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_numbers_are_refused(state: State, value: float) -> None:
    state[NORM][3] = value
    with pytest.raises(EncoderError, match=f"{NORM} that are not numbers"):
        build(state, SETTINGS)


def test_words_without_numbers_are_refused_when_a_text_holds_them(tmp_path: Path) -> None:
    state = random_state({"text": CONFIGS["text"]})
    state["modality_preprocessors.text.token_embedding.weight"][token_ids(["dog"])[0, 1]] = float("nan")
    encoder = ImageBindEncoder(write_folder(tmp_path / "small", state))
    encoder.encode([Passage("cat")])
    with pytest.raises(EncoderError, match="not numbers"):
        encoder.encode([Passage("dog")])


def test_whole_numbers_are_refused(state: State) -> None:
    state[NORM] = torch.zeros(16, dtype=torch.int64)
    with pytest.raises(EncoderError, match="int64"):
        build(state, SETTINGS)


def test_unknown_heads_are_refused_with_the_way_to_give_them(state: State) -> None:
    with pytest.raises(EncoderError, match="imu_num_heads"):
        build(state)


def test_shapes_are_checked_without_weights() -> None:
    assert check_shapes(expected_shapes(HUGE)) == HUGE
    assert check_shapes(expected_shapes(CONFIGS), SETTINGS) == CONFIGS
    with pytest.raises(EncoderError, match=r"norm_1\.weight of shape \[15\] instead of \[16\]"):
        check_shapes(expected_shapes(CONFIGS) | {NORM: (15,)}, SETTINGS)


def test_a_small_model_is_not_taken_for_the_published_one() -> None:
    with pytest.raises(EncoderError, match="vision_num_heads"):
        check_shapes(expected_shapes(CONFIGS))


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_both_formats_give_the_same_tensors(state: State, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"weights.{ending}"
    torch.save(state, path) if ending == "pth" else save_file(state, path)
    read = read_checkpoint(path)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    trap, path = tmp_path / "sprung", tmp_path / "weights.pth"
    torch.save({NORM: Trap(trap)}, path)
    with pytest.raises(EncoderError, match="more than tensors"):
        read_checkpoint(path)
    assert not trap.exists()


def test_a_bare_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    trap, path = tmp_path / "sprung", tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(EncoderError):
        read_checkpoint(path)
    assert not trap.exists()


def test_what_is_no_dict_of_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save([1, 2], path)
    with pytest.raises(EncoderError, match="not a dict of tensors"):
        read_checkpoint(path)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize("kept", [0, 7, 1000])
def test_a_truncated_file_is_refused(state: State, tmp_path: Path, ending: str, kept: int) -> None:
    path = tmp_path / f"weights.{ending}"
    torch.save(state, path) if ending == "pth" else save_file(state, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(EncoderError, match=r"damaged|more than tensors"):
        read_checkpoint(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="missing"):
        read_checkpoint(tmp_path / "weights.pth")


def test_a_tower_loads_without_the_others(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "small", random_state())
    for tower in TOWERS[:-1]:
        (folder / f"{tower}.safetensors").unlink()
    model = load_tower(folder, "imu")
    assert {tower_of(key) for key in model.state_dict()} == {"imu"}


def test_a_file_that_holds_another_tower_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "small", random_state())
    (folder / "imu.safetensors").rename(folder / "depth.safetensors")
    with pytest.raises(EncoderError, match=r"depth\.safetensors: holds weights of imu"):
        load_tower(folder, "depth")
