"""Checkpoints that are not what they should be, and the file format that is written."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.encoders.imagebind.config import TOWERS, tower_of
from bindsearch.errors import EncoderError
from bindsearch.models.checkpoint import split_checkpoint
from bindsearch.models.split import MASK, SECTIONS, split_names
from tests.models.checkpoints import save, sha256, state_dict

ROOT = Path(__file__).resolve().parents[2]
WEIGHT = "modality_trunks.audio.blocks.0.mlp.fc1.weight"


def split(path: Path) -> dict[str, str]:
    """Split a checkpoint beside itself; the sha256 of each tower's file."""
    folder = path.parent / f"towers of {path.name}"
    folder.mkdir()
    return {file.name: file.sha256 for file in split_checkpoint(path, folder, lambda _: None)}


class Code:
    """Pickled, it runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("bare", [False, True])
def test_a_pickle_with_code_in_it_is_refused_and_the_code_does_not_run(tmp_path: Path, bare: bool) -> None:
    trap = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    if bare:
        path.write_bytes(pickle.dumps({"a": Code(f"touch '{trap}'")}))
    else:
        torch.save(state_dict() | {"extra": Code(f"touch '{trap}'")}, path)
    with pytest.raises(EncoderError, match="code"):
        split(path)
    assert not trap.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_no_number_is_refused_by_its_name(tmp_path: Path, value: float) -> None:
    state = state_dict()
    state[WEIGHT][3, 3] = value
    with pytest.raises(EncoderError, match=f"{WEIGHT} holds a value"):
        split(save(tmp_path / "a.pth", state))


def test_the_mask_of_the_text_tower_may_be_infinite_and_not_nan(tmp_path: Path) -> None:
    state = state_dict()
    assert torch.isinf(state[MASK]).any()
    split(save(tmp_path / "fine.pth", state))
    state[MASK][0, 0] = float("nan")
    with pytest.raises(EncoderError, match=r"text\.mask"):
        split(save(tmp_path / "bad.pth", state))


def test_a_tower_that_is_missing_is_named(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in state_dict().items() if tower_of(name) != "imu"}
    with pytest.raises(EncoderError, match=r"lacks modality_preprocessors\.imu"):
        split(save(tmp_path / "a.pth", state))


@pytest.mark.parametrize(
    "name",
    ["module.modality_trunks.vision.x", "modality_trunks.smell.x", "optimizer", "modality_heads.vision"],
)
def test_an_entry_that_belongs_to_no_tower_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(EncoderError, match=f"has {name}, which no tower knows"):
        split(save(tmp_path / "a.pth", state_dict() | {name: torch.zeros(1)}))


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100, b"PK\x03\x04 and then nothing"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(EncoderError):
        split(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_checkpoint_cut_short_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = save(tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(EncoderError):
        split(path)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {1: torch.zeros(1)}, {WEIGHT: torch.zeros(1).int()}])
def test_what_is_not_a_dict_of_float_tensors_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "a.pth"
    torch.save(content, path)
    with pytest.raises(EncoderError):
        split(path)


def test_a_tensor_that_claims_to_be_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    state = state_dict() | {WEIGHT: torch.zeros(1).expand(10**12)}
    with pytest.raises(EncoderError, match="larger than the file"):
        split(save(tmp_path / "a.pth", state))


def test_both_formats_of_the_same_weights_give_the_same_files(tmp_path: Path) -> None:
    assert split(save(tmp_path / "a.pth")) == split(save(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_number_formats_are_kept(tmp_path: Path, dtype: torch.dtype) -> None:
    from safetensors.torch import load_file

    state = {name: tensor.to(dtype) for name, tensor in state_dict().items()}
    path = save(tmp_path / "a.pth", state)
    split(path)
    found = load_file(tmp_path / "towers of a.pth" / "audio.safetensors")
    assert torch.equal(found[WEIGHT], state[WEIGHT])
    assert found[WEIGHT].dtype == dtype


def test_tensors_that_do_not_lie_in_one_piece_are_written_as_they_read(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = state_dict()
    state[WEIGHT] = state[WEIGHT].T
    split(save(tmp_path / "a.pth", state))
    found = load_file(tmp_path / "towers of a.pth" / "audio.safetensors")
    assert torch.equal(found[WEIGHT], state[WEIGHT])


def test_the_recorded_checksums_are_those_of_the_files(tmp_path: Path) -> None:
    found = split(save(tmp_path / "a.pth"))
    assert found == {name: sha256(tmp_path / "towers of a.pth" / name) for name in found}
    assert list(found) == [f"{tower}.safetensors" for tower in TOWERS]


def test_splitting_holds_far_less_in_memory_than_the_checkpoint(tmp_path: Path) -> None:
    state = state_dict()
    for n in range(24):
        name = f"modality_trunks.{TOWERS[n % 6]}.blocks.{n}.attn.in_proj_weight"
        state[name] = torch.from_numpy(np.random.default_rng(n).standard_normal((500_000,), np.float32))
    path = save(tmp_path / "large.pth", state)
    program = (
        "import sys; from pathlib import Path; import torch\n"
        "from bindsearch.models.checkpoint import split_checkpoint\n"
        "def anonymous():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.partition('RssAnon:')[2].split()[0]) * 1024\n"
        "most = before = anonymous()\n"
        "def tick(_):\n    global most; most = max(most, anonymous())\n"
        "split_checkpoint(Path(sys.argv[1]), Path(sys.argv[2]), tick)\n"
        "print(most - before)\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured as Linux tells it")
    (tmp_path / "towers").mkdir()
    command = [sys.executable, "-c", program, str(path), str(tmp_path / "towers")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < path.stat().st_size / 3


NAMES = st.builds(
    "modality_{}.{}.{}".format,
    st.sampled_from(SECTIONS),
    st.sampled_from(TOWERS),
    st.text("abc.0", min_size=1, max_size=6),
)


OFFICIAL = frozenset(state_dict())


@settings(deadline=None)
@given(st.sets(NAMES))
def test_every_entry_goes_to_exactly_one_tower(extra: set[str]) -> None:
    names = {*OFFICIAL, *extra}
    split = split_names(names, "a")
    assert sorted(name for part in split.values() for name in part) == sorted(names)
    assert all(tower_of(name) == tower for tower, part in split.items() for name in part)
