"""Fields: what moves the phases after a calibration."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from photonic.hardware.ranges import Drift, NotNegative, Positive, Probability

_Trace = tuple[tuple[float, float], ...]


class DriftFields(BaseModel):
    """Random processes, temperature, laser and ageing."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    random_walk_rad_per_sqrt_hour: Drift = 0.0
    """Square root of the random-walk rate D [rad/sqrt(h)]."""
    ou_sigma_rad: Drift = 0.0
    """Stationary std of the Ornstein-Uhlenbeck drift [rad]."""
    ou_time_constant_s: Positive | None = None
    """Correlation time of the Ornstein-Uhlenbeck drift [s]."""
    flicker_sigma_rad: Drift = 0.0
    """Std of each decade of the 1/f drift [rad]."""
    flicker_tau_min_s: Positive | None = None
    """Shortest correlation time of the 1/f drift [s]."""
    flicker_tau_max_s: Positive | None = None
    """Longest correlation time of the 1/f drift [s]."""
    common_drift_fraction: Probability = 0.0
    """Share of the variance of the three processes above that all shifters of a chip have in
    common."""

    thermo_optic_per_k: NotNegative | None = None
    """dn/dT of the waveguide [1/K]."""
    group_index: Positive | None = None
    """Group index n_g of the waveguide."""
    path_imbalance_um: float = 0.0
    """Mean path imbalance dL of a shifter's arms [um]."""
    path_imbalance_std_um: NotNegative = 0.0
    """Spread of the path imbalances over shifters, drawn once per chip [um]."""
    temperature_ramp_k_per_hour: float = 0.0
    """Steady change of the chip temperature [K/h]."""
    temperature_daily_k: NotNegative = 0.0
    """Amplitude of a sinusoid of period 24 h, 0 at the calibration [K]."""
    temperature_daily_hour: NotNegative = 0.0
    """Hour of the daily sinusoid at which the chip was calibrated [h]."""
    temperature_trace: _Trace | None = None
    """Measured temperature: pairs (time [s], temperature [K]), times ascending; a YAML file names a
    CSV file instead. Changes count from the calibration at time 0."""
    hot_spot_k: float = 0.0
    """Final temperature rise at the corner of the first tile [K]."""
    hot_spot_length_tiles: Positive = 1.0
    """Distance over which the hot spot falls by a factor e [tiles]."""
    hot_spot_time_constant_s: Positive | None = None
    """Time constant of the warming [s]; None = at once."""
    laser_detuning_pm: NotNegative = 0.0
    """Stationary std of the laser wavelength [pm], an Ornstein-Uhlenbeck process."""
    laser_time_constant_s: Positive | None = None
    """Correlation time of the laser wavelength [s]."""
    laser_ramp_pm_per_hour: float = 0.0
    """Steady change of the laser wavelength [pm/h]."""
    heater_ageing_per_hour: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    """Mean relative loss of drive coefficient by ageing heaters [1/h]."""
    heater_ageing_spread: Annotated[float, Field(ge=0, le=3)] = 0.0
    """Relative std of the ageing rate over heaters."""
