"""The text form of calibration laws, in law files and in chip bundles: validated models."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

LawName = Literal["voltage", "current", "voltage_cubic", "table", "current_quartic"]
LAW_NAMES: tuple[LawName, ...] = get_args(LawName)

COEFFICIENTS: dict[LawName, tuple[str, ...]] = {
    "voltage": ("p1", "p2"),
    "current": ("p1", "p2"),
    "voltage_cubic": ("p1", "p2", "p3"),
    "table": (),
    "current_quartic": ("p1", "p2"),
}
"""Coefficients besides p0; p1 is required, the others are 0 if they are left out."""

MAX_POINTS = 4096
"""Points of a lookup table."""

_Number = Annotated[float, Field(allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Numbers = _Number | list[_Number]
_Points = Annotated[list[_NotNegative], Field(min_length=2, max_length=MAX_POINTS)]
_Phases = Annotated[list[_Number], Field(min_length=2, max_length=MAX_POINTS)]


class DriveLawError(ValueError):
    """A calibration law that cannot be used, or a phase that it does not reach; one line."""


class LawRecord(BaseModel):
    """One law for all shifters, or for those of ``ids``; a list holds one number per id."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    law: LawName
    """voltage: phi = p0 + p1 V^2 + p2 V^4; current: p0 + p1 I^2 + p2 I^3, I in mA; voltage_cubic:
    p0 + p1 V + p2 V^2 + p3 V^3; table: p0 + interpolated points; current_quartic: p0 + p1 I^2 +
    p2 I^4, for heaters whose power is P = c I^2 (1 + a I^2), a = p2/p1, because their resistance
    rises with it."""
    ids: list[Annotated[int, Field(ge=0)]] | None = None
    """Shifters that the law is for; null = all."""
    p0: _Numbers = 0.0
    """Phase without drive [rad], the bias."""
    p1: _Numbers | None = None
    """[rad/V^2], [rad/mA^2] or [rad/V], the first coefficient of the law."""
    p2: _Numbers | None = None
    """[rad/V^4], [rad/mA^3], [rad/V^2] or [rad/mA^4], the second one."""
    p3: _Numbers | None = None
    """[rad/V^3], voltage_cubic only."""
    drive: _Points | list[_Points] | None = None
    """Drives of a table, ascending; one list for all ids, or one list per id."""
    phase_rad: _Phases | list[_Phases] | None = None
    """Phases of a table [rad], ascending; as ``drive``."""
    drive_unit: Literal["V", "mA"] | None = None
    """Unit of the drives of a table; V if left out."""
    min_drive: _NotNegative | list[_NotNegative] = 0.0
    """Smallest drive allowed [V or mA]."""
    max_drive: _Positive | list[_Positive] | None = None
    """Largest drive allowed [V or mA]; null = where the law stops rising."""
    resistance_ohm: _Positive | list[_Positive] | None = None
    """Resistance of the heater [ohm], of current_quartic at small currents; null = not known."""

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        needed = COEFFICIENTS[self.law]
        for name in ("p1", "p2", "p3"):
            if getattr(self, name) is not None and name not in needed:
                raise ValueError(f"law {self.law!r} has no `{name}`")
        if needed and self.p1 is None:
            raise ValueError(f"law {self.law!r} needs `p1`")
        for name in ("drive", "phase_rad"):
            if (getattr(self, name) is not None) != (self.law == "table"):
                raise ValueError(
                    "`drive` and `phase_rad` belong to the law 'table', and only there"
                )
        if self.drive_unit is not None and self.law != "table":
            raise ValueError(f"law {self.law!r} has no `drive_unit`")
        return self

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.ids is not None and len(set(self.ids)) < len(self.ids):
            raise ValueError("`ids` must differ")
        for name in ("p0", "p1", "p2", "p3", "min_drive", "max_drive", "resistance_ohm"):
            value = getattr(self, name)
            if not isinstance(value, list):
                continue
            if self.ids is None:
                raise ValueError(f"a list of `{name}` needs `ids`")
            if len(value) != len(self.ids):
                raise ValueError(
                    f"`{name}` must hold {len(self.ids)} numbers, one per id, got {len(value)}"
                )
        return self
