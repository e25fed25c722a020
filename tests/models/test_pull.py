"""Pulling from a real server over links that break, and servers that lie."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bindsearch.encoders import list_spaces
from bindsearch.errors import EncoderError
from bindsearch.models import shelf
from bindsearch.models.fetch import Patience
from bindsearch.models.install import add, pull
from bindsearch.models.split import TOWERS
from tests.models.checkpoints import offer, save, sha256, state_dict
from tests.models.server import Host, serving

QUICK = Patience(connect=2.0, silent=2.0, pauses=(0.0, 0.0))
IMPATIENT = Patience(connect=2.0, silent=2.0, pauses=())


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models folder, and no proxy or mirror from the machine that runs this."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "BINDSEARCH_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "models"
    monkeypatch.setenv("BINDSEARCH_MODELS", str(folder))
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    served = tmp_path / "served"
    served.mkdir()
    return save(served / "small.pth")


@pytest.fixture
def host(models: Path, checkpoint: Path) -> Iterator[Host]:
    """A server with the checkpoint, and an offer of it in the models folder."""
    with serving(checkpoint.parent) as host:
        offer(models, checkpoint, f"{host.url}/small.pth")
        yield host


def pull_small(patience: Patience = QUICK, **options: str) -> None:
    pull(shelf.offer_of("small"), patience=patience, **options)


def state_of(models: Path) -> str | None:
    """What keeps the model from being used, None if nothing does."""
    return next(info.problem for info in list_spaces(verify=True) if info.id == "small")


def test_a_pulled_model_has_every_weight_in_a_file_for_each_tower(models: Path, host: Host) -> None:
    pull_small()
    folder = models / "small"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["manifest.json", *(f"{tower}.safetensors" for tower in TOWERS)]
    )
    found = {}
    for tower in TOWERS:
        part = load_file(folder / f"{tower}.safetensors")
        assert {name.split(".")[1] for name in part} == {tower}
        found |= part
    wanted = state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert state_of(models) is None


def test_the_manifest_tells_what_was_pulled_from_where(models: Path, host: Host, checkpoint: Path) -> None:
    pull_small()
    manifest = json.loads((models / "small" / "manifest.json").read_text())
    assert manifest["source"] == {
        "url": f"{host.url}/small.pth",
        "size": checkpoint.stat().st_size,
        "sha256": sha256(checkpoint),
    }
    assert manifest["licence"].startswith("Example Licence")
    for file in manifest["files"]:
        path = models / "small" / file["name"]
        assert (file["size"], file["sha256"]) == (path.stat().st_size, sha256(path))


def test_nothing_but_the_model_is_left_behind(models: Path, host: Host) -> None:
    pull_small()
    assert [path.name for path in (models / ".partial").iterdir() if path.is_dir()] == []


def test_a_broken_link_is_resumed_without_asking_twice_for_any_byte(
    models: Path, host: Host, checkpoint: Path
) -> None:
    host.cuts = [100_000, 50_000]
    pull_small()
    assert [span for _, span in host.requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert sum(host.sent) == checkpoint.stat().st_size
    assert state_of(models) is None


def test_a_pull_that_was_given_up_goes_on_where_it_stopped(
    models: Path, host: Host, checkpoint: Path
) -> None:
    host.cuts = [120_000]
    with pytest.raises(EncoderError, match=r"broke off|ended after 120000") as caught:
        pull_small(IMPATIENT)
    assert "kept" in str(caught.value)
    assert state_of(models) == "is not installed"
    pull_small(IMPATIENT)
    assert host.requests[-1][1] == "bytes=120000-"
    assert sum(host.sent) == checkpoint.stat().st_size
    assert state_of(models) is None


def test_a_file_that_changed_meanwhile_is_fetched_anew(models: Path, host: Host, checkpoint: Path) -> None:
    host.cuts = [120_000]
    with pytest.raises(EncoderError):
        pull_small(IMPATIENT)
    save(checkpoint, state_dict(seed=1))
    host.etag = '"two"'
    offer(models, checkpoint, f"{host.url}/small.pth")
    pull_small(IMPATIENT)
    assert host.sent == [120_000, checkpoint.stat().st_size]
    assert state_of(models) is None


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_what_no_server_vouches_for_is_not_continued(models: Path, host: Host, etag: str | None) -> None:
    host.etag, host.cuts = etag, [120_000]
    pull_small()
    assert [span for _, span in host.requests] == [None, None]
    assert state_of(models) is None


def test_a_server_without_ranges_sends_all_of_it_again(models: Path, host: Host, checkpoint: Path) -> None:
    host.ranges, host.cuts = False, [120_000]
    pull_small()
    assert host.sent == [120_000, checkpoint.stat().st_size]
    assert state_of(models) is None


def test_a_flipped_byte_is_refused_and_not_kept(models: Path, host: Host) -> None:
    host.flip = 200_000
    with pytest.raises(EncoderError, match=r"has sha256 [0-9a-f]{64} instead of"):
        pull_small()
    assert state_of(models) == "is not installed"
    assert not (models / ".partial" / "small").exists()
    host.flip = None
    pull_small()
    assert state_of(models) is None


def test_a_truncated_file_is_refused_before_it_is_fetched(models: Path, host: Host, checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    with pytest.raises(EncoderError, match="bytes long, not"):
        pull_small()
    assert state_of(models) == "is not installed"


@pytest.mark.parametrize("change", [-1, 1])
def test_a_server_that_hides_the_length_cannot_pass_another_length(
    models: Path, host: Host, checkpoint: Path, change: int
) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:-1] if change < 0 else content + b"x")
    host.length = False
    with pytest.raises(EncoderError, match=r"ended after|sends more than|instead of"):
        pull_small()
    assert state_of(models) == "is not installed"


def test_faults_of_the_server_are_tried_again(models: Path, host: Host) -> None:
    host.statuses = [503, 429]
    pull_small()
    assert len(host.requests) == 3


def test_faults_that_do_not_pass_are_told_as_they_are(models: Path, host: Host, checkpoint: Path) -> None:
    host.statuses = [500, 500, 500]
    with pytest.raises(EncoderError, match="answers 500"):
        pull_small()
    assert len(host.requests) == 3
    checkpoint.unlink()
    with pytest.raises(EncoderError, match="answers 404"):
        pull_small()
    assert len(host.requests) == 4, "what is not there will not be there in a second"


def test_a_redirect_is_followed_and_one_without_end_is_not(models: Path, host: Host) -> None:
    host.redirect = "/elsewhere"
    pull_small()
    assert state_of(models) is None
    shelf.remove("small")
    host.redirect = "//"
    with pytest.raises(EncoderError):
        pull_small()


def test_a_server_that_is_not_there_is_told_with_its_address(models: Path, checkpoint: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    offer(models, checkpoint, f"http://127.0.0.1:{port}/small.pth")
    with pytest.raises(EncoderError, match=f"127.0.0.1:{port}.*cannot be reached"):
        pull_small()


def test_a_silent_server_is_not_waited_for_without_end(models: Path, checkpoint: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        offer(models, checkpoint, f"http://127.0.0.1:{silent.getsockname()[1]}/small.pth")
        with pytest.raises(EncoderError, match="timed out"):
            pull_small(Patience(connect=0.2, silent=0.2, pauses=()))


@pytest.mark.parametrize("mirror", ["{url}/deep/folder", "{url}/deep/folder/", "{url}/deep/folder/small.pth"])
def test_a_mirror_is_a_folder_or_the_file_itself(models: Path, host: Host, mirror: str) -> None:
    offer(models, host.folder / "small.pth", "http://nowhere.invalid/small.pth")
    pull_small(mirror=mirror.format(url=host.url))
    assert [path for path, _ in host.requests] == ["/deep/folder/small.pth"]
    assert state_of(models) is None


def test_a_mirror_may_be_named_by_the_environment(
    models: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(models, host.folder / "small.pth", "http://nowhere.invalid/small.pth")
    monkeypatch.setenv("BINDSEARCH_MIRROR", host.url)
    pull_small()
    assert state_of(models) is None


def test_a_proxy_of_the_environment_is_used(
    models: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(models, host.folder / "small.pth", "http://nowhere.invalid/small.pth")
    monkeypatch.setenv("http_proxy", host.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    pull_small()
    assert [path for path, _ in host.requests] == ["http://nowhere.invalid/small.pth"]


def test_another_format_of_the_same_weights_gives_the_same_files(
    models: Path, host: Host, tmp_path: Path
) -> None:
    pull_small()
    first = {path.name: sha256(path) for path in (models / "small").glob("*.safetensors")}
    shelf.remove("small")
    other = save(host.folder / "model.safetensors")
    with pytest.raises(EncoderError, match="not that model"):
        pull_small(mirror=f"{host.url}/model.safetensors")
    pull_small(mirror=f"{host.url}/model.safetensors", sha256=sha256(other))
    assert {path.name: sha256(path) for path in (models / "small").glob("*.safetensors")} == first


def test_a_checksum_that_nobody_knows_is_recorded_on_first_use(
    models: Path, host: Host, checkpoint: Path
) -> None:
    offer(models, checkpoint, f"{host.url}/small.pth", known_sha256=False)
    pull_small()
    assert shelf.installed("small").source.sha256 == sha256(checkpoint)


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    models: Path, host: Host, checkpoint: Path
) -> None:
    path = models / "manifests" / "small.json"
    content = json.loads(path.read_text())
    content["source"]["size"] = 10**18
    path.write_text(json.dumps(content))
    with pytest.raises(EncoderError, match=r"needs 2000000000.0 GB"):
        pull_small()
    assert host.requests == []


def test_two_pulls_at_once_do_not_mix(models: Path, host: Host) -> None:
    from filelock import FileLock

    (models / ".partial").mkdir()
    with (
        FileLock(models / ".partial" / "small.lock"),
        pytest.raises(EncoderError, match="by another process"),
    ):
        pull_small()
    assert host.requests == []


def test_a_damaged_model_is_replaced_by_pulling_again(models: Path, host: Host) -> None:
    pull_small()
    (models / "small" / "text.safetensors").write_bytes(b"short")
    assert "bytes instead of" in (state_of(models) or "")
    pull_small()
    assert state_of(models) is None


def test_a_file_that_is_there_already_is_added_and_left_as_it_is(
    models: Path, host: Host, checkpoint: Path
) -> None:
    before = sha256(checkpoint)
    add(shelf.offer_of("small"), checkpoint)
    assert (host.requests, sha256(checkpoint), state_of(models)) == ([], before, None)


def test_a_file_with_another_checksum_is_added_only_by_naming_it(
    models: Path, host: Host, tmp_path: Path
) -> None:
    other = save(tmp_path / "other.pth", state_dict(seed=2))
    with pytest.raises(EncoderError, match=f"--sha256 {sha256(other)}"):
        add(shelf.offer_of("small"), other)
    assert state_of(models) == "is not installed"
    add(shelf.offer_of("small"), other, sha256=sha256(other).upper())
    assert state_of(models) is None


def test_verifying_finds_a_flipped_byte_that_sizes_do_not_show(models: Path, host: Host) -> None:
    pull_small()
    path = models / "small" / "vision.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert shelf.installed("small")
    with pytest.raises(EncoderError, match=r"vision\.safetensors: weights are damaged"):
        shelf.verify("small")


def test_removing_a_model_removes_what_was_fetched_of_it_too(models: Path, host: Host) -> None:
    host.cuts = [120_000]
    with pytest.raises(EncoderError):
        pull_small(IMPATIENT)
    assert shelf.remove("small") >= 120_000
    pull_small()
    assert shelf.remove("small") > 300_000
    assert state_of(models) == "is not installed"
    with pytest.raises(EncoderError, match="is not installed"):
        shelf.remove("small")


def test_a_checkpoint_whose_shapes_make_no_model_is_refused(tmp_path: Path, models: Path) -> None:
    odd = "modality_trunks.vision.blocks.1.norm_2.weight"
    wrong = save(tmp_path / "wrong.pth", state_dict() | {odd: torch.zeros(33)})
    offer(models, wrong, wrong.as_uri())
    with pytest.raises(EncoderError, match=rf"{odd} of shape \[33\] instead of \[32\]"):
        add(shelf.offer_of("small"), wrong)
    assert shelf.installed_ids() == []
