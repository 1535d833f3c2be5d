"""Power of the electronics around a tile, scaled from the figures of 8-bit parts."""

_DAC_RATE_GHZ = 14.0
"""Rate at which ``dac_power_mw`` of a description is stated."""
_ADC_RATE_GHZ = 10.0
"""Rate at which ``adc_power_mw`` of a description is stated."""
_BITS = 8
"""Resolution at which both are stated."""


def dac_power_mw(reference_mw: float, bits: int, rate_ghz: float) -> float:
    """Power of one input DAC, reference_mw (2^bits/bits)/(2^8/8) rate_ghz/14.

    Args:
        reference_mw: [mW] power at 8 bit and 14 GS/s.
        bits: resolution.
        rate_ghz: [GS/s] sample rate.

    Returns:
        [mW]

    Source: Zhu et al., Lightening-Transformer, HPCA (2024), 50 mW.
    """
    return reference_mw * (2**bits / bits) / (2**_BITS / _BITS) * rate_ghz / _DAC_RATE_GHZ


def adc_power_mw(reference_mw: float, bits: int, rate_ghz: float) -> float:
    """Power of one SAR ADC, reference_mw (rate_ghz/10)(bits/8).

    Args:
        reference_mw: [mW] power at 8 bit and 10 GS/s.
        bits: resolution.
        rate_ghz: [GS/s] sample rate.

    Returns:
        [mW]

    Source: Zhu et al., Lightening-Transformer, HPCA (2024), 14.8 mW.
    """
    return reference_mw * rate_ghz / _ADC_RATE_GHZ * bits / _BITS


def modulator_power_mw(energy_fj_per_bit: float, rate_ghz: float) -> float:
    """Power of one input modulator, energy_fj_per_bit rate_ghz.

    A symbol of any number of bits moves the charge that one bit of an on-off signal moves.

    Args:
        energy_fj_per_bit: [fJ/bit] energy with an on-off signal.
        rate_ghz: [GS/s] symbol rate.

    Returns:
        [mW]

    Source: zhuhanqing/Lightening-Transformer, photonic_MZI.py.
    """
    return energy_fj_per_bit * rate_ghz * 1e-3
