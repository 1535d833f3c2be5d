"""What subspace learning leaves out: tiles of the feedback, input vectors, mini-batches.

Each level trades light for the noise of an estimate. Uniform choices are rescaled so that the
gradients keep their mean.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

# Shapes: R, C tiles, K input vectors.


class FeedbackRule(Protocol):
    """Which tiles of W^T carry the error of the outputs back to the inputs."""

    def factors(self, norms: Tensor, generator: np.random.Generator) -> Tensor:
        """Factors of the tiles in W^T g.

        Args:
            norms: (R, C) norms of the tiles of W.
            generator: source of random choices.

        Returns:
            (R, C) 0 where a tile is left out; as many tiles are kept in each tile column, which
            adds up to one block of W^T g, so that all blocks are done at the same time.
        """


@dataclass(frozen=True)
class UniformFeedback:
    """Tiles chosen at random in each tile column, times 1/fraction: W^T g keeps its mean.

    Raises:
        ValueError: if the fraction is not in (0, 1].
    """

    fraction: float = 1.0
    """Fraction of the tiles of a column that are kept, rounded up to a whole number."""

    def __post_init__(self) -> None:
        _check_fraction("fraction", self.fraction)

    def factors(self, norms: Tensor, generator: np.random.Generator) -> Tensor:
        """Factors of the tiles; see ``FeedbackRule``."""
        order = torch.from_numpy(generator.permuted(_counted_rows(norms), axis=0))
        return _kept(order, self.fraction)


@dataclass(frozen=True)
class LargestFeedback:
    """The tiles of largest norm in each tile column, times 1/fraction.

    W^T g does not keep its mean; what is left out is as small as it can be.

    Raises:
        ValueError: if the fraction is not in (0, 1].

    Source: Gu et al., L2ight, NeurIPS 2021 (balanced top-K feedback sampling).
    """

    fraction: float
    """Fraction of the tiles of a column that are kept, rounded up to a whole number."""

    def __post_init__(self) -> None:
        _check_fraction("fraction", self.fraction)

    def factors(self, norms: Tensor, generator: np.random.Generator) -> Tensor:
        """Factors of the tiles; see ``FeedbackRule``."""
        order = norms.argsort(dim=0, descending=True, stable=True).argsort(dim=0)
        return _kept(order, self.fraction)


@dataclass(frozen=True)
class Sampling:
    """The three levels together; by default nothing is left out.

    Raises:
        ValueError: if a fraction is not in (0, 1].

    Source: Gu et al., L2ight, NeurIPS 2021 (feedback, column and data sampling).
    """

    feedback: FeedbackRule = field(default_factory=UniformFeedback)
    """Tiles of W^T that carry the error back."""
    columns: float = 1.0
    """Fraction of the input vectors of a mini-batch that enter the gradient of Sigma."""
    batches: float = 1.0
    """Chance that a mini-batch is used at all."""

    def __post_init__(self) -> None:
        _check_fraction("columns", self.columns)
        _check_fraction("batches", self.batches)

    def chosen_columns(self, num_vectors: int, generator: np.random.Generator) -> Tensor:
        """Numbers of the input vectors that are kept, in order.

        Returns:
            (ceil(columns K),) int64; each of the K vectors has the same chance.
        """
        num_kept = math.ceil(self.columns * num_vectors)
        if num_kept == num_vectors:
            return torch.arange(num_vectors)
        chosen = generator.choice(num_vectors, num_kept, replace=False)
        return torch.from_numpy(np.sort(chosen))

    def is_used(self, generator: np.random.Generator) -> bool:
        """Whether a mini-batch is used."""
        return bool(generator.random() < self.batches)


def _counted_rows(norms: Tensor) -> np.ndarray:
    """(R, C) row numbers."""
    return np.broadcast_to(np.arange(len(norms))[:, None], tuple(norms.shape)).copy()


def _kept(order: Tensor, fraction: float) -> Tensor:
    """(R, C) float64: R/k for the first k = ceil(fraction R) tiles of each column, else 0."""
    num_rows = len(order)
    num_kept = math.ceil(fraction * num_rows)
    return (order < num_kept).double() * (num_rows / num_kept)


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"`{name}` must lie in (0, 1], got {value}")
