"""What the channels of drivers are set to: the input of the driver formats."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_QUANTITIES = {
    "drive_v": ("limit_v", "V"),
    "drive_ma": ("limit_ma", "mA"),
    "power_mw": ("limit_mw", "mW"),
}
"""Column of a setting to the column of its limit, and the unit of both."""

REPORT_EVERY = 8192
"""Shifters between two reports of progress."""

_MODULE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, eq=False, kw_only=True)
class DriveTable:
    """One row per shifter: channel, setting and limits. NaN stands for what is not known.

    Raises:
        ValueError: if columns differ in length, a shifter or a channel occurs twice, a module or a
            channel is no valid name or number, a setting is negative or infinite, a setting is
            above its limit, or the quantity that drives a shifter is not known; the message names
            the shifter.
    """

    shifter: tuple[str, ...]
    """(S,) id of each shifter."""
    module: tuple[str, ...]
    """(S,) driver module: letters, digits, _ and -."""
    channel: tuple[int, ...]
    """(S,) channel of the module, from 0."""
    drive_v: FloatArray
    """(S,) [V] voltage."""
    drive_ma: FloatArray
    """(S,) [mA] current."""
    power_mw: FloatArray
    """(S,) [mW] power of the heater."""
    dac_code: tuple[int | None, ...]
    """(S,) code of the converter of the hardware description; None where it has none."""
    is_current: NDArray[np.bool_]
    """(S,) True where the law of the heater is stated in its current, which then drives it."""
    limit_v: FloatArray
    """(S,) [V] largest voltage."""
    limit_ma: FloatArray
    """(S,) [mA] largest current."""
    limit_mw: FloatArray
    """(S,) [mW] largest power."""

    def __post_init__(self) -> None:
        size = len(self.shifter)
        for name in ("module", "channel", "dac_code"):
            if len(getattr(self, name)) != size:
                found = len(getattr(self, name))
                raise ValueError(f"`{name}` must have {size} entries, got {found}")
        for name in (*_QUANTITIES, *(limit for limit, _ in _QUANTITIES.values())):
            values = getattr(self, name)
            if values.shape != (size,) or values.dtype != np.float64:
                found = f"{values.dtype} {values.shape}"
                raise ValueError(f"`{name}` must be float64 of shape ({size},), got {found}")
            is_bad = ~np.isnan(values) & ~((values >= 0) & (values < math.inf))
            self._refuse(is_bad, f"`{name}` must be finite and at least 0")
            # No file says -0.0: some drivers take the sign for an error.
            object.__setattr__(self, name, values + 0.0)
        if self.is_current.shape != (size,) or self.is_current.dtype != np.bool_:
            found = f"{self.is_current.dtype} {self.is_current.shape}"
            raise ValueError(f"`is_current` must be bool of shape ({size},), got {found}")
        is_unknown = self.is_current & np.isnan(self.drive_ma)
        self._refuse(is_unknown, "is driven by a current that is not known")
        self._check_places()
        for name, (limit, unit) in _QUANTITIES.items():
            values, limits = getattr(self, name), getattr(self, limit)
            self._refuse(values > limits, f"`{name}` is above its limit", name, limit, unit)

    @cached_property
    def places(self) -> list[tuple[str, int]]:
        """(S,) module and channel of each shifter."""
        return list(zip(self.module, self.channel, strict=True))

    @cached_property
    def order(self) -> list[int]:
        """Rows in the order of their modules and channels."""
        places = self.places
        return sorted(range(len(places)), key=places.__getitem__)

    def _check_places(self) -> None:
        if len(set(self.shifter)) < len(self.shifter):
            raise ValueError("a shifter occurs twice in the table")
        is_name = {module: bool(_MODULE.fullmatch(module)) for module in set(self.module)}
        for shifter, module, channel in zip(self.shifter, self.module, self.channel, strict=True):
            if not is_name[module]:
                raise ValueError(f"shifter {shifter}: {module!r} is not a name of a module")
            if type(channel) is not int or channel < 0:
                raise ValueError(
                    f"shifter {shifter}: channel {channel!r} is not a number from 0 on"
                )
        places = self.places
        for first, second in pairwise(self.order):
            if places[first] == places[second]:
                module, channel = places[first]
                both = f"{self.shifter[first]} and {self.shifter[second]}"
                raise ValueError(f"channel {channel} of {module} has two shifters: {both}")

    def _refuse(self, is_bad: NDArray[np.bool_], message: str, *columns: str) -> None:
        """Raise for the first bad row, with its values, limits and unit if they are named."""
        rows = np.flatnonzero(is_bad)
        if not len(rows):
            return
        row = int(rows[0])
        detail = ""
        if columns:
            value, limit, unit = columns
            detail = f": {getattr(self, value)[row]:.6g} > {getattr(self, limit)[row]:.6g} {unit}"
        rest = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        raise ValueError(f"shifter {self.shifter[row]}: {message}{detail}{rest}")
