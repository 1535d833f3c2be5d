"""Relative intensity noise of the laser, common to all modes that it feeds."""

import math

import torch
from torch import Tensor


def relative_intensity_std(rin_db_per_hz: float | None, bandwidth_hz: float) -> float:
    """Relative std of the power in a bandwidth, sqrt(10^(rin/10) B).

    Args:
        rin_db_per_hz: [dB/Hz] relative intensity noise, white over the bandwidth; None = none.
        bandwidth_hz: [Hz] noise bandwidth of the receiver.

    Returns:
        Std of the power over its mean.
    """
    if rin_db_per_hz is None:
        return 0.0
    return math.sqrt(10 ** (rin_db_per_hz / 10) * bandwidth_hz)


def laser_factors(
    rin_db_per_hz: float | None,
    bandwidth_hz: float,
    shape: tuple[int, ...],
    generator: torch.Generator,
    dtype: torch.dtype,
) -> Tensor | None:
    """Factors 1 + s n on the balanced photocurrents of each input vector, s the relative std.

    One laser feeds signal and reference of every mode: balanced detection cancels its noise where
    the signal is zero, and passes it on as a factor common to all outputs.

    Args:
        rin_db_per_hz: [dB/Hz] relative intensity noise; None = none.
        bandwidth_hz: [Hz] noise bandwidth of the receiver.
        shape: shape of the vectors.
        generator: source of randomness.
        dtype: real dtype of the factors.

    Returns:
        (*shape, 1), to be multiplied with (*shape, outputs), or None without noise.

    Source: derived from the definition of relative intensity noise.
    """
    std = relative_intensity_std(rin_db_per_hz, bandwidth_hz)
    if not std:
        return None
    noise = torch.randn(*shape, 1, generator=generator, dtype=dtype, device=generator.device)
    return 1 + std * noise
