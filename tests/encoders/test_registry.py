"""The registry: which spaces there are, and how an encoder is opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bindsearch.encoders import describe_space, list_spaces, open_encoder
from bindsearch.errors import EncoderError
from bindsearch.modality import Modality

ROOT = Path(__file__).resolve().parents[2]


def test_the_compact_space_is_listed_as_installed() -> None:
    info = next(info for info in list_spaces() if info.id == "compact")
    assert (info.id, info.dimensions, info.installed) == ("compact", 384, True)
    assert Modality.IMAGE in info.modalities
    assert info.size == sum(
        path.stat().st_size for path in info.path.iterdir() if path.suffix == ".onnx" or "token" in path.name
    )
    assert "non-commercial" in info.licence


def test_verifying_reads_the_weights_and_finds_them_whole() -> None:
    assert describe_space("compact", verify=True).problem is None


def test_what_is_listed_is_what_opens() -> None:
    for info in filter(lambda info: info.installed, list_spaces()):
        space = open_encoder(info.id).space
        assert (space.id, space.revision, space.modalities) == (info.id, info.revision, info.modalities)


def test_an_unknown_space_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(
        EncoderError, match=r"gigantic: is not a known space \(known: compact, imagebind-huge\)"
    ):
        open_encoder("gigantic")


def test_a_model_that_is_not_installed_is_listed_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINDSEARCH_MODELS", str(tmp_path))
    info = describe_space("imagebind-huge")
    assert (info.installed, info.problem) == (False, "is not installed")
    with pytest.raises(EncoderError, match="'bindsearch models pull imagebind-huge' fetches it"):
        open_encoder("imagebind-huge")


def test_listing_loads_no_heavy_library() -> None:
    program = (
        "import sys\n"
        "from bindsearch.encoders import list_spaces, open_encoder\n"
        "list_spaces(); open_encoder()\n"
        "print([name for name in ('torch', 'onnxruntime', 'tokenizers', 'PIL') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("[]\n", "")
