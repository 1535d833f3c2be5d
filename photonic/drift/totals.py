"""All drift of one mesh of a chip at a time: the sum of phases, and the factors on the drive."""

import numpy as np
from numpy.typing import NDArray

from photonic.drift.ageing import ageing_rates
from photonic.drift.hot_spot import hot_spot_change
from photonic.drift.imbalance import path_imbalances
from photonic.drift.laser import detuning_phase, wavelength_change
from photonic.drift.paths import HORIZON_S
from photonic.drift.processes import process_drift, process_laws
from photonic.drift.temperature import phase_per_kelvin, temperature_change
from photonic.hardware.config import HardwareConfig
from photonic.randomness import keyed_generator

_Floats = NDArray[np.float64]
_SECONDS_PER_HOUR = 3600.0


def phase_drift(
    hardware: HardwareConfig,
    seed: int,
    chip_index: int,
    mesh: str,
    batch_shape: tuple[int, ...],
    num_shifters: int,
    time_s: float,
) -> _Floats | None:
    """Phases that the shifters of a mesh have drifted by since the calibration at time 0.

    The sum of random walk, Ornstein-Uhlenbeck and 1/f drift, of temperature and hot spot, and of
    the laser wavelength. A pure function of its arguments: no state, no order of times.

    Args:
        hardware: chip description.
        seed: seed of the run.
        chip_index: number of the chip within the run.
        mesh: name of the mesh; meshes share the common parts, the temperature and the laser.
        batch_shape: (rows, columns) of tiles, or () for one mesh.
        num_shifters: shifters S of the mesh.
        time_s: [s] time since the calibration, from 0 to ``HORIZON_S``.

    Returns:
        (``batch_shape``, S) [rad], 0 at time 0, or None if the phases do not drift.

    Raises:
        ValueError: if the chip drifts and the time is out of range or beyond its measured
            temperatures.
    """
    if not hardware.has_drift:
        return None
    _check_time(time_s)
    shape = *batch_shape, num_shifters
    laws, fraction = process_laws(hardware), hardware.common_drift_fraction
    parts = [
        process_drift(laws, fraction, shape, time_s, seed, chip_index, mesh),
        *_imbalance_drifts(hardware, seed, chip_index, mesh, shape, time_s),
    ]
    parts = [part for part in parts if part is not None]
    return sum(parts[1:], start=parts[0]) if parts else None


def _imbalance_drifts(
    hardware: HardwareConfig,
    seed: int,
    chip_index: int,
    mesh: str,
    shape: tuple[int, ...],
    time_s: float,
) -> list[_Floats]:
    """Phases [rad] from what acts through path imbalances: temperature, hot spot and laser."""
    is_thermal = hardware.has("temperature") or hardware.has("hot_spot")
    if not (is_thermal or hardware.has("laser_drift")):
        return []
    figures = hardware.path_imbalance_um, hardware.path_imbalance_std_um
    generator = keyed_generator(seed, chip_index, mesh, "imbalance")
    imbalance = path_imbalances(*figures, shape, generator)
    if imbalance is None:
        return []
    parts, wavelength = [], hardware.wavelength_nm
    if is_thermal:
        kappa = phase_per_kelvin(imbalance, hardware.thermo_optic_per_k, wavelength)
        parts.append(kappa * _tile_temperature_change(hardware, shape[:-1], time_s)[..., None])
    if hardware.has("laser_drift"):
        change = wavelength_change(hardware, seed, chip_index, time_s)
        parts.append(detuning_phase(imbalance, change, hardware.group_index, wavelength))
    return parts


def _tile_temperature_change(
    hardware: HardwareConfig, grid: tuple[int, ...], time_s: float
) -> _Floats:
    """``grid`` [K] change of the ambient temperature and of the hot spot."""
    ambient = temperature_change(hardware, time_s)
    figures = hardware.hot_spot_k, hardware.hot_spot_length_tiles
    return ambient + hot_spot_change(*figures, hardware.hot_spot_time_constant_s, grid, time_s)


def ageing_factors(
    hardware: HardwareConfig,
    seed: int,
    chip_index: int,
    mesh: str,
    batch_shape: tuple[int, ...],
    num_shifters: int,
    time_s: float,
) -> _Floats | None:
    """Factors max(0, 1 - rate_k t) on the driven phases of heaters that have aged.

    Args:
        hardware: chip description.
        seed: seed of the run.
        chip_index: number of the chip within the run.
        mesh: name of the mesh.
        batch_shape: (rows, columns) of tiles, or () for one mesh.
        num_shifters: shifters S of the mesh.
        time_s: [s] time since the calibration, from 0 to ``HORIZON_S``.

    Returns:
        (``batch_shape``, S) in [0, 1], 1 at time 0, or None if heaters do not age.

    Raises:
        ValueError: if heaters age and the time is out of range.
    """
    if not hardware.has("ageing"):
        return None
    _check_time(time_s)
    generator = keyed_generator(seed, chip_index, mesh, "ageing")
    figures = hardware.heater_ageing_per_hour, hardware.heater_ageing_spread
    rates = ageing_rates(*figures, (*batch_shape, num_shifters), generator)
    return np.maximum(0.0, 1 - rates * (time_s / _SECONDS_PER_HOUR))


def _check_time(time_s: float) -> None:
    if not 0 <= time_s <= HORIZON_S:
        raise ValueError(f"`time_s` must lie in [0, {HORIZON_S}], got {time_s}")
