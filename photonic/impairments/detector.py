"""Noise of the photodiodes and of the amplifier behind them."""

import math

from scipy.constants import elementary_charge

from photonic.impairments.laser_noise import relative_intensity_std


def photocurrent_variance(
    power_w: float,
    responsivity_a_per_w: float,
    dark_current_a: float,
    tia_noise_a_per_sqrt_hz: float,
    bandwidth_hz: float,
    rin_db_per_hz: float | None = None,
) -> float:
    """Variance of the current of one photodiode and its amplifier.

    Var = [2 q (R P + I_d) + i_n^2 + (R P)^2 10^(rin/10)] B: shot noise, noise of the amplifier and
    noise of the laser.

    Args:
        power_w: [W] optical power P.
        responsivity_a_per_w: [A/W] photocurrent per power R.
        dark_current_a: [A] dark current I_d.
        tia_noise_a_per_sqrt_hz: [A/sqrt(Hz)] input-referred noise i_n; 4 k T/R_L = i_n^2 for a
            resistor.
        bandwidth_hz: [Hz] noise bandwidth B.
        rin_db_per_hz: [dB/Hz] relative intensity noise; None = none, or rejected.

    Returns:
        [A^2] variance.

    Source: Kumar and Deen, Fiber Optic Communications (Wiley, 2014), eq. 5.72 (shot noise) and 5.76
    (thermal noise).
    """
    current = responsivity_a_per_w * power_w
    shot = 2 * elementary_charge * (current + dark_current_a) * bandwidth_hz
    amplifier = tia_noise_a_per_sqrt_hz**2 * bandwidth_hz
    return shot + amplifier + (current * relative_intensity_std(rin_db_per_hz, bandwidth_hz)) ** 2


def balanced_noise_std(
    power_w: float,
    responsivity_a_per_w: float,
    dark_current_a: float,
    tia_noise_a_per_sqrt_hz: float,
    bandwidth_hz: float,
) -> float:
    """Std that a balanced pair of photodiodes adds to an output y, y = 1 at full scale.

    The diodes receive P (1 + y)/2 and P (1 - y)/2; the difference of their currents is i = R P y.
    Shot noise belongs to the sum of the powers, so that it does not depend on y; the pair has two
    dark currents and one amplifier: sqrt([2 q (R P + 2 I_d) + i_n^2] B)/(R P). Noise of the laser
    is common to both diodes: it is a factor on y and no part of this (``laser_noise``).

    Args:
        power_w: [W] optical power P on both diodes together, all on one of them for y = 1.
        responsivity_a_per_w: [A/W] photocurrent per power R.
        dark_current_a: [A] dark current I_d of each diode.
        tia_noise_a_per_sqrt_hz: [A/sqrt(Hz)] input-referred noise i_n of the amplifier.
        bandwidth_hz: [Hz] noise bandwidth B.

    Returns:
        Std in units of the full-scale output.

    Source: derived from ``photocurrent_variance``, for two diodes.
    """
    variance = photocurrent_variance(
        power_w, responsivity_a_per_w, 2 * dark_current_a, tia_noise_a_per_sqrt_hz, bandwidth_hz
    )
    return math.sqrt(variance) / (responsivity_a_per_w * power_w)


def effective_bits(snr: float) -> float:
    """Bits of an ideal converter with the same ratio of signal to noise, (snr_dB - 1.76)/6.02.

    Args:
        snr: ratio of the powers of signal and noise, i^2/Var(i).

    Returns:
        Bits; negative for a ratio below 1.5.

    Source: IEEE Std 1241 (effective number of bits).
    """
    return (10 * math.log10(snr) - 1.76) / 6.02
