"""Fields: how a phase is commanded, and what comes between command and phase."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from photonic.hardware.ranges import Angle, Bits, NotNegative, Positive, Probability


class DriveFields(BaseModel):
    """Drive law, converter, spread of heaters, failures, crosstalk and bias."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    v_pi_v: Positive | None = None
    """Voltage for a phase of pi under phi = pi (V/v_pi)^2 [V]; None = not known."""
    heater_quadratic_rad_per_v2: Positive | None = None
    """p1 of phi = p1 V^2 + p2 V^4 [rad/V^2]; excludes ``v_pi_v``."""
    heater_quartic_rad_per_v4: float | None = None
    """p2 of phi = p1 V^2 + p2 V^4 [rad/V^4]; needs ``heater_quadratic_rad_per_v2``."""
    v_max_v: Positive | None = None
    """Full scale of the driver [V]; None = not known."""
    p_pi_mw: NotNegative | None = None
    """Electrical power for a phase of pi [mW]; None = not known."""
    dac_bits: Bits | None = None
    """Resolution of the drive; None = continuous."""
    dac_mode: Literal["phase", "voltage"] = "phase"
    """Quantity in which the codes are equally spaced."""
    is_drive_extended: bool = False
    """The drive reaches two turns and commands are not wrapped; always so with crosstalk
    compensation."""
    is_drive_clipped: bool = False
    """Phases that the drive cannot reach become the nearest that it gives; without it they are
    refused."""

    gamma_spread: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Relative std of the drive coefficient before truncation at 2 sigma; Gu et al., L2ight,
    NeurIPS 2021."""
    stuck_probability: Probability = 0.0
    """Chance that a shifter is stuck at a random phase."""
    dead_probability: Probability = 0.0
    """Chance that a heater is open: no phase of its own, no heat for others."""
    full_scale_probability: Probability = 0.0
    """Chance that a shifter is stuck at the full scale of its drive."""

    crosstalk_law: Literal["lattice", "distance", "matrix"] = "lattice"
    """Nearest neighbours, a law of distance on the floor plan, or a measured matrix."""
    crosstalk: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    """Thermal nearest-neighbour coefficient c of the lattice law; Gu et al., L2ight, NeurIPS
    2021."""
    heater_coupling: NotNegative = 0.0
    """Factor on g(d) of the distance law, 1 for plain oxide; Yin et al., SCATTER, ICCAD (2024)."""
    column_pitch_um: Positive | None = None
    """Distance of consecutive shifters along the light [um]; needed by the distance law."""
    mode_pitch_um: Positive | None = None
    """Distance of neighbouring modes [um]; needed by the distance law."""
    crosstalk_rows: tuple[tuple[float, ...], ...] | None = None
    """Measured matrix Omega, shifters in the order theta, phi, output screen; a YAML file names a
    CSV file instead."""
    is_crosstalk_compensated: bool = False
    """Commands are solved for the nominal crosstalk before they are rounded; Teofilovic et al.,
    J. Lightwave Technol. 42, 7816 (2024)."""

    is_bias_calibrated: bool = True
    """The bias is ``bias_residual_rad`` after, ``bias_range_rad`` before calibration."""
    bias_residual_rad: Angle = 0.0
    """Std of the phase bias left by calibration [rad]; Gu et al., L2ight, NeurIPS 2021."""
    bias_range_rad: Annotated[float, Field(ge=0, le=3.1416)] = 0.0
    """Bound of the uniform phase bias before calibration [rad]; pi = any phase."""
    is_attenuator_biased: bool = True
    """The attenuators have a bias as the meshes have."""
