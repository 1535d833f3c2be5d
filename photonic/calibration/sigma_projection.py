"""The attenuations that suit given meshes U and V best, from the light itself.

For orthogonal U and V the best diagonal is (U^T W V^T)_ii. Real meshes are complex and lossy; what
they can do with r attenuators is a sum of r rank-one matrices that can be measured one by one, and
the best sum is a small linear least-squares problem.
"""

import math

import torch
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.calibration.drive_range import DriveRange
from photonic.calibration.tile_reading import TileTarget, complex_tiles, inner, real_tiles

# Shapes: R, C tiles, m x n one tile, r attenuators.

_RIDGE = 1e-3  # relative; keeps quadratures without light from following the noise


def attenuator_commands(fields: Tensor) -> Tensor:
    """Commands of attenuators that let given fields through.

    theta = 2 arcsin|s|, phi = arg(s) - pi/2 - theta/2, so that i e^{i (phi + theta/2)}
    sin(theta/2) = s. A negative s is a phase of pi; ``Program.attenuator_phases`` is the case of
    real s >= 0.

    Args:
        fields: (..., r) complex or real, |s| <= 1 but for rounding.

    Returns:
        (..., 2 r) float64 [rad], theta then phi, any real values.
    """
    fields = fields.to(torch.complex128)
    half = fields.abs().clamp(max=1.0).arcsin()
    return torch.cat((2 * half, fields.angle() - math.pi / 2 - half), dim=-1)


def commanded_fields(command: Tensor) -> Tensor:
    """Fields that perfect attenuators let through, the inverse of ``attenuator_commands``.

    Args:
        command: (..., 2 r) [rad] theta then phi.

    Returns:
        (..., r) complex128.
    """
    theta, phi = command.double().chunk(2, dim=-1)
    return torch.polar((theta / 2).sin(), phi + theta / 2 + math.pi / 2)


def path_responses(bench: Bench) -> Tensor:
    """Light of each path through V, one attenuator and U; r + 1 settings, 2 n (r + 1) reads.

    All attenuators are closed, then one after the other is opened; what leaks through the closed
    ones is subtracted. They are left closed but for the last, which is open.

    Args:
        bench: tiles.

    Returns:
        (R, C, r, m, n) complex, the tile per unit of field of each attenuator.
    """
    drive, rank = DriveRange(bench.hardware), bench.program.rank
    dark = torch.zeros(*bench.program.grid_shape, rank, dtype=torch.complex128)
    bench.set_phases("sigma", drive.folded(attenuator_commands(dark)))
    leak = complex_tiles(bench)
    responses = []
    for i in range(rank):
        one = dark.clone()
        one[..., i] = 1.0
        bench.set_phases("sigma", drive.folded(attenuator_commands(one)))
        responses.append(complex_tiles(bench) - leak)
    return torch.stack(responses, dim=-3)


def project_sigma(
    bench: Bench, target: TileTarget, command: Tensor, num_refinements: int = 1
) -> Tensor:
    """Commands of the attenuators for which the tiles come nearest to their targets.

    Minimises ||Re(sum_i s_i B_i) - W||^2 over complex s with the measured responses B, and divides
    by the largest |s|, which the electronics give back. Attenuators are imperfect too, so the
    result is read, and what is left is projected and added ``num_refinements`` times.

    r + 4 + num_refinements settings and 2 n (r + 1) + n (2 + num_refinements) reads.

    Args:
        bench: tiles; U and V as they are set.
        target: tiles W.
        command: (R, C, 2 r) [rad] present commands of the attenuators, within range.
        num_refinements: further projections of what is left.

    Returns:
        (R, C, 2 r) [rad] the best commands that were read, set on the bench; the present ones in
        tiles where nothing was better.

    Source: Gu et al., L2ight, NeurIPS 2021 (optimal projection for orthogonal U and V).
    """
    drive = DriveRange(bench.hardware)
    bench.set_phases("sigma", command)
    best, lowest = command, target.loss(real_tiles(bench))
    responses = torch.where(target.is_used.unsqueeze(-3), path_responses(bench), 0.0)
    fields, missing = 0.0, target.weights
    for _ in range(num_refinements + 1):
        fields = fields + _least_squares(responses, missing)
        # A tile of zeros needs no light.
        peak = fields.abs().amax(-1, keepdim=True)
        trial = drive.folded(attenuator_commands(fields / torch.where(peak > 0, peak, 1.0)))
        bench.set_phases("sigma", trial)
        tiles = real_tiles(bench)
        loss = target.loss(tiles)
        best = torch.where((loss < lowest)[..., None], trial, best)
        lowest = torch.minimum(loss, lowest)
        missing = target.weights - peak[..., None] * tiles
    bench.set_phases("sigma", best)
    return best


def _least_squares(responses: Tensor, weights: Tensor) -> Tensor:
    """(R, C, r) complex s that minimise ||Re(sum_i s_i B_i) - W||^2 plus a small ridge."""
    parts = torch.cat((responses.real, -responses.imag), dim=-3)
    flat = parts.flatten(-2)
    gram = flat @ flat.mT
    mean = gram.diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=torch.finfo(gram.dtype).tiny)
    ridge = _RIDGE * mean[..., None, None] * torch.eye(gram.shape[-1], dtype=gram.dtype)
    overlaps = inner(parts, weights.unsqueeze(-3))
    solved = torch.linalg.solve(gram + ridge, overlaps[..., None])[..., 0]
    return torch.complex(*solved.chunk(2, dim=-1))
