"""Fields: light source, modulators, detectors and converters."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from photonic.hardware.ranges import NotNegative, Positive, SignedBits


class LinkFields(BaseModel):
    """From digital inputs to light, and from light to digital outputs."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    input_bits: SignedBits | None = None
    """Resolution of the input modulators, sign included; None = continuous."""
    modulator_extinction_db: Annotated[float, Field(gt=0, le=100)] | None = None
    """Extinction of the input modulators [dB of power]; None = complete."""
    laser_rin_db_per_hz: Annotated[float, Field(ge=-250, le=-60)] | None = None
    """Relative intensity noise of the laser [dB/Hz], common to all modes; None = none."""
    received_power_uw: Positive | None = None
    """Optical power on both diodes of a receiver for a full-scale output without loss [uW]; needed
    by detector noise."""
    responsivity_a_per_w: Positive | None = None
    """Photocurrent per optical power [A/W]."""
    dark_current_na: NotNegative = 0.0
    """Dark current of a photodiode [nA]."""
    tia_noise_pa_per_sqrt_hz: NotNegative = 0.0
    """Input-referred noise of the receiver [pA/sqrt(Hz)]."""
    bandwidth_ghz: Positive | None = None
    """Noise bandwidth of the receiver [GHz]."""
    adc_bits: SignedBits | None = None
    """Effective bits of the output converter at speed; None = continuous."""
    adc_range: Positive = 1.0
    """Full scale of the output converter, in units of the field of a full-scale input."""
