"""Fitting the head: contrast each picture with the texts of the others, in both directions.

A batch holds pictures (a random view of each, with one of its texts or the mean of several), mixtures of
two pictures and of their texts, and rows of the image tower's classifier, each moved to where pictures'
features lie and paired with its class name in a random template. The loss is InfoNCE (A. van den Oord et
al., *Representation Learning with Contrastive Predictive Coding*, 2018) with a fixed temperature; items that
share a label are all right for each other.

What is kept is the running mean of the weights over the last steps, not the last weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bindsearch.training.head import Head


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit. The figures behind these values are in docs/compact-model.md."""

    steps: int = 400
    pictures: int = 256
    classes: int = 256
    mixtures: int = 64
    rate: float = 1e-3
    decay: float = 0.05
    temperature: float = 0.05
    averaging: float = 0.995
    single_text: float = 0.5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Pictures:
    """Training pictures: ``features`` is (views, pictures, 1280), ``texts`` (count, 384) for each picture.

    ``group`` is equal for pictures whose texts are right for each other (those of one label), else unique.
    """

    features: Tensor
    texts: Sequence[Tensor]
    group: Tensor


@dataclass(frozen=True, slots=True)
class Classes:
    """The classifier's classes: ``rows`` is (classes, 1280), ``texts`` is (classes, templates, 384)."""

    rows: Tensor
    texts: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Features, (n, 1280), the unit text vector of each, (n, 384), and groups as in ``Pictures``."""

    features: Tensor
    targets: Tensor
    group: Tensor

    def and_(self, other: Batch) -> Batch:
        """Both batches as one; no group of one is a group of the other."""
        shifted = other.group + self.group.max() + 1
        return Batch(
            torch.cat([self.features, other.features]),
            torch.cat([self.targets, other.targets]),
            torch.cat([self.group, shifted - other.group.min()]),
        )


def fit(
    head: Head,
    pictures: Pictures,
    classes: Classes,
    options: FitOptions,
    report: Callable[[int, float, Head], None] = lambda step, loss, head: None,
) -> Head:
    """Fit ``head`` in place and return its averaged copy; ``report`` is called now and then."""
    torch.manual_seed(options.seed)
    head.start_from_ridge(pictures.features[0], torch.stack([texts.mean(0) for texts in pictures.texts]))
    trained = [parameter for parameter in head.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.rate, total_steps=options.steps, pct_start=0.1
    )
    average = get_ema_multi_avg_fn(options.averaging)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(head, multi_avg_fn=average)
    for step in range(1, options.steps + 1):
        head.train()
        batch = draw_pictures(pictures, options)
        batch = batch.and_(mixtures(batch, options.mixtures)) if options.mixtures else batch
        if options.classes:
            batch = batch.and_(draw_classes(classes, pictures, options))
        loss = contrast(head(batch.features), batch, options.temperature)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        averaged.update_parameters(head)
        if step % 100 == 0 or step == options.steps:
            report(step, loss.item(), _evaluable(averaged))
    return _evaluable(averaged)


def contrast(vectors: Tensor, batch: Batch, temperature: float) -> Tensor:
    """InfoNCE in both directions; the weight of a row is shared evenly among all of its group."""
    same = (batch.group[:, None] == batch.group[None, :]).float()
    wanted = same / same.sum(1, keepdim=True)
    logits = vectors @ batch.targets.T / temperature
    to_text = -(wanted * logits.log_softmax(1)).sum(1).mean()
    to_picture = -(wanted * logits.T.log_softmax(1)).sum(1).mean()
    return (to_text + to_picture) / 2


def draw_pictures(pictures: Pictures, options: FitOptions) -> Batch:
    """Random pictures, each in a random view with one of its texts or the mean of three."""
    views, count, _ = pictures.features.shape
    chosen = torch.randperm(count)[: options.pictures]
    view = torch.randint(views, (len(chosen),))
    targets = torch.stack([_drawn_text(pictures.texts[i], options.single_text) for i in chosen.tolist()])
    return Batch(pictures.features[view, chosen], F.normalize(targets, dim=-1), pictures.group[chosen])


def mixtures(batch: Batch, count: int) -> Batch:
    """Up to ``count`` pairs of ``batch`` as if each were one picture of both: mixed features, mixed texts."""
    count = min(count, len(batch.features) // 2)
    share = torch.empty(count, 1).uniform_(0.25, 0.75)
    one, other = slice(count), slice(count, 2 * count)
    features = share * batch.features[one] + (1 - share) * batch.features[other]
    targets = share * batch.targets[one] + (1 - share) * batch.targets[other]
    return Batch(features, F.normalize(targets, dim=-1), torch.arange(count))


def draw_classes(classes: Classes, pictures: Pictures, options: FitOptions) -> Batch:
    """Random classes as if they were pictures: the mean picture, moved along the class's row by about as much
    as pictures lie from it, with a third of a random picture's own deviation as clutter."""
    views, count, _ = pictures.features.shape
    chosen = torch.randperm(len(classes.rows))[: options.classes]
    mean = pictures.features[0].mean(0)
    reach = (pictures.features[0] - mean).norm(dim=1).mean()
    rows = F.normalize(classes.rows - classes.rows.mean(0), dim=1)[chosen]
    strength = torch.empty(len(chosen), 1).uniform_(0.5, 1.5)
    clutter = (
        pictures.features[torch.randint(views, (len(chosen),)), torch.randint(count, (len(chosen),))] - mean
    )
    template = torch.randint(classes.texts.shape[1], (len(chosen),))
    features = mean + strength * reach * rows + 0.3 * clutter
    return Batch(features, F.normalize(classes.texts[chosen, template], dim=-1), chosen)


def _drawn_text(texts: Tensor, single: float) -> Tensor:
    """One text, or the mean of three: the mean is a steadier target, the one is what people search with."""
    order = torch.randperm(len(texts))
    count = 1 if float(torch.rand(())) < single else 3
    return texts[order[:count]].mean(0)


def _evaluable(averaged: AveragedModel) -> Head:
    head: nn.Module = averaged.module
    assert isinstance(head, Head)
    return head.eval()
