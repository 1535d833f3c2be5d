"""StudyStore: the results of a study on disk, in zarr, one chunk for each task."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from experiments.record import RunRecord
from experiments.study.evaluate import Task

STORE = "results.zarr"
UNFINISHED = f"{STORE}.writing"
"""A store that is being made; it holds nothing yet."""
MAE, DEVIATION = "mae", "deviation_rms"
MEANINGS = {
    "error": "prediction on a chip minus label",
    "deviation": "prediction on a chip minus digital prediction",
    "prediction": "prediction on a chip",
    DEVIATION: "root-mean-square deviation from the digital prediction",
    MAE: "mean absolute error against the labels",
}
"""Arrays that tasks fill, in this order, and what they hold."""
_DIMENSIONS = ("point", "chip", "crystal")
_FORMAT: Literal[2] = 2
"""Version 3 of zarr has no standard yet for metadata in one place, nor for text."""

Floats = NDArray[np.float64]


class StudyStore:
    """Reads and writes the arrays of one study directory.

    In ``mae`` NaN says that a chip has not been evaluated; one without finite predictions is
    infinitely wrong. A chunk appears under its name only when complete, and
    ``mae`` of a task is written last: where it is no NaN the task is finished.

    Args:
        directory: of the study, with a store from ``create``.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / STORE
        with _explained(self.path):
            self.group = zarr.open_group(
                self.path, mode="r+", zarr_format=_FORMAT, use_consolidated=False
            )
        self._names = [name for name in MEANINGS if name in self.group]
        self._arrays = {name: self._array(name) for name in self._names}
        self._label = self._read("label")
        self._digital = self._read("digital")

    @classmethod
    def create(
        cls,
        directory: Path,
        crystals: xr.Dataset,
        points: Mapping[str, xr.Variable],
        record: RunRecord,
        quantities: Sequence[str],
        *,
        num_chips: int,
        block: int,
    ) -> StudyStore:
        """A new store, there as a whole or not at all.

        Args:
            directory: of the study; exists.
            crystals: ``label`` and ``digital`` over ``crystal``, with units.
            points: value of every axis over ``point``, with units.
            record: provenance, an attribute of the store.
            quantities: kept for every crystal.
            num_chips: most chips at a point.
            block: chips of a task.

        Raises:
            OSError: if the directory cannot be written.
        """
        chips = {"chip": ("chip", np.arange(num_chips))}
        frame = crystals.assign_coords({**points, **chips}).assign_attrs(
            record=record.model_dump_json(), is_complete=0
        )
        unfinished = directory / UNFINISHED
        with _explained(directory):
            frame.to_zarr(unfinished, mode="w", zarr_format=_FORMAT, consolidated=False)
            group = zarr.open_group(unfinished, mode="r+", zarr_format=_FORMAT)
            sizes = {**frame.sizes, "chip": num_chips}
            units = frame["label"].attrs["units"]
            for name in (*quantities, DEVIATION, MAE):
                _create_array(group, name, sizes, units, block)
            zarr.consolidate_metadata(unfinished, zarr_format=_FORMAT)
            unfinished.rename(directory / STORE)
        return cls(directory)

    @property
    def record(self) -> RunRecord:
        """What the study was started with."""
        return RunRecord.model_validate_json(str(self.group.attrs["record"]))

    @property
    def block(self) -> int:
        """Chips of a task."""
        return int(self._array(MAE).chunks[1])

    @property
    def errors(self) -> Floats:
        """(P, C) mean absolute error of every chip, NaN where none has been evaluated."""
        return self._read(MAE)

    def _array(self, name: str) -> zarr.Array[Any]:
        array = self.group[name]
        assert isinstance(array, zarr.Array)
        return array

    def _read(self, name: str) -> Floats:
        return np.asarray(self._array(name)[:], dtype=np.float64)

    def write(self, task: Task, predictions: Floats) -> Floats:
        """Keep what a task found.

        Args:
            task: a whole chunk.
            predictions: (n, B) [label unit].

        Returns:
            (n,) mean absolute errors.

        Raises:
            OSError: if it cannot be written; the chunks before are kept.
        """
        values = {
            "prediction": predictions,
            "error": predictions - self._label,
            "deviation": predictions - self._digital,
        }
        finite = np.where(np.isfinite(predictions), predictions, np.inf)
        errors: Floats = np.abs(finite - self._label).mean(-1)
        values[DEVIATION] = np.sqrt(((finite - self._digital) ** 2).mean(-1))
        values[MAE] = errors
        with _explained(self.path):
            for name in self._names:
                self._arrays[name][task.point, task.first : task.last] = values[name]
        return errors

    def finish(self, num_chips: Sequence[int]) -> None:
        """Drop chips that were evaluated beyond those that count, and say that all is done.

        Args:
            num_chips: (P,) chips that count at each point, the first ones.
        """
        done = ~np.isnan(self.errors)
        with _explained(self.path):
            for point, number in enumerate(num_chips):
                if done[point, number:].any():
                    for name in self._names:  # ``mae`` last: until then it is seen to be undone
                        self._array(name)[point, number:] = np.nan
            self.group.attrs["is_complete"] = 1
            zarr.consolidate_metadata(self.path, zarr_format=_FORMAT)


def _create_array(
    group: zarr.Group, name: str, sizes: Mapping[Hashable, int], units: str, block: int
) -> None:
    dimensions = _DIMENSIONS[:2] if name in (MAE, DEVIATION) else _DIMENSIONS
    chunks = {"point": 1, "chip": min(block, sizes["chip"]), "crystal": sizes["crystal"]}
    group.create_array(
        name,
        shape=tuple(sizes[d] for d in dimensions),
        chunks=tuple(chunks[d] for d in dimensions),
        dtype="float64",
        fill_value=np.nan,
        chunk_key_encoding={"name": "v2", "separator": "/"},
        attributes={
            "_ARRAY_DIMENSIONS": list(dimensions),
            "units": units,
            "long_name": MEANINGS[name],
        },
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Errors of the system with one line on what it means for the study."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            f"{path} cannot be written ({reason}); finished blocks are kept, continue with --resume"
        ) from error


def record_of(results: xr.Dataset) -> RunRecord:
    """The record of an opened study."""
    return RunRecord.model_validate(json.loads(results.attrs["record"]))
