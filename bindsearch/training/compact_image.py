"""The whole recipe of the image tower's head: data to features to a fitted head, with validation figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.evaluation.metrics import Ranks, ranks, recall_at, top_k
from bindsearch.training.data import CAPTIONED, Example, prompts, read_class_names, read_sets
from bindsearch.training.features import cached_features
from bindsearch.training.fit import Classes, FitOptions, Pictures, fit
from bindsearch.training.head import Head
from bindsearch.training.texts import cached_vectors
from bindsearch.training.towers import EfficientNetLite2, load_image_tower

Say = Callable[[str], None]


class Recipe:
    """Everything that fitting needs, read or computed once. ``data`` is the folder that holds the sets."""

    def __init__(
        self, data: Path, cache: Path, views: int, seed: int, say: Say, *, permissive: bool = False
    ) -> None:
        self.say = say
        self.examples = read_sets(data, permissive=permissive)
        self.names = read_class_names(data)
        self.tower: EfficientNetLite2 = load_image_tower()
        self.vectors = self._text_vectors(cache)
        self.features = torch.stack(
            [cached_features(self.tower, self.examples, view, seed, cache, say) for view in range(views)]
        )

    def fitted_head(self, options: FitOptions, *, everything: bool = False) -> Head:
        """A fitted head; ``everything`` trains on the held-out part as well, once the settings are chosen."""
        kept = [i for i, example in enumerate(self.examples) if everything or not example.held_out]
        pictures = Pictures(
            self.features[:, kept],
            [self._texts(self.examples[i]) for i in kept],
            _groups(self.examples)[kept],
        )
        texts = torch.stack([self._lookup(prompts(name)) for name in self.names])
        classes = Classes(self.tower.classifier.weight.detach(), texts)
        torch.manual_seed(options.seed)
        head = Head(self.tower.classifier, F.normalize(texts.mean(1), dim=-1))

        def report(step: int, loss: float, head: Head) -> None:
            if step % 200 == 0:
                figures = "" if everything else f"  {self.validate(head)}"
                self.say(f"step {step:5}  loss {loss:.3f}{figures}")

        return fit(head, pictures, classes, options, report)

    @torch.no_grad()
    def validate(self, head: Head) -> str:
        """The figures on the held-out part of the training pictures, as one line."""
        held = [i for i, example in enumerate(self.examples) if example.held_out]
        vectors = head(self.features[0][held])
        examples = [self.examples[i] for i in held]
        figures = []
        for source in CAPTIONED:
            own = [i for i, example in enumerate(examples) if example.source == source and not example.label]
            if own:
                found = self._retrieval([examples[i] for i in own], vectors[own])
                recalls = " ".join(f"R@{k} {recall_at(found, k):.3f}" for k in (1, 10))
                figures.append(f"{source} {recalls}")
        labels, shares = self._top_1(examples, vectors)
        return f"validation: {', '.join(figures)}, top-1 of {labels} labels {shares:.3f}"

    def _retrieval(self, held: Sequence[Example], vectors: Tensor) -> Ranks:
        owners = np.array([n for n, example in enumerate(held) for _ in example.texts])
        texts = torch.cat([self._texts(example) for example in held])
        similarity = (texts @ vectors.T).numpy()
        return ranks(similarity, owners[:, np.newaxis] == np.arange(len(held)))

    def _top_1(self, held: Sequence[Example], vectors: Tensor) -> tuple[int, float]:
        labels = sorted({example.label for example in self.examples if example.label})
        chosen = [i for i, example in enumerate(held) if example.label]
        classes = F.normalize(torch.stack([self._lookup(prompts(label)).mean(0) for label in labels]), dim=-1)
        truth = np.array([labels.index(held[i].label) for i in chosen], np.int64)
        return len(labels), top_k((vectors[chosen] @ classes.T).numpy(), truth, 1)

    def _text_vectors(self, cache: Path) -> dict[str, Tensor]:
        wanted = {text for example in self.examples for text in example.texts}
        texts = sorted(wanted | {prompt for name in self.names for prompt in prompts(name)})
        return dict(zip(texts, cached_vectors(texts, cache, self.say), strict=True))

    def _texts(self, example: Example) -> Tensor:
        return self._lookup(example.texts)

    def _lookup(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self.vectors[text] for text in texts])


def _groups(examples: Sequence[Example]) -> Tensor:
    labels = sorted({example.label for example in examples if example.label})
    return torch.tensor(
        [labels.index(e.label) if e.label else len(labels) + i for i, e in enumerate(examples)]
    )
