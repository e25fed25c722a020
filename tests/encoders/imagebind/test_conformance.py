"""The conformance command, as a process, over a set whose sizes are unlike any published ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bindsearch.encoders.imagebind import TowerConfig
from bindsearch.encoders.imagebind.load import build
from tests.encoders.imagebind.small import random_state

ROOT = Path(__file__).resolve().parents[3]
ODD = {
    "vision": TowerConfig(20, 1, 5, 12, 65, (3, 224, 224), (2, 28, 28), (2, 28, 28)),
    "audio": TowerConfig(18, 2, 3, 12, 9 * 13 + 1, (1, 80, 120), (8, 8), (9, 9)),
}
SETTINGS = {
    **{"vision_num_heads": 5, "audio_num_heads": 3},
    **{"audio_num_mel_bins": 80, "audio_target_len": 120, "audio_stride": 9, "audio_kernel_size": 8},
}


def run(*arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bindsearch.encoders.imagebind.conformance", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True)


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A set in the golden layout: settings, state dict, inputs."""
    inputs = {
        "in.sounds": torch.randn(2, 3, 1, 80, 120).half(),
        "in.pictures": torch.randn(2, 3, 84, 84).half(),
    }
    save_file(random_state(ODD), tmp_path / "odd.safetensors")
    save_file(inputs, tmp_path / "odd-io.safetensors")
    cases = {
        "sounds": {"modality": "audio", "input": "in.sounds"},
        "first_sound": {"modality": "audio", "input": "sounds[:1, 0]"},
        "pictures": {"modality": "vision", "input": "in.pictures"},
        "both_averaged": {"modality": "vision", "input": "pictures[None]"},
    }
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({"name": "odd", "config": SETTINGS, "cases": cases}))
    return path


def test_a_model_of_other_sizes_is_computed(golden: Path, tmp_path: Path) -> None:
    done = run(golden, tmp_path / "out.safetensors")
    assert done.returncode == 0, done.stderr
    out, inputs = load_file(tmp_path / "out.safetensors"), load_file(tmp_path / "odd-io.safetensors")
    assert set(out) == {"out.sounds", "out.first_sound", "out.pictures", "out.both_averaged"}
    model = build(random_state(ODD), SETTINGS)
    with torch.inference_mode():
        sounds = model("audio", inputs["in.sounds"].float())
        first = model("audio", inputs["in.sounds"][:1, 0].float())
    torch.testing.assert_close(out["out.sounds"], sounds)
    torch.testing.assert_close(out["out.first_sound"], first)
    torch.testing.assert_close(out["out.both_averaged"][0], out["out.pictures"].mean(0))


def test_an_input_that_is_not_there_is_named(golden: Path, tmp_path: Path) -> None:
    content = json.loads(golden.read_bytes())
    content["cases"]["more"] = {"modality": "audio", "input": "in.more"}
    golden.write_text(json.dumps(content))
    done = run(golden, tmp_path / "out.safetensors")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "in.more" in done.stderr


def test_a_set_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run(tmp_path / "none.json", tmp_path / "out.safetensors")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def test_the_command_tells_how_it_is_used() -> None:
    done = run()
    assert done.returncode == 2
    assert "GOLDEN.json OUT.safetensors" in done.stderr
