"""How the weight of a photonic layer follows from named tensors: the interface, and W itself.

A parameterisation is pure functions from tensors to a weight and to a program, and back; the
tensors belong to the layer (``linear.py``). ``orthogonal_factors.py`` and ``mesh_settings.py`` hold
the other two.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from photonic.layout import MeshLayout
from photonic.mapping import map_linear, tile_shape
from photonic.phases import MeshPhases
from photonic.program import Program

Layout = str | tuple[MeshLayout, MeshLayout]
"""Kind of all meshes, or the wirings of the U and the V meshes of a tile."""
Tensors = Mapping[str, Tensor]


class Parameterisation(ABC):
    """How the weight of a layer follows from its tensors, none of which it holds.

    Args:
        wiring: program whose tile grid and layouts are meant and whose scales are 1.
    """

    fixed: frozenset[str] = frozenset()
    """Names of the tensors that are stored with the layer and not trained."""

    def __init__(self, wiring: Program) -> None:
        self.wiring = wiring

    @abstractmethod
    def initial(self, generator: torch.Generator | None, dtype: torch.dtype) -> dict[str, Tensor]:
        """Random tensors; an entry of the weight has mean 0 and variance 1 / (3 in_features).

        Args:
            generator: source of the draws; None for torch's own, as in ``nn.Linear``.
            dtype: dtype of the layer; only ``Entries`` draws in it.

        Returns:
            Tensors by name, on the CPU.
        """

    @abstractmethod
    def weight(self, tensors: Tensors) -> Tensor:
        """(out_features, in_features) weight, differentiable in every tensor that is trained."""

    @abstractmethod
    def from_weight(self, weight: Tensor) -> dict[str, Tensor]:
        """Tensors that give a weight (out_features, in_features) within rounding.

        Raises:
            ValueError: if the weight is not finite or the meshes have no direct decomposition.
        """

    @abstractmethod
    def from_program(self, program: Program) -> dict[str, Tensor]:
        """Tensors that give the weight of a program of the same wiring, within rounding."""

    @abstractmethod
    def program(self, tensors: Tensors, name: str) -> Program:
        """Ideal settings that perform the weight, phases in the ranges of the conventions."""


class Entries(Parameterisation):
    """The weight itself, as in ``nn.Linear``.

    Tensors: ``weight`` (out_features, in_features).
    """

    def __init__(self, wiring: Program) -> None:
        check_universal(wiring)
        super().__init__(wiring)

    def initial(self, generator: torch.Generator | None, dtype: torch.dtype) -> dict[str, Tensor]:
        """Uniform entries of bound 1 / sqrt(in_features); the same draws as ``nn.Linear``."""
        weight = torch.empty(self.wiring.out_features, self.wiring.in_features, dtype=dtype)
        return {"weight": nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)}

    def weight(self, tensors: Tensors) -> Tensor:
        """The tensor itself."""
        return tensors["weight"]

    def from_weight(self, weight: Tensor) -> dict[str, Tensor]:
        """The weight itself."""
        return {"weight": weight}

    def from_program(self, program: Program) -> dict[str, Tensor]:
        """The weight that the program performs."""
        return {"weight": program.weight()}

    def program(self, tensors: Tensors, name: str) -> Program:
        """The weight mapped onto the tiles."""
        return map_onto(tensors["weight"], self.wiring, name)


def blank_wiring(
    out_features: int, in_features: int, layout: Layout, tile: int | Literal["full"]
) -> Program:
    """Tile grid and meshes of a layer as a program of scale 1, phases 0 and open attenuators."""
    if isinstance(layout, str):
        sizes = tile_shape((out_features, in_features), tile)
        try:
            layout = MeshLayout(layout, sizes[0]), MeshLayout(layout, sizes[1])
        except ValueError as error:
            raise ValueError(f"`layout`: {error}") from error
    elif not isinstance(layout, tuple) or [type(mesh) for mesh in layout] != [MeshLayout] * 2:
        raise TypeError(f"`layout` must be a name or two of MeshLayout, got {layout!r}")
    modes = [mesh.num_modes for mesh in layout]
    grid = (math.ceil(out_features / modes[0]), math.ceil(in_features / modes[1]))
    zero, one = (torch.tensor(value, dtype=torch.float64) for value in (0.0, 1.0))
    phases = (
        MeshPhases(*(zero.expand(*grid, size) for size in (mesh.num_mzis,) * 2 + (mesh.num_modes,)))
        for mesh in layout
    )
    ones = one.expand(*grid, min(modes))
    return Program("wiring", out_features, in_features, *layout, *phases, ones, ones[..., 0])


def map_onto(weight: Tensor, wiring: Program, name: str = "") -> Program:
    """Weight mapped onto the tiles of a wiring.

    Raises:
        ValueError: if the weight is not finite, or the meshes have no direct decomposition.
    """
    check_universal(wiring)
    rows, columns = wiring.tile_shape
    tile = rows if rows == columns else "full"
    program = map_linear(weight, wiring.u_layout.kind, tile, name)
    if (program.u_layout, program.v_layout) != (wiring.u_layout, wiring.v_layout):
        raise ValueError(f"a weight cannot be mapped onto {wiring.u_layout} and {wiring.v_layout}")
    return program


def check_universal(wiring: Program) -> None:
    """Refuse meshes without a direct decomposition.

    Raises:
        ValueError: naming the kind of mesh.
    """
    for layout in (wiring.u_layout, wiring.v_layout):
        if not layout.is_universal:
            raise ValueError(
                f"a {layout.kind} mesh cannot be set to a given weight; only its phases can be "
                'trained, with `parameterisation="phases"`'
            )
