"""The steps of a fit that can be interrupted: one loop for every tower.

Each step is seeded by its number, so that a run that was interrupted goes on as if it had not been. A running
mean of the weights is kept beside them; the mean is what is measured and shipped. A checkpoint holds the
module, its mean, the optimizer and the step, and is replaced in one rename.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Weights:
    """Some of a module's weights, and the learning rate of their own."""

    parameters: Sequence[nn.Parameter]
    rate: float


class Loop(Generic[Module]):
    """Steps of AdamW over ``groups``, whose rates follow ``paces``: one factor for each step.

    ``averaging`` is how much of the mean each step keeps. With a ``checkpoint`` the loop goes on where
    that was kept.
    """

    def __init__(
        self,
        module: Module,
        groups: Sequence[Weights],
        paces: Sequence[float],
        *,
        decay: float,
        averaging: float,
        seed: int,
        checkpoint: Path | None = None,
    ) -> None:
        self.module = module
        self._paces, self._seed, self._checkpoint = paces, seed, checkpoint
        # Vectors (biases, norms, scales) are left out of the decay, as is usual.
        self._optimizer = torch.optim.AdamW([part for group in groups for part in _decayed(group, decay)])
        self._averaged = AveragedModel(module, multi_avg_fn=_running_mean(averaging), use_buffers=True)
        self.done = self._resumed()

    def steps(self) -> Iterator[int]:
        """The steps that are left, from 1 on in all; each is seeded and its rates are set."""
        for step in range(self.done + 1, len(self._paces) + 1):
            torch.manual_seed(self._seed * 1_000_003 + step)
            for group in self._optimizer.param_groups:
                group["lr"] = group["peak"] * self._paces[step - 1]
            self.module.train()
            yield step

    def take(self, loss: Tensor) -> None:
        """One step down ``loss``."""
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._averaged.update_parameters(self.module)

    @property
    def mean(self) -> Module:
        """The running mean, ready to be measured."""
        return cast(Module, self._averaged.module.eval())

    def keep(self, step: int) -> None:
        """Write the checkpoint."""
        if self._checkpoint is not None:
            self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
            half_done = self._checkpoint.with_suffix(".part")
            states = {name: part.state_dict() for name, part in self._parts().items()}
            torch.save({**states, "step": step}, half_done)
            half_done.rename(self._checkpoint)

    def _parts(self) -> dict[str, Any]:
        return {"tower": self.module, "averaged": self._averaged, "optimizer": self._optimizer}

    def _resumed(self) -> int:
        if self._checkpoint is None or not self._checkpoint.is_file():
            return 0
        stored = torch.load(self._checkpoint, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(stored[name])
        return int(stored["step"])


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many cores inside: small networks are slower on several, much slower on busy ones."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def warm_cosine(steps: int, warm: float = 0.1) -> list[float]:
    """Factors that rise evenly in the first ``warm`` of the steps and fall to nothing along a cosine
    (I. Loshchilov, F. Hutter, *SGDR*, 2017)."""
    first = max(1, int(steps * warm))
    rising = [step / first for step in range(1, first + 1)]
    rest = max(1, steps - first)
    return rising + [0.5 * (1 + math.cos(math.pi * step / rest)) for step in range(1, steps - first + 1)]


def _running_mean(averaging: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """An exponential mean that keeps ``averaging`` of itself, and less while it has seen few steps: in a
    short fit, the weights that it began with would otherwise never fade."""

    @torch.no_grad()
    def update(means: Sequence[Tensor], currents: Sequence[Tensor], steps: Tensor | int) -> None:
        kept = min(averaging, (1 + int(steps)) / (10 + int(steps)))
        for mean, current in zip(means, currents, strict=True):
            if mean.is_floating_point():
                mean.lerp_(current, 1 - kept)
            else:
                mean.copy_(current)

    return update


def _decayed(group: Weights, decay: float) -> list[dict[str, Any]]:
    matrices = [weight for weight in group.parameters if weight.ndim > 1]
    vectors = [weight for weight in group.parameters if weight.ndim <= 1]
    parts = [(matrices, decay), (vectors, 0.0)]
    return [
        {"params": weights, "weight_decay": share, "lr": group.rate, "peak": group.rate}
        for weights, share in parts
        if weights
    ]
