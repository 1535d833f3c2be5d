"""A weight as singular factors that stay orthogonal while they are trained.

Shape legend: R, C rows and columns of tiles, m x n one tile, r = min(m, n).
"""

import math

import torch
from torch import Tensor

from photonic.parameterisations import Parameterisation, Tensors, check_universal, map_onto
from photonic.program import Program
from photonic.propagation import transfer_matrix


class OrthogonalFactors(Parameterisation):
    """Singular factors: tiles U[:, :r] diag(singular) V[:r, :] with real orthogonal U and V.

    U = u_base (1 - A/2)^-1 (1 + A/2), where A is skew-symmetric and holds ``u_rotation`` above its
    diagonal; V likewise. For small A this turns by the angles in A. Both stay orthogonal to
    rounding whatever the optimiser does, with as many parameters as the orthogonal group has
    dimensions; a half turn from the base is approached, not reached. (The matrix exponential
    reaches it, but took seven times as long.) The singular values may change sign.

    Tensors: ``u_rotation`` (R, C, m (m - 1)/2), ``v_rotation`` (R, C, n (n - 1)/2) [rad],
    ``singular`` (R, C, r); not trained: ``u_base`` (R, C, m, m), ``v_base`` (R, C, n, n).

    Source: Helfrich et al., Orthogonal recurrent neural networks with scaled Cayley transform, ICML
    (2018).
    """

    fixed = frozenset({"u_base", "v_base"})

    def __init__(self, wiring: Program) -> None:
        check_universal(wiring)
        super().__init__(wiring)

    def initial(self, generator: torch.Generator | None, dtype: torch.dtype) -> dict[str, Tensor]:
        """Haar-random U and V, equal singular values s.

        E U_ik U_il = delta_kl / m, so an entry has variance r s^2 / (m n) = 1 / (3 in_features).
        """
        (rows, columns), rank = self.wiring.tile_shape, self.wiring.rank
        singular = math.sqrt(rows * columns / (3 * self.wiring.in_features * rank))
        u, v = (_haar_orthogonal(self.wiring.grid_shape, n, generator) for n in (rows, columns))
        return self._tensors(u, v, torch.full_like(self.wiring.attenuation, singular))

    def weight(self, tensors: Tensors) -> Tensor:
        """The tiles, put together; half precision is computed in float32, as LAPACK has none."""
        dtype = tensors["singular"].dtype
        if dtype in (torch.float16, torch.bfloat16):
            return self.weight({name: tensor.float() for name, tensor in tensors.items()}).to(dtype)
        u, v = (
            tensors[f"{mesh}_base"] @ _rotation(tensors[f"{mesh}_rotation"], size)
            for mesh, size in zip("uv", self.wiring.tile_shape, strict=True)
        )
        optical = u.dtype.to_complex()
        return self.wiring.assemble(u.to(optical), tensors["singular"], v.to(optical))

    def from_weight(self, weight: Tensor) -> dict[str, Tensor]:
        """The singular value decomposition of each tile, from its mapping."""
        mapped = map_onto(weight, self.wiring)
        u, v = (
            transfer_matrix(layout, mesh.theta, mesh.phi, mesh.output_phase).real
            for layout, mesh in ((mapped.u_layout, mapped.u), (mapped.v_layout, mapped.v))
        )
        return self._tensors(u, v, mapped.scale[..., None] * mapped.attenuation)

    def from_program(self, program: Program) -> dict[str, Tensor]:
        """The decomposition of its weight, because its meshes need not be real."""
        return self.from_weight(program.weight())

    def program(self, tensors: Tensors, name: str) -> Program:
        """The weight mapped onto the tiles, with factors that are orthogonal in float64."""
        return map_onto(self.weight(tensors), self.wiring, name)

    def _tensors(self, u: Tensor, v: Tensor, singular: Tensor) -> dict[str, Tensor]:
        tensors = {"u_base": u, "v_base": v, "singular": singular}
        for mesh, base in (("u", u), ("v", v)):
            num_rotations = math.comb(base.shape[-1], 2)
            tensors[f"{mesh}_rotation"] = base.new_zeros(*base.shape[:-2], num_rotations)
        return tensors


def _rotation(above: Tensor, size: int) -> Tensor:
    """(..., size, size) Cayley transform of the skew-symmetric A with entries ``above`` it."""
    row, column = torch.triu_indices(size, size, 1, device=above.device)
    upper = above.new_zeros(*above.shape[:-1], size, size)
    upper[..., row, column] = above
    half = (upper - upper.mT) / 2
    unit = torch.eye(size, dtype=half.dtype, device=half.device)
    return torch.linalg.solve(unit - half, unit + half)


def _haar_orthogonal(
    batch_shape: tuple[int, int], size: int, generator: torch.Generator | None
) -> Tensor:
    """Haar-random orthogonal matrices: QR of Gaussians, with the signs of R moved into Q."""
    gaussian = torch.randn(*batch_shape, size, size, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    return q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
