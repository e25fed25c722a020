"""Binding: lessons from a manifest, fits that learn, go on when interrupted and keep their best epoch."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.errors import SettingsError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests
from bindsearch.modality import Modality
from bindsearch.training.bind.fit import Bond, Epoch, fit_tower, info_nce, vectors_of
from bindsearch.training.bind.lessons import Lessons, held_out, lessons_of
from bindsearch.training.bind.networks import PictureTower, SignalTower
from bindsearch.training.bind.options import Fit
from bindsearch.training.bind.views import (
    HeatViews,
    MotionViews,
    PictureViews,
    ReadingViews,
    SoundViews,
    Views,
)
from bindsearch.training.loop import threads
from bindsearch.training.towers import load_image_tower
from tests.tiny import TinyEncoder

COUNT, CHANNELS, STEPS, DIMENSIONS = 100, 3, 32, 16
FIT = Fit(epochs=12, batch=16, rate=2e-3, trunk_rate=2e-3, recall=5)


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    """Small batches are slower on several cores, much slower on busy ones."""
    with threads(1):
        yield


def made_up(seed: int = 0) -> tuple[ReadingViews, Lessons]:
    """Readings whose pitch and height tell where their partners lie."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(COUNT, CHANNELS)).astype(np.float32)
    waves = np.sin(np.linspace(0, 6, STEPS)[np.newaxis, :, np.newaxis] * (2 + causes[:, np.newaxis]))
    readings = (causes[:, np.newaxis] + 0.3 * waves).astype(np.float32)
    targets = torch.from_numpy(causes @ rng.normal(size=(CHANNELS, DIMENSIONS)).astype(np.float32))
    vectors = F.normalize(targets, dim=-1)
    nothing = torch.empty(0, DIMENSIONS)
    lessons = Lessons(
        partners=[vector[np.newaxis] for vector in vectors],
        texts=[nothing] * COUNT,
        labels=torch.full((COUNT,), -1),
        prototypes=nothing,
        chances=torch.ones(COUNT),
        held_out=torch.arange(COUNT) % 5 == 0,
    )
    return ReadingViews(readings), lessons


def tower() -> SignalTower:
    torch.manual_seed(0)
    return SignalTower(CHANNELS, DIMENSIONS)


def test_a_tower_learns_what_was_held_out() -> None:
    views, lessons = made_up()
    epochs: list[Epoch] = []
    fitted, best = fit_tower(tower(), views, lessons, FIT, report=epochs.append)
    assert [epoch.number for epoch in epochs] == list(range(1, FIT.epochs + 1))
    assert epochs[-1].loss < epochs[0].loss
    # Five of twenty by chance is 0.25.
    assert best.recall is not None
    assert best.recall > 0.8
    assert best.score(FIT) == max(epoch.score(FIT) for epoch in epochs)
    vectors = vectors_of(fitted, views, torch.arange(COUNT))
    assert torch.allclose(vectors.norm(dim=1), torch.ones(COUNT), atol=1e-5)


def test_an_interrupted_fit_ends_like_one_that_was_not(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise Interrupted

    views, lessons = made_up()
    short = replace(FIT, epochs=3)
    whole, best = fit_tower(tower(), views, lessons, short)
    with pytest.raises(Interrupted):
        fit_tower(tower(), views, lessons, short, tmp_path / "fit.pt", stop)
    later: list[Epoch] = []
    resumed, same = fit_tower(tower(), views, lessons, short, tmp_path / "fit.pt", later.append)
    assert later[0].number == 3
    assert same.number == best.number
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(one.float(), other.float(), atol=1e-5)


def test_a_fit_that_was_done_is_only_read_again(tmp_path: Path) -> None:
    views, lessons = made_up()
    short = replace(FIT, epochs=2)
    first, best = fit_tower(tower(), views, lessons, short, tmp_path / "fit.pt")
    epochs: list[Epoch] = []
    again, same = fit_tower(tower(), views, lessons, short, tmp_path / "fit.pt", epochs.append)
    assert not epochs
    assert same == best
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))


def test_the_temperature_is_learnt_unless_it_is_given() -> None:
    views, lessons = made_up()
    for temperature, learnt in ((None, True), (0.07, False)):
        assert Bond(tower(), temperature).log_scale.requires_grad is learnt
        fit_tower(tower(), views, lessons, replace(FIT, epochs=1, temperature=temperature))


def test_words_alone_bind_too() -> None:
    views, lessons = made_up()
    prototypes = F.normalize(torch.randn(2, DIMENSIONS, generator=torch.Generator().manual_seed(1)), dim=-1)
    nothing = [torch.empty(0, DIMENSIONS)] * COUNT
    heights = views.plain(np.arange(COUNT)).mean((1, 2))
    labels = (heights > heights.median()).long()
    lessons = replace(lessons, partners=nothing, labels=labels, prototypes=prototypes)
    _, best = fit_tower(tower(), views, lessons, FIT)
    assert best.recall is None
    assert best.labels is not None
    assert best.labels > 0.8


def test_equal_targets_are_right_for_each_other() -> None:
    vectors = F.normalize(torch.randn(6, DIMENSIONS, generator=torch.Generator().manual_seed(2)), dim=-1)
    targets = vectors[[0, 0, 0, 3, 3, 3]]
    same = vectors[[0, 0, 0, 3, 3, 3]]
    assert info_nce(same, targets, torch.tensor(100.0)) == pytest.approx(np.log(3), abs=1e-3)


def write_sheet(folder: Path, rows: list[tuple[str, ...]]) -> Manifests:
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        header = ("file", "modality", "split", "pair_id", "label", "captions")
        csv.writer(file).writerows([header, *rows])
    return Manifests([folder / "manifest.csv"])


def test_lessons_follow_pairs_captions_and_labels(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(f"words of {name}", encoding="utf-8")
    manifests = write_sheet(
        tmp_path,
        [
            ("a.npy", "sensor", "train", "p1", "door", "a door opens | a room"),
            ("b.npy", "sensor", "train", "p2", "", ""),
            ("c.npy", "sensor", "train", "p3", "lamp", "a room"),
            ("one.txt", "text", "train", "p1", "", ""),
            ("two.txt", "text", "train", "p1", "", ""),
        ],
    )
    embedder = Embedder(TinyEncoder())
    rows, partners = (manifests.rows("train", Modality(name)) for name in ("sensor", "text"))
    lessons = lessons_of(rows, partners, embedder, lambda line: None)
    assert [len(part) for part in lessons.partners] == [2, 0, 0]
    assert [len(texts) for texts in lessons.texts] == [2, 0, 1]
    assert torch.equal(lessons.texts[0][1], lessons.texts[2][0])
    assert lessons.labels.tolist() == [0, -1, 1]
    assert lessons.prototypes.shape == (2, embedder.space.dimensions)


def test_rows_that_nothing_belongs_to_are_refused(tmp_path: Path) -> None:
    manifests = write_sheet(tmp_path, [("a.npy", "sensor", "train", "p1", "", "")])
    with pytest.raises(SettingsError, match="no row has a partner, a caption or a label"):
        lessons_of(manifests.rows("train", Modality.SENSOR), [], Embedder(TinyEncoder()), lambda line: None)


def test_a_tenth_is_held_out_in_runs_and_never_half_a_pair(tmp_path: Path) -> None:
    rows = [(f"{i}.npy", "sensor", "train", f"p{i // 2}", "x", "") for i in range(400)]
    kept = held_out(write_sheet(tmp_path, rows).rows("train", Modality.SENSOR))
    assert float(kept.float().mean()) == pytest.approx(0.1)
    assert (kept[::2] == kept[1::2]).all()
    # Twenty of forty neighbours share their fate: five runs of eight rows.
    assert int((kept[1:] != kept[:-1]).sum()) == 10


PICTURES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
SIGNALS = np.random.default_rng(0).normal(size=(3, 250, 12)).astype(np.float32)


@pytest.mark.parametrize(
    "views",
    [
        PictureViews(PICTURES),
        HeatViews(PICTURES[..., :1].repeat(3, -1)),
        SoundViews(PICTURES),
        MotionViews(SIGNALS),
        ReadingViews(SIGNALS),
    ],
    ids=lambda views: type(views).__name__,
)
def test_views_keep_shape_and_kind_follow_their_seed_and_differ(views: Views) -> None:
    plain = views.plain(np.array([1]))[0]
    first, again, other = (views.drawn(1, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == plain.shape
    assert first.dtype == plain.dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_views_of_heat_stay_grey() -> None:
    view = HeatViews(PICTURES[..., :1].repeat(3, -1)).drawn(0, np.random.default_rng(0))
    assert torch.equal(view[..., 0], view[..., 2])


def test_a_picture_tower_keeps_its_first_blocks_and_trains_the_others() -> None:
    network: nn.Module = PictureTower(load_image_tower(), DIMENSIONS)
    assert isinstance(network, PictureTower)
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    network.train()
    optimizer = torch.optim.SGD([*network.trained(), *network.projector.parameters()], lr=0.1)
    network(torch.from_numpy(PICTURES))[:, 0].sum().backward()
    optimizer.step()
    moved = {name for name, weight in network.named_parameters() if not torch.equal(weight, before[name])}
    assert not any(name.startswith(("stem", "blocks.0.", "blocks.6.")) for name in moved)
    assert any(name.startswith("blocks.20.") for name in moved)
    assert "projector.linear.weight" in moved
