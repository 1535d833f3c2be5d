"""Parallel mapping: every tile descends, on the chip, to the matrix that it should perform."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.calibration.drive_range import DriveRange
from photonic.calibration.gauss_newton import JointStep
from photonic.calibration.sigma_projection import project_sigma
from photonic.calibration.tile_reading import TileTarget, real_tiles
from photonic.driven import electronic_gain
from photonic.mesh_state import MESHES, Commands
from photonic.randomness import keyed_generator

# Shapes: R, C tiles, m x n one tile, S shifters of a mesh, E epochs.


class MappingRule(Protocol):
    """How an epoch moves the phases."""

    def epoch(
        self,
        bench: Bench,
        target: TileTarget,
        phases: Mapping[str, Tensor],
        generator: np.random.Generator,
        number: int,
    ) -> dict[str, Tensor]:
        """Commands after an epoch.

        Args:
            bench: tiles, set to ``phases``.
            target: what the tiles should perform.
            phases: by mesh, (R, C, S) [rad] commands within the range of the drive.
            generator: source of random choices.
            number: number of the epoch, from 0.

        Returns:
            By mesh, new commands within range, which the bench is set to.
        """


@dataclass(frozen=True, eq=False)
class Mapped:
    """Commands found on the chip, and what they cost."""

    commands: Commands
    """Commands and scales of the tiles."""
    losses: Tensor
    """(E + 3, R, C) measured squared relative errors: at the start, after the first projection,
    after each epoch, and of the commands."""
    num_settings: int
    """Settings that were used."""
    num_reads: int
    """Reads that were used."""


def parallel_mapping(
    bench: Bench,
    target: Tensor,
    start: Commands,
    *,
    rule: MappingRule | None = None,
    num_epochs: int = 3,
    num_repeats: int = 4,
    seed: int = 0,
) -> Mapped:
    """Commands with which the tiles of a chip perform given matrices, found on the chip.

    The attenuators are projected (``project_sigma``), which costs next to nothing and mends most of
    what only moves the phases of whole paths. Then every tile descends by the rule; the best state
    that it was read in is kept, projected once more, and the electronic scale is read off. The loss
    is ||s Y - W||^2/||W||^2 at the best scale s of each tile.

    Args:
        bench: tiles of one layer.
        target: (R, C, m, n) tiles of W, scale included, zeros beyond W.
        start: commands to start from, moved into the range of the drive if need be.
        rule: how an epoch moves the phases; None for ``JointStep()``.
        num_epochs: epochs.
        num_repeats: readings averaged where losses and scales are read.
        seed: key of the random choices.

    Returns:
        Commands whose scale, times ``electronic_gain``, brings the tiles to the size of W.

    Raises:
        ValueError: if the target is not of the shape of the tiles or an argument is out of range.

    Source: Gu et al., L2ight, NeurIPS 2021 (parallel mapping).
    """
    if num_epochs < 0 or num_repeats < 1:
        raise ValueError(
            f"`num_epochs` must be >= 0 and `num_repeats` >= 1, got {num_epochs} and {num_repeats}"
        )
    before = bench.num_settings, bench.num_reads
    tiles, drive = TileTarget.of(bench.program, target), DriveRange(bench.hardware)
    rule = JointStep() if rule is None else rule
    phases = {mesh: drive.folded(start.phases[mesh].detach()) for mesh in MESHES}
    _set(bench, phases)
    losses = [tiles.loss(real_tiles(bench, num_repeats))]
    phases["sigma"] = project_sigma(bench, tiles, phases["sigma"])
    losses.append(tiles.loss(real_tiles(bench, num_repeats)))
    best, lowest = phases, losses[-1]
    for number in range(num_epochs):
        generator = keyed_generator(seed, bench.program.name, "parallel_mapping", number)
        phases = rule.epoch(bench, tiles, phases, generator, number)
        losses.append(tiles.loss(real_tiles(bench, num_repeats)))
        best = _selected(losses[-1] < lowest, phases, best)
        lowest = torch.minimum(losses[-1], lowest)
    _set(bench, best)
    best["sigma"] = project_sigma(bench, tiles, best["sigma"])
    final = real_tiles(bench, num_repeats)
    losses.append(tiles.loss(final))
    scale = tiles.scale(final) / electronic_gain(bench.program, bench.hardware)
    return Mapped(
        Commands(best, scale),
        torch.stack(losses),
        bench.num_settings - before[0],
        bench.num_reads - before[1],
    )


def _set(bench: Bench, phases: Mapping[str, Tensor]) -> None:
    for mesh in MESHES:
        bench.set_phases(mesh, phases[mesh])


def _selected(
    is_first: Tensor, first: Mapping[str, Tensor], second: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """By tile, the commands of one or the other."""
    return {mesh: torch.where(is_first[..., None], first[mesh], second[mesh]) for mesh in MESHES}
