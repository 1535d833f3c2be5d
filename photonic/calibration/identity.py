"""Identity calibration of L2ight: both meshes of each tile are led to the identity by powers alone.

With distinct values S in the attenuators and the columns of diag(1/S) as inputs, the powers
P = |U diag(S) V diag(1/S)|^2 are the identity only if U and V are diagonal. A zeroth-order descent,
one shifter after the other, gets there without any knowledge of the chip.

**What the identity shows, and what it does not.** Powers at the identity do not change with phi and
screens, to any order: these stay where the descent left them, and nothing is learnt of them. Nor
are all theta at bar: MZIs on the same two modes may undo each other, whatever lies between them at
bar, so that a mesh is diagonal on whole surfaces of its theta. Only where a mesh has one MZI
(N = 2) is theta = pi at the end, and the command an estimate of the bias. The signs of L2ight's
real meshes are here phases of each mode, which powers do not show. ``characterisation`` finds all
factors and biases, from less light.

Source: Gu et al., L2ight, NeurIPS 2021, and its code (identity calibration).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.calibration.chip_estimate import signed_phase
from photonic.calibration.drive_range import DriveRange
from photonic.conventions import wrap_phase
from photonic.layout import MeshLayout
from photonic.mesh_state import mesh_layouts
from photonic.randomness import keyed_generator

# Shapes: R, C tiles, m x n one tile, r = min(m, n), S shifters and M MZIs of a mesh.

_WEAKEST = 0.1
"""Smallest attenuation; the others are equally spaced up to 1."""
_FAILED_LOSS = 0.09
"""Loss above which a tile starts again."""
_RESTART_RAD = 0.01
"""[rad] Shift of all phases of a tile that starts again."""


@dataclass(frozen=True)
class IdentityDescent:
    """Schedule of the descent; the step of an epoch is max(step_rad decay^epoch, one DAC step)."""

    num_epochs: int = 400
    """Visits to every shifter."""
    step_rad: float = 0.1
    """First step [rad]."""
    decay: float = 0.99
    """Factor on the step from epoch to epoch."""
    num_restarts: int = 1
    """Further descents of the tiles that failed."""
    seed: int = 0
    """Key of the random order of the shifters."""


@dataclass(frozen=True, eq=False)
class IdentityCalibration:
    """State of the tiles with the least loss that was read."""

    commands: dict[str, Tensor]
    """By mesh, (R, C, S) [rad] commands."""
    theta_offset: dict[str, Tensor]
    """By mesh "V" and "U", (R, C, M) [rad] pi minus the command of theta, in [-pi, pi): the bias of
    theta where that MZI is at bar."""
    loss: Tensor
    """(R, C) mean((P - 1)^2) over the powers of a tile, with the noise of the reading."""
    num_restarts: Tensor
    """(R, C) how often a tile started again."""
    num_settings: int
    """How often phases were set."""
    num_reads: int
    """Input vectors sent through every tile."""


def calibrate_identity(bench: Bench, descent: IdentityDescent | None = None) -> IdentityCalibration:
    """Commands at which all tiles of a bench pass light straight, mode by mode.

    From the commands of an unbiased chip, theta = pi and all else 0, for each theta and phi in
    random order, first those of U, then those of V: go one step up if the loss read there is less
    than the loss read here, else one step down. Two settings of r reads tell, one moves. The state
    of the least loss at the end of an epoch is kept. All tiles run in parallel.

    Args:
        bench: tiles whose attenuators do what the data sheet says.
        descent: schedule; None for that of L2ight.

    Returns:
        The best state of each tile, which the bench has at the end.
    """
    descent = IdentityDescent() if descent is None else descent
    settings, reads = bench.num_settings, bench.num_reads
    tiles = _Tiles(bench)
    num_restarts = torch.zeros(bench.program.grid_shape, dtype=torch.int64)
    generator = keyed_generator(descent.seed, "identity")
    for attempt in range(1 + descent.num_restarts):
        if attempt:
            has_failed = tiles.best_loss > _FAILED_LOSS
            if not has_failed.any():
                break
            num_restarts += has_failed
            tiles.restart(has_failed)
        for epoch in range(descent.num_epochs):
            tiles.descend(descent.step_rad * descent.decay**epoch, generator)
    tiles.take_best()
    thetas = {mesh: layout.num_mzis for mesh, layout in tiles.layouts.items()}
    return IdentityCalibration(
        tiles.commands,
        {mesh: signed_phase(math.pi - tiles.commands[mesh][..., :m]) for mesh, m in thetas.items()},
        tiles.best_loss,
        num_restarts,
        bench.num_settings - settings,
        bench.num_reads - reads,
    )


class _Tiles:
    """Tiles on their way to the identity."""

    def __init__(self, bench: Bench) -> None:
        program = bench.program
        self.layouts: dict[str, MeshLayout] = {
            mesh: layout for mesh, layout in mesh_layouts(program).items() if layout is not None
        }
        self._bench, self._drive = bench, DriveRange(bench.hardware)
        attenuation = torch.linspace(_WEAKEST, 1, program.rank, dtype=torch.float64)
        (rows, columns), grid = program.tile_shape, program.grid_shape
        self._inputs = torch.eye(program.rank, columns, dtype=torch.complex128)
        self._inputs = self._inputs / attenuation[:, None]
        self._target = torch.eye(program.rank, rows, dtype=torch.float64)
        half = attenuation.arcsin()
        sigma = torch.cat((2 * half, wrap_phase(-math.pi / 2 - half)))
        self.commands = {"sigma": sigma.expand(*grid, -1).clone()}
        for mesh, layout in self.layouts.items():
            num_others = layout.num_mzis + layout.num_modes
            start = torch.cat(
                (
                    torch.full((layout.num_mzis,), math.pi, dtype=torch.float64),
                    torch.zeros(num_others, dtype=torch.float64),
                )
            )
            self.commands[mesh] = start.expand(*grid, -1).clone()
        self._set()
        self.best_loss = self._loss(bench.powers(self._inputs))
        self._best = {mesh: command.clone() for mesh, command in self.commands.items()}

    def restart(self, which: Tensor) -> None:
        """Shift all phases of some tiles; the others stay where they are."""
        for mesh in self.layouts:
            shifted = self._drive.folded(self.commands[mesh] + _RESTART_RAD)
            self.commands[mesh] = torch.where(which[..., None], shifted, self.commands[mesh])
        self._set()

    def descend(self, step: float, generator: np.random.Generator) -> None:
        """One epoch with a step [rad], not less than that of the converter."""
        step = max(step, self._drive.mean_step)
        for mesh in ("U", "V"):
            # Screens are left out: that of U is invisible, that of V part of the phi of U.
            for shifter in generator.permutation(2 * self.layouts[mesh].num_mzis).tolist():
                present = self.commands[mesh][..., shifter]
                up, down = self._drive.folded(present + step), self._drive.folded(present - step)
                trials = torch.stack((present, up))
                powers = self._bench.trial_powers(mesh, shifter, trials, self._inputs)
                here, there = self._loss(powers)
                chosen = torch.where(there < here, up, down)
                self._bench.set_shifter(mesh, shifter, chosen)
                self.commands[mesh][..., shifter] = chosen
        self._keep_best()

    def take_best(self) -> None:
        """Go to the best state."""
        self.commands = self._best
        self._set()

    def _keep_best(self) -> None:
        loss = self._loss(self._bench.powers(self._inputs))
        is_better = loss < self.best_loss
        self.best_loss = torch.where(is_better, loss, self.best_loss)
        for mesh, command in self.commands.items():
            self._best[mesh] = torch.where(is_better[..., None], command, self._best[mesh])

    def _loss(self, powers: Tensor) -> Tensor:
        """(..., R, C) mean of (P - 1)^2 over the entries of each tile."""
        return (powers - self._target).square().mean((-2, -1))

    def _set(self) -> None:
        for mesh, command in self.commands.items():
            self._bench.set_phases(mesh, command)
