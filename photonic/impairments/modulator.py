"""Input modulators: converters of finite resolution, and light that they cannot extinguish."""

import torch
from torch import Tensor

from photonic.impairments.adc import convert


def modulate(x: Tensor, bits: int | None, extinction_db: float | None) -> Tensor:
    """Fields that modulators send for wanted ones, as fractions of a full-scale field.

    x is rounded to one of 2^(bits - 1) - 1 positive levels, zero or their negatives. Then the power
    is brought between eps^2 and 1, |field| = sqrt(eps^2 + (1 - eps^2) x^2) with
    eps^2 = 10^(-extinction_db/10), and the field keeps the sign of x (zero counts as positive).

    Args:
        x: (...) in [-1, 1] real.
        bits: resolution of the modulator's converter, sign included; None = continuous.
        extinction_db: [dB of power] largest over smallest power; None = complete extinction.

    Returns:
        (...) in [-1, 1]; ``x`` itself if both figures are None. Gradients pass the rounding.

    Raises:
        ValueError: if there are fewer than 2 bits.

    Source: assumed; modulators of the component library of SimPhony (ScopeX-ASU/SimPhony) have
    extinctions of 6 to 15 dB.
    """
    field = convert(x, bits)
    if extinction_db is None:
        return field
    floor = 10 ** (-extinction_db / 10)
    magnitude = (floor + (1 - floor) * field.square()).sqrt()
    return torch.where(field < 0, -magnitude, magnitude)
