"""The trained part: from the image tower's features into the joint space.

Three paths are added and made unit length:

* a linear map, started from the closed-form ridge solution;
* a perceptron with one hidden layer, which corrects it;
* the text vectors of the tower's 1000 classes, averaged with the probabilities that its own classifier
  gives them (M. Norouzi et al., *Zero-Shot Learning by Convex Combination of Semantic Embeddings*, 2014).
  This path knows things that no training picture shows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training.towers import FEATURES, TEXT_DIMENSIONS


class Projector(nn.Module):
    """Pooled features, (batch, ``width``), to vectors, (batch, ``dimensions``): the first two paths.

    What it makes is not yet of unit length.
    """

    def __init__(self, width: int, dimensions: int, hidden: int = 1024, dropout: float = 0.5) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dimensions)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, dimensions)
        nn.init.zeros_(self.narrow.weight)
        self.dropout = nn.Dropout(dropout)
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        x = self.dropout((features - self.mean) / self.spread)
        corrected: Tensor = self.linear(x) + self.narrow(self.dropout(F.gelu(self.widen(x))))
        return corrected

    @torch.no_grad()
    def start_from_ridge(self, features: Tensor, targets: Tensor, penalty: float = 3000.0) -> None:
        """Standardise as ``features`` ask, and set the linear path to their ridge fit to ``targets``."""
        self.mean.copy_(features.mean(0))
        self.spread.copy_(features.std(0) + 1e-3)
        x, centre = (features - self.mean) / self.spread, targets.mean(0)
        gram = x.T @ x + penalty * torch.eye(x.shape[1])
        self.linear.weight.copy_(torch.linalg.solve(gram, x.T @ (targets - centre)).T)
        self.linear.bias.copy_(centre)


class Head(Projector):
    """Pooled features, (batch, 1280), to unit vectors, (batch, 384).

    ``class_vectors`` are the text vectors of the classifier's classes, (1000, 384); they are a start, and are
    trained like everything but the classifier itself.
    """

    def __init__(
        self, classifier: nn.Linear, class_vectors: Tensor, hidden: int = 1024, dropout: float = 0.5
    ) -> None:
        super().__init__(FEATURES, TEXT_DIMENSIONS, hidden, dropout)
        self.classifier = nn.Linear(FEATURES, len(class_vectors))
        self.classifier.load_state_dict(classifier.state_dict())
        self.classifier.requires_grad_(False)
        self.class_vectors = nn.Parameter(class_vectors.clone())

    def forward(self, features: Tensor) -> Tensor:
        known = self.classifier(features).softmax(-1) @ self.class_vectors
        return F.normalize(super().forward(features) + known, dim=-1)
