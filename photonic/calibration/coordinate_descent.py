"""Descent one shifter after the other, in all tiles at once; each tile decides for itself.

An epoch visits the shifters of V, sigma and U in random order. What a visit learns of the chip
decides how many epochs are needed: one bit with fixed steps, the whole response with fits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.calibration.drive_range import DriveRange
from photonic.calibration.tile_reading import (
    TileTarget,
    complex_tiles,
    inner,
    real_tiles,
    shifter_response,
    trial_real_tiles,
)
from photonic.mesh_state import MESHES

# Shapes: R, C tiles, m x n one tile, S shifters of a mesh, T candidate steps.


@dataclass(frozen=True)
class FixedStep:
    """Step up; if the loss did not fall, step down instead, whether that is better or not.

    The step is max(step_rad decay^epoch, one step of the converter). Two settings and 2 n reads per
    shifter.

    Source: Gu et al., L2ight, NeurIPS 2021, and its code (0.1 rad, decay 0.99, 300-540 epochs).
    """

    step_rad: float = 0.1
    """First step [rad]."""
    decay: float = 0.99
    """Factor on the step from epoch to epoch."""

    def epoch(
        self,
        bench: Bench,
        target: TileTarget,
        phases: Mapping[str, Tensor],
        generator: np.random.Generator,
        number: int,
    ) -> dict[str, Tensor]:
        """Commands after a visit to every shifter; see ``MappingRule``."""
        drive = DriveRange(bench.hardware)
        phases = {mesh: command.clone() for mesh, command in phases.items()}
        step = max(self.step_rad * self.decay**number, drive.mean_step)
        loss = target.loss(real_tiles(bench))
        for mesh, shifter in _shuffled(phases, generator):
            present = phases[mesh][..., shifter]
            up, down = drive.folded(present + step), drive.folded(present - step)
            raised = target.loss(trial_real_tiles(bench, mesh, shifter, up[None])[0])
            chosen = torch.where(raised < loss, up, down)
            bench.set_shifter(mesh, shifter, chosen)
            phases[mesh][..., shifter] = chosen
            loss = target.loss(real_tiles(bench))
        return phases


@dataclass(frozen=True)
class FittedStep:
    """Measure what a shifter does, and go where the tile suits its target best.

    Half a turn shows the part of the tile that a phase turns (``shifter_response``), and with it
    the tile at every phase. The best step of at most ``max_step_rad`` is taken, rounded to the
    converter, if it is better than to stay. Two settings and 4 n reads per shifter.

    Source: sequential minimisation of sinusoids, Nakanishi et al., Phys. Rev. Res. 2, 043158
    (2020), here for the whole matrix instead of one number.
    """

    max_step_rad: float = 0.3
    """Largest step [rad]: beyond it heat spreads to shifters that the fit holds fixed."""

    def epoch(
        self,
        bench: Bench,
        target: TileTarget,
        phases: Mapping[str, Tensor],
        generator: np.random.Generator,
        number: int,
    ) -> dict[str, Tensor]:
        """Commands after a visit to every shifter; see ``MappingRule``."""
        drive = DriveRange(bench.hardware)
        phases = {mesh: command.clone() for mesh, command in phases.items()}
        steps = torch.linspace(-self.max_step_rad, self.max_step_rad, _CANDIDATES).double()
        for mesh, shifter in _shuffled(phases, generator):
            present = phases[mesh][..., shifter]
            tiles = complex_tiles(bench)
            trial = drive.half_turn_from(present)
            response = shifter_response(bench, tiles, mesh, shifter, present, trial)
            alignment = _Alignment(target, tiles, response)
            chosen = drive.nearest(present + _best(alignment, steps))
            is_better = alignment.at(chosen - present) > alignment.at(torch.zeros_like(present))
            chosen = torch.where(is_better, chosen, present)
            bench.set_shifter(mesh, shifter, chosen)
            phases[mesh][..., shifter] = chosen
        return phases


_CANDIDATES = 33  # a parabola through the best three finds the maximum between them


class _Alignment:
    """<Y, W>/||Y|| of tiles Y(t) = Re(Z + (e^{it} - 1) B) as a function of the step t.

    With Re(B) = P and -Im(B) = Q: Y(t) = Re(Z) - P + cos t P + sin t Q, so that both products are
    trigonometric polynomials.
    """

    def __init__(self, target: TileTarget, tiles: Tensor, response: Tensor) -> None:
        parts = (tiles.real - response.real, response.real, -response.imag)
        parts = [torch.where(target.is_used, part, 0.0) for part in parts]
        self._overlaps = [inner(part, target.weights) for part in parts]
        self._squares = [[inner(left, right) for right in parts] for left in parts]

    def at(self, step: Tensor) -> Tensor:
        """Alignment after steps (..., R, C) [rad]."""
        factors = (torch.ones_like(step), step.cos(), step.sin())
        overlap = sum(f * part for f, part in zip(factors, self._overlaps, strict=True))
        square = sum(
            factors[i] * factors[j] * self._squares[i][j] for i in range(3) for j in range(3)
        )
        return overlap / square.clamp(min=torch.finfo(square.dtype).tiny).sqrt()


def _best(alignment: _Alignment, steps: Tensor) -> Tensor:
    """(R, C) [rad] step of the highest alignment among steps (T,), refined by a parabola."""
    values = alignment.at(steps[:, None, None])
    best = values.argmax(0).clamp(1, len(steps) - 2)
    below, top, above = (values.gather(0, (best + k)[None])[0] for k in (-1, 0, 1))
    curvature = below + above - 2 * top
    # Flat where a shifter does nothing, as in a dark tile; convex where the best is at an end.
    shift = torch.where(curvature < 0, (below - above) / (2 * curvature), 0.0)
    return steps[best] + shift.clamp(-1, 1) * (steps[1] - steps[0])


def _shuffled(
    phases: Mapping[str, Tensor], generator: np.random.Generator
) -> list[tuple[str, int]]:
    """All (mesh, shifter), in random order."""
    shifters = [(mesh, k) for mesh in MESHES for k in range(phases[mesh].shape[-1])]
    return [shifters[i] for i in generator.permutation(len(shifters))]
