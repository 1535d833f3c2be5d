"""Shifters that share a family of laws, with their numbers as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from photonic.drive_laws.families import Cubic, Family, Floats, LookupTable, Quartic
from photonic.drive_laws.records import COEFFICIENTS, DriveLawError, LawName, LawRecord

Indices = NDArray[np.intp]

# Shapes: G shifters of the group, n points of a table.


@dataclass(frozen=True, eq=False)
class LawGroup:
    """Laws of one family for some shifters of a chip."""

    law: LawName
    """Name of the family."""
    unit: Literal["V", "mA"]
    """Unit of the drive."""
    ids: Indices
    """(G,) shifters, ascending."""
    p0: Floats
    """(G,) [rad] phase without drive."""
    coefficients: tuple[Floats, ...]
    """(G,) each, in the order of ``COEFFICIENTS``; of a table its (G, n) or (1, n) points and
    phases."""
    min_drive: Floats
    """(G,) smallest drive allowed."""
    max_drive: Floats
    """(G,) largest drive allowed; inf = where the law stops rising."""
    resistance_ohm: Floats
    """(G,) NaN = not known."""

    @classmethod
    def of(cls, record: LawRecord, ids: Indices) -> LawGroup:
        """The numbers of a record.

        Args:
            record: validated text form.
            ids: (G,) shifters that it is for, ascending or in the order of ``record.ids``.

        Raises:
            DriveLawError: if a law does not rise, or a limit is out of its range; names the first
                shifter.
        """
        size = len(ids)

        def numbers(name: str, missing: float) -> Floats:
            value = getattr(record, name)
            # -0.0 becomes 0.0, as everywhere in the files of a chip.
            array = np.array(missing if value is None else value, dtype=np.float64) + 0.0
            return np.broadcast_to(array, size).copy()

        if record.law == "table":
            points = _table(record, "drive", size), _table(record, "phase_rad", size)
            if points[0].shape[1] != points[1].shape[1]:
                raise DriveLawError("a table needs as many drives as phases")
            coefficients: tuple[Floats, ...] = points
        else:
            coefficients = tuple(numbers(name, 0.0) for name in COEFFICIENTS[record.law])
        units: dict[LawName, Literal["V", "mA"]] = {"current": "mA", "current_quartic": "mA"}
        group = cls(
            law=record.law,
            unit=record.drive_unit or units.get(record.law, "V"),
            ids=ids,
            p0=numbers("p0", 0.0),
            coefficients=coefficients,
            min_drive=numbers("min_drive", 0.0),
            max_drive=numbers("max_drive", np.inf),
            resistance_ohm=numbers("resistance_ohm", np.nan),
        )
        group = group.take(np.argsort(ids, kind="stable"))
        group._check()
        return group

    @property
    def family(self) -> Family:
        """f of the group."""
        if self.law == "current":
            p1, p2 = self.coefficients
            return Cubic(np.zeros_like(p1), p1, p2)
        return _FAMILIES[self.law](*self.coefficients)

    def ohm(self, drive: Floats) -> Floats:
        """(G,) [ohm] resistance at (G,) drives: R (1 + a I^2) of current_quartic, else the same."""
        if self.law != "current_quartic":
            return self.resistance_ohm
        p1, p2 = self.coefficients
        return self.resistance_ohm * (1 + p2 / p1 * drive**2)

    @property
    def lowest(self) -> Floats:
        """(G,) smallest drive in use."""
        return np.maximum(self.min_drive, self.family.bottom())

    @property
    def highest(self) -> Floats:
        """(G,) largest drive in use."""
        return np.minimum(self.max_drive, self.family.top())

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> LawGroup:
        """The group of some of its shifters."""
        coefficients = tuple(
            part if self.law == "table" and len(part) == 1 else part[index]
            for part in self.coefficients
        )
        names = ("ids", "p0", "min_drive", "max_drive", "resistance_ohm")
        return replace(
            self,
            coefficients=coefficients,
            **{name: getattr(self, name)[index] for name in names},
        )

    def capped(self, limit: float) -> LawGroup:
        """The group with drives up to a limit of the driver."""
        return replace(self, max_drive=np.minimum(self.max_drive, limit))

    def to_record(self, *, is_first: bool) -> LawRecord:
        """The text form; numbers that are the same for all shifters are written once.

        Args:
            is_first: later groups override this one, so that ``ids`` may be left out.
        """
        fields = {"p0": self.p0, "min_drive": self.min_drive}
        points: dict[str, Any] = {}
        is_short = is_first
        if self.law == "table":
            shared = len(self.coefficients[0]) == 1 and len(self.coefficients[1]) == 1
            is_short = is_short and shared
            for name, part in zip(("drive", "phase_rad"), self.coefficients, strict=True):
                points[name] = part[0].tolist() if len(part) == 1 else part.tolist()
        else:
            fields |= dict(zip(COEFFICIENTS[self.law], self.coefficients, strict=True))
        if np.isfinite(self.max_drive).all():
            fields["max_drive"] = self.max_drive
        if np.isfinite(self.resistance_ohm).all():
            fields["resistance_ohm"] = self.resistance_ohm
        values = {name: _compact(array) for name, array in fields.items()}
        is_short = is_short and not any(isinstance(value, list) for value in values.values())
        return LawRecord(
            law=self.law,
            ids=None if is_short else self.ids.tolist(),
            drive_unit=self.unit if self.law == "table" else None,
            **values,
            **points,
        )

    def _check(self) -> None:
        family, slope = self.family, self.coefficients
        if self.law == "table":
            is_wrong = np.zeros(len(self.ids), dtype=bool)
            for part in slope:
                is_wrong |= ~(np.diff(part, axis=1) > 0).all(axis=1)
            reason = "a table must ascend strictly, in drive and in phase"
        elif self.law == "voltage_cubic":
            p1, p2, p3 = slope
            is_wrong = ~((p1 > 0) | ((p1 == 0) & (p2 > 0)) | ((p1 == 0) & (p2 == 0) & (p3 > 0)))
            reason = "the phase must rise from 0 V"
        else:
            is_wrong, reason = ~(slope[0] > 0), "`p1` must be positive"
        self._refuse(is_wrong, reason)
        with np.errstate(all="ignore"):
            is_empty = ~(self.lowest < self.highest)
            heat = family.heat(np.where(np.isfinite(self.highest), self.highest, 1.0))
        self._refuse(is_empty, "no drive lies between the limits")
        self._refuse(~np.isfinite(heat), "its numbers are out of range")

    def _refuse(self, is_wrong: NDArray[np.bool_], reason: str) -> None:
        if is_wrong.any():
            raise DriveLawError(f"law of shifter {self.ids[is_wrong.argmax()]}: {reason}")


_FAMILIES: dict[LawName, Callable[..., Family]] = {
    "voltage": Quartic,
    "current_quartic": Quartic,
    "voltage_cubic": Cubic,
    "table": LookupTable,
}


def _table(record: LawRecord, name: str, size: int) -> Floats:
    """(G, n) or (1, n) points of a table."""
    value = getattr(record, name)
    rows = value if isinstance(value[0], list) else [value]
    if len({len(row) for row in rows}) > 1:
        raise DriveLawError(f"`{name}` of a table: every id needs as many points")
    if isinstance(value[0], list) and (record.ids is None or len(rows) != size):
        raise DriveLawError(f"`{name}` of a table: one list per id is needed, got {len(rows)}")
    return np.array(rows, dtype=np.float64) + 0.0


def _compact(array: Floats) -> float | list[float]:
    """One number if all are the same, else the list."""
    is_same = len(array) > 0 and (array == array[0]).all()
    return float(array[0]) if is_same else array.tolist()
