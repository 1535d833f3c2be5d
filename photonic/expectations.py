"""Closed-form expectations of errors, to size a chip before anything is simulated.

They hold for Haar-random targets on rectangular and triangular meshes of N modes with independent
Gaussian errors: ``phase_std`` on each of the N^2 phase shifters, screen included, ``coupler_std``
on each coupler angle. An expected error is the root of the mean square. Statistics of one given
mesh, exact for any size of the noise, are in ``moments.py``.
"""

import math

from photonic.checks import real_number, whole_number
from photonic.conventions import TWO_PI


def expected_relative_error(
    num_modes: int, phase_std: float = 0.0, coupler_std: float = 0.0
) -> float:
    """Expected ``relative_error`` of a mesh, saturation included.

    E^2 = 2 (1 - exp(-(N phase_std^2 + 2 (N - 1) coupler_std^2)/2)). Small errors add in the square:
    E = phase_std sqrt(N) and E = coupler_std sqrt(2 (N - 1)).

    Args:
        num_modes: number N of modes.
        phase_std: [rad] std of each phase.
        coupler_std: [rad] std of each coupler angle.

    Returns:
        Root mean square of ||U~ - U||/sqrt(N), at most sqrt(2).

    Raises:
        TypeError: if an argument is no number.
        ValueError: if N < 1 or an error is negative.

    Source: derived; the small errors by Bandyopadhyay et al., Optica 8, 1247 (2021), who write 2 N
    for 2 (N - 1).
    """
    _check(num_modes, phase_std=phase_std, coupler_std=coupler_std)
    variance = num_modes * phase_std**2 + 2 * (num_modes - 1) * coupler_std**2
    return math.sqrt(-2 * math.expm1(-variance / 2))


def expected_trace_fidelity(
    num_modes: int, phase_std: float = 0.0, coupler_std: float = 0.0
) -> float:
    """Expected ``trace_fidelity`` of a mesh.

    F_tr = exp(-(N - 1) (phase_std^2 + 2 coupler_std^2)).

    Args:
        num_modes: number N of modes.
        phase_std: [rad] std of each phase.
        coupler_std: [rad] std of each coupler angle.

    Returns:
        Fidelity, 1 without errors; blind to the global phase, hence N - 1.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if N < 1 or an error is negative.

    Source: derived.
    """
    _check(num_modes, phase_std=phase_std, coupler_std=coupler_std)
    return math.exp(-(num_modes - 1) * (phase_std**2 + 2 * coupler_std**2))


def expected_relative_error_givens(num_modes: int, phase_std: float) -> float:
    """Expected relative error of a mesh of N (N - 1)/2 real Givens rotations, without a screen.

    E = phase_std sqrt(N - 1), for small errors and any target: a rotation angle off by d changes
    the matrix by d times two orthonormal rows.

    Args:
        num_modes: number N of modes.
        phase_std: [rad] std of each rotation angle, the one phase of its interferometer.

    Returns:
        Root mean square of ||U~ - U||/sqrt(N).

    Raises:
        TypeError: if an argument is no number.
        ValueError: if N < 1 or the error is negative.

    Source: derived.
    """
    _check(num_modes, phase_std=phase_std)
    return phase_std * math.sqrt(num_modes - 1)


def expected_layer_error(num_modes: int, phase_std: float) -> float:
    """Expected relative error of a layer W = U S V whose two meshes have phase errors.

    ||W~ - W|| / ||W|| = phase_std sqrt(2 N) for small errors, complex fields and perfect
    attenuators: each mesh gives phase_std sqrt(N). The real part, which ``Program`` uses, sees only
    (N - 1)/2 of the 2 N if U and V are real; ``expected_weight_error`` is exact for given settings.

    Args:
        num_modes: number N of modes of both meshes.
        phase_std: [rad] std of each phase.

    Returns:
        Root mean square of ||W~ - W|| / ||W||.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if N < 1 or the error is negative.

    Source: derived.
    """
    _check(num_modes, phase_std=phase_std)
    return phase_std * math.sqrt(2 * num_modes)


def quantisation_phase_std(bits: int, full_scale: float = TWO_PI) -> float:
    """Phase error of a converter that is uniform in phase, to be used as ``phase_std``.

    A rounded phase is off by up to half a step, evenly spread, hence
    full_scale / ((2^bits - 1) sqrt(12)). Good from 5 bits on; with fewer, errors are neither small
    nor evenly spread.

    Args:
        bits: resolution of the converter, at least 1.
        full_scale: [rad] phase of the largest code.

    Returns:
        [rad] standard deviation of the rounding error.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if bits < 1 or the full scale is not positive.
    """
    whole_number("bits", bits, 1)
    real_number("full_scale", full_scale, 0.0, is_open=True)
    return full_scale / ((2 ** int(bits) - 1) * math.sqrt(12))


def expected_drift_fidelity(num_modes: int, rate_rad2_per_s: float, time_s: float) -> float:
    """Expected trace fidelity of a mesh whose phases perform random walks.

    The variance of each phase grows to rate_rad2_per_s time_s, hence
    F_tr = exp(-(N - 1) rate_rad2_per_s time_s).

    Args:
        num_modes: number N of modes.
        rate_rad2_per_s: [rad^2/s] growth D of the variance.
        time_s: [s] time since the calibration.

    Returns:
        Fidelity, 1 at time 0.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if N < 1 or the rate or the time is negative.

    Source: derived.
    """
    _check(num_modes, rate_rad2_per_s=rate_rad2_per_s, time_s=time_s)
    return expected_trace_fidelity(num_modes, math.sqrt(rate_rad2_per_s * time_s))


def expected_corrected_error(num_modes: int, coupler_std: float) -> float:
    """Expected relative error that is left when known coupler errors are corrected locally.

    E_c = sqrt(2/3) N coupler_std^2: a few interferometers cannot reach the splitting they need.
    They carry the whole error, so single chips scatter widely. Within some per cent for
    N coupler_std >= 1 and N coupler_std^2 <= 0.1; above, it is too large (by 8 % at 0.2).

    Args:
        num_modes: number N of modes.
        coupler_std: [rad] std of each coupler angle.

    Returns:
        Root mean square of ||U~ - U||/sqrt(N).

    Raises:
        TypeError: if an argument is no number.
        ValueError: if N < 1 or the error is negative.

    Source: derived; Hamerly et al., Phys. Rev. Applied 18, 024018 (2022).
    """
    _check(num_modes, coupler_std=coupler_std)
    return math.sqrt(2 / 3) * num_modes * coupler_std**2


def _check(num_modes: int, **values: float) -> None:
    whole_number("num_modes", num_modes, 1)
    for name, value in values.items():
        real_number(name, value, 0.0)
