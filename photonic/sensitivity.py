"""Which phase shifter, interferometer and layer suffers most from phase noise.

The exact mean square error of a layer (``layer_moments``) is differentiated with respect to the
variance of every shifter in one backward pass; nothing is drawn.

Shape legend: R, C rows and columns of tiles, S shifters of a mesh, M interferometers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from photonic.checks import instance, real_number
from photonic.layer_moments import num_shifters, tile_chunks, tile_square_errors
from photonic.mesh_state import MESHES
from photonic.program import Program, check_programs


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Error of the weights W of a layer with noise s on every phase, and its derivatives.

    F = E||W~ - W||^2 is the mean square error and E = sqrt(F)/||W|| the relative error. The noise
    s_k of shifter k acts as dE/ds_k = s_k (dF/ds_k^2)/(sqrt(F) ||W||). For small equal noise
    F = s^2 D with D = sum_k dF/ds_k^2, hence dE/ds_k = (dF/ds_k^2)/(sqrt(D) ||W||) at s = 0.
    """

    program: Program
    """Settings of the layer."""
    phase_std: float
    """[rad] noise s of every phase."""
    weight_norm: float
    """||W||, the Frobenius norm of the weights."""
    square_error: float
    """F, in units of the weights squared."""
    square_slope: Mapping[str, Tensor]
    """dF/ds_k^2 of "V", "sigma" and "U": (R, C, S) [weights squared per rad^2], in flat order
    (theta, phi, output screen); not negative at s = 0, up to rounding."""

    @property
    def relative_error(self) -> float:
        """E, the root mean square of ||W~ - W||/||W||."""
        return math.sqrt(self.square_error) / self.weight_norm

    @property
    def slope(self) -> float:
        """dE/ds [1/rad] for the noise s common to all shifters, the sum of ``shifter_slopes``.

        s D/(sqrt(F) ||W||), which is sqrt(D)/||W|| at s = 0.
        """
        return self._slope_factor() * self._total()

    def shifter_slopes(self) -> dict[str, Tensor]:
        """dE/ds_k of each shifter at equal noise s of all; at s = 0 the limit.

        If shifter k alone is noisy, the slope of E at s = 0 is sqrt(dF/ds_k^2)/||W|| instead.

        Returns:
            By mesh (R, C, S) [1/rad].
        """
        factor = self._slope_factor()
        return {mesh: factor * part for mesh, part in self.square_slope.items()}

    def mzi_slopes(self) -> dict[str, Tensor]:
        """dE/ds of each interferometer, theta and phi together.

        Returns:
            By mesh (R, C, M) [1/rad], M = r attenuators in "sigma". With the slopes of the output
            screens they sum to ``slope``.
        """
        screens = {"V": self.program.tile_shape[1], "sigma": 0, "U": self.program.tile_shape[0]}
        slopes = {}
        for mesh, part in self.shifter_slopes().items():
            theta, phi = part[..., : part.shape[-1] - screens[mesh]].chunk(2, dim=-1)
            slopes[mesh] = theta + phi
        return slopes

    def _total(self) -> float:
        """D; rounding may leave it below zero if no shifter acts in first order."""
        return max(0.0, sum(part.sum().item() for part in self.square_slope.values()))

    def _slope_factor(self) -> float:
        """(dE/ds_k) / (dF/ds_k^2)."""
        over, under = self.phase_std, self.square_error
        if over == 0:
            over, under = 1.0, self._total()
        return over / (math.sqrt(under) * self.weight_norm) if under > 0 else 0.0


class LayerSlope(NamedTuple):
    """One row of the table of a network."""

    name: str
    """Name of the layer."""
    slope: float
    """dE/ds [1/rad], growth of the relative error of its weights with the noise of its phases."""


def layer_sensitivity(program: Program, phase_std: float = 0.0) -> Sensitivity:
    """Derivatives of the error of a layer with respect to the noise of each phase shifter.

    Exact at any noise. Tiles are independent and taken in turn, so that the memory does not grow
    with the layer.

    Args:
        program: ideal settings of a layer whose weights are not all zero.
        phase_std: [rad] standard deviation of every phase.

    Returns:
        Error and derivatives in float64.

    Raises:
        ValueError: if the noise is negative or not finite, or the weights are all zero.
    """
    instance("program", program, Program)
    phase_std = real_number("phase_std", phase_std, 0.0)
    weight_norm = torch.linalg.norm(program.weight()).item()
    if weight_norm == 0:
        raise ValueError(f"the weights of {program.name!r} are zero, they have no relative error")
    sizes, square_error = num_shifters(program), 0.0
    slopes: dict[str, list[Tensor]] = {mesh: [] for mesh in MESHES}
    for tiles in tile_chunks(program):
        variance = {
            mesh: torch.full(
                (tiles.stop - tiles.start, sizes[mesh]), phase_std**2, dtype=torch.float64
            ).requires_grad_()
            for mesh in MESHES
        }
        with torch.enable_grad():
            error = tile_square_errors(program, tiles, variance).sum()
        square_error += error.item()
        for mesh, gradient in zip(
            MESHES, torch.autograd.grad(error, list(variance.values())), strict=True
        ):
            slopes[mesh].append(gradient)
    return Sensitivity(
        program=program,
        phase_std=phase_std,
        weight_norm=weight_norm,
        # Without an effect in first order, rounding may leave it below zero.
        square_error=max(0.0, square_error),
        square_slope={
            mesh: torch.cat(parts).reshape(*program.grid_shape, -1)
            for mesh, parts in slopes.items()
        },
    )


def network_sensitivity(
    programs: Mapping[str, Program] | Sequence[Program], phase_std: float = 0.0
) -> tuple[LayerSlope, ...]:
    """Slope of the relative error of each layer of a network.

    Args:
        programs: layers by name, or layers that carry their names.
        phase_std: [rad] standard deviation of every phase.

    Returns:
        One row per layer, in the given order.

    Raises:
        ValueError: if the noise is negative or not finite, or the weights of a layer are all zero.
    """
    if isinstance(programs, Mapping):
        names, layers = tuple(programs), check_programs(tuple(programs.values()))
    else:
        layers = check_programs(programs)
        names = tuple(layer.name for layer in layers)
    return tuple(
        LayerSlope(name, layer_sensitivity(layer, phase_std).slope)
        for name, layer in zip(names, layers, strict=True)
    )
