"""The record of what a checkpoint was trained on: ids, formulas, sizes and ranges of labels.

Kept beside the weights as ``training_set.json``, without structures or label values, so that
predictions can be compared with it (``models.domain``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.crystal import MAX_ATOMIC_NUMBER
from models.crystal.species import symbol_of
from models.datasets.load import Dataset
from models.elements import element_table
from models.labels import Label

# T training crystals of one data set, F properties of elements

TRAINING_SET_FILE = "training_set.json"
MAX_TRAINING_SET_BYTES = 64_000_000
MAX_CRYSTALS = 500_000
"""Crystals of all data sets; the record of more is not kept."""
FORMAT = "lightframe-training-set"
FORMAT_VERSION = 1
VOLUME_WEIGHT = 3.0
"""Of the logarithm of the volume per atom in a fingerprint: its standard deviation over the shipped
crystals is 0.39, so that it counts about as much as one property."""
_VOLUME_DIGITS = 4  # decimals of a volume per atom [Angstrom^3]
_FORMULA = re.compile(r"[1-9]\d{0,2}:[1-9]\d{0,8}(,[1-9]\d{0,2}:[1-9]\d{0,8}){0,117}")

Floats = NDArray[np.float64]
_Id = Annotated[str, Field(min_length=1, max_length=200)]
_Sites = Annotated[int, Field(ge=1, le=100_000)]
_Volume = Annotated[float, Field(gt=0, le=1e9)]


class TrainingSetError(ValueError):
    """A record that is damaged or belongs to other weights; the message says which."""


class TrainingCrystals(BaseModel):
    """The crystals of one data set that were trained on, column by column."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    id: list[_Id] = Field(min_length=1, max_length=MAX_CRYSTALS)
    """(T,) ids in the data set."""
    formula: list[str]
    """(T,) reduced formulas as ``Crystal.formula_key`` writes them."""
    sites: list[_Sites]
    """(T,) sites of the primitive cell."""
    volume: list[_Volume]
    """(T,) [Angstrom^3] volume per atom."""
    labels: dict[str, tuple[float, float]]
    """Label of the data set, trained on or not, to its smallest and largest value, in its unit."""

    @model_validator(mode="after")
    def _columns_fit(self) -> TrainingCrystals:
        if len({len(c) for c in (self.id, self.formula, self.sites, self.volume)}) != 1:
            raise ValueError("columns differ in length")
        for formula in set(self.formula):
            if _FORMULA.fullmatch(formula) is None or max(_counts(formula)) > MAX_ATOMIC_NUMBER:
                raise ValueError(f"{formula[:80]!r} is no formula")
        return self

    @classmethod
    def of(
        cls, dataset: Dataset, train: NDArray[np.int64], num_sites: Sequence[int]
    ) -> TrainingCrystals:
        """The record of the training crystals of a data set.

        Args:
            dataset: all crystals.
            train: (T,) indices of the training crystals.
            num_sites: of the primitive cell of each crystal of the data set.
        """
        crystals = [dataset.crystals[i] for i in train]
        values = {name: column[train] for name, column in dataset.labels.items()}
        return cls(
            id=[dataset.ids[i] for i in train],
            formula=[crystal.formula_key for crystal in crystals],
            sites=[int(num_sites[i]) for i in train],
            volume=[round(c.volume / c.num_sites, _VOLUME_DIGITS) for c in crystals],
            labels={
                name: (float(np.nanmin(column)), float(np.nanmax(column)))
                for name, column in values.items()
                if np.isfinite(column).any()
            },
        )

    @cached_property
    def formulas(self) -> frozenset[str]:
        """Reduced formulas that occur."""
        return frozenset(self.formula)

    @cached_property
    def elements(self) -> frozenset[int]:
        """Atomic numbers that occur."""
        return frozenset(z for formula in self.formulas for z in _counts(formula))

    @cached_property
    def site_range(self) -> tuple[int, int]:
        """Smallest and largest number of sites of a primitive cell."""
        return min(self.sites), max(self.sites)

    @cached_property
    def volume_range(self) -> tuple[float, float]:
        """[Angstrom^3] smallest and largest volume per atom."""
        return min(self.volume), max(self.volume)

    @cached_property
    def _fingerprints(self) -> Floats:
        """(T, F + 1) fingerprints, one per crystal."""
        return fingerprints(self.formula, self.volume)

    def nearest(self, fingerprint: Floats, count: int) -> list[tuple[int, float]]:
        """Positions and distances of the training crystals most like a crystal, the nearest first.

        The distance is the root mean square difference of fingerprints. Nothing else of a structure
        enters: polymorphs differ by their volumes alone.

        Args:
            fingerprint: (F + 1,) of the crystal.
            count: how many, at most.
        """
        differences = self._fingerprints - fingerprint
        squares = np.einsum("tf,tf->t", differences, differences) / fingerprint.size
        first = np.argpartition(squares, min(count, squares.size) - 1)[:count]
        ordered = sorted((float(squares[place]), int(place)) for place in first)
        return [(place, square**0.5) for square, place in ordered]


class TrainingSet(BaseModel):
    """What a network was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    data_sha256: dict[str, str]
    """Data set name to hash of its records."""
    crystals: dict[str, TrainingCrystals]
    """Data set name to its training crystals."""

    @model_validator(mode="after")
    def _is_bounded(self) -> TrainingSet:
        if not self.crystals or self.data_sha256.keys() != self.crystals.keys():
            raise ValueError("`data_sha256` and `crystals` must name the same data sets")
        if self.num_crystals > MAX_CRYSTALS:
            raise ValueError(f"more than {MAX_CRYSTALS:,} crystals")
        return self

    @property
    def num_crystals(self) -> int:
        """Training crystals of all data sets."""
        return sum(len(part.id) for part in self.crystals.values())

    def check_labels(self, labels: Sequence[Label]) -> None:
        """Refuse the record of a network with other labels.

        Raises:
            TrainingSetError: naming the first label that the record does not know.
        """
        for label in labels:
            part = self.crystals.get(label.dataset)
            if part is None or label.name not in part.labels:
                raise TrainingSetError(f"knows no label {label.name!r} of {label.dataset!r}")

    def to_bytes(self, weights_sha256: str) -> bytes:
        """The record as JSON, tied to the weights that were trained."""
        content = self.model_dump(mode="json")
        header = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "weights_sha256": weights_sha256,
            "content_sha256": _sha256(content),
        }
        return (json.dumps({**header, **content}, separators=(",", ":")) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes, weights_sha256: str) -> TrainingSet:
        """The record that ``to_bytes`` wrote.

        Args:
            data: JSON.
            weights_sha256: hash of the weights beside it.

        Raises:
            TrainingSetError: if it is damaged or belongs to other weights.
        """
        try:
            content = json.loads(data)
        except (ValueError, RecursionError):
            raise TrainingSetError("not JSON") from None
        if not isinstance(content, dict):
            raise TrainingSetError("not an object")
        kind = content.pop("format", None), content.pop("format_version", None)
        if kind != (FORMAT, FORMAT_VERSION):
            raise TrainingSetError(f"not of format {FORMAT} {FORMAT_VERSION}")
        if content.pop("weights_sha256", None) != weights_sha256:
            raise TrainingSetError(
                "belongs to other weights (sha256 differs); without it they load"
            )
        if content.pop("content_sha256", None) != _sha256(content):
            raise TrainingSetError("was changed or damaged (sha256 differs)")
        try:
            # From JSON again, where lists stand for tuples.
            return cls.model_validate_json(json.dumps(content))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "file"
            raise TrainingSetError(f"not valid ({place}: {first['msg']})") from None


@lru_cache(maxsize=65_536)
def formula_text(formula: str) -> str:
    """A formula key as chemists write it, the most electropositive element first: ``Rb2Te``."""
    electronegativity = element_table().column("electronegativity")

    def order(z: int) -> tuple[float, int]:
        known = z < electronegativity.size and np.isfinite(electronegativity[z])
        return (float(electronegativity[z]) if known else np.inf, z)

    counts = _counts(formula)
    return "".join(
        symbol_of(z) + (str(counts[z]) if counts[z] > 1 else "") for z in sorted(counts, key=order)
    )


def _counts(formula: str) -> dict[int, int]:
    """Atomic number to number of atoms of a formula key."""
    pairs = (part.split(":") for part in formula.split(","))
    return {int(z): int(count) for z, count in pairs}


def fingerprints(formulas: Sequence[str], volumes: Sequence[float]) -> Floats:
    """(T, F + 1) mean standardised properties of the elements, and weighted logarithm of volumes.

    Args:
        formulas: (T,) as ``Crystal.formula_key``.
        volumes: (T,) [Angstrom^3] per atom; their logarithm is multiplied by ``VOLUME_WEIGHT``.
    """
    # Elements beyond the table, which no network of ours knows, count as the average one.
    shares = np.zeros((len(formulas), MAX_ATOMIC_NUMBER + 1))
    for row, formula in enumerate(formulas):
        for z, count in _counts(formula).items():
            shares[row, z] = count
    shares /= shares.sum(axis=1, keepdims=True)
    values = element_table().values
    logarithms = VOLUME_WEIGHT * np.log(np.asarray(volumes))
    return np.column_stack([shares[:, : len(values)] @ values, logarithms])


def _sha256(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
