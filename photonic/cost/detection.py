"""Least optical energy per symbol that a receiver needs for a number of bits."""

import math

from scipy.constants import elementary_charge

_FJ_PER_J = 1e15


def signal_to_noise(bits: float) -> float:
    """Ratio of powers 10^((6.02 bits + 1.76)/10) of a full-scale sine over rounding noise.

    Args:
        bits: effective resolution.

    Returns:
        Ratio of signal to noise power.
    """
    return 10 ** ((6.02 * bits + 1.76) / 10)


def shot_floor_fj(bits: float, responsivity_a_per_w: float) -> float:
    """Energy at a detector without receiver noise, 2 q SNR/R.

    Args:
        bits: effective resolution.
        responsivity_a_per_w: [A/W] photocurrent per optical power R.

    Returns:
        [fJ] per symbol of one period of the noise bandwidth.

    Source: derived.
    """
    return 2 * elementary_charge * signal_to_noise(bits) / responsivity_a_per_w * _FJ_PER_J


def thermal_floor_fj(
    bits: float,
    responsivity_a_per_w: float,
    tia_noise_pa_per_sqrt_hz: float,
    bandwidth_ghz: float,
) -> float:
    """Energy at a detector without shot noise, sqrt(SNR) i_n/(R sqrt(B)).

    Args:
        bits: effective resolution.
        responsivity_a_per_w: [A/W] photocurrent per optical power R.
        tia_noise_pa_per_sqrt_hz: [pA/sqrt(Hz)] input-referred noise i_n.
        bandwidth_ghz: [GHz] noise bandwidth B.

    Returns:
        [fJ] per symbol.

    Source: derived.
    """
    noise_a = tia_noise_pa_per_sqrt_hz * 1e-12
    amplitude = math.sqrt(signal_to_noise(bits) / (bandwidth_ghz * 1e9))
    return amplitude * noise_a / responsivity_a_per_w * _FJ_PER_J


def detection_floor_fj(
    bits: float,
    responsivity_a_per_w: float,
    tia_noise_pa_per_sqrt_hz: float,
    bandwidth_ghz: float,
) -> float:
    """Energy at a detector with both noises.

    SNR = (R E)^2/(2 q R E + i_n^2/B) gives E = E_s/2 + sqrt((E_s/2)^2 + E_t^2), E_s and E_t the
    floors of shot and receiver noise alone.

    Args:
        bits: effective resolution.
        responsivity_a_per_w: [A/W] photocurrent per optical power R.
        tia_noise_pa_per_sqrt_hz: [pA/sqrt(Hz)] input-referred noise i_n.
        bandwidth_ghz: [GHz] noise bandwidth B.

    Returns:
        [fJ] per symbol, at least the larger floor and at most their sum.
    """
    half = shot_floor_fj(bits, responsivity_a_per_w) / 2
    thermal = thermal_floor_fj(bits, responsivity_a_per_w, tia_noise_pa_per_sqrt_hz, bandwidth_ghz)
    return half + math.hypot(half, thermal)
