"""Drive laws: phase to voltage to converter code, and back.

The heater law is phi = pi (V/v_pi)^2 or, with a quartic term, phi = p1 V^2 + p2 V^4, with the
smallest V >= 0: the fields of the hardware decide. What the driver cannot reach raises here;
``reached_phases`` clips it before. Rounding as an error of the weights is
``impairments.quantisation``.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from photonic.conventions import wrap_phase
from photonic.drive_laws.branch import HeaterSettings, fit_reach
from photonic.hardware import HardwareConfig

_Floats = NDArray[np.float64]
_ROUNDING = 1e-12
"""Relative excess of a voltage that rounding of the law makes of its limit."""


def phase_to_voltage(phase: _Floats, hardware: HardwareConfig) -> _Floats:
    """Heater voltages V = v_pi sqrt(phi/pi), or V^2 = 2 phi/(p1 + sqrt(p1^2 + 4 p2 phi)).

    The second form is the inverse of phi = p1 V^2 + p2 V^4 on its rising branch, and is stable for
    p2 -> 0.

    Args:
        phase: (...) [rad] commanded phase. Without crosstalk pre-compensation it is reduced modulo
            2 pi; with it the phase must be >= 0 and is not reduced, because a command above 2 pi
            heats its neighbours more than its remainder does.
        hardware: gives the law (``v_pi_v``, or ``heater_quadratic_rad_per_v2`` and
            ``heater_quartic_rad_per_v4``) and ``v_max_v``.

    Returns:
        (...) [V] smallest voltage >= 0.

    Raises:
        ValueError: if the law is not known, a phase is negative (pre-compensated drive) or beyond
            the peak of the law, or a voltage exceeds ``v_max_v``.

    Source: Harris et al., Opt. Express 22, 10487 (2014) (heater).
    """
    driven = drive_phase(phase, hardware)
    if hardware.heater_quadratic_rad_per_v2 is None:
        voltage = _known_v_pi(hardware) * np.sqrt(driven / np.pi)
    else:
        voltage = _quartic_voltage(driven, hardware)
    limit = hardware.v_max_v
    if limit is None or not voltage.size or voltage.max() <= limit:
        return voltage
    if voltage.max() > limit * (1 + _ROUNDING):
        raise ValueError(
            f"a phase needs {voltage.max():.4g} V, "
            f"but {hardware.name!r} drives at most {limit:.4g} V"
        )
    return np.minimum(voltage, limit)


def voltage_to_phase(voltage: _Floats, hardware: HardwareConfig) -> _Floats:
    """Commanded phases phi = pi (V/v_pi)^2 or phi = p1 V^2 + p2 V^4, not reduced.

    Args:
        voltage: (...) [V] heater voltage.
        hardware: gives the law, as in ``phase_to_voltage``.

    Returns:
        (...) [rad] commanded phase.

    Raises:
        ValueError: if the law is not known.

    Source: Harris et al., Opt. Express 22, 10487 (2014); the quartic term fits the heater data
    of Yin et al., SCATTER, ICCAD (2024).
    """
    if hardware.heater_quadratic_rad_per_v2 is None:
        return np.pi * (np.asarray(voltage) / _known_v_pi(hardware)) ** 2
    quadratic, quartic = _quartic_law(hardware)
    square = np.square(np.asarray(voltage, dtype=np.float64))
    return square * (quadratic + quartic * square)


def voltage_to_code(voltage: _Floats, hardware: HardwareConfig) -> NDArray[np.int64]:
    """Nearest codes round(V (2^b - 1)/v_max) of a voltage-uniform converter.

    Args:
        voltage: (...) [V] between 0 and ``v_max_v``.
        hardware: gives ``dac_bits`` and ``v_max_v``.

    Returns:
        (...) codes from 0 to 2^b - 1.

    Raises:
        ValueError: if a voltage is out of range or the converter is not described.
    """
    return _encode(voltage, _voltage_full_scale(hardware), hardware)


def code_to_voltage(code: NDArray[np.int64], hardware: HardwareConfig) -> _Floats:
    """Voltages V = v_max code/(2^b - 1) of a voltage-uniform converter.

    Args:
        code: (...) integers from 0 to 2^b - 1.
        hardware: gives ``dac_bits`` and ``v_max_v``.

    Returns:
        (...) [V] output voltage.

    Raises:
        ValueError: if the converter is not described.
    """
    return np.asarray(code) * _step(_voltage_full_scale(hardware), hardware)


def phase_to_code(phase: _Floats, hardware: HardwareConfig) -> NDArray[np.int64]:
    """Converter codes of commanded phases, by the converter of the hardware.

    Phase-uniform: round(phi (2^b - 1)/phi_max) with ``phase_full_scale``. Voltage-uniform: through
    ``phase_to_voltage``.

    Args:
        phase: (...) [rad] commanded phase, reduced as in ``phase_to_voltage``.
        hardware: gives the converter.

    Returns:
        (...) codes from 0 to 2^b - 1.

    Raises:
        ValueError: if the phase is out of reach or the converter is not described.
    """
    if hardware.dac_mode == "voltage":
        return voltage_to_code(phase_to_voltage(phase, hardware), hardware)
    return _encode(drive_phase(phase, hardware), phase_full_scale(hardware), hardware)


def code_to_phase(code: NDArray[np.int64], hardware: HardwareConfig) -> _Floats:
    """Commanded phases that the codes stand for, by the converter of the hardware.

    Args:
        code: (...) integers from 0 to 2^b - 1.
        hardware: gives the converter.

    Returns:
        (...) [rad] commanded phase, not reduced.

    Raises:
        ValueError: if the converter is not described.
    """
    if hardware.dac_mode == "voltage":
        return voltage_to_phase(code_to_voltage(code, hardware), hardware)
    return np.asarray(code) * _step(phase_full_scale(hardware), hardware)


def phase_full_scale(hardware: HardwareConfig) -> float:
    """Full scale phi_max [rad] of a phase-uniform converter.

    2 pi, or 4 pi with an extended drive: lifts of crosstalk compensation exceed one turn.
    """
    return 4 * np.pi if hardware.has_extended_drive else 2 * np.pi


def full_scale_phase(hardware: HardwareConfig) -> float:
    """Phase [rad] of a shifter that is driven at the full scale of its converter.

    That of ``v_max_v`` for a voltage-uniform converter, else ``phase_full_scale``.
    """
    if hardware.dac_mode == "voltage" and hardware.v_max_v is not None:
        return float(voltage_to_phase(np.array(hardware.v_max_v), hardware))
    return phase_full_scale(hardware)


def drive_reach(hardware: HardwareConfig) -> float:
    """Largest phase [rad] that the drive of a data sheet gives; inf if no limit is known.

    The phase at ``v_max_v`` or at the peak of a quartic law, and the full scale of a phase-uniform
    converter, whichever is least.
    """
    reach = np.inf
    if hardware.has_drive_law:
        peak_rad, peak_v = _peak(hardware)
        reach = peak_rad
        if hardware.v_max_v is not None and hardware.v_max_v < peak_v:
            reach = float(voltage_to_phase(np.array(hardware.v_max_v), hardware))
    if hardware.dac_bits is not None and hardware.dac_mode == "phase":
        reach = min(reach, phase_full_scale(hardware))
    return reach


def has_short_drive(hardware: HardwareConfig) -> bool:
    """True if there may be commands that the drive of a data sheet does not reach."""
    reach = drive_reach(hardware)
    return bool(np.isfinite(reach)) and (hardware.has_extended_drive or reach < 2 * np.pi)


def reached_phases(phase: _Floats, hardware: HardwareConfig) -> HeaterSettings:
    """The nearest phases that the drive of a data sheet gives, and what they miss.

    Args:
        phase: (...) [rad] commanded phase, reduced as in ``phase_to_voltage``.
        hardware: gives law, limit and converter.

    Returns:
        Settings of shape (...); nearest modulo 2 pi, but not for commands that were solved for
        crosstalk.

    Raises:
        ValueError: if a phase of an extended drive is negative: heaters cannot cool.
    """
    reach = np.zeros(()), np.array(drive_reach(hardware))
    asked = drive_phase(phase, hardware)
    return fit_reach(asked, reach, is_cyclic=not hardware.is_precompensated)


def drive_phase(phase: _Floats, hardware: HardwareConfig) -> _Floats:
    """The phase that the heater is asked for.

    Args:
        phase: (...) [rad] commanded phase.
        hardware: tells whether the drive is extended.

    Returns:
        (...) [rad] the phase modulo 2 pi, or the phase itself with an extended drive.

    Raises:
        ValueError: if a phase of an extended drive is negative: heaters cannot cool.
    """
    phase = np.asarray(phase, dtype=np.float64)
    if not hardware.has_extended_drive:
        return wrap_phase(torch.tensor(phase)).numpy()
    if phase.size and phase.min() < 0:
        raise ValueError(f"a commanded phase is negative ({phase.min():.4g} rad)")
    return phase


def _known_v_pi(hardware: HardwareConfig) -> float:
    if hardware.v_pi_v is None:
        raise ValueError(
            f"hardware {hardware.name!r} has no `v_pi_v` and no `heater_quadratic_rad_per_v2`: "
            "its drive law is not known"
        )
    return hardware.v_pi_v


def _quartic_law(hardware: HardwareConfig) -> tuple[float, float]:
    """Coefficients p1 [rad/V^2] and p2 [rad/V^4]."""
    return hardware.heater_quadratic_rad_per_v2, hardware.heater_quartic_rad_per_v4 or 0.0


def _quartic_voltage(phase: _Floats, hardware: HardwareConfig) -> _Floats:
    """(...) [V] inverse of the quartic law on its rising branch."""
    quadratic, quartic = _quartic_law(hardware)
    peak = _peak(hardware)[0]
    if phase.size and phase.max() > peak:
        raise ValueError(
            f"a phase of {phase.max():.4g} rad is out of reach: "
            f"the heaters of {hardware.name!r} peak at {peak:.4g} rad"
        )
    # At the peak itself the root is of zero, or of its rounding error.
    root = np.sqrt(np.maximum(quadratic**2 + 4 * quartic * phase, 0.0))
    return np.sqrt(2 * phase / (quadratic + root))


def _peak(hardware: HardwareConfig) -> tuple[float, float]:
    """Largest phase [rad] of the law and its voltage [V]; inf without a peak."""
    if hardware.heater_quadratic_rad_per_v2 is None:
        return np.inf, np.inf
    quadratic, quartic = _quartic_law(hardware)
    if quartic >= 0:
        return np.inf, np.inf
    return -(quadratic**2) / (4 * quartic), float(np.sqrt(quadratic / (-2 * quartic)))


def _voltage_full_scale(hardware: HardwareConfig) -> float:
    if hardware.v_max_v is None:
        raise ValueError(f"hardware {hardware.name!r} has no `v_max_v`: no full scale for codes")
    return hardware.v_max_v


def _step(full_scale: float, hardware: HardwareConfig) -> float:
    if hardware.dac_bits is None:
        raise ValueError(f"hardware {hardware.name!r} has no `dac_bits`: its drive is continuous")
    return full_scale / (2**hardware.dac_bits - 1)


def _encode(value: _Floats, full_scale: float, hardware: HardwareConfig) -> NDArray[np.int64]:
    code = np.rint(np.asarray(value) / _step(full_scale, hardware)).astype(np.int64)
    if code.size and (code.min() < 0 or code.max() >= 2**hardware.dac_bits):
        raise ValueError(
            f"a command is outside 0 to {full_scale:.4g}, "
            f"the range of the converter of {hardware.name!r}"
        )
    return code
