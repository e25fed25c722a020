"""Fitting a tower to its lessons: contrast in both directions, with vectors that do not move.

Up to three losses are added, each a cross-entropy of cosines divided by the temperature:

* against partners, InfoNCE (A. van den Oord et al., 2018). Since targets are frozen, an item is told apart
  from the partners of ALL items, not only of its batch; the way back, each partner of the batch looks for its
  item;
* against texts, the same with captions. Whatever has the same text is right for it;
* against labels: the item is told apart from the other labels' vectors.

Validation is by items that are never drawn. The mean of the weights over the last steps is measured after
each epoch, and the best epoch's is what is returned.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.evaluation.metrics import median_rank, ranks, recall_at
from bindsearch.training.bind.lessons import Lessons
from bindsearch.training.bind.networks import SignalTower
from bindsearch.training.bind.options import Fit
from bindsearch.training.bind.views import Views
from bindsearch.training.loop import Loop, Weights, threads, warm_cosine

STARTING_TEMPERATURE = 0.05
# Texts and partners more alike than this are the same one.
SAME = 0.995
BANK = 8192
PORTION = 32

T = TypeVar("T", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch came to: ``loss`` is the mean of its steps; figures are of the items that are held out.

    ``recall`` and ``back`` are shares found among the first K, to the partners (or texts) and from them,
    ``median`` the median rank; ``labels`` the share whose own label is nearest. None where nothing is held
    out.
    """

    number: int
    of: int
    loss: float
    recall: float | None
    back: float | None
    median: float | None
    labels: float | None

    def score(self, fit: Fit) -> float:
        """What epochs are compared by: the figures, weighted as their losses are, or a small loss."""
        weights = (fit.partner_weight, fit.partner_weight, fit.label_weight)
        figures = zip(weights, (self.recall, self.back, self.labels), strict=True)
        known = [(weight, figure) for weight, figure in figures if figure is not None]
        total = sum(weight for weight, _ in known)
        return sum(weight * figure for weight, figure in known) / total if total else -self.loss

    @property
    def line(self) -> str:
        """The figures, as far as there are any, as a line of progress."""
        shares = {"recall": self.recall, "back": self.back, "labels": self.labels}
        told = [f"{name} {share:.3f}" for name, share in shares.items() if share is not None]
        if self.median is not None:
            told.append(f"median rank {self.median:g}")
        return ", ".join([f"epoch {self.number} of {self.of}", f"loss {self.loss:.3f}", *told])


class Bond(nn.Module, Generic[T]):
    """A tower and the logarithm of what its cosines are multiplied with: 1 / temperature."""

    def __init__(self, tower: T, temperature: float | None) -> None:
        super().__init__()
        self.tower = tower
        start = torch.tensor(-math.log(temperature or STARTING_TEMPERATURE))
        self.log_scale = nn.Parameter(start, requires_grad=temperature is None)

    @property
    def scale(self) -> Tensor:
        """1 / temperature, at most 100."""
        return self.log_scale.clamp(max=math.log(100)).exp()


def fit_tower(
    tower: T,
    views: Views,
    lessons: Lessons,
    fit: Fit,
    checkpoint: Path | None = None,
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> tuple[T, Epoch]:
    """Fit ``tower``; return the best epoch's and what that came to. Goes on from ``checkpoint`` if it exists.

    ``tower`` is one of ``networks``, whose projector starts from the ridge fit to the lessons.
    """
    with threads(1 if isinstance(tower, SignalTower) else torch.get_num_threads()):
        return _fitted(tower, views, lessons, fit, checkpoint, report)


def _fitted(
    tower: T,
    views: Views,
    lessons: Lessons,
    fit: Fit,
    checkpoint: Path | None,
    report: Callable[[Epoch], None],
) -> tuple[T, Epoch]:
    drawn = torch.nonzero(~lessons.held_out)[:, 0]
    torch.manual_seed(fit.seed)
    _start(tower, views, lessons, drawn)
    bond = Bond(tower, fit.temperature)
    an_epoch = math.ceil(len(drawn) / fit.batch)
    loop = Loop(
        bond,
        _weights(bond, fit),
        warm_cosine(fit.epochs * an_epoch),
        decay=fit.decay,
        averaging=fit.averaging,
        seed=fit.seed,
        checkpoint=checkpoint,
    )
    best = _Best(checkpoint, fit)
    losses: list[float] = []
    for step in loop.steps():
        loss = _loss(bond, views, lessons, _draw(lessons, fit), fit, step)
        loop.take(loss)
        losses.append(loss.item())
        if step % an_epoch == 0:
            epoch = measured(loop.mean.tower, views, lessons, fit, step // an_epoch, float(np.mean(losses)))
            losses.clear()
            best.offer(epoch, loop.mean.tower)
            loop.keep(step)
            report(epoch)
    return best.into(loop.mean.tower)


@torch.no_grad()
def vectors_of(tower: nn.Module, views: Views, items: Tensor) -> Tensor:
    """The vectors of ``items`` as the encoder would make them: (items, dimensions)."""
    tower.eval()
    parts = [tower(views.plain(part.numpy())) for part in torch.split(items, PORTION)]
    return torch.cat(parts)


def measured(tower: nn.Module, views: Views, lessons: Lessons, fit: Fit, number: int, loss: float) -> Epoch:
    """The figures of the items that are held out."""
    items = torch.nonzero(lessons.held_out)[:, 0]
    recall = back = median = labels = None
    if len(items):
        vectors = vectors_of(tower, views, items)
        chosen, targets = _targets(lessons, items)
        if len(chosen) > 1:
            similarity = (vectors[chosen] @ targets.T).numpy()
            right = (targets @ targets.T > SAME).numpy()
            forth = ranks(similarity, right)
            recall, median = recall_at(forth, fit.recall), float(median_rank(forth))
            back = recall_at(ranks(similarity.T, right.T), fit.recall)
        labels = _right_labels(vectors, lessons, items)
    return Epoch(number, fit.epochs, loss, recall, back, median, labels)


def info_nce(vectors: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE in both directions, (batch, dimensions) each; equal targets are all right for each other."""
    logits = scale * vectors @ targets.T
    return (_shared(logits, targets) + _shared(logits.T, targets)) / 2


class _Best:
    """The best epoch so far and its tower's state, kept beside the checkpoint."""

    def __init__(self, checkpoint: Path | None, fit: Fit) -> None:
        self._fit = fit
        self._path = checkpoint and checkpoint.with_suffix(".best")
        self._kept: tuple[Epoch, dict[str, Tensor]] | None = None
        if (
            self._path is not None
            and self._path.is_file()
            and checkpoint is not None
            and checkpoint.is_file()
        ):
            stored = torch.load(self._path, weights_only=True)
            self._kept = Epoch(**stored["epoch"]), stored["state"]

    def offer(self, epoch: Epoch, tower: nn.Module) -> None:
        # Of equals the later: its rates were lower and its mean is steadier.
        if self._kept is None or epoch.score(self._fit) >= self._kept[0].score(self._fit):
            self._kept = epoch, copy.deepcopy(tower.state_dict())
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                half_done = self._path.with_suffix(".best-part")
                torch.save({"epoch": asdict(epoch), "state": self._kept[1]}, half_done)
                half_done.rename(self._path)

    def into(self, tower: T) -> tuple[T, Epoch]:
        assert self._kept is not None
        epoch, state = self._kept
        tower.load_state_dict(state)
        return tower.eval(), epoch


def _start(tower: Any, views: Views, lessons: Lessons, drawn: Tensor) -> None:
    """Set the projector to the ridge fit of what the untrained network sees to the mean of all targets."""
    with torch.no_grad():
        tower.eval()
        parts = torch.split(drawn, PORTION)
        features = torch.cat([tower.features(views.plain(part.numpy())) for part in parts])
    targets = torch.stack([_mean_target(lessons, int(item)) for item in drawn])
    tower.projector.start_from_ridge(features, targets)


def _mean_target(lessons: Lessons, item: int) -> Tensor:
    label = int(lessons.labels[item])
    parts = [side[item].mean(0) for side in (lessons.partners, lessons.texts) if len(side[item])]
    parts += [lessons.prototypes[label]] if label >= 0 else []
    if not parts:
        return torch.zeros(lessons.prototypes.shape[1])
    return F.normalize(torch.stack(parts).mean(0), dim=-1)


def _weights(bond: Bond[Any], fit: Fit) -> list[Weights]:
    head = list(bond.tower.projector.parameters())
    if bond.log_scale.requires_grad:
        head.append(bond.log_scale)
    return [Weights(list(bond.tower.trained()), fit.trunk_rate), Weights(head, fit.rate)]


def _draw(lessons: Lessons, fit: Fit) -> Tensor:
    chances = lessons.chances.masked_fill(lessons.held_out, 0.0)
    return torch.multinomial(chances, min(fit.batch, int((chances > 0).sum())))


def _loss(bond: Bond[Any], views: Views, lessons: Lessons, chosen: Tensor, fit: Fit, step: int) -> Tensor:
    shown = [
        views.drawn(item, np.random.default_rng([fit.seed, step, place]))
        for place, item in enumerate(chosen.tolist())
    ]
    vectors = bond.tower(torch.stack(shown))
    return (
        fit.partner_weight * _partner_loss(vectors, lessons, chosen, bond.scale)
        + fit.text_weight * _text_loss(vectors, lessons, chosen, bond.scale)
        + fit.label_weight * _label_loss(vectors, lessons, chosen, bond.scale)
    )


def _partner_loss(vectors: Tensor, lessons: Lessons, chosen: Tensor, scale: Tensor) -> Tensor:
    rows, targets = _one_each(lessons.partners, chosen)
    if len(rows) < 2:
        return vectors.sum() * 0
    others = _bank(lessons)
    logits = scale * vectors[rows] @ torch.cat([targets, others]).T
    # What is the same as an item's own target, in the batch or the bank, is not held against it.
    same = torch.cat([targets @ targets.T > SAME, targets @ others.T > SAME], dim=1)
    same[torch.arange(len(rows)), torch.arange(len(rows))] = False
    forth = F.cross_entropy(logits.masked_fill(same, -1e4), torch.arange(len(rows)))
    back = _shared(scale * targets @ vectors[rows].T, targets)
    return (forth + back) / 2


def _shared(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each row; its weight is shared evenly among targets that are the same as its own."""
    same = (targets @ targets.T > SAME).float()
    return -(same / same.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()


def _text_loss(vectors: Tensor, lessons: Lessons, chosen: Tensor, scale: Tensor) -> Tensor:
    rows, targets = _one_each(lessons.texts, chosen)
    return info_nce(vectors[rows], targets, scale) if len(rows) > 1 else vectors.sum() * 0


def _label_loss(vectors: Tensor, lessons: Lessons, chosen: Tensor, scale: Tensor) -> Tensor:
    labels = lessons.labels[chosen]
    if not (labels >= 0).any():
        return vectors.sum() * 0
    return F.cross_entropy(
        scale * vectors @ lessons.prototypes.T, labels, ignore_index=-1, label_smoothing=0.05
    )


def _one_each(targets: Sequence[Tensor], chosen: Tensor) -> tuple[list[int], Tensor]:
    """Which rows of the batch have targets, and a random one of each."""
    rows = [row for row, item in enumerate(chosen.tolist()) if len(targets[item])]
    picked = [targets[i][int(torch.randint(len(targets[i]), ()))] for i in chosen[rows].tolist()]
    return rows, torch.stack(picked) if picked else torch.empty(0)


def _bank(lessons: Lessons) -> Tensor:
    """Up to ``BANK`` partners of other items, as wrong answers."""
    every = torch.cat(
        [part for part, held in zip(lessons.partners, lessons.held_out, strict=True) if not held]
    )
    return every if len(every) <= BANK else every[torch.randperm(len(every))[:BANK]]


def _targets(lessons: Lessons, items: Tensor) -> tuple[list[int], Tensor]:
    """For those of ``items`` that have any: their places and first partners; or first texts."""
    for side in (lessons.partners, lessons.texts):
        chosen = [place for place, item in enumerate(items.tolist()) if len(side[item])]
        if len(chosen) > 1:
            return chosen, torch.stack([side[int(items[place])][0] for place in chosen])
    return [], torch.empty(0)


def _right_labels(vectors: Tensor, lessons: Lessons, items: Tensor) -> float | None:
    labels = lessons.labels[items]
    known = labels >= 0
    if not known.any():
        return None
    nearest = (vectors[known] @ lessons.prototypes.T).argmax(1)
    return float((nearest == labels[known]).float().mean())
