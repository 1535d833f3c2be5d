"""The user's labelled crystals in the shape of the shipped data sets, and how they are gathered."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.crystal import Crystal, CrystalError
from models.crystal.check import check_usable
from models.crystal.found import Skipped
from models.crystal.json_records import crystals_of_record
from models.crystal.sites import ReadOptions
from models.datasets.folds import fold_of
from models.datasets.load import Dataset, DatasetError, Split

UNIT_NOT_STATED = "unit not stated"
_MISSING = {"", "na", "nan", "none", "null"}


@dataclass(frozen=True, eq=False)
class LabelInfo:
    """Unit and meaning of a label; ``"1"`` for a pure number."""

    unit: str
    description: str


@dataclass(frozen=True, eq=False)
class UserDataset(Dataset):
    """Labelled crystals of the user, to be used like a shipped ``Dataset``.

    ``ids`` and ``crystals`` keep the order of the input; labels are NaN where they are missing,
    and ``sha256`` is that of ids, crystals and labels, whatever file they were read from.

    Attributes:
        published: the splits that come with the data, one, or one for each fold; none if the split
            goes by formula. They may share formulas, and Matbench leaves validation to the user.
        skipped: what was left out, and why.
    """

    published: tuple[Split, ...]
    skipped: tuple[Skipped, ...]

    @property
    def notes(self) -> tuple[tuple[str, str], ...]:
        """Id and line of all that the user should know about how crystals were read."""
        pairs = zip(self.ids, self.crystals, strict=True)
        return tuple((entry_id, note) for entry_id, crystal in pairs for note in crystal.notes)

    def split(self, test_fold: int = 0) -> Split:
        """The published split number ``test_fold``, or that by formula if none was published.

        Raises:
            ValueError: if there is no such fold.
        """
        if not self.published:
            return super().split(test_fold)
        if test_fold not in range(len(self.published)):
            raise ValueError(
                f"`test_fold` must be 0 to {len(self.published) - 1} in the published split of "
                f"{self.name}, got {test_fold}"
            )
        return self.published[test_fold]

    def split_with_validation(self, test_fold: int, validation_fold: int) -> Split:
        """A published split without validation crystals, some of its training ones taken for it.

        Args:
            test_fold: number of the published split.
            validation_fold: formula fold, 0 to 4, whose training crystals become the validation
                set, so that polymorphs stay together.

        Raises:
            ValueError: if the split has validation crystals already.
        """
        split = self.split(test_fold)
        if split.validation.size:
            raise ValueError(f"the split of {self.name} has validation crystals of its own")
        is_taken = self.folds[split.train] == validation_fold
        return Split(split.train[~is_taken], split.train[is_taken], split.test)


def parse_label(value: object) -> float:
    """The number of a label; NaN for "na", blanks, None and NaN.

    Raises:
        ValueError: if it is anything else, or infinite.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a number") from None
    if math.isinf(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


@dataclass
class Gathering:
    """Crystals and labels while they are read, in input order.

    Attributes:
        name: of the data set; also in messages.
        ids: ids of all entries that count, those skipped for their structure included: a published
            split is a matter of all of them.
    """

    name: str
    ids: list[str] = field(default_factory=list)
    _kept: list[int] = field(default_factory=list)
    _crystals: list[Crystal] = field(default_factory=list)
    _values: list[list[float]] = field(default_factory=list)
    _skipped: list[Skipped] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def add(self, entry_id: str, structure: object, values: Sequence[object]) -> None:
        """Take one entry, or note why it cannot be used.

        Args:
            entry_id: unique id.
            structure: a ``Crystal``, or a JSON value that describes one.
            values: one per label, as in the file, always in the same order.

        Raises:
            DatasetError: if the id has occurred before.
        """
        if entry_id in self._seen:
            raise DatasetError(f"{self.name}: the id {entry_id!r} occurs twice")
        self._seen.add(entry_id)
        position = len(self.ids)
        self.ids.append(entry_id)
        try:
            numbers = [parse_label(value) for value in values]
            if isinstance(structure, Crystal):
                crystal = structure
            else:
                crystal = crystals_of_record(structure, ReadOptions())[0]
            check_usable(crystal)
        except (CrystalError, ValueError) as error:
            self.skip(entry_id, str(error))
            return
        self._kept.append(position)
        self._crystals.append(crystal)
        self._values.append(numbers)

    def skip(self, source: str, reason: str) -> None:
        """Note something that was left out."""
        self._skipped.append(Skipped(source, reason))

    def dataset(
        self,
        labels: Mapping[str, LabelInfo],
        *,
        published: Sequence[Split] = (),
        citation: str,
        licence: str,
    ) -> UserDataset:
        """The data set of all that was taken.

        Args:
            labels: name to unit and meaning, in the order of the values that were added.
            published: splits as positions in ``ids``.
            citation: papers to cite, as far as known.
            licence: of the data, as far as known.

        Raises:
            DatasetError: if nothing was taken.
        """
        if not self._crystals:
            first = f"; first: {self._skipped[0]}" if self._skipped else ""
            raise DatasetError(
                f"{self.name}: no usable crystal ({len(self._skipped)} skipped{first})"
            )
        ids = tuple(self.ids[position] for position in self._kept)
        crystals = tuple(self._crystals)
        columns = np.array(self._values, dtype=np.float64).reshape(len(ids), len(labels)).T
        values = dict(zip(labels, columns, strict=True))
        return UserDataset(
            name=self.name,
            ids=ids,
            crystals=crystals,
            labels=values,
            units={label: info.unit for label, info in labels.items()},
            descriptions={label: info.description for label, info in labels.items()},
            folds=np.array([fold_of(crystal) for crystal in crystals], dtype=np.int64),
            sha256=_sha256(ids, crystals, values),
            citation=citation,
            licence=licence,
            published=tuple(_restrict(split, self._kept) for split in published),
            skipped=tuple(self._skipped),
        )


def _restrict(split: Split, kept: Sequence[int]) -> Split:
    """A split of all entries as indices into those that were kept, ascending."""
    positions = np.array(kept, dtype=np.int64)
    return Split(
        *(
            np.flatnonzero(np.isin(positions, part))
            for part in (split.train, split.validation, split.test)
        )
    )


def _sha256(
    ids: Sequence[str],
    crystals: Sequence[Crystal],
    labels: Mapping[str, NDArray[np.float64]],
) -> str:
    """Hash of the records as canonical JSON, one a line; a missing label is null."""
    digest = hashlib.sha256()
    for index, (entry_id, crystal) in enumerate(zip(ids, crystals, strict=True)):
        row = {name: float(values[index]) for name, values in labels.items()}
        record = {
            "id": entry_id,
            "z": crystal.numbers.tolist(),
            "cell": crystal.lattice.ravel().tolist(),
            "x": crystal.frac_coords.ravel().tolist(),
            "labels": {name: None if math.isnan(v) else v for name, v in row.items()},
        }
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()
