"""Unitaries that a decomposition must handle, random settings, and the assertions on matrices."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from photonic.layout import MeshLayout
from tests.tolerances import UNITARITY_EPS

REAL_DTYPES = [torch.float32, torch.float64]
MESH_KINDS = ["clements", "reck"]


def haar(num_modes: int, seed: int, *batch: int) -> Tensor:
    """Haar-distributed unitaries: QR of Gaussians, with the phases of R moved into Q."""
    gaussian = _gaussian(num_modes, seed, *batch)
    q, r = torch.linalg.qr(gaussian)
    return q * torch.sgn(r.diagonal(dim1=-2, dim2=-1)).unsqueeze(-2)


def identity(num_modes: int, seed: int) -> Tensor:
    return torch.eye(num_modes, dtype=torch.complex128)


def anti_identity(num_modes: int, seed: int) -> Tensor:
    return identity(num_modes, seed).flip(0)


def permutation(num_modes: int, seed: int) -> Tensor:
    return identity(num_modes, seed)[torch.randperm(num_modes, generator=_generator(seed))]


def diagonal(num_modes: int, seed: int) -> Tensor:
    phase = 2 * math.pi * torch.rand(num_modes, generator=_generator(seed), dtype=torch.float64)
    return torch.diag(torch.polar(torch.ones_like(phase), phase))


def signs(num_modes: int, seed: int) -> Tensor:
    """Real diagonal of +1 and -1."""
    flips = torch.randint(2, (num_modes,), generator=_generator(seed))
    return torch.diag(1.0 - 2.0 * flips).to(torch.complex128)


def rotation(num_modes: int, seed: int) -> Tensor:
    """Real orthogonal matrix of determinant +1."""
    q = torch.linalg.qr(_gaussian(num_modes, seed).real)[0]
    q[:, 0] *= torch.linalg.det(q).sign()
    return q.to(torch.complex128)


def reflection(num_modes: int, seed: int) -> Tensor:
    """Real orthogonal matrix of determinant -1."""
    q = rotation(num_modes, seed)
    q[:, 0] *= -1
    return q


def block_diagonal(num_modes: int, seed: int) -> Tensor:
    """Two Haar blocks that share no mode: many zero pivots."""
    half = num_modes // 2
    blocks = (haar(size, seed) for size in (half, num_modes - half) if size)
    return torch.block_diag(*blocks)


def fourier(num_modes: int, seed: int) -> Tensor:
    """Discrete Fourier transform: all entries of one magnitude."""
    index = torch.arange(num_modes)
    turns = (torch.outer(index, index) % num_modes).to(torch.float64) / num_modes
    return torch.polar(torch.full_like(turns, num_modes**-0.5), 2 * math.pi * turns)


def near_identity(num_modes: int, seed: int) -> Tensor:
    """Identity with errors of the order of rounding: pivots are noise."""
    return _orthonormal(identity(num_modes, seed) + 1e-15 * _gaussian(num_modes, seed))


def near_permutation(num_modes: int, seed: int) -> Tensor:
    """Permutation with errors far above rounding and far below one."""
    return _orthonormal(permutation(num_modes, seed) + 1e-8 * _gaussian(num_modes, seed))


KINDS: list[Callable[[int, int], Tensor]] = [
    haar,
    identity,
    anti_identity,
    permutation,
    diagonal,
    signs,
    rotation,
    reflection,
    block_diagonal,
    fourier,
    near_identity,
    near_permutation,
]


def random_settings(
    layout: MeshLayout, seed: int, *batch: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """Uniform theta in [0, pi), phi and output phase in [0, 2 pi)."""
    generator = _generator(seed)
    sizes = (layout.num_mzis, layout.num_mzis, layout.num_modes)
    theta, phi, output_phase = (
        math.pi * torch.rand(*batch, size, generator=generator, dtype=dtype) for size in sizes
    )
    return theta, 2 * phi, 2 * output_phase


def random_normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=_generator(seed), dtype=dtype)


def assert_close(actual: Tensor, expected: Tensor, num_eps: float) -> None:
    """Largest deviation of an entry, in eps of the real dtype of ``actual``, scale of one."""
    assert actual.shape == expected.shape, f"{tuple(actual.shape)} != {tuple(expected.shape)}"
    error = (actual.to(expected.dtype) - expected).abs().max().item() if actual.numel() else 0.0
    error_eps = error / torch.finfo(actual.dtype).eps
    assert error_eps <= num_eps, f"error {error_eps:.1f} eps exceeds {num_eps} eps"


def assert_unitary(matrix: Tensor) -> Tensor:
    """U^H U = 1; returns the matrix."""
    unit = torch.eye(matrix.shape[-1], dtype=matrix.dtype).expand(matrix.shape)
    assert_close(matrix.mH @ matrix, unit, UNITARITY_EPS)
    return matrix


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _orthonormal(matrix: Tensor) -> Tensor:
    """Q of a QR; a Newton step removes its 26 eps of deviation, which no mesh could follow."""
    q = torch.linalg.qr(matrix)[0]
    return q @ (3 * torch.eye(len(q)) - q.mH @ q) / 2


def _gaussian(num_modes: int, seed: int, *batch: int) -> Tensor:
    return random_normal(seed, *batch, num_modes, num_modes, dtype=torch.complex128)
