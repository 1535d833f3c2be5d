"""Weights whose singular values are zero or equal, or whose factors have entries that are zero."""

import torch
from torch import Tensor

from tests.photonic.matrices import random_normal


def orthogonal(size: int, seed: int) -> Tensor:
    return torch.linalg.qr(random_normal(seed, size, size))[0]


def degenerate_tiles(size: int, seed: int) -> dict[str, Tensor]:
    """(size, size) float64 by name; ``size`` is even and at least 4."""
    half, unit = size // 2, torch.eye(size, dtype=torch.float64)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    left, right = orthogonal(size, seed), orthogonal(size, seed + 1)
    full, flat = random_normal(seed, size, size), random_normal(seed, half, size)
    zeros = torch.zeros_like(flat)
    repeated = torch.tensor([3.0, 3.0, 2.0, 2.0] + [1.0] * (size - 4), dtype=torch.float64)
    return {
        "zeros": torch.zeros_like(full),
        "identity": unit,
        "exchange": -unit.flip(0),
        "permutation": unit[order],
        "signs": torch.diag(1.0 - 2.0 * (order % 2)),
        "one entry": torch.zeros_like(full).index_put(
            (torch.tensor([half]), torch.tensor([1])), torch.tensor(-2.0, dtype=torch.float64)
        ),
        "ones": torch.ones_like(full),
        "integers": torch.arange(size * size, dtype=torch.float64).reshape(size, size),
        "checkerboard": 1.0 - 2.0 * ((order[:, None] + order) % 2),
        "orthogonal": left,
        "repeated values": left @ torch.diag(repeated) @ right,
        "rank two": random_normal(seed, size, 2) @ random_normal(seed + 1, 2, size),
        "padded rows": torch.cat([flat, zeros]),
        "padded columns": torch.cat([flat, zeros]).T.contiguous(),
        "padded corner": torch.nn.functional.pad(full[:half, :half], (0, half, 0, half)),
        "equal rows": torch.cat([flat, flat]),
        "opposite columns": torch.cat([flat, -flat]).T.contiguous(),
        "blocks": torch.block_diag(full[:half, :half], full[half:, half:]),
        "symmetric": full + full.T,
        "circulant": torch.stack([full[0].roll(shift) for shift in range(size)]),
        "half precision": full.half().double(),
    }
