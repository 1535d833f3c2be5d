"""LawSet: one calibration law for each of the shifters of a chip, or of a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from photonic.drive_laws.families import Floats
from photonic.drive_laws.groups import LawGroup
from photonic.drive_laws.records import COEFFICIENTS, DriveLawError, LawRecord
from photonic.hardware import HardwareConfig

# Shapes: K shifters, numbered first_id, first_id + 1, ...


@dataclass(frozen=True, eq=False)
class LawSet:
    """Laws of K consecutive shifters; every shifter has one."""

    first_id: int
    """Number of the first shifter."""
    num_shifters: int
    """K."""
    groups: tuple[LawGroup, ...]
    """Shifters by family; together they hold each shifter once."""

    @classmethod
    def of(cls, records: Sequence[LawRecord], first_id: int, num_shifters: int) -> LawSet:
        """Laws from their text form; a later record overrides earlier ones.

        Args:
            records: laws; numbers in ``ids`` count over the whole chip.
            first_id: number of the first shifter.
            num_shifters: K.

        Raises:
            DriveLawError: if a shifter has no law, a number is unknown, or a law is refused.
        """
        owner = np.full(num_shifters, -1)
        for number, record in enumerate(records):
            owner[_places(record, first_id, num_shifters)] = number
        if (owner < 0).any():
            raise DriveLawError(f"shifter {first_id + int((owner < 0).argmax())} has no law")
        groups = []
        for number, record in enumerate(records):
            if record.ids is None:
                kept = LawGroup.of(record, first_id + np.flatnonzero(owner == number))
            else:
                group = LawGroup.of(record, np.array(record.ids, dtype=np.intp))
                kept = group.take(owner[group.ids - first_id] == number)
            if len(kept.ids):
                groups.append(kept)
        return cls(first_id, num_shifters, tuple(groups))

    def part(self, first_id: int, num_shifters: int) -> LawSet:
        """The laws of some consecutive shifters."""
        groups = []
        for group in self.groups:
            low, high = np.searchsorted(group.ids, (first_id, first_id + num_shifters))
            if high > low:
                groups.append(group.take(np.arange(low, high)))
        return LawSet(first_id, num_shifters, tuple(groups))

    def within(self, hardware: HardwareConfig) -> LawSet:
        """The laws with voltages up to what the driver of a chip gives."""
        if hardware.v_max_v is None:
            return self
        limit = hardware.v_max_v
        groups = (group.capped(limit) if group.unit == "V" else group for group in self.groups)
        return LawSet(self.first_id, self.num_shifters, tuple(groups))

    def to_records(self) -> list[LawRecord]:
        """The text form; ``of`` gives the same laws back."""
        # The first may stand for all shifters: the later ones override it.
        return [group.to_record(is_first=i == 0) for i, group in enumerate(self.groups)]

    @property
    def bias_rad(self) -> Floats:
        """(K,) [rad] phases without drive."""
        return self._gather(lambda group: group.p0)

    def resistance_ohm(self, drive: Floats) -> Floats:
        """(K,) [ohm] at (K,) drives, NaN = not known."""
        return self._gather(lambda group: group.ohm(self._of(drive, group)))

    @property
    def is_current(self) -> np.ndarray:
        """(K,) True where the drive is a current [mA], else it is a voltage [V]."""
        return self._gather(lambda group: np.full(len(group.ids), group.unit == "mA")) > 0

    @property
    def limits(self) -> tuple[Floats, Floats]:
        """(K,) smallest and largest drive in use; the largest is inf without a limit."""
        return self._gather(lambda group: group.lowest), self._gather(lambda group: group.highest)

    @property
    def max_drive(self) -> Floats:
        """(K,) largest drive allowed, as stated; inf if nothing is stated."""
        return self._gather(lambda group: group.max_drive)

    def law_names(self) -> np.ndarray:
        """(K,) name of the law of each shifter."""
        names = np.empty(self.num_shifters, dtype=object)
        for group in self.groups:
            names[group.ids - self.first_id] = group.law
        return names

    def coefficient(self, name: str) -> Floats:
        """(K,) coefficients p1, p2 or p3; NaN where the law has none."""
        values = np.full(self.num_shifters, np.nan)
        for group in self.groups:
            if name in COEFFICIENTS[group.law]:
                number = COEFFICIENTS[group.law].index(name)
                values[group.ids - self.first_id] = group.coefficients[number]
        return values

    def heat(self, drive: Floats) -> Floats:
        """Phases above the bias, f(x).

        Args:
            drive: (K,) [V or mA].

        Returns:
            (K,) [rad].
        """
        return self._gather(lambda group: group.family.heat(self._of(drive, group)))

    def drive(self, heat: Floats) -> Floats:
        """Drives on the rising branch, the inverse of ``heat``.

        Args:
            heat: (K,) [rad] within ``reach``.

        Returns:
            (K,) [V or mA] within ``limits``.
        """

        def solve(group: LawGroup) -> Floats:
            drive = group.family.drive(self._of(heat, group))
            # Rounding may pass a limit by the last bit.
            return np.clip(drive, group.lowest, group.highest)

        return self._gather(solve)

    def reach(self) -> tuple[Floats, Floats]:
        """(K,) [rad] f at the smallest and the largest drive in use; inf without a limit."""

        def ends(group: LawGroup) -> Floats:
            with np.errstate(over="ignore", invalid="ignore"):
                high = group.family.heat(group.highest)
            return np.where(np.isfinite(group.highest), high, np.inf)

        return self._gather(lambda group: group.family.heat(group.lowest)), self._gather(ends)

    def power_mw(self, drive: Floats) -> Floats:
        """(K,) [mW] V^2/R or I^2 R of (K,) drives; NaN where the resistance is not known."""
        ohm = self.resistance_ohm(drive)
        return np.where(self.is_current, 1e-3 * drive**2 * ohm, 1e3 * drive**2 / ohm)

    def _of(self, values: Floats, group: LawGroup) -> Floats:
        return values[group.ids - self.first_id]

    def _gather(self, part: Callable[[LawGroup], Floats]) -> Floats:
        values = np.empty(self.num_shifters)
        for group in self.groups:
            values[group.ids - self.first_id] = part(group)
        return values


def data_sheet_laws(hardware: HardwareConfig, first_id: int, num_shifters: int) -> LawSet | None:
    """The law of a chip description, the same for all shifters, without bias.

    phi = pi (V/v_pi)^2, or the quartic law of the description. The resistance is V_pi^2/P_pi.

    Returns:
        None if the description has no law.
    """
    if not hardware.has_drive_law:
        return None
    if hardware.v_pi_v is not None:
        p1, p2 = np.pi / hardware.v_pi_v**2, 0.0
    else:
        p1 = hardware.heater_quadratic_rad_per_v2 or 0.0
        p2 = hardware.heater_quartic_rad_per_v4 or 0.0
    record = LawRecord(law="voltage", p1=p1, p2=p2, max_drive=hardware.v_max_v)
    half_wave = LawSet.of([record], 0, 1)
    if hardware.p_pi_mw and half_wave.reach()[1][0] >= np.pi:
        v_pi = half_wave.drive(np.array([np.pi]))[0]
        ohm = float(1e3 * v_pi**2 / hardware.p_pi_mw)
        record = record.model_copy(update={"resistance_ohm": ohm})
    return LawSet.of([record], first_id, num_shifters)


def _places(record: LawRecord, first_id: int, num_shifters: int) -> slice | np.ndarray:
    """Places of the shifters of a record; all of them without ``ids``."""
    if record.ids is None:
        return slice(None)
    places = np.array(record.ids, dtype=np.int64) - first_id
    is_outside = (places < 0) | (places >= num_shifters)
    if is_outside.any():
        unknown = record.ids[int(is_outside.argmax())]
        raise DriveLawError(
            f"a law is for shifter {unknown}; "
            f"the shifters are {first_id} to {first_id + num_shifters - 1}"
        )
    return places
