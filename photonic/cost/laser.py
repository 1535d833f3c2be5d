"""Laser power that a tile needs."""

import math


def path_loss_db(modulator_loss_db: float, mzi_loss_db: float, num_columns: int) -> float:
    """Loss from the laser to a detector on the longest path through a tile.

    modulator_loss_db + mzi_loss_db num_columns. A tile of M x N modes on rectangular meshes has
    M + N + 1 columns, the one between the meshes being that of the attenuators.

    Args:
        modulator_loss_db: [dB] input modulator.
        mzi_loss_db: [dB] one interferometer.
        num_columns: interferometers in series.

    Returns:
        [dB of power]

    Source: Zhu et al., Lightening-Transformer, HPCA (2024).
    """
    return modulator_loss_db + mzi_loss_db * num_columns


def laser_power_mw(
    sensitivity_dbm: float, loss_db: float, num_inputs: int, bits: int, wall_plug: float
) -> float:
    """Electrical power of the laser of a tile.

    10^((sensitivity_dbm + loss_db + 10 log10 num_inputs)/10) 2^bits/wall_plug.

    Args:
        sensitivity_dbm: [dBm] power at a detector, before the factor 2^bits.
        loss_db: [dB] loss of the longest path.
        num_inputs: modulated inputs N that share the light.
        bits: resolution of the outputs.
        wall_plug: optical over electrical power.

    Returns:
        [mW]

    Raises:
        ValueError: if the wall-plug efficiency is not positive.

    Source: Zhu et al., Lightening-Transformer, HPCA (2024).
    """
    if not wall_plug > 0:
        raise ValueError(f"`laser_wall_plug` must be positive, got {wall_plug}")
    optical_dbm = sensitivity_dbm + loss_db + 10 * math.log10(num_inputs)
    return 10 ** (optical_dbm / 10) * 2**bits / wall_plug
