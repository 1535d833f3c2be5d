"""Phases fitted on a model of the chip: mean losses of the data sheet, couplers as measured.

The real part of a product of two complex meshes has twice the freedom that a real weight needs.
What fixed imperfections take away (modes at the edge that lose less light, splitters that no phase
corrects alone), other phases can give back. The fit needs no reading of the chip beyond the errors
that it is told.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from photonic.layout import MeshLayout
from photonic.mesh_optics import MeshState, attenuator_field, mesh_matrix
from photonic.program import tile_matrices

# Shapes: T tiles (any batch shape), m x n one tile, S shifters of a mesh.


@dataclass(frozen=True, eq=False)
class ModelFit:
    """Phases that realise target tiles on a model of the chip."""

    phases: Mapping[str, Tensor]
    """By mesh, (..., S) float64 [rad], any real values."""
    scale: Tensor
    """(...) factor that brings the tiles of the model to the size of the targets."""
    relative_error: Tensor
    """(...) ||scale Y - W|| / ||W|| of each tile on the model; 0 for a target of zeros."""


def fit_to_model(
    target: Tensor,
    start: Mapping[str, MeshState],
    layouts: Mapping[str, MeshLayout | None],
    *,
    num_steps: int = 100,
    learning_rate: float = 0.02,
    dtype: torch.dtype = torch.float32,
) -> ModelFit:
    """Phases and scale for which scale Re(U~ diag(sigma~) V~) meets the target, tile by tile.

    Adam on sum over tiles of ||s Y - W||^2/||W||^2 with the best scale s = <Y, W>/<Y, Y> of each
    tile, and a step that falls to 0 as a cosine. Tiles do not see each other.

    Args:
        target: (..., m, n) real tiles W.
        start: by mesh, phases to start from with the coupler errors and losses of the model.
        layouts: wiring by mesh; None for the attenuators.
        num_steps: steps of the fit; 0 keeps the phases and gives their scale and error.
        learning_rate: first step [rad].
        dtype: real dtype of the propagation.

    Returns:
        The phases after the last step; a tile that was better before keeps its phases.

    Raises:
        ValueError: if the number of steps is negative.

    Source: gradient design of meshes with known errors, as Vadlamani et al., Sci. Adv. (2023);
    optimiser: Kingma and Ba, ICLR 2015.
    """
    if num_steps < 0:
        raise ValueError(f"`num_steps` must be an integer >= 0, got {num_steps}")
    target = target.to(dtype)
    phases = {mesh: state.phase.clone().requires_grad_() for mesh, state in start.items()}
    best = {mesh: state.phase.clone() for mesh, state in start.items()}
    best_error = torch.full(target.shape[:-2], torch.inf, dtype=dtype)
    best_scale = torch.zeros_like(best_error)
    optimiser = torch.optim.Adam(phases.values(), lr=learning_rate)
    for step in range(num_steps + 1):
        states = {mesh: start[mesh]._replace(phase=phase) for mesh, phase in phases.items()}
        scale, error = _fit_scale(_tiles(states, layouts, dtype), target)
        with torch.no_grad():
            is_better = error < best_error
            best_error = torch.where(is_better, error, best_error)
            best_scale = torch.where(is_better, scale, best_scale)
            for mesh, phase in phases.items():
                best[mesh] = torch.where(is_better[..., None], phase, best[mesh])
        if step < num_steps:
            rate = learning_rate * (1 + math.cos(math.pi * step / num_steps)) / 2
            optimiser.param_groups[0]["lr"] = rate
            optimiser.zero_grad()
            error.sum().backward()
            optimiser.step()
    return ModelFit(best, best_scale.double(), best_error.clamp(min=0).sqrt().double())


def _tiles(
    states: Mapping[str, MeshState], layouts: Mapping[str, MeshLayout | None], dtype: torch.dtype
) -> Tensor:
    """(..., m, n) real tiles of the model."""
    u, v = (mesh_matrix(layouts[mesh], states[mesh], dtype) for mesh in ("U", "V"))
    return tile_matrices(u, attenuator_field(states["sigma"]).to(dtype.to_complex()), v)


def _fit_scale(tiles: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Best scale of each tile and its squared relative error."""
    tiny = torch.finfo(tiles.dtype).tiny
    scale = (tiles * target).sum((-2, -1)) / tiles.square().sum((-2, -1)).clamp(min=tiny)
    residue = scale[..., None, None] * tiles - target
    norm = target.square().sum((-2, -1))
    error = residue.square().sum((-2, -1)) / norm.clamp(min=tiny)
    return scale, torch.where(norm > 0, error, 0.0)
