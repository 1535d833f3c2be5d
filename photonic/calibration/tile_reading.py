"""Tiles read as matrices, and how far they are from what they should be.

Single modes are weak probes. Here every mode is at full scale in every vector, with signs that make
the vectors orthogonal, so that n vectors give the n columns with 1/sqrt(n) of the noise of a
reading. A homodyne receiver shows the real part of a field; vectors in quadrature show the
imaginary one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.linalg import hadamard
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.program import Program

# Shapes: R, C tiles, m x n one tile, K vectors, P trials.


@lru_cache(maxsize=64)
def probe_vectors(num_modes: int) -> Tensor:
    """Orthogonal real vectors that drive all modes near full scale.

    Rows of a Hadamard matrix if ``num_modes`` is a power of two, else of the Hartley transform
    (cos + sin)(2 pi j k/n)/sqrt(2).

    Args:
        num_modes: number n of inputs.

    Returns:
        (n, n) float64 X, shared and not to be changed; |X| <= 1 and X X^T = g 1, g = n or n/2.
    """
    if num_modes & (num_modes - 1) == 0:
        return torch.from_numpy(hadamard(num_modes).astype(np.float64))
    turns = np.outer(np.arange(num_modes), np.arange(num_modes)) % num_modes / num_modes
    # sqrt(2) sin(x + pi/4) = cos x + sin x
    return torch.from_numpy(np.sin(2 * np.pi * turns + np.pi / 4))


def real_tiles(bench: Bench, num_repeats: int = 1) -> Tensor:
    """Real part of all tiles as they are set; n ``num_repeats`` reads.

    Args:
        bench: tiles.
        num_repeats: readings to average over.

    Returns:
        (R, C, m, n) Re(U diag(sigma) V), with noise.
    """
    probes = probe_vectors(bench.program.tile_shape[1])
    return _solve(bench.fields(probes.repeat(num_repeats, 1)), probes)


def complex_tiles(bench: Bench, num_repeats: int = 1) -> Tensor:
    """All tiles as they are set, both quadratures; 2 n ``num_repeats`` reads.

    Args:
        bench: tiles.
        num_repeats: readings to average over.

    Returns:
        (R, C, m, n) complex U diag(sigma) V, with noise.
    """
    probes = probe_vectors(bench.program.tile_shape[1])
    return _solve_complex(bench.fields(_quadratures(probes).repeat(num_repeats, 1)), probes)


def trial_real_tiles(bench: Bench, mesh: str, shifter: int, commands: Tensor) -> Tensor:
    """``real_tiles`` while one shifter tries P commands (P, R, C); P settings, P n reads.

    Returns:
        (P, R, C, m, n) real.
    """
    probes = probe_vectors(bench.program.tile_shape[1])
    return _solve(bench.trial_fields(mesh, shifter, commands, probes), probes)


def trial_complex_tiles(bench: Bench, mesh: str, shifter: int, commands: Tensor) -> Tensor:
    """``complex_tiles`` while one shifter tries P commands (P, R, C); P settings, 2 P n reads.

    Returns:
        (P, R, C, m, n) complex.
    """
    probes = probe_vectors(bench.program.tile_shape[1])
    outputs = bench.trial_fields(mesh, shifter, commands, _quadratures(probes))
    return _solve_complex(outputs, probes)


def shifter_response(
    bench: Bench, tiles: Tensor, mesh: str, shifter: int, present: Tensor, trial: Tensor
) -> Tensor:
    """Part of the tiles whose light passes a shifter; one setting, 2 n reads.

    A phase step t turns this part alone: tiles(t) = tiles + (e^{it} - 1) response. That is exact
    but for crosstalk and the spread of heaters.

    Args:
        bench: tiles.
        tiles: (R, C, m, n) complex, as they are set.
        mesh: mesh of the shifter.
        shifter: number of the shifter.
        present: (R, C) [rad] its command.
        trial: (R, C) [rad] another command, best half a turn away.

    Returns:
        (R, C, m, n) complex.
    """
    moved = trial_complex_tiles(bench, mesh, shifter, trial[None])[0]
    turn = torch.polar(torch.ones_like(trial), trial - present) - 1
    return (moved - tiles) / turn[..., None, None]


@dataclass(frozen=True, eq=False)
class TileTarget:
    """Matrices that the tiles should perform up to a positive factor each.

    The electronics multiply each tile by a factor, so loss of light costs signal and no accuracy:
    tiles are compared at the factor that suits them best. Rows and columns that pad a layer carry
    no data and do not count.

    Args:
        weights: (R, C, m, n) float64 tiles of W.
        is_used: (R, C, m, n) bool, False in rows and columns beyond W.
    """

    weights: Tensor
    """(R, C, m, n) tiles of W."""
    is_used: Tensor
    """(R, C, m, n) False beyond W."""

    @classmethod
    def of(cls, program: Program, weights: Tensor) -> "TileTarget":
        """Targets of the tiles of a layer.

        Raises:
            ValueError: if the weights are not of the shape of the tiles.
        """
        shape = (*program.grid_shape, *program.tile_shape)
        if tuple(weights.shape) != shape:
            raise ValueError(f"`target` must have shape {shape}, got {tuple(weights.shape)}")
        (grid_rows, grid_columns), (rows, columns) = program.grid_shape, program.tile_shape
        is_row = (torch.arange(grid_rows * rows) < program.out_features).reshape(-1, 1, rows, 1)
        is_column = torch.arange(grid_columns * columns) < program.in_features
        is_used = is_row & is_column.reshape(1, -1, 1, columns)
        return cls(torch.where(is_used, weights.double(), 0.0), is_used)

    def scale(self, tiles: Tensor) -> Tensor:
        """Factors max(0, <Y, W>/<Y, Y>) that bring real tiles Y nearest to W.

        Args:
            tiles: (..., R, C, m, n) real.

        Returns:
            (..., R, C).
        """
        overlap, square, _ = self._products(tiles)
        return overlap.clamp(min=0.0) / square.clamp(min=_TINY)

    def loss(self, tiles: Tensor) -> Tensor:
        """Squared relative error ||scale Y - W||^2/||W||^2 at the best scale.

        Args:
            tiles: (..., R, C, m, n) real.

        Returns:
            (..., R, C) in [0, 1]; 0 for a target of zeros.
        """
        overlap, square, norm = self._products(tiles)
        aligned = overlap.clamp(min=0.0).square() / (square * norm).clamp(min=_TINY)
        return torch.where(norm > 0, (1 - aligned).clamp(min=0.0), 0.0)

    def _products(self, tiles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """<Y, W>, <Y, Y> and <W, W> over the used entries."""
        used = torch.where(self.is_used, tiles, 0.0)
        return inner(used, self.weights), inner(used, used), inner(self.weights, self.weights)


_TINY = 1e-300  # keeps 0/0 of dark tiles at 0


def inner(left: Tensor, right: Tensor) -> Tensor:
    """(...) inner products of real matrices (..., m, n)."""
    return (left * right).sum((-2, -1))


def _quadratures(probes: Tensor) -> Tensor:
    """(2 K, n) complex: vectors that show real parts, then vectors that show imaginary parts."""
    return torch.cat((torch.complex(probes, torch.zeros_like(probes)), -1j * probes))


def _solve(outputs: Tensor, probes: Tensor) -> Tensor:
    """(..., m, n) matrices behind outputs (..., repeats K, m) of orthogonal probes."""
    mean = outputs.unflatten(-2, (-1, len(probes))).mean(-3)
    return (probes.T @ mean).mT / probes[0].square().sum()


def _solve_complex(outputs: Tensor, probes: Tensor) -> Tensor:
    parts = outputs.unflatten(-2, (-1, 2, len(probes))).mean(-4)
    real, imag = (_solve(part, probes) for part in parts.unbind(-3))
    return torch.complex(real, imag)
