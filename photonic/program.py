"""Ideal settings of one tensor core: what a dense layer becomes on a grid of optical tiles."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from photonic.conventions import wrap_phase
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix

# Shapes: R, C rows and columns of tiles, m x n one tile, r = min(m, n).
_MESH_TENSORS = ("theta", "phi", "output_phase")
_TENSORS = {f"{mesh}.{name}" for mesh in "uv" for name in _MESH_TENSORS} | {"attenuation", "scale"}
_METADATA = {"name", "out_features", "in_features", "u_layout", "v_layout"}


@dataclass(frozen=True, eq=False)
class Program:
    """Settings of the tiles that together perform a weight matrix W (out_features, in_features).

    Tile (i, j) holds W[i m : (i + 1) m, j n : (j + 1) n], padded with zeros, as
    scale Re(U[:, :r] diag(attenuation) V[:r, :]). Light meets mesh V first (V is the matrix of the
    optics, V^T of the usual decomposition U S V^T), then r attenuators, then mesh U. The scale
    belongs to the electronics.

    Args:
        name: name of the layer; empty for a program that is not put on a chip.
        out_features: rows of W.
        in_features: columns of W.
        u_layout: wiring of the U meshes, m modes.
        v_layout: wiring of the V meshes, n modes.
        u: settings of the U meshes, batch shape (R, C).
        v: settings of the V meshes, batch shape (R, C).
        attenuation: (R, C, r) float64 amplitude factors in [0, 1].
        scale: (R, C) float64, finite and not negative.

    Raises:
        ValueError: if a shape, a dtype or a value does not fit.
    """

    name: str
    """Name of the layer, by which a chip draws its errors; empty if it has none."""
    out_features: int
    """Rows of W."""
    in_features: int
    """Columns of W."""
    u_layout: MeshLayout
    """Wiring of the U meshes, m modes."""
    v_layout: MeshLayout
    """Wiring of the V meshes, n modes."""
    u: MeshPhases
    """Settings of the U meshes, batch shape (R, C)."""
    v: MeshPhases
    """Settings of the V meshes, batch shape (R, C)."""
    attenuation: Tensor
    """(R, C, r) amplitude factors in [0, 1]."""
    scale: Tensor
    """(R, C) factor applied by the electronics."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"`name` must be a string, got {self.name!r}")
        for name in ("out_features", "in_features"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"`{name}` must be an integer >= 1, got {value!r}")
        grid = self.grid_shape
        meshes = (("u", self.u_layout, self.u), ("v", self.v_layout, self.v))
        for mesh, layout, phases in meshes:
            num_modes, num_mzis = layout.num_modes, layout.num_mzis
            _check_tensor(f"{mesh}.output_phase", phases.output_phase, (*grid, num_modes))
            _check_tensor(f"{mesh}.theta", phases.theta, (*grid, num_mzis))
            _check_tensor(f"{mesh}.phi", phases.phi, (*grid, num_mzis))
        _check_tensor("attenuation", self.attenuation, (*grid, self.rank))
        _check_tensor("scale", self.scale, grid)
        if (self.attenuation < 0).any() or (self.attenuation > 1).any():
            raise ValueError("`attenuation` must lie in [0, 1]")
        if (self.scale < 0).any():
            raise ValueError("`scale` must not be negative")

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Outputs m and inputs n of one tile."""
        return self.u_layout.num_modes, self.v_layout.num_modes

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Rows R and columns C of the tile grid, the fewest that cover W."""
        rows, columns = self.tile_shape
        return math.ceil(self.out_features / rows), math.ceil(self.in_features / columns)

    @property
    def rank(self) -> int:
        """Number r of attenuators per tile, min(m, n)."""
        return min(self.tile_shape)

    @property
    def num_tiles(self) -> int:
        """Number of tiles, R C."""
        return math.prod(self.grid_shape)

    @property
    def num_phase_shifters(self) -> int:
        """Phase shifters of all tiles: m^2 + n^2 in universal meshes, 2 r in the attenuators."""
        meshes = sum(2 * mesh.num_mzis + mesh.num_modes for mesh in (self.u_layout, self.v_layout))
        return self.num_tiles * (meshes + 2 * self.rank)

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns of zeros beyond W in the last tiles."""
        (grid_rows, grid_columns), (rows, columns) = self.grid_shape, self.tile_shape
        return grid_rows * rows - self.out_features, grid_columns * columns - self.in_features

    def attenuator_phases(self) -> tuple[Tensor, Tensor]:
        """Settings of the attenuators, each an MZI used from its upper input to its upper output.

        theta = 2 arcsin(attenuation), phi = (-pi/2 - theta/2) mod 2 pi. Then
        M00 = i exp(i theta/2) exp(i phi) sin(theta/2) = attenuation, without a phase.

        Returns:
            theta and phi, (R, C, r) float64 [rad], in [0, pi] and [0, 2 pi).
        """
        half = self.attenuation.arcsin()
        return 2 * half, wrap_phase(-math.pi / 2 - half)

    def assemble(self, u: Tensor, sigma: Tensor, v: Tensor) -> Tensor:
        """Weight matrix performed by realised tiles.

        scale Re(u[..., :, :r] diag(sigma) v[..., :r, :]), tile by tile, cropped to W.

        Args:
            u: (..., R, C, m, m) complex matrices of the U meshes.
            sigma: (..., R, C, r) real or complex amplitude factors.
            v: (..., R, C, n, n) complex matrices of the V meshes.

        Returns:
            (..., out_features, in_features) real, in the precision of the arguments.

        Raises:
            ValueError: if the last dimensions do not fit the tile grid.
        """
        rows, columns = self.tile_shape
        for name, tensor, tail in (
            ("u", u, (rows, rows)),
            ("sigma", sigma, (self.rank,)),
            ("v", v, (columns, columns)),
        ):
            expected = (*self.grid_shape, *tail)
            if tuple(tensor.shape[-len(expected) :]) != expected:
                shape = ", ".join(map(str, expected))
                raise ValueError(
                    f"`{name}` must have shape (..., {shape}), got {tuple(tensor.shape)}"
                )
        return self.join_tiles(tile_matrices(u, sigma, v))

    def join_tiles(self, tiles: Tensor, scale: Tensor | None = None) -> Tensor:
        """Weight matrix of tiles: each times its scale, put in its place, cropped to W.

        Args:
            tiles: (..., R, C, m, n) real.
            scale: (R, C) in place of the scale of the program.

        Returns:
            (..., out_features, in_features) in the precision of the tiles.
        """
        scale = self.scale if scale is None else scale
        tiles = tiles * scale.to(tiles)[..., None, None]
        matrix = tiles.transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)
        return matrix[..., : self.out_features, : self.in_features]

    def weight(self) -> Tensor:
        """Weight matrix of the ideal settings.

        Returns:
            (out_features, in_features) float64; the mapped matrix within rounding.
        """
        u = transfer_matrix(self.u_layout, self.u.theta, self.u.phi, self.u.output_phase)
        v = transfer_matrix(self.v_layout, self.v.theta, self.v.phi, self.v.output_phase)
        return self.assemble(u, self.attenuation, v)

    def to_tensors(self) -> dict[str, Tensor]:
        """Tensors of the program by name, contiguous and float64, ready for a safetensors file."""
        tensors = {
            f"{mesh}.{name}": getattr(getattr(self, mesh), name)
            for mesh in "uv"
            for name in _MESH_TENSORS
        }
        tensors |= {"attenuation": self.attenuation, "scale": self.scale}
        return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}

    def metadata(self) -> dict[str, Any]:
        """JSON-able rest of the program: name, features and layouts."""
        return {
            "name": self.name,
            "out_features": self.out_features,
            "in_features": self.in_features,
            "u_layout": self.u_layout.to_dict(),
            "v_layout": self.v_layout.to_dict(),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> "Program":
        """Program stored by ``to_tensors`` and ``metadata``, bit for bit.

        Raises:
            ValueError: naming the first part that is missing, unknown or does not fit.
        """
        _check_keys("tensors", tensors, _TENSORS)
        _check_keys("metadata", metadata, _METADATA)
        for name, tensor in tensors.items():
            if not isinstance(tensor, Tensor) or tensor.dtype != torch.float64:
                raise ValueError(f"`{name}` must be a float64 tensor")
        u, v = (MeshPhases(*(tensors[f"{mesh}.{name}"] for name in _MESH_TENSORS)) for mesh in "uv")
        return cls(
            name=metadata["name"],
            out_features=metadata["out_features"],
            in_features=metadata["in_features"],
            u_layout=_stored_layout(metadata, "u_layout", u),
            v_layout=_stored_layout(metadata, "v_layout", v),
            u=u,
            v=v,
            attenuation=tensors["attenuation"],
            scale=tensors["scale"],
        )


def check_programs(programs: Sequence[Program]) -> tuple[Program, ...]:
    """The programs of an argument, checked.

    Raises:
        TypeError: if it holds anything else.
    """
    if not isinstance(programs, Sequence) or not all(isinstance(p, Program) for p in programs):
        raise TypeError(f"`programs` must be a sequence of Program, got {reprlib.repr(programs)}")
    return tuple(programs)


def check_names(programs: Sequence[Program]) -> None:
    """Refuse layers that their names do not tell apart; draws, commands and files are kept by name.

    Raises:
        ValueError: if a layer has no name or two layers share one.
    """
    names = [program.name for program in programs]
    if "" in names:
        raise ValueError(
            "a program needs a `name`, by which a chip draws its errors: map each layer with one "
            "of its own"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"layers must have different names, or they share their draws: {names}")


def tile_matrices(u: Tensor, sigma: Tensor, v: Tensor) -> Tensor:
    """Re(u[..., :, :r] diag(sigma) v[..., :r, :]), the real matrices that tiles perform.

    Args:
        u: (..., m, m) complex matrices of the U meshes.
        sigma: (..., r) real or complex amplitude factors, r = min(m, n).
        v: (..., n, n) complex matrices of the V meshes.

    Returns:
        (..., m, n) real.
    """
    rank = sigma.shape[-1]
    left, right = u[..., :rank] * sigma.unsqueeze(-2), v[..., :rank, :]
    # The real part of the product, as one real product of twice the inner size.
    return torch.cat((left.real, -left.imag), -1) @ torch.cat((right.real, right.imag), -2)


def _check_tensor(name: str, tensor: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != expected:
        raise ValueError(f"`{name}` must have shape {expected}, got {tuple(tensor.shape)}")
    if tensor.dtype != torch.float64:
        raise ValueError(f"`{name}` must be float64, got {tensor.dtype}")
    if not tensor.isfinite().all():
        raise ValueError(f"`{name}` must be finite")


def _check_keys(what: str, given: Mapping[str, Any], expected: set[str]) -> None:
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} of a program: a mapping is needed, got {type(given).__name__}")
    missing, unknown = sorted(expected - set(given)), sorted(set(given) - expected)
    if missing or unknown:
        raise ValueError(f"{what} of a program: missing {missing}, unknown {unknown}")


def _stored_layout(metadata: Mapping[str, Any], name: str, phases: MeshPhases) -> MeshLayout:
    """Layout of the metadata, refused before it is built if it is not the size of its phases."""
    data = metadata[name]
    if not isinstance(data, Mapping) or data.get("num_modes") != phases.num_modes:
        raise ValueError(f"`{name}` must describe {phases.num_modes} modes, got {data!r}")
    depth = data.get("depth")
    if isinstance(depth, int) and phases.num_modes > 1 and depth > 2 * phases.num_mzis + 1:
        raise ValueError(f"`{name}` must describe {phases.num_mzis} interferometers, got {data!r}")
    return MeshLayout.from_dict(data)
