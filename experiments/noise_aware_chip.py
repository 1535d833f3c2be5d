"""The dense layers of a network on drawn chips, with gradients for training.

All tiles of all layers pass as one layer, so that a step decomposes, draws and realises once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.mapped import MappingSettings, dense_layers
from models.network import SPFrameNetwork
from photonic import Chip, HardwareConfig, Program, map_linear, realise_all
from photonic.chip import Meshes
from photonic.driven import joint_meshes
from photonic.mesh_errors import MeshErrors

# Shapes: T tiles of a network, K modes of a tile.


class TileStack:
    """The tiles of several weights, one under another as a single layer.

    All tiles of a network are then decomposed, drawn and realised in one batch.

    Args:
        shapes: (out, in) of each weight.
        tile: K of K x K tiles; weights are padded with zeros.
    """

    def __init__(self, shapes: Iterable[torch.Size], tile: int) -> None:
        self.shapes = [tuple(shape) for shape in shapes]
        self.tile, self.num_tiles = tile, 0
        positions = []
        for rows, columns in self.shapes:
            row, column = torch.arange(rows)[:, None], torch.arange(columns)
            per_row = math.ceil(columns / tile)
            number = self.num_tiles + row // tile * per_row + column // tile
            positions.append((number * tile + row % tile) * tile + column % tile)
            self.num_tiles += math.ceil(rows / tile) * per_row
        self._position = torch.cat([position.flatten() for position in positions])

    def join(self, weights: Iterable[Tensor]) -> Tensor:
        """(T K, K) float64 tiles of the weights."""
        joined = torch.zeros(self.num_tiles * self.tile**2, dtype=torch.float64)
        joined[self._position] = torch.cat([weight.flatten() for weight in weights]).double()
        return joined.unflatten(0, (-1, self.tile))

    def split(self, joined: Tensor) -> list[Tensor]:
        """The weights in (T K, K) tiles."""
        entries = joined.flatten()[self._position].split([math.prod(s) for s in self.shapes])
        return [part.view(shape) for part, shape in zip(entries, self.shapes, strict=True)]


@dataclass(frozen=True)
class ChipAhead(Chip):
    """A chip whose errors on one layer are being drawn while something else is computed."""

    drawn: Future[list[MeshErrors]] | None = None
    """Errors of the meshes V, sigma and U of all tiles."""

    def joint_errors(self, groups: Sequence[Meshes], shot: int = 0) -> list[MeshErrors]:
        """The errors of that layer, as ``Chip`` draws them; waits until they are."""
        return self.drawn.result()


class ChipInTheLoop:
    """Weights of a network as drawn chips realise them, with straight-through gradients.

    Args:
        network: its dense layers are put on light.
        hardware: description that chips are drawn from.
        mapping: layout of the tiles.
    """

    def __init__(
        self, network: SPFrameNetwork, hardware: HardwareConfig, mapping: MappingSettings
    ) -> None:
        self._layers = [layer for _, layer in dense_layers(network)]
        self._names = [f"{name}.weight" for name, _ in dense_layers(network)]
        self._stack = TileStack((layer.weight.shape for layer in self._layers), mapping.tile)
        self._hardware, self._mapping = hardware, mapping
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lightframe-draws")
        self._next: ChipAhead | None = None

    @property
    def num_tiles(self) -> int:
        """Tiles of all dense layers."""
        return self._stack.num_tiles

    def weights(self, seed: int, index: int) -> dict[str, Tensor]:
        """Weights on a chip, by parameter name.

        W + (W_chip - W) with the parenthesis constant: the value is that of the chip, the gradient
        is handed to W unchanged.

        Args:
            seed: of the chips.
            index: number of the chip.

        Raises:
            ValueError: if the hardware cannot carry the tiles or its drive cannot reach a phase.
        """
        own = [layer.weight for layer in self._layers]
        with torch.no_grad():
            mapping = self._mapping
            tiles = self._stack.join(own)
            program = map_linear(tiles, mapping.mesh, mapping.tile, "tiles", mapping.order)
            chip = self._chip(seed, index, program)
            (realised,) = realise_all([program], chip, dtype=own[0].dtype)
            self._next = self._ahead(seed, index + 1, program)
            errors = [there - w for there, w in zip(self._stack.split(realised), own, strict=True)]
        pairs = zip(self._names, own, errors, strict=True)
        return {name: weight + error for name, weight, error in pairs}

    def _chip(self, seed: int, index: int, program: Program) -> ChipAhead:
        """The chip that was drawn ahead if it is this one."""
        ahead = self._next
        is_next = ahead is not None and (ahead.seed, ahead.index) == (seed, index)
        return ahead if is_next else self._ahead(seed, index, program)

    def _ahead(self, seed: int, index: int, program: Program) -> ChipAhead:
        """A chip whose draws, which depend on no weight, fill the pauses of the network's step."""
        chip = Chip(self._hardware, seed, index)
        meshes = list(joint_meshes([program]).values())
        drawn = self._thread.submit(chip.joint_errors, meshes)
        return ChipAhead(self._hardware, seed, index, drawn=drawn)
