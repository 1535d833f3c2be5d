"""Tiles of several layers as those of one: what a calibration works on in parallel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from photonic.layout import MeshLayout
from photonic.mesh_state import MESHES, Commands
from photonic.phases import MeshPhases
from photonic.program import Program, check_names

# Shapes: T tiles of all layers, R, C those of one layer, m x n one tile.


@dataclass(frozen=True, eq=False)
class TileBatch:
    """Layers whose tiles have the same wiring, and a program that holds all T tiles, grid (T, 1).

    Tiles are in the order of the layers, within a layer row by row.
    """

    layers: tuple[Program, ...]
    """The layers."""
    program: Program
    """All their tiles, one below the other."""

    @classmethod
    def of(cls, layers: Sequence[Program]) -> "TileBatch":
        """The tiles of some layers.

        Raises:
            ValueError: if there is no layer, their tiles are wired in different ways, or their
                names do not tell them apart.
        """
        if len({(layer.u_layout, layer.v_layout) for layer in layers}) != 1:
            raise ValueError("`layers` must be one or more layers with tiles of the same wiring")
        check_names(layers)
        first = layers[0]
        num_tiles = sum(layer.num_tiles for layer in layers)
        rows, columns = first.tile_shape
        program = Program(
            name="+".join(layer.name for layer in layers),
            out_features=num_tiles * rows,
            in_features=columns,
            u_layout=first.u_layout,
            v_layout=first.v_layout,
            u=_joined_phases([layer.u for layer in layers]),
            v=_joined_phases([layer.v for layer in layers]),
            attenuation=join_tiles([layer.attenuation for layer in layers]),
            scale=join_tiles([layer.scale for layer in layers]),
        )
        return cls(tuple(layers), program)

    @classmethod
    def all_of(cls, programs: Sequence[Program], max_tiles: int = 128) -> "list[TileBatch]":
        """Batches that together hold all layers.

        Args:
            programs: layers.
            max_tiles: tiles per batch, which bounds memory; a larger layer makes its own batch.
        """
        groups: dict[tuple[MeshLayout, MeshLayout], list[list[Program]]] = {}
        for program in programs:
            batches = groups.setdefault((program.u_layout, program.v_layout), [[]])
            num_tiles = sum(member.num_tiles for member in batches[-1])
            if batches[-1] and num_tiles + program.num_tiles > max_tiles:
                batches.append([])
            batches[-1].append(program)
        return [cls.of(members) for batches in groups.values() for members in batches]

    def join(self, commands: Mapping[str, Commands]) -> Commands:
        """Commands of all tiles, from those of each layer by name."""
        of = [commands[layer.name] for layer in self.layers]
        phases = {mesh: join_tiles([part.phases[mesh] for part in of]) for mesh in MESHES}
        return Commands(phases, join_tiles([part.scale for part in of]))

    def split(self, commands: Commands) -> dict[str, Commands]:
        """Commands of each layer by name, from those of all tiles."""
        sizes = [layer.num_tiles for layer in self.layers]
        phases = {mesh: commands.phases[mesh].split(sizes) for mesh in MESHES}
        scales = commands.scale.split(sizes)
        return {
            layer.name: Commands(
                {mesh: part[i].reshape(*layer.grid_shape, -1) for mesh, part in phases.items()},
                scales[i].reshape(layer.grid_shape),
            )
            for i, layer in enumerate(self.layers)
        }


def join_tiles(parts: Sequence[Tensor]) -> Tensor:
    """(T, 1, ...) of tensors (R, C, ...) of each layer."""
    return torch.cat([part.flatten(0, 1) for part in parts]).unsqueeze(1)


def _joined_phases(parts: Sequence[MeshPhases]) -> MeshPhases:
    return MeshPhases(
        join_tiles([part.theta for part in parts]),
        join_tiles([part.phi for part in parts]),
        join_tiles([part.output_phase for part in parts]),
    )
