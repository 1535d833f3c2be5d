"""Phases along the paths of a square tile whose MZIs are near bar, as linear forms of its shifters.

With every MZI at theta = pi light stays on its mode, and collects the phases of the shifters that
it meets. What a fringe shows is the difference of two such sums, or one sum against a local
oscillator.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from photonic.layout import MeshLayout
from photonic.mesh_state import MESHES, mesh_layouts
from photonic.program import Program

# Shapes: N modes, M MZIs of a mesh, S shifters of a mesh, Z those of a tile: V, sigma, U.


@dataclass(frozen=True, eq=False)
class LightPaths:
    """Linear forms of the phases of a tile, theta counted from pi, and their constants.

    A mode whose light crosses an MZI above gains phi + pi + (theta - pi)/2, below (theta - pi)/2,
    and psi in a screen.
    """

    interference: dict[str, Tensor]
    """By mesh "V" and "U", (M, Z): phase of the upper against the lower input of each MZI, its own
    phi included."""
    interference_constant: dict[str, Tensor]
    """(M,) [rad]."""
    through: Tensor
    """(N, Z): phase of each mode from the input to the output of the tile."""
    through_constant: Tensor
    """(N,) [rad]."""
    first: dict[str, int]
    """By mesh, position of its first shifter among the Z."""

    @classmethod
    def of(cls, program: Program) -> "LightPaths":
        """Paths of the tiles of a program.

        Raises:
            ValueError: if tiles are not square: some modes would end within them.
        """
        if program.tile_shape[0] != program.tile_shape[1]:
            raise ValueError(
                f"light paths need square tiles, got {program.tile_shape} in {program.name!r}"
            )
        layouts, n = mesh_layouts(program), program.tile_shape[0]
        sizes = {mesh: _num_shifters(layout, program.rank) for mesh, layout in layouts.items()}
        first = {"V": 0, "sigma": sizes["V"], "U": sizes["V"] + sizes["sigma"]}
        path = torch.zeros(n, sum(sizes.values()), dtype=torch.float64)
        constant = torch.zeros(n, dtype=torch.float64)
        forms, constants = {}, {}
        for mesh in MESHES:
            layout, start = layouts[mesh], first[mesh]
            if layout is None:
                mode = torch.arange(n)
                path[mode, start + mode] += 0.5
                path[mode, start + n + mode] += 1
                constant += torch.pi
                continue
            forms[mesh], constants[mesh] = _cross_mesh(layout, start, path, constant)
        return cls(forms, constants, path, constant, first)


def _cross_mesh(
    layout: MeshLayout, start: int, path: Tensor, constant: Tensor
) -> tuple[Tensor, Tensor]:
    """Forms at each MZI of a mesh; continues the paths in place."""
    m, n = layout.num_mzis, layout.num_modes
    forms = path.new_zeros(m, path.shape[-1])
    constants = path.new_zeros(m)
    for mzi, (upper, lower) in enumerate(
        zip(layout.mode.tolist(), layout.partner.tolist(), strict=True)
    ):
        theta, phi = start + mzi, start + m + mzi
        path[upper, phi] += 1
        forms[mzi] = path[upper] - path[lower]
        constants[mzi] = constant[upper] - constant[lower]
        path[[upper, lower], theta] += 0.5
        constant[upper] += torch.pi
    mode = torch.arange(n)
    path[mode, start + 2 * m + mode] += 1
    return forms, constants


def next_on_modes(layout: MeshLayout, mzi: int) -> tuple[int | None, int | None]:
    """MZIs that the upper and the lower output of an MZI lead to; None = the end of the mesh."""
    behind = layout.column > layout.column[mzi]

    def first(mode: int) -> int | None:
        found = np.flatnonzero(behind & ((layout.mode == mode) | (layout.partner == mode)))
        return int(found[0]) if found.size else None

    return first(layout.mode[mzi]), first(layout.partner[mzi])


def next_shifter(layout: MeshLayout, mzi: int) -> int:
    """Flat number of the first shifter behind an MZI that turns one of its outputs.

    The phi of the first MZI whose upper mode is one of the two, else the screen of the upper mode.
    """
    pair = (layout.mode[mzi], layout.partner[mzi])
    found = np.flatnonzero((layout.column > layout.column[mzi]) & np.isin(layout.mode, pair))
    if found.size:
        return layout.num_mzis + int(found[0])
    return 2 * layout.num_mzis + int(layout.mode[mzi])


def _num_shifters(layout: MeshLayout | None, rank: int) -> int:
    return 2 * rank if layout is None else 2 * layout.num_mzis + layout.num_modes
