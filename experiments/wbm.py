"""Crystals from elsewhere: the WBM test file, on which formation energies are tested.

Its corrected formation energies ``efc`` follow other calculations than those that networks are
trained on, of compounds that nobody had made: out of distribution by construction.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.crystal import Crystal, CrystalError
from models.crystal.json_files import read_json
from models.datasets import Dataset, DatasetError


@dataclass(frozen=True, eq=False)
class OutOfDistribution:
    """Crystals with formation energies of another origin.

    Attributes:
        ids: (W,) identifiers.
        crystals: (W,) structures.
        values: (W,) [eV/atom] corrected formation energies.
    """

    TRAINED_ON: ClassVar[str] = "formation"
    """Data set of the label that is compared with them."""
    TRAINED_AS: ClassVar[str] = "ef"
    """Name of that label."""
    LABEL: ClassVar[str] = "efc"
    """Name of the values in the file."""

    ids: tuple[str, ...]
    crystals: tuple[Crystal, ...]
    values: NDArray[np.float64]

    def is_known(self, dataset: Dataset) -> NDArray[np.bool_]:
        """(W,) True for crystals whose reduced formula occurs in a data set."""
        known = {crystal.formula_key for crystal in dataset.crystals}
        return np.array([crystal.formula_key in known for crystal in self.crystals])

    def joined_to(self, dataset: Dataset) -> tuple[Dataset, NDArray[np.int64]]:
        """A data set with these crystals at its end, and their indices.

        Args:
            dataset: the one with the label ``TRAINED_AS``.
        """
        labels = np.concatenate([dataset.labels[self.TRAINED_AS], self.values])
        joined = dataclasses.replace(
            dataset,
            ids=(*dataset.ids, *self.ids),
            crystals=(*dataset.crystals, *self.crystals),
            labels={self.TRAINED_AS: labels},
        )
        return joined, np.arange(len(dataset), len(joined))


def load_out_of_distribution(path: Path) -> OutOfDistribution:
    """The crystals of a file such as ``wbm_test_972.json.gz``.

    Args:
        path: gzip-compressed JSON, ``{"meta": ..., "records": [{"id", "z", "cell", "x", "efc"}]}``;
            cell vectors are rows [Angstrom], coordinates fractional, ``efc`` in eV/atom.

    Raises:
        DatasetError: if there is no such file, or it is damaged or of another form.
    """
    try:
        records = read_json(path)["records"]
        crystals = tuple(
            Crystal(
                np.array(record["z"], dtype=np.int64),
                np.array(record["cell"], dtype=np.float64).reshape(3, 3),
                np.array(record["x"], dtype=np.float64).reshape(-1, 3),
            )
            for record in records
        )
        ids = tuple(str(record["id"]) for record in records)
        values = np.array([record[OutOfDistribution.LABEL] for record in records], np.float64)
    except DatasetError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, CrystalError) as error:
        raise DatasetError(
            f"{path} is not a table of crystals with {OutOfDistribution.LABEL}: {error!r}"
        ) from None
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise DatasetError(f"{path}: {OutOfDistribution.LABEL} must be a finite number everywhere")
    return OutOfDistribution(ids, crystals, values)
