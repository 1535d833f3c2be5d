"""HardwareConfig: all numbers of one chip or scenario, validated together."""

import difflib
import reprlib
from itertools import pairwise
from typing import Annotated, Any, Self

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, model_validator

from photonic.hardware.cost import CostFields
from photonic.hardware.drift import DriftFields
from photonic.hardware.drive import DriveFields
from photonic.hardware.effects import DRIFT_EFFECTS, EFFECTS, LINK_EFFECTS, Effect
from photonic.hardware.link import LinkFields
from photonic.hardware.optics import OpticsFields
from photonic.hardware.size import SizeFields

_PLAIN_FIELDS = ("name", "description", "ideal", "sources")


class HardwareError(ValueError):
    """A hardware description that cannot be used; one line naming the file and the field."""


class HardwareConfig(CostFields, LinkFields, DriftFields, OpticsFields, DriveFields, SizeFields):
    """Numbers of one chip or scenario, each in the unit its name ends with.

    ``None`` or 0 means that the effect is absent. An effect named in ``ideal`` is switched off
    whatever figures are given for it: they return to their defaults.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    name: Annotated[str, Field(min_length=1)]
    """Short name; equals the file name of a shipped preset."""
    description: str = ""
    """One or two sentences on what the numbers describe."""
    ideal: tuple[Effect, ...] = ()
    """Effects that are switched off."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Origin of each number, by field."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown field {key!r}{suggestion(key, cls.model_fields)}")
        return data

    @model_validator(mode="before")
    @classmethod
    def _accept_lists_and_numpy(cls, data: Any) -> Any:
        # YAML and JSON know lists only; the strict fields are tuples of Python's numbers.
        if not isinstance(data, dict):
            return data
        return {key: _as_tuple(value) for key, value in data.items()}

    @model_validator(mode="before")
    @classmethod
    def _switch_off(cls, data: Any) -> Any:
        off = data.get("ideal") if isinstance(data, dict) else None
        if not isinstance(off, list | tuple):
            return data
        for effect in off:
            if not isinstance(effect, str) or effect not in EFFECTS:
                word = reprlib.repr(effect)
                raise ValueError(f"unknown effect {word}{suggestion(effect, EFFECTS)}")
        fields = {field for effect in off for field in EFFECTS[effect]}
        return {key: value for key, value in data.items() if key not in fields}

    @model_validator(mode="after")
    def _check_companions(self) -> Self:
        for names in _TOGETHER:
            given = [bool(getattr(self, name)) for name in names]
            if any(given) and not all(given):
                raise ValueError(f"{' and '.join(f'`{n}`' for n in names)} are given together")
        for name, needs in _NEEDS:
            missing = [other for other in needs if getattr(self, other) is None]
            if getattr(self, name) and missing:
                raise ValueError(f"`{name}` needs `{missing[0]}`")
        for key in self.sources:
            if key not in type(self).model_fields:
                raise ValueError(f"source for unknown field {key!r}")
        return self

    @model_validator(mode="after")
    def _check_drive(self) -> Self:
        if self.v_pi_v is not None and self.heater_quadratic_rad_per_v2 is not None:
            raise ValueError("`v_pi_v` and `heater_quadratic_rad_per_v2` exclude each other")
        has_scale = self.has_drive_law and self.v_max_v is not None
        if self.dac_bits is not None and self.dac_mode == "voltage" and not has_scale:
            raise ValueError("`dac_mode: voltage` needs `v_pi_v` and `v_max_v`")
        if self.failure_probability > 1:
            raise ValueError("the probabilities of failure must add to at most 1")
        rows = self.crosstalk_rows or ()
        if any(len(row) != len(rows) for row in rows):
            raise ValueError("`crosstalk_rows` must be a square matrix")
        return self

    @model_validator(mode="after")
    def _check_drift(self) -> Self:
        if (self.flicker_tau_min_s or 0.0) > (self.flicker_tau_max_s or 0.0):
            raise ValueError("`flicker_tau_min_s` must not exceed `flicker_tau_max_s`")
        times = [time_s for time_s, _ in self.temperature_trace or ()]
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError("the times of `temperature_trace` must ascend")
        return self

    def has(self, effect: Effect) -> bool:
        """True if a figure of the effect is given.

        Raises:
            HardwareError: if the effect is unknown.
        """
        if effect not in EFFECTS:
            raise HardwareError(f"unknown effect {effect!r}{suggestion(effect, EFFECTS)}")
        defaults = type(self).model_fields
        return any(getattr(self, name) != defaults[name].default for name in EFFECTS[effect])

    @property
    def has_drift(self) -> bool:
        """True if the phases move with time."""
        return any(map(self.has, DRIFT_EFFECTS))

    @property
    def has_link_noise(self) -> bool:
        """True if modulators, detectors or converters are not perfect."""
        return any(map(self.has, LINK_EFFECTS))

    @property
    def has_crosstalk(self) -> bool:
        """True if heaters heat their neighbours."""
        strength = {
            "lattice": self.crosstalk,
            "distance": self.heater_coupling,
            "matrix": self.crosstalk_rows,
        }
        return bool(strength[self.crosstalk_law])

    @property
    def has_drive_law(self) -> bool:
        """True if the phase of a voltage is known."""
        return self.v_pi_v is not None or self.heater_quadratic_rad_per_v2 is not None

    @property
    def is_precompensated(self) -> bool:
        """True if commands are solved for crosstalk, so that they may exceed 2 pi."""
        return self.is_crosstalk_compensated and self.has_crosstalk

    @property
    def has_extended_drive(self) -> bool:
        """True if commands may exceed 2 pi."""
        return self.is_drive_extended or self.is_precompensated

    @property
    def failure_probability(self) -> float:
        """Chance that a shifter does not do what it is told."""
        return self.stuck_probability + self.dead_probability + self.full_scale_probability

    @property
    def is_ideal(self) -> bool:
        """True if no effect is on: cost figures and a drive that reaches all phases change none."""
        return not any(map(self.has, EFFECTS))

    def without(self, *effects: Effect) -> Self:
        """A copy with some effects switched off.

        Raises:
            HardwareError: if an effect is unknown.
        """
        return self.replace(ideal=tuple(dict.fromkeys((*self.ideal, *effects))))

    def only(self, *effects: Effect) -> Self:
        """A copy with all other effects switched off.

        Raises:
            HardwareError: if an effect is unknown.
        """
        for effect in effects:
            if effect not in EFFECTS:
                raise HardwareError(f"unknown effect {effect!r}{suggestion(effect, EFFECTS)}")
        return self.without(*(effect for effect in EFFECTS if effect not in effects))

    def replace(self, **changes: Any) -> Self:
        """A validated copy with some fields changed.

        The source of a changed field becomes "set by the caller", unless ``sources`` is given.

        Raises:
            HardwareError: if a field is unknown or its value is refused.
        """
        numbers = type(self).model_fields.keys() - set(_PLAIN_FIELDS)
        sources = self.sources | dict.fromkeys(numbers & changes.keys(), "set by the caller")
        return validate({**self.model_dump(), "sources": sources, **changes}, self.name)


_TOGETHER = (
    ("ou_sigma_rad", "ou_time_constant_s"),
    ("flicker_sigma_rad", "flicker_tau_min_s", "flicker_tau_max_s"),
    ("laser_detuning_pm", "laser_time_constant_s"),
)
_THERMAL = ("thermo_optic_per_k", "wavelength_nm")
_NEEDS = (
    ("heater_quartic_rad_per_v4", ("heater_quadratic_rad_per_v2",)),
    ("heater_coupling", ("column_pitch_um", "mode_pitch_um")),
    ("temperature_ramp_k_per_hour", _THERMAL),
    ("temperature_daily_k", _THERMAL),
    ("temperature_trace", _THERMAL),
    ("hot_spot_k", _THERMAL),
    ("laser_detuning_pm", ("group_index", "wavelength_nm")),
    ("laser_ramp_pm_per_hour", ("group_index", "wavelength_nm")),
    ("received_power_uw", ("responsivity_a_per_w", "bandwidth_ghz")),
    ("laser_rin_db_per_hz", ("bandwidth_ghz",)),
)
"""Field, and what must be known to use it."""


def validate(data: dict[str, Any], origin: str) -> HardwareConfig:
    """A description from its fields.

    Args:
        data: fields by name.
        origin: named in the message.

    Raises:
        HardwareError: with the first complaint.
    """
    try:
        return HardwareConfig.model_validate(data)
    except ValidationError as error:
        raise HardwareError(f"{origin}: {first_problem(error)}") from error


def _as_tuple(value: Any) -> Any:
    """Plain numbers and tuples of numpy's and of lists; -0.0, which no file says, is 0.0."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value + 0.0
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value


def first_problem(error: ValidationError) -> str:
    """The first complaint of a validation, on one line, with field and value."""
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field, got = ".".join(map(str, first["loc"])), first["input"]
    return f"field {field!r}: {message}, got {reprlib.repr(got)}"


def suggestion(word: Any, known: Any) -> str:
    """The words "; did you mean ...?" if a known word is near, or none."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
