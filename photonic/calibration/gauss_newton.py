"""Descent over all shifters of a tile at once, from a Jacobian measured on the chip.

A tile of n x n entries has about 2 n^2 shifters: many settings give the same matrix. A joint step
uses that freedom, where a descent one by one crawls along narrow valleys: phases reach matrices
that losses keep a single decomposition from, and shifters that the converter rounds well make up
for those that it rounds badly.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.calibration.drive_range import DriveRange
from photonic.calibration.tile_reading import TileTarget, complex_tiles, inner, shifter_response
from photonic.mesh_state import MESHES

# Shapes: R, C tiles, E = m n entries of a tile, S shifters of all its meshes, D dampings.


@dataclass(frozen=True)
class JointStep:
    """Measure the Jacobian of a tile once, then take several damped Gauss-Newton steps.

    One setting and 2 n reads per shifter for the Jacobian; three settings and 2 n ``num_repeats``
    reads for each damping that is tried in a step. Each tile takes the best damping, or stays.

    Source: Levenberg, Q. Appl. Math. 2, 164 (1944) (damping); Babai, Combinatorica 6, 1 (1986)
    (rounding one by one); the Jacobian as in ``shifter_response``.
    """

    dampings: tuple[float, ...] = (1e-2, 1e-1)
    """Dampings to try, relative to the mean eigenvalue of J J^T."""
    num_steps: int = 2
    """Steps with one Jacobian, at most; fewer if no tile improves."""
    num_sweeps: int = 2
    """Sweeps that fit the phases to the codes of the converter."""
    num_repeats: int = 4
    """Readings of a tile that are averaged; it is read rarely, and all steps rest on it."""
    max_step_rad: float = 0.5
    """Largest change of a phase in a step [rad], before it is fitted to the converter."""

    def epoch(
        self,
        bench: Bench,
        target: TileTarget,
        phases: Mapping[str, Tensor],
        generator: np.random.Generator,
        number: int,
    ) -> dict[str, Tensor]:
        """Commands after the steps that one Jacobian allows; see ``MappingRule``."""
        drive = DriveRange(bench.hardware)
        sizes = [phases[mesh].shape[-1] for mesh in MESHES]
        command = torch.cat([phases[mesh] for mesh in MESHES], dim=-1)
        tiles = complex_tiles(bench, self.num_repeats)
        jacobian = _jacobian(bench, target, tiles, phases, drive)
        loss = target.loss(tiles.real)
        for _ in range(self.num_steps):
            trials = self._trials(drive, target, jacobian, tiles.real, command)
            start = command
            for trial in trials:
                _set(bench, trial, sizes)
                moved = complex_tiles(bench, self.num_repeats)
                lower = target.loss(moved.real)
                is_lower = lower < loss
                loss = torch.where(is_lower, lower, loss)
                command = torch.where(is_lower[..., None], trial, command)
            if torch.equal(command, start):
                break
            _set(bench, command, sizes)
            # Read anew: the lowest of several noisy losses is too low.
            tiles = complex_tiles(bench, self.num_repeats)
            loss = target.loss(tiles.real)
        _set(bench, command, sizes)
        return dict(zip(MESHES, command.split(sizes, dim=-1), strict=True))

    def _trials(
        self,
        drive: DriveRange,
        target: TileTarget,
        jacobian: Tensor,
        tiles: Tensor,
        command: Tensor,
    ) -> Tensor:
        """(D, R, C, S) [rad] commands, one set per damping."""
        residue, matrix = _linear_problem(target, jacobian, tiles)
        gram = matrix @ matrix.mT
        mean = gram.diagonal(dim1=-2, dim2=-1).mean(-1)
        damping = torch.tensor(self.dampings, dtype=mean.dtype)[:, None, None] * mean
        unit = torch.eye(gram.shape[-1], dtype=gram.dtype)
        # A dark tile has no gradient at all; any damping keeps it where it is.
        damping = damping.clamp(min=torch.finfo(damping.dtype).tiny)
        solved = torch.linalg.solve(gram + damping[..., None, None] * unit, residue[..., None])
        step = (matrix.mT @ solved)[..., 0]
        step[..., :-1] = step[..., :-1].clamp(-self.max_step_rad, self.max_step_rad)
        fit = ConverterFit(drive, command, matrix, residue, damping, step)
        for _ in range(self.num_sweeps):
            fit.sweep()
        return drive.nearest(command + fit.step[..., :-1].double())


class ConverterFit:
    """Steps that end on codes of the converter, one coordinate after the other.

    Minimises ||r - A d||^2 + damping ||d||^2 over steps d that lead to commands which the converter
    gives, starting from a rounded d: each visit moves one coordinate to its best code, given all
    others. The last coordinate is the scale, which is continuous.

    Args:
        drive: range and codes.
        command: (R, C, S) [rad] present commands.
        matrix: (R, C, E, S + 1) A.
        residue: (R, C, E) r.
        damping: (D, R, C).
        step: (D, R, C, S + 1) steps to start from.
    """

    def __init__(
        self,
        drive: DriveRange,
        command: Tensor,
        matrix: Tensor,
        residue: Tensor,
        damping: Tensor,
        step: Tensor,
    ) -> None:
        self._drive, self._command, self._damping = drive, command, damping
        rounded = drive.nearest(command + step[..., :-1].to(command)) - command
        self.step = torch.cat((rounded.to(step), step[..., -1:]), dim=-1)
        self._gram = matrix.mT @ matrix
        pull = (matrix.mT @ residue[..., None])[..., 0]
        pushed = (self.step.unsqueeze(-2) @ self._gram)[..., 0, :]
        self._descent = pull - pushed - damping[..., None] * self.step
        self._curvature = self._gram.diagonal(dim1=-2, dim2=-1) + damping[..., None]

    def sweep(self) -> None:
        """Visit every coordinate once."""
        for k in range(self.step.shape[-1]):
            present = self.step[..., k]
            best = present + self._descent[..., k] / self._curvature[..., k]
            if k < self.step.shape[-1] - 1:
                present_command = self._command[..., k]
                best = (self._drive.nearest(present_command + best) - present_command).to(best)
            change = best - present
            self.step[..., k] += change
            self._descent -= self._gram[..., k] * change[..., None]
            self._descent[..., k] -= self._damping * change


def _jacobian(
    bench: Bench,
    target: TileTarget,
    tiles: Tensor,
    phases: Mapping[str, Tensor],
    drive: DriveRange,
) -> Tensor:
    """(R, C, E, S) measured derivatives of the used entries of Re(tiles); one setting each.

    In single precision, as the whole step: readings are good to three digits.
    """
    columns = []
    for mesh in MESHES:
        for shifter in range(phases[mesh].shape[-1]):
            present = phases[mesh][..., shifter]
            trial = drive.half_turn_from(present)
            response = shifter_response(bench, tiles, mesh, shifter, present, trial)
            column = torch.where(target.is_used, -response.imag, 0.0).flatten(-2)
            columns.append(column.float())
    return torch.stack(columns, dim=-1)


def _linear_problem(target: TileTarget, jacobian: Tensor, tiles: Tensor) -> tuple[Tensor, Tensor]:
    """Residue (R, C, E) and matrix (R, C, E, S + 1) of J d + Y e = W ||Y||/||W|| - Y.

    The last column lets the scale follow, since only the direction of Y matters.
    """
    used = torch.where(target.is_used, tiles, 0.0)
    norm = inner(target.weights, target.weights)
    size = (inner(used, used) / torch.where(norm > 0, norm, 1.0)).sqrt()
    residue = target.weights * size[..., None, None] - used
    scale = used.flatten(-2)[..., None].float()
    return residue.flatten(-2).float(), torch.cat((jacobian, scale), dim=-1)


def _set(bench: Bench, command: Tensor, sizes: list[int]) -> None:
    for mesh, part in zip(MESHES, command.split(sizes, dim=-1), strict=True):
        bench.set_phases(mesh, part)
