"""The effects of a chip description: which fields switch each of them on."""

from typing import Literal

Effect = Literal[
    "quantisation",
    "gamma",
    "failures",
    "crosstalk",
    "bias",
    "random_walk",
    "ornstein_uhlenbeck",
    "flicker",
    "temperature",
    "hot_spot",
    "laser_drift",
    "ageing",
    "phase_noise",
    "shot_noise",
    "attenuator",
    "coupler",
    "loss",
    "modulator",
    "laser_noise",
    "detector",
    "adc",
]

EFFECTS: dict[Effect, tuple[str, ...]] = {
    "quantisation": ("dac_bits",),
    "gamma": ("gamma_spread",),
    "failures": ("stuck_probability", "dead_probability", "full_scale_probability"),
    "crosstalk": ("crosstalk", "heater_coupling", "crosstalk_rows"),
    "bias": ("bias_residual_rad", "bias_range_rad"),
    "random_walk": ("random_walk_rad_per_sqrt_hour",),
    "ornstein_uhlenbeck": ("ou_sigma_rad", "ou_time_constant_s"),
    "flicker": ("flicker_sigma_rad", "flicker_tau_min_s", "flicker_tau_max_s"),
    "temperature": ("temperature_ramp_k_per_hour", "temperature_daily_k", "temperature_trace"),
    "hot_spot": ("hot_spot_k",),
    "laser_drift": ("laser_detuning_pm", "laser_time_constant_s", "laser_ramp_pm_per_hour"),
    "ageing": ("heater_ageing_per_hour",),
    "phase_noise": ("phase_noise_rad",),
    "shot_noise": ("shot_phase_noise_rad",),
    "attenuator": ("attenuator_noise_rad",),
    "coupler": (
        "coupler_sigma_rad",
        "coupler_offset_rad",
        "coupler_slope_rad_per_nm",
        "wavelength_offset_nm",
    ),
    "loss": (
        "insertion_loss_db",
        "insertion_loss_std_db",
        "arm_loss_db",
        "arm_loss_std_db",
        "edge_loss_db",
    ),
    "modulator": ("input_bits", "modulator_extinction_db"),
    "laser_noise": ("laser_rin_db_per_hz",),
    "detector": ("received_power_uw",),
    "adc": ("adc_bits",),
}
"""Effect name to its fields; with all of them at their defaults the effect is absent."""

DRIFT_EFFECTS: tuple[Effect, ...] = (
    "random_walk",
    "ornstein_uhlenbeck",
    "flicker",
    "temperature",
    "hot_spot",
    "laser_drift",
    "ageing",
)
"""Effects that move the phases with time."""

LINK_EFFECTS: tuple[Effect, ...] = ("modulator", "laser_noise", "detector", "adc")
"""Effects that act on inputs and outputs and change no weight."""
