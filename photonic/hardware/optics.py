"""Fields: phase noise, couplers and loss."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from photonic.hardware.ranges import Angle, CouplerAngle, Decibel


class OpticsFields(BaseModel):
    """Errors of the optics that no drive causes."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    phase_noise_rad: Angle = 0.0
    """Std of the static phase error, one draw per chip [rad]; Fang et al., Opt. Express 27, 14009
    (2019)."""
    shot_phase_noise_rad: Angle = 0.0
    """Std of the phase error drawn anew for every shot [rad]."""
    attenuator_noise_rad: Angle = 0.0
    """Std of a further static error on the phases of the attenuators [rad]."""
    coupler_sigma_rad: Annotated[float, Field(ge=0, lt=0.7854)] = 0.0
    """Std of the independent coupler angle errors [rad]; Bandyopadhyay et al., Optica 8, 1247
    (2021)."""
    coupler_offset_rad: CouplerAngle = 0.0
    """Coupler angle error common to the chip [rad]."""
    coupler_slope_rad_per_nm: float = 0.0
    """Change of all coupler angles with wavelength [rad/nm]; Zhu et al., Lightening-Transformer,
    HPCA 2024."""
    wavelength_offset_nm: float = 0.0
    """Wavelength in use minus design wavelength [nm]."""
    insertion_loss_db: Decibel = 0.0
    """Mean loss per MZI [dB of power]; Fang et al., Opt. Express 27, 14009 (2019)."""
    insertion_loss_std_db: Decibel = 0.0
    """Std of the loss per MZI [dB]."""
    arm_loss_db: Decibel = 0.0
    """Mean further loss of each of the six arm sections of an MZI [dB]."""
    arm_loss_std_db: Decibel = 0.0
    """Std of the loss of an arm section [dB]: arms of one MZI differ."""
    edge_loss_db: Decibel = 0.0
    """Loss of a mode in a column where it meets no MZI [dB]; equal to ``insertion_loss_db`` with
    matched dummies."""
    is_loss_compensated: bool = True
    """An electronic gain is calibrated for the mean loss of the core."""
