"""Ranges of the numbers in a chip description."""

from typing import Annotated

from pydantic import Field

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Angle = Annotated[float, Field(ge=0, le=6.3)]
"""A phase error [rad], at most about one turn."""
CouplerAngle = Annotated[float, Field(gt=-0.7854, lt=0.7854)]
"""A deviation of a coupler angle from pi/4 [rad]."""
Decibel = Annotated[float, Field(ge=0, le=60)]
Drift = Annotated[float, Field(ge=0, le=100)]
Bits = Annotated[int, Field(ge=1, le=32)]
SignedBits = Annotated[int, Field(ge=2, le=32)]
"""Resolution with a sign: one bit would leave no code but zero."""
