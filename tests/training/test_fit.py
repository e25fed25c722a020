"""Fitting: on made-up features that hold the answer, the loss falls and the head learns to find it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training.fit import (
    Batch,
    Classes,
    FitOptions,
    Pictures,
    contrast,
    draw_classes,
    draw_pictures,
    fit,
    mixtures,
)
from bindsearch.training.head import Head
from bindsearch.training.towers import FEATURES, TEXT_DIMENSIONS

COUNT = 48
OPTIONS = FitOptions(steps=40, pictures=32, classes=8, averaging=0.8)


@pytest.fixture
def pictures() -> Pictures:
    """Two views of pictures whose features are a random linear image of their texts, with noise."""
    generator = torch.Generator().manual_seed(7)
    texts = F.normalize(torch.randn(COUNT, 3, TEXT_DIMENSIONS, generator=generator) * 0.3 + 1.0, dim=-1)
    texts = F.normalize(texts + torch.randn(COUNT, 1, TEXT_DIMENSIONS, generator=generator) * 0.05, dim=-1)
    mixing = torch.randn(TEXT_DIMENSIONS, FEATURES, generator=generator)
    noise = torch.randn(2, COUNT, FEATURES, generator=generator) * 0.02
    features = F.relu(texts.mean(1) @ mixing)[None] + noise
    return Pictures(features, list(texts), torch.arange(COUNT))


@pytest.fixture
def classes() -> Classes:
    """Ten classes with two texts each."""
    generator = torch.Generator().manual_seed(8)
    texts = F.normalize(torch.randn(10, 2, TEXT_DIMENSIONS, generator=generator), dim=-1)
    return Classes(torch.randn(10, FEATURES, generator=generator), texts)


def new_head(classes: Classes, dropout: float = 0.1) -> Head:
    torch.manual_seed(0)
    classifier = nn.Linear(FEATURES, len(classes.rows))
    return Head(classifier, classes.texts.mean(1), hidden=32, dropout=dropout)


def found(head: Head, pictures: Pictures) -> float:
    """The share of pictures that are closest to one of their own texts."""
    texts = torch.cat(list(pictures.texts))
    with torch.no_grad():
        nearest = (head.eval()(pictures.features[1]) @ texts.T).argmax(1)
    return float((nearest // 3 == torch.arange(COUNT)).float().mean())


def test_the_loss_falls_and_the_head_learns(pictures: Pictures, classes: Classes) -> None:
    head = new_head(classes)
    before = found(head, pictures)
    losses: list[float] = []
    fitted = fit(head, pictures, classes, OPTIONS, lambda step, loss, head: losses.append(loss))
    start = F.cross_entropy(torch.zeros(1, 40), torch.zeros(1, dtype=torch.long)).item()
    assert losses[-1] < 0.7 * start
    assert before < 0.3
    assert found(fitted, pictures) > 0.9


def test_the_same_seed_gives_the_same_head(pictures: Pictures, classes: Classes) -> None:
    first, second = (fit(new_head(classes), pictures, classes, OPTIONS) for _ in range(2))
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_the_classifier_is_not_trained(pictures: Pictures, classes: Classes) -> None:
    head = new_head(classes)
    before = head.classifier.weight.clone()
    fitted = fit(head, pictures, classes, OPTIONS)
    assert torch.equal(fitted.classifier.weight, before)
    assert not torch.equal(fitted.class_vectors, classes.texts.mean(1))


def test_fitting_works_without_classes(pictures: Pictures, classes: Classes) -> None:
    fitted = fit(
        new_head(classes), pictures, classes, FitOptions(steps=30, pictures=32, classes=0, averaging=0.8)
    )
    assert found(fitted, pictures) > 0.9


def test_the_ridge_start_is_already_near(pictures: Pictures, classes: Classes) -> None:
    head = new_head(classes)
    targets = torch.stack([texts.mean(0) for texts in pictures.texts])
    head.start_from_ridge(pictures.features[0], targets, penalty=10.0)
    standard = (pictures.features[0] - head.mean) / head.spread
    assert torch.nn.functional.mse_loss(head.linear(standard), targets) < 0.2 * targets.var(0).mean()


def test_contrast_is_least_for_the_right_pairing() -> None:
    targets = torch.eye(4)
    batch = Batch(torch.zeros(4, 1), targets, torch.arange(4))
    right, wrong = (contrast(vectors, batch, 0.1).item() for vectors in (targets, targets.roll(1, 0)))
    assert right < 0.01
    assert wrong > 5


def test_items_of_one_group_are_right_for_each_other() -> None:
    targets = torch.eye(4)[[0, 0, 2, 3]]
    alone = contrast(targets, Batch(torch.zeros(4, 1), targets, torch.arange(4)), 0.1).item()
    grouped = contrast(targets, Batch(torch.zeros(4, 1), targets, torch.tensor([0, 0, 1, 2])), 0.1).item()
    swapped = contrast(
        targets[[1, 0, 2, 3]], Batch(torch.zeros(4, 1), targets, torch.tensor([0, 0, 1, 2])), 0.1
    )
    assert swapped.item() == pytest.approx(grouped)
    assert grouped == pytest.approx(alone, abs=0.01)


def test_joined_batches_never_share_a_group() -> None:
    def batch(*groups: int) -> Batch:
        return Batch(torch.zeros(len(groups), 2), torch.zeros(len(groups), 3), torch.tensor(groups))

    joined = batch(0, 5, 5).and_(batch(0, 5, 9)).group.tolist()
    assert set(joined[:3]).isdisjoint(joined[3:])
    assert joined[1] == joined[2]
    assert len(set(joined[3:])) == 3


def test_a_mixture_lies_between_two_pictures_and_their_texts() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.eye(6), torch.eye(6), torch.arange(6))
    mixed = mixtures(batch, 64)
    assert mixed.features.shape == mixed.targets.shape == (3, 6)
    assert torch.allclose(mixed.features.sum(1), torch.ones(3))
    assert (mixed.features > 0).sum(1).tolist() == [2, 2, 2]
    assert torch.allclose(mixed.targets.norm(dim=1), torch.ones(3))
    assert torch.equal(mixed.targets > 0, mixed.features > 0)
    assert len(set(mixed.group.tolist())) == 3


def test_draws_are_unit_texts_of_the_drawn_items(pictures: Pictures, classes: Classes) -> None:
    torch.manual_seed(0)
    drawn = draw_pictures(pictures, FitOptions(pictures=20, single_text=1.0))
    for feature, target, group in zip(drawn.features, drawn.targets, drawn.group.tolist(), strict=True):
        assert any(torch.equal(feature, view[group]) for view in pictures.features)
        assert _near_one_of(target, pictures.texts[group])
    named = draw_classes(classes, pictures, FitOptions(classes=6))
    for target, group in zip(named.targets, named.group.tolist(), strict=True):
        assert _near_one_of(target, classes.texts[group])


def _near_one_of(vector: Tensor, choices: Tensor) -> bool:
    return bool((choices @ vector).max() > 0.9999)
