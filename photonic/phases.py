"""Phase settings of a mesh or of a batch of meshes; no wiring and no physics."""

from dataclasses import dataclass

import torch
from torch import Tensor

Index = int | slice | Tensor
"""What selects along one batch dimension."""


@dataclass(frozen=True, eq=False)
class MeshPhases:
    """Settings of all phase shifters, in the order of the layout (column, then mode).

    Any real value is allowed; ``decompose`` returns theta in [0, pi], phi and output_phase in
    [0, 2 pi).

    Args:
        theta: (..., M) float64 [rad] internal phases.
        phi: (..., M) float64 [rad] external phases.
        output_phase: (..., N) float64 [rad] screen after the last column.

    Raises:
        TypeError: if a tensor is not float64.
        ValueError: if the shapes do not belong to one batch of meshes.
    """

    theta: Tensor
    """(..., num_mzis) [rad] internal phases."""
    phi: Tensor
    """(..., num_mzis) [rad] external phases."""
    output_phase: Tensor
    """(..., N) [rad] output phases."""

    def __post_init__(self) -> None:
        for name in ("theta", "phi", "output_phase"):
            tensor = getattr(self, name)
            found = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            if found != torch.float64:
                raise TypeError(f"`{name}` must be a float64 tensor, got {found}")
        if self.output_phase.ndim < 1 or self.output_phase.shape[-1] < 1:
            shape = tuple(self.output_phase.shape)
            raise ValueError(f"`output_phase` must have shape (..., N) with N >= 1, got {shape}")
        if self.theta.ndim < 1:
            raise ValueError("`theta` must have shape (..., M), got ()")
        expected = (*self.batch_shape, self.num_mzis)
        for name in ("theta", "phi"):
            shape = tuple(getattr(self, name).shape)
            if shape != expected:
                raise ValueError(f"`{name}` must have shape {expected}, got {shape}")

    @property
    def num_modes(self) -> int:
        """Number N of waveguides."""
        return self.output_phase.shape[-1]

    @property
    def num_mzis(self) -> int:
        """Number of interferometers per mesh."""
        return self.theta.shape[-1]

    @property
    def batch_shape(self) -> torch.Size:
        """Leading dimensions, empty for a single mesh."""
        return self.output_phase.shape[:-1]

    def __getitem__(self, index: Index | tuple[Index, ...]) -> "MeshPhases":
        """Meshes selected along the batch dimensions, as views where torch gives views."""
        index = index if isinstance(index, tuple) else (index,)
        if len(index) > len(self.batch_shape):
            raise IndexError(f"{len(index)} indices for batch shape {tuple(self.batch_shape)}")
        return MeshPhases(
            self.theta[(*index, ...)], self.phi[(*index, ...)], self.output_phase[(*index, ...)]
        )
