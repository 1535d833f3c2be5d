"""Reads the shipped datasets into crystals and labels; how they were made is in ``build``."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.crystal import Crystal, CrystalError
from models.datasets.folds import NUM_FOLDS, fold_of

if TYPE_CHECKING:
    from pymatgen.core import Structure

_NUM_RECORDS = {"dielectric": 1056, "elastic": 1181, "formation": 3938, "piezo": 941}
_META_TEXTS = ("name", "cite", "licence")


class DatasetError(ValueError):
    """A dataset file that does not hold what it should; the message says what."""


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of the crystals to fit on, to choose on and to report on.

    Attributes:
        train: (T,) indices, ascending.
        validation: (V,) indices, ascending.
        test: (E,) indices, ascending; no reduced formula occurs in two of the three.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled crystals in the order of their source table.

    Attributes:
        name: name of the dataset, e.g. ``"dielectric"``.
        ids: (D,) identifiers of the source, unique.
        crystals: (D,) the crystals as in the source, not reduced to primitive cells.
        labels: label name to (D,) values, in the unit of ``units``.
        units: label name to unit; ``"1"`` for a pure number.
        descriptions: label name to what it is.
        folds: (D,) fold of each crystal, 0 to 4.
        sha256: hash of the records as canonical JSON (sorted keys, no blanks), whatever the
            compression of the file.
        citation: papers to cite.
        licence: licence and where the attribution stands.
    """

    name: str
    ids: tuple[str, ...]
    crystals: tuple[Crystal, ...]
    labels: dict[str, NDArray[np.float64]]
    units: dict[str, str]
    descriptions: dict[str, str]
    folds: NDArray[np.int64]
    sha256: str
    citation: str
    licence: str

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def structures(self) -> list[Structure]:
        """(D,) pymatgen structures, made anew at each access."""
        return [crystal.to_structure() for crystal in self.crystals]

    def split(self, test_fold: int = 0) -> Split:
        """Split by formula: one fold to test, the next one cyclically to validate, three to train.

        Args:
            test_fold: the fold to test on, 0 to 4.

        Raises:
            ValueError: if there is no such fold.
        """
        if isinstance(test_fold, bool) or test_fold not in range(NUM_FOLDS):
            raise ValueError(f"`test_fold` must be 0 to {NUM_FOLDS - 1}, got {test_fold}")
        test = self.folds == test_fold
        validation = self.folds == (test_fold + 1) % NUM_FOLDS
        train = ~(test | validation)
        return Split(*(np.flatnonzero(mask) for mask in (train, validation, test)))


def dataset_names() -> tuple[str, ...]:
    """Names of the shipped datasets."""
    return tuple(_NUM_RECORDS)


def load_dataset(name: str) -> Dataset:
    """The shipped dataset of this name, validated.

    Args:
        name: one of ``dataset_names()``.

    Raises:
        TypeError: if the name is no text.
        ValueError: if there is no such dataset; the message names the nearest one.
        DatasetError: if the file is damaged.
    """
    if not isinstance(name, str):
        raise TypeError(f"`name` must be a name of dataset_names(), got {name!r}")
    if name not in _NUM_RECORDS:
        nearest = difflib.get_close_matches(name, _NUM_RECORDS, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ValueError(f"no dataset {name!r}: {hint}available are {', '.join(_NUM_RECORDS)}")
    file = resources.files("models.datasets").joinpath(f"{name}.json.gz")
    dataset = decode_dataset(file.read_bytes())
    if dataset.name != name or len(dataset) != _NUM_RECORDS[name]:
        raise DatasetError(
            f"{name}.json.gz holds {len(dataset)} records of {dataset.name!r}, "
            f"expected {_NUM_RECORDS[name]}"
        )
    return dataset


def decode_dataset(data: bytes) -> Dataset:
    """The dataset in the bytes of a ``.json.gz`` file.

    Args:
        data: gzip-compressed JSON, ``{"meta": ..., "records": [...]}``, as written by ``build``.

    Raises:
        DatasetError: if the bytes do not decode, a field is missing or of the wrong shape, an id
            occurs twice, a structure is invalid or a label is not a finite number.
    """
    try:
        table = json.loads(gzip.decompress(data))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DatasetError(f"not gzip-compressed JSON: {error}") from None
    try:
        meta, records = table["meta"], table["records"]
        name, citation, licence = (str(meta[key]) for key in _META_TEXTS)
        descriptions, units = dict(meta["labels"]), dict(meta["units"])
        ids = tuple(str(record["id"]) for record in records)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"the file lacks the schema of a dataset: {error!r}") from None
    if not ids or len(set(ids)) != len(ids):
        raise DatasetError(f"{name}: ids must be unique, {len(set(ids))} of {len(ids)} are")
    if not descriptions or units.keys() != descriptions.keys():
        raise DatasetError(f"{name}: every label needs a description and a unit")
    crystals = tuple(_decode_crystal(record) for record in records)
    return Dataset(
        name=name,
        ids=ids,
        crystals=crystals,
        labels={label: _decode_label(records, label) for label in descriptions},
        units=units,
        descriptions=descriptions,
        folds=np.array([fold_of(crystal) for crystal in crystals], dtype=np.int64),
        sha256=_records_sha256(records),
        citation=citation,
        licence=licence,
    )


def _decode_crystal(record: dict[str, Any]) -> Crystal:
    """The crystal of one record."""
    try:
        return Crystal(
            np.array(record["z"], dtype=np.int64),
            np.array(record["cell"], dtype=np.float64).reshape(3, 3),
            np.array(record["x"], dtype=np.float64).reshape(-1, 3),
        )
    except KeyError as error:
        raise DatasetError(f"{record['id']}: the structure has no field {error}") from None
    except (TypeError, CrystalError, ValueError) as error:
        raise DatasetError(f"{record['id']}: {error}") from None


def _decode_label(records: list[dict[str, Any]], label: str) -> NDArray[np.float64]:
    """(D,) values of one label."""
    try:
        values = np.array([record[label] for record in records], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        raise DatasetError(f"label {label!r} must be a number in every record") from None
    if values.shape != (len(records),) or not np.isfinite(values).all():
        raise DatasetError(f"label {label!r} must be a finite number in every record")
    return values


def _records_sha256(records: list[dict[str, Any]]) -> str:
    """Hash of the records as canonical JSON."""
    text = json.dumps(records, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
