"""StudyDescription: what is varied, on how many chips, and what is kept; read from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from experiments.evaluation import SplitName
from experiments.study.fields import REMEDY, SweptField, swept_fields
from experiments.study.remedies import methods_of, remedy_name
from experiments.study.strict import StrictModel
from photonic.calibration.recipe import Recipe
from photonic.files import read_regular
from photonic.hardware import first_problem
from photonic.hardware.config import suggestion
from photonic.hardware.strict_yaml import StrictYamlError, read_table

MAX_BYTES = 1_000_000
"""Size of a description."""

AxisValue = bool | int | float | str | None
Quantity = Literal["error", "deviation", "prediction"]


class StudyError(ValueError):
    """A study that cannot be used; one line that names the file and the field."""


class Range(StrictModel):
    """Numbers between two bounds, both included."""

    start: float = Field(alias="from")
    """First value, in the unit of the axis."""
    to: float
    """Last value, in the unit of the axis."""
    num: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Number of values; for grids alone."""
    scale: Literal["lin", "log"] = "lin"
    """Equal differences, or equal ratios."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.to <= self.start:
            raise ValueError(f"`to` must exceed `from`, got {self.start:g} and {self.to:g}")
        if self.scale == "log" and self.start <= 0:
            raise ValueError(f"a log scale needs a positive `from`, got {self.start:g}")
        return self


def _form(value: Any) -> str:
    return "range" if isinstance(value, dict | Range) else "list"


_Values = Annotated[tuple[AxisValue, ...], Field(min_length=1)]
AxisValues = Annotated[
    Annotated[Range, Tag("range")] | Annotated[_Values, Tag("list")], Discriminator(_form)
]


class Grid(StrictModel):
    """Every combination of the values of the axes, the last axis fastest."""

    method: Literal["grid"] = "grid"
    """Kind of sampling."""


class LatinHypercube(StrictModel):
    """Points with one in each of equally likely strata of every axis."""

    method: Literal["latin_hypercube"]
    """Kind of sampling."""
    points: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of points."""


class Sobol(StrictModel):
    """A scrambled Sobol sequence; twice as many points contain the first ones."""

    method: Literal["sobol"]
    """Kind of sampling."""
    points: Annotated[int, Field(ge=1, le=1_048_576)]
    """Number of points, a power of two."""

    @field_validator("points")
    @classmethod
    def _check_points(cls, points: int) -> int:
        if points & (points - 1):
            raise ValueError("a Sobol sequence is balanced for powers of two alone")
        return points


def _listed(field: SweptField, values: tuple[AxisValue, ...]) -> tuple[AxisValue, ...]:
    """The values of a list, each one checked; remedies as they are always written."""
    if field.name == REMEDY:
        values = tuple(remedy_name(methods_of(value)) for value in values)
    for value in values:
        field.check(value)
    if len(set(map(repr, values))) < len(values):
        raise ValueError(f"axis {field.name!r} holds a value twice")
    return values


class Calibration(StrictModel):
    """How well the laboratory measures, and for how long; see ``Recipe``."""

    coupler_error_rad: Annotated[float, Field(ge=0, le=0.5)] = 1e-3
    """Std of the measured coupler angles [rad]."""
    read_noise: Annotated[float, Field(ge=0, le=0.5)] = 1e-3
    """Std of a reading relative to full scale."""
    mapping_epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    """Epochs of the descent on the chip."""
    subspace_epochs: Annotated[int, Field(ge=1, le=1000)] = 20
    """Passes over the activations when attenuators are trained."""
    column_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the activations of a mini-batch that enter the gradient of the attenuators."""


class StudyDescription(StrictModel):
    """A study over settings and independently drawn chips.

    Chip number c has the same draws, scaled by the setting, at every point.
    """

    mapped: Annotated[str, Field(min_length=1)]
    """Directory written by ``lightframe map``; relative to the file of the study."""
    hardware: str | None = None
    """Chip name, or YAML file relative to that of the study; none takes the chip that was mapped
    for."""
    axes: Annotated[dict[str, AxisValues], Field(min_length=1)]
    """What varies: fields of the chip description, ``time_s``, ``mesh``, ``tile``, ``order`` or
    ``remedy``, each with its values in its own unit: a list, or {from, to, num, scale}."""
    calibration: Calibration | None = None
    """Of the axis ``remedy``; none takes the usual figures."""
    sampling: Annotated[Grid | LatinHypercube | Sobol, Field(discriminator="method")] = Grid()
    """How points are chosen from the axes."""
    chips: Annotated[int, Field(ge=1, le=1_000_000)]
    """Chips drawn at every point; with ``until``, at most."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of all draws, those of chips and those of points."""
    crystals: Annotated[int, Field(ge=1)] | None = None
    """Use only the first crystals of the split; none takes all."""
    split: SplitName = "test"
    """Crystals of the checkpoint's data that are evaluated: those it has not seen, those that chose
    it, or those it was trained on."""
    quantities: tuple[Quantity, ...] = ("error", "deviation")
    """What is kept of every crystal on every chip, in the unit of the label: prediction minus
    label, prediction minus digital prediction, or the prediction. The mean absolute error and the
    root-mean-square deviation of every chip are always kept."""
    closed_forms: bool = True
    """Find the expected weight error of every point where a closed form holds; each takes about as
    long as the weights of a hundred chips."""
    until: Annotated[float, Field(gt=0, lt=1)] | None = None
    """A point stops once the half-width of the 95 % interval of its mean error over chips is at
    most this share of the mean; none evaluates all chips."""
    min_chips: Annotated[int, Field(ge=2)] = 8
    """Fewest chips at a point that ``until`` may stop."""

    @field_validator("axes")
    @classmethod
    def _check_axes(cls, axes: dict[str, AxisValues]) -> dict[str, AxisValues]:
        known, checked = swept_fields(), {}
        for name, values in axes.items():
            if name not in known:
                raise ValueError(f"unknown axis {name!r}{suggestion(name, known)}")
            if isinstance(values, Range) and known[name].kind in ("choice", "switch"):
                raise ValueError(f"axis {name!r} takes a list of values, not a range")
            if not isinstance(values, Range):
                values = _listed(known[name], values)
            checked[name] = values
        return checked

    @model_validator(mode="after")
    def _check_calibration(self) -> Self:
        if self.calibration is not None and REMEDY not in self.axes:
            raise ValueError(f"`calibration` has no effect without the axis {REMEDY!r}")
        return self

    @field_validator("quantities")
    @classmethod
    def _check_quantities(cls, quantities: tuple[Quantity, ...]) -> tuple[Quantity, ...]:
        if len(set(quantities)) < len(quantities):
            raise ValueError("a quantity occurs twice")
        return quantities

    @model_validator(mode="after")
    def _check_numbers_of_values(self) -> Self:
        is_grid = isinstance(self.sampling, Grid)
        for name, values in self.axes.items():
            if isinstance(values, Range) and (values.num is not None) != is_grid:
                need = "needs `num`" if is_grid else "takes no `num`; `points` says how many"
                raise ValueError(f"axis {name!r}: with {self.sampling.method} a range {need}")
        return self

    def recipe(self, remedy: AxisValue) -> Recipe | None:
        """The calibration that a value of the axis ``remedy`` stands for; None for "none"."""
        methods = methods_of(remedy)
        figures = {} if self.calibration is None else self.calibration.model_dump()
        return Recipe(methods=methods, **figures) if methods else None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return self.model_dump(mode="json", by_alias=True)

    def with_until(self, until: float | None) -> StudyDescription:
        """A copy that stops a point as said, or as described for None.

        Raises:
            StudyError: if ``until`` is out of range.
        """
        if until is None:
            return self
        return parse_study({**self.to_json(), "until": until}, "--until")


def parse_study(data: dict[Any, Any], origin: str) -> StudyDescription:
    """A description from its fields.

    Args:
        data: fields by name.
        origin: named in the message.

    Raises:
        StudyError: with the first complaint.
    """
    try:
        return StudyDescription.model_validate(data)
    except ValidationError as error:
        raise StudyError(f"{origin}: {first_problem(error)}") from None


def load_study(path: Path) -> StudyDescription:
    """The description in a YAML file; its paths are made relative to the working directory.

    Raises:
        StudyError: if the file cannot be read or one of its fields is refused.
    """
    try:
        table = read_table(read_regular(path, MAX_BYTES).decode("utf-8"))
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StudyError(f"{path}: not UTF-8 text") from None
    except StrictYamlError as error:
        raise StudyError(f"{path}: {error}") from None
    study = parse_study(table, str(path))
    places = {"mapped": str(path.parent / study.mapped)}
    if study.hardware is not None and study.hardware.endswith((".yaml", ".yml")):
        places["hardware"] = str(path.parent / study.hardware)
    return study.model_copy(update=places)
