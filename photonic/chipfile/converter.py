"""Codes of the converters that drive a layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photonic.drive import phase_full_scale
from photonic.drive_laws.families import Floats
from photonic.drive_laws.law_set import LawSet
from photonic.drive_laws.records import DriveLawError
from photonic.hardware import HardwareConfig


@dataclass(frozen=True, eq=False)
class Converter:
    """Converters with codes 0 to 2^b - 1, equally spaced in phase or in drive.

    In drive, the full scale is ``v_max_v`` of the hardware for voltages and ``max_drive`` of the
    law for currents.
    """

    hardware: HardwareConfig
    """Resolution and spacing; ``dac_bits`` is given."""
    laws: LawSet | None
    """Calibration laws; needed for codes that are spaced in drive."""

    @property
    def is_in_phase(self) -> bool:
        """True if codes are equally spaced in phase."""
        return self.hardware.dac_mode == "phase"

    def step(self) -> Floats:
        """(K,) or () [rad, V or mA] quantity per code.

        Raises:
            DriveLawError: if a full scale is not known.
        """
        codes = 2 ** (self.hardware.dac_bits or 0) - 1
        if self.is_in_phase:
            return np.array(phase_full_scale(self.hardware) / codes)
        if self.laws is None or self.hardware.v_max_v is None:
            raise DriveLawError(f"the full scale of {self.hardware.name!r} is not known")
        is_current = self.laws.is_current
        full = np.where(is_current, self.laws.max_drive, self.hardware.v_max_v)
        if not np.isfinite(full).all():
            first = self.laws.first_id + int((~np.isfinite(full)).argmax())
            raise DriveLawError(
                f"law of shifter {first}: a current needs `max_drive`, the full scale of its codes"
            )
        return full / codes

    def quantity(self, heat: Floats, drive: Floats | None) -> Floats:
        """(K,) what the codes are spaced in: heater phase or drive."""
        if self.is_in_phase or drive is None:
            return heat
        return drive

    def encode(self, heat: Floats, drive: Floats | None) -> NDArray[np.int64]:
        """(K,) nearest codes of settings within reach."""
        code = np.rint(self.quantity(heat, drive) / self.step()).astype(np.int64)
        return np.clip(code, 0, 2 ** (self.hardware.dac_bits or 0) - 1)

    def decode(self, code: NDArray[np.int64]) -> Floats:
        """(K,) [rad] heater phases of codes."""
        value = code * self.step()
        if self.is_in_phase or self.laws is None:
            return value
        return self.laws.heat(value)
