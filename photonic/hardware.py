"""Validated description of a photonic chip or scenario, and the reader of its YAML files.

A description holds numbers and their sources only. The error models that use the numbers live in
``impairments`` and ``drift``; one drawn device is a ``Chip``. ``None`` or 0 means that the effect
is absent.
"""

import difflib
import reprlib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_PRESET_PACKAGE = "hardware_configs"
_PLAIN_FIELDS = ("name", "description")

_Positive = Annotated[float, Field(gt=0)]
_Drift = Annotated[float, Field(ge=0, le=100)]
_Angle = Annotated[float, Field(ge=0, le=6.3)]


class HardwareError(ValueError):
    """A hardware description that cannot be used; one line naming the file and the field."""


class HardwareConfig(BaseModel):
    """Numbers of one chip or scenario, each in the unit its name ends with."""

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
    max_modes: Annotated[int, Field(ge=1)] | None = None
    """Modes of the largest mesh that the chip carries; None = any."""
    wavelength_nm: _Positive | None = None
    """Vacuum wavelength [nm]; recorded, used by no error model."""

    v_pi_v: _Positive | None = None
    """Voltage for a phase of pi under phi = pi (V/v_pi)^2 [V]; None = not known."""
    v_max_v: _Positive | None = None
    """Full scale of the driver [V]; None = not known."""
    p_pi_mw: _Positive | None = None
    """Electrical power for a phase of pi [mW]; None = not known."""
    dac_bits: Annotated[int, Field(ge=1, le=32)] | None = None
    """Resolution of the drive; None = continuous."""
    dac_mode: Literal["phase", "voltage"] = "phase"
    """Quantity in which the codes are equally spaced."""

    gamma_spread: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Relative std of the drive coefficient before truncation at 2 sigma; reference 2.2."""
    crosstalk: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    """Thermal nearest-neighbour coefficient c; reference 2.4."""
    is_crosstalk_compensated: bool = False
    """Commands are solved for the nominal crosstalk before they are rounded; reference 5.1."""
    bias_residual_rad: _Angle = 0.0
    """Std of the phase bias left by calibration [rad]; reference 2.5."""
    phase_noise_rad: _Angle = 0.0
    """Std of the static phase error, one draw per chip [rad]; reference 2.7."""
    shot_phase_noise_rad: _Angle = 0.0
    """Std of the phase error drawn anew for every shot [rad]; reference 2.7."""
    coupler_sigma_rad: Annotated[float, Field(ge=0, lt=0.7854)] = 0.0
    """Std of the independent coupler angle errors [rad]; reference 2.8."""
    coupler_offset_rad: Annotated[float, Field(gt=-0.7854, lt=0.7854)] = 0.0
    """Coupler angle error common to the chip [rad]; reference 2.8."""
    insertion_loss_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Mean loss per MZI [dB of power]; reference 2.9."""
    insertion_loss_std_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Std of the loss per MZI [dB]; reference 2.9."""
    is_loss_compensated: bool = True
    """An electronic gain is calibrated for the mean loss of the core."""

    random_walk_rad_per_sqrt_hour: _Drift = 0.0
    """Square root of the random-walk rate D [rad/sqrt(h)]; reference 2.6."""
    ou_sigma_rad: _Drift = 0.0
    """Stationary std of the Ornstein-Uhlenbeck drift [rad]; reference 2.6."""
    ou_time_constant_s: _Positive | None = None
    """Correlation time of the Ornstein-Uhlenbeck drift [s]."""

    sources: dict[str, str] = Field(default_factory=dict)
    """Origin of each number, by field."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown field {key!r}{_suggestion(key, cls.model_fields)}")
        return data

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.ou_sigma_rad > 0) != (self.ou_time_constant_s is not None):
            raise ValueError("`ou_sigma_rad` and `ou_time_constant_s` are given together or not")
        is_voltage_dac = self.dac_bits is not None and self.dac_mode == "voltage"
        if is_voltage_dac and (self.v_pi_v is None or self.v_max_v is None):
            raise ValueError("`dac_mode: voltage` needs `v_pi_v` and `v_max_v`")
        for key in self.sources:
            if key not in type(self).model_fields:
                raise ValueError(f"source for unknown field {key!r}")
        return self

    @property
    def has_drift(self) -> bool:
        """True if the phases move with time."""
        return self.random_walk_rad_per_sqrt_hour > 0 or self.ou_sigma_rad > 0

    @property
    def is_precompensated(self) -> bool:
        """True if commands are solved for crosstalk, so that they may exceed 2 pi."""
        return self.is_crosstalk_compensated and self.crosstalk > 0

    @property
    def is_ideal(self) -> bool:
        """True if no field changes a weight: drive figures alone do not."""
        figures = (
            self.gamma_spread,
            self.crosstalk,
            self.bias_residual_rad,
            self.phase_noise_rad,
            self.shot_phase_noise_rad,
            self.coupler_sigma_rad,
            self.coupler_offset_rad,
            self.insertion_loss_db,
            self.insertion_loss_std_db,
        )
        return self.dac_bits is None and not self.has_drift and not any(figures)

    def replace(self, **changes: Any) -> Self:
        """A validated copy with some fields changed.

        The source of a changed field becomes "set by the caller", unless ``sources`` is given.

        Raises:
            HardwareError: if a field is unknown or its value is refused.
        """
        numbers = type(self).model_fields.keys() - {*_PLAIN_FIELDS, "sources"}
        sources = self.sources | dict.fromkeys(numbers & changes.keys(), "set by the caller")
        return _validate({**self.model_dump(), "sources": sources, **changes}, self.name)


def hardware_names() -> tuple[str, ...]:
    """Names of the shipped presets, sorted."""
    folder = resources.files(_PRESET_PACKAGE)
    files = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


def load_hardware(name_or_path: str | Path) -> HardwareConfig:
    """The description of a shipped preset or of a YAML file.

    A ``Path``, or text that ends in .yaml or .yml or holds a path separator, is a file; any other
    text is the name of a preset. In the file every number reads
    ``field: {value: 0.01, source: "Author, journal (year)"}``.

    Raises:
        ValueError: if no preset has this name; the nearest one is named.
        HardwareError: if the file cannot be read or one of its fields is refused.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text:
        path = Path(name_or_path)
        return _parse(_read(path), str(path))
    names = hardware_names()
    if text not in names:
        hint = _suggestion(text, names).removeprefix("; ")
        raise ValueError(
            f"unknown hardware {text!r}; {hint}{' ' if hint else ''}available: {', '.join(names)}"
        )
    file = f"{text}.yaml"
    return _parse(resources.files(_PRESET_PACKAGE).joinpath(file).read_text("utf-8"), file)


def first_problem(error: ValidationError) -> str:
    """The first complaint of a validation, on one line, with field and value."""
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field, got = ".".join(map(str, first["loc"])), first["input"]
    hint = " (YAML reads 1e-3 as text: write 1.0e-3)" if _is_exponent(got) else ""
    return f"field {field!r}: {message}, got {reprlib.repr(got)}{hint}"


def _is_exponent(value: Any) -> bool:
    return isinstance(value, str) and value[:1].isdigit() and "e" in value.lower()


def _suggestion(word: Any, known: Any) -> str:
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise HardwareError(f"{path}: {reason}") from error


def _parse(text: str, file: str) -> HardwareConfig:
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise HardwareError(f"{file}: not valid YAML{where}: {reason}") from error
    if not isinstance(raw, dict):
        raise HardwareError(f"{file}: must be a table of fields")
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, entry in raw.items():
        if key not in HardwareConfig.model_fields:
            near = _suggestion(key, HardwareConfig.model_fields)
            raise HardwareError(f"{file}: unknown field {reprlib.repr(key)}{near}")
        values[key], source = _value_and_source(file, key, entry)
        if source is not None:
            sources[key] = source
    return _validate({**values, "sources": sources}, file)


def _value_and_source(file: str, key: Any, entry: Any) -> tuple[Any, str | None]:
    """The value of one YAML field and where it comes from (None for text and switches)."""
    if key == "sources":
        raise HardwareError(f"{file}: field 'sources': write the source beside each value")
    if not isinstance(entry, dict):
        if isinstance(entry, int | float) and not isinstance(entry, bool):
            raise HardwareError(f"{file}: field {key!r}: write {{value: ..., source: ...}}")
        return entry, None
    if set(entry) != {"value", "source"}:
        raise HardwareError(f"{file}: field {key!r}: must hold exactly 'value' and 'source'")
    source = entry["source"]
    if not isinstance(source, str) or not source.strip():
        raise HardwareError(f"{file}: field {key!r}: the source is empty")
    return entry["value"], source.strip()


def _validate(data: dict[str, Any], origin: str) -> HardwareConfig:
    try:
        return HardwareConfig.model_validate(data)
    except ValidationError as error:
        raise HardwareError(f"{origin}: {first_problem(error)}") from error
