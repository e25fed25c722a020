"""The six towers against the published code's own numbers, step by step, and their keys against its table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from bindsearch.encoders.imagebind import HUGE, TOWERS, config_from_shapes
from bindsearch.encoders.imagebind.conformance import load_model, read_inputs
from bindsearch.encoders.imagebind.load import build, expected_shapes
from bindsearch.encoders.imagebind.towers import ImageBind
from tests.encoders.imagebind import golden
from tests.encoders.imagebind.small import CONFIGS, SETTINGS, random_state

SET = "imagebind-small"
CASES = (
    *("vision_image", "vision_clips", "vision_image_large", "vision_image_small", "vision_images_averaged"),
    *("text", "audio", "audio_clips", "depth", "thermal", "thermal_crops_averaged", "imu"),
)
STEPS = ("vision_image", "vision_image_large", "text", "audio", "depth", "thermal", "imu")
TOLERANCE = 1e-5


class GoldenModel:
    """The golden model, its inputs, and what the published code made of them."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"{SET}.json"
        self.content: dict[str, Any] = json.loads(path.read_bytes())
        self.model: ImageBind = load_model(path, self.content)
        self.inputs = read_inputs(path, self.content)
        self.arrays = load_file(folder / f"{SET}-io.safetensors")


@pytest.fixture(scope="module")
def made() -> GoldenModel:
    return GoldenModel(golden.folder())


def error(got: Tensor, want: Tensor) -> float:
    """The largest relative distance of a row."""
    assert got.shape == want.shape
    return float(((got - want).norm(dim=-1) / want.norm(dim=-1)).max())


def test_the_golden_set_has_the_cases_that_are_compared(made: GoldenModel) -> None:
    assert set(made.content["cases"]) == set(CASES)


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_outputs_equal_the_published_ones(made: GoldenModel, case: str) -> None:
    tower = made.content["cases"][case]["modality"]
    assert error(made.model(tower, made.inputs[case]), made.arrays[f"out.{case}"]) < TOLERANCE


@pytest.mark.parametrize("case", STEPS)
@torch.inference_mode()
def test_every_step_equals_the_published_one(made: GoldenModel, case: str) -> None:
    tower, x = made.content["cases"][case]["modality"], made.inputs[case]
    tokens = made.model.tokens(tower, x)
    leaving = made.model.trunk(tower, tokens)
    assert error(tokens[:1], made.arrays[f"mid.{case}.tokens"]) < TOLERANCE
    assert error(leaving[:1], made.arrays[f"mid.{case}.trunk"]) < TOLERANCE
    assert error(made.model.head(tower, leaving, x), made.arrays[f"mid.{case}.head"]) < TOLERANCE


@pytest.mark.parametrize("case", ["vision_clips", "audio_clips"])
@torch.inference_mode()
def test_every_view_equals_the_published_one(made: GoldenModel, case: str) -> None:
    tower, x = made.content["cases"][case]["modality"], made.inputs[case]
    assert error(made.model.views(tower, x.flatten(0, 1)), made.arrays[f"mid.{case}.scaled"]) < TOLERANCE


def test_scales_are_read_and_kept_below_a_hundred(made: GoldenModel) -> None:
    scales = {tower: made.model.logit_scale(tower) for tower in TOWERS}
    stored = made.content["log_logit_scale"]
    assert stored["thermal"] > np.log(100)
    assert scales == pytest.approx({t: min(100, np.exp(stored.get(t, 0))) for t in TOWERS}, rel=1e-6)


def test_the_huge_model_has_exactly_the_published_keys_and_shapes() -> None:
    table = {key: tuple(shape) for key, shape in json.loads(golden.key_table().read_bytes()).items()}
    assert expected_shapes(HUGE) == table


def test_sizes_are_read_off_the_shapes_of_the_huge_model() -> None:
    assert config_from_shapes(expected_shapes(HUGE)) == HUGE


def test_sizes_are_read_off_the_shapes_of_a_reduced_model() -> None:
    assert config_from_shapes(expected_shapes(CONFIGS), SETTINGS) == CONFIGS


def test_a_still_is_a_film_of_two_equal_frames() -> None:
    model = build(random_state(), SETTINGS)
    picture = torch.randn(2, 3, 224, 224)
    film = picture.unsqueeze(2).expand(-1, -1, 2, -1, -1)  # (2, 3, 2, 224, 224)
    with torch.inference_mode():
        assert error(model.views("vision", picture), model.views("vision", film)) < TOLERANCE


def test_a_stem_that_looks_at_one_frame_a_time_still_sees_a_still_twice() -> None:
    config = replace(CONFIGS["vision"], kernel=(1, 32, 32), stride=(1, 32, 32), positions=99)
    model = build(random_state({"vision": config}), SETTINGS)
    picture = torch.randn(1, 3, 224, 224)
    film = picture.unsqueeze(2).expand(-1, -1, 2, -1, -1)
    with torch.inference_mode():
        assert error(model.views("vision", picture), model.views("vision", film)) < TOLERANCE


def test_what_follows_the_end_of_a_text_changes_nothing() -> None:
    model = build(random_state({"text": CONFIGS["text"]}), SETTINGS)
    ids = torch.zeros(1, 77, dtype=torch.long)
    ids[0, :4] = torch.tensor([49406, 320, 1929, 49407])
    with torch.inference_mode():
        assert error(model.views("text", ids[:, :4]), model.views("text", ids)) < TOLERANCE


def test_weights_are_adopted_and_not_copied() -> None:
    state = random_state({"imu": CONFIGS["imu"]})
    model = build(state, SETTINGS)
    for key, tensor in model.state_dict().items():
        assert tensor.data_ptr() == state[key].data_ptr()
