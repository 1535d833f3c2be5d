"""Fields: what a chip carries and what was published about it as a whole."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from photonic.hardware.ranges import NotNegative, Positive, Probability

_Count = Annotated[int, Field(ge=1)]


class SizeFields(BaseModel):
    """Size, wavelength and published fidelity."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    mesh: Literal["clements", "reck"] | None = None
    """Wiring of the meshes; None = not fixed, or not one of these."""
    max_modes: _Count | None = None
    """Modes of the largest mesh that the chip carries; None = any."""
    num_tiles: _Count | None = None
    """Tiles that the chip holds at the same time; None = as many as a network needs."""
    wavelength_nm: Positive | None = None
    """Vacuum wavelength [nm]."""
    amplitude_fidelity: Annotated[float, Field(gt=0, le=1)] | None = None
    """Published mean of (1/N) sum |U_ij| |U~_ij| over Haar targets; kept as published, used by no
    error model. ``phase_noise_rad`` beside it is the lumped error derived from it."""
    amplitude_fidelity_std: Probability | None = None
    """Published spread of ``amplitude_fidelity``."""
    extinction_ratio_db: NotNegative | None = None
    """Published typical extinction of one interferometer [dB]; recorded, used by no error model."""
