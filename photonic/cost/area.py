"""Chip area of a tile with its electronics."""


def tile_area_um2(
    num_mzis: int,
    num_inputs: int,
    num_outputs: int,
    *,
    mzi_um2: float,
    laser_um2: float,
    input_um2: float,
    output_um2: float,
) -> float:
    """Sum of the footprints of the parts of a tile; routing is not counted.

    Args:
        num_mzis: interferometers of both meshes and attenuators.
        num_inputs: inputs N, each with what ``input_um2`` covers.
        num_outputs: outputs M, each with what ``output_um2`` covers.
        mzi_um2: [um2] one interferometer.
        laser_um2: [um2] the laser.
        input_um2: [um2] modulator and DAC.
        output_um2: [um2] receiver and ADC.

    Returns:
        [um2]

    Source: Zhu et al., Lightening-Transformer, HPCA (2024). An M x N tile has M(M-1)/2 + N(N-1)/2 +
    min(M, N) interferometers.
    """
    return num_mzis * mzi_um2 + laser_um2 + num_inputs * input_um2 + num_outputs * output_um2
