"""StudyStore: the results of a study on disk, in zarr, one chunk for each task."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr
from numcodecs import CRC32

from experiments.record import RunRecord
from experiments.study.checked_store import CheckedStore, refuse_links
from experiments.study.description import StudyError
from experiments.study.durable import PeriodicSync, sync_file_system
from experiments.study.evaluate import Floats, Task
from experiments.study.store_format import check_size
from photonic.files import new_folder

STORE = "results.zarr"
MAE, DEVIATION, WEIGHT_ERROR = "mae", "deviation_rms", "weight_error"
MEANINGS = {
    "error": "prediction on a chip minus label",
    "deviation": "prediction on a chip minus digital prediction",
    "prediction": "prediction on a chip",
    WEIGHT_ERROR: "error of all mapped weights over their size, in the Frobenius norm",
    DEVIATION: "root-mean-square deviation from the digital prediction",
    MAE: "mean absolute error against the labels",
}
"""Arrays that tasks fill, in this order, and what they hold."""
OF_CHIPS = (WEIGHT_ERROR, DEVIATION, MAE)
"""Those with one number for each chip."""
EXPECTED, NOTE = f"{WEIGHT_ERROR}_expected", f"{WEIGHT_ERROR}_note"
"""Closed form of the weight error at a point, and why there is none."""
_END = {name: "" if name in OF_CHIPS else "/0" for name in MEANINGS}
"""Of the keys of chunks: their number along crystals, of which there is one."""
CHECKSUM = (CRC32(),)
"""The only step of encoding; noise is not worth compressing."""
_DIMENSIONS = ("point", "chip", "crystal")
_FORMAT: Literal[2] = 2
"""Version 3 of zarr has no standard yet for metadata in one place, nor for text."""


class StudyStore:
    """Reads and writes the arrays of one study directory.

    In ``mae`` NaN says that a chip has not been evaluated; one without finite predictions is
    infinitely wrong. A chunk appears under its name only when complete, with a checksum, and
    ``mae`` of a task is written last: where it is no NaN the task is finished. All of it is on the
    disk a few seconds later; ``repair`` finds what a machine that stopped kept only a part of.

    Args:
        directory: of the study, with a store from ``create``; no other process writes into it.

    Raises:
        StudyError: if there is no study, a link in it, or one without checksums.
        OSError: if it cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / STORE
        with _explained(self.path):
            self._files = CheckedStore(self.path)
            layout = self._files.layout
            refuse_links(self.path)
            if not layout.has_checksums:
                raise StudyError(
                    f"{self.path} was written by an earlier version, without checksums: "
                    "it can be read, but not continued"
                )
            self.group = zarr.open_group(
                self._files, mode="r+", zarr_format=_FORMAT, use_consolidated=False
            )
        self._names = [name for name in MEANINGS if name in layout.arrays]
        with _empty_chunks():
            self._arrays = {name: self._array(name) for name in layout.arrays}
        self._sync = PeriodicSync(self.path)

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
            crystals: ``label`` and ``digital`` over ``crystal``, with units; and what is known of
                points from the start.
            points: value of every axis over ``point``, with units.
            record: provenance, an attribute of the store.
            quantities: kept for every crystal, and ``weight_error`` if it is kept of every chip.
            num_chips: most chips at a point.
            block: chips of a task.

        Raises:
            StudyError: if it is too large.
            OSError: if the directory cannot be written.
        """
        chips = {"chip": ("chip", np.arange(num_chips))}
        frame = crystals.assign_coords({**points, **chips}).assign_attrs(
            record=record.model_dump_json(), is_complete=0
        )
        sizes = {"point": 1, **frame.sizes, "chip": num_chips}
        check_size(sizes)
        encoding = {name: {"compressors": CHECKSUM} for name in frame.variables}
        with _explained(directory), new_folder(directory / STORE) as unfinished:
            with _empty_chunks():
                frame.to_zarr(
                    unfinished,
                    mode="w",
                    zarr_format=_FORMAT,
                    consolidated=False,
                    encoding=encoding,
                )
            group = zarr.open_group(unfinished, mode="r+", zarr_format=_FORMAT)
            units = frame["label"].attrs["units"]
            for name in (*quantities, DEVIATION, MAE):
                unit = "1" if name == WEIGHT_ERROR else units
                _create_array(group, name, sizes, unit, block)
            zarr.consolidate_metadata(unfinished, zarr_format=_FORMAT)
            sync_file_system(unfinished)
        return cls(directory)

    def repair(self, frame: Callable[[], xr.Dataset]) -> dict[str, str]:
        """Have blocks evaluated again of which a chunk is broken, and write other chunks anew.

        A file that was renamed but not yet on the disk when the machine stopped is missing or empty
        afterwards; disks lose bits. What an interrupted write has left is deleted as well.

        Args:
            frame: gives crystals and points as ``create`` took them.

        Returns:
            Broken chunks, as ``mae/0/1``, and what is wrong with them.

        Raises:
            OSError: if something cannot be deleted or written.
        """
        broken: dict[str, str] = {}
        with _explained(self.path):
            for path in self.path.rglob("*.partial"):
                path.unlink()
            for block in self._blocks():
                faults = self._faults(f"{name}/{block}{_END[name]}" for name in self._names)
                if faults:
                    for key in (f"{MAE}/{block}", *faults):  # without that one it is not finished
                        (self.path / key).unlink(missing_ok=True)
                broken |= faults
            lost = self._faults(self._constant_chunks())
            for name in {key.partition("/")[0] for key in lost}:
                numbers = np.arange(self._arrays[name].shape[0])
                self._arrays[name][:] = numbers if name == "chip" else frame()[name].to_numpy()
        return broken | lost

    def _faults(self, keys: Iterable[str]) -> dict[str, str]:
        faults = {key: self._files.fault(key) for key in keys}
        return {key: fault for key, fault in faults.items() if fault is not None}

    def _blocks(self) -> Iterator[str]:
        """Blocks that are finished, or should be: ``point/block``."""
        layout = self._files.layout
        for point in range(layout.sizes["point"]):
            needed = map(str, range(layout.needed_blocks(point)))
            folder = self.path / MAE / str(point)
            there = filter(str.isdigit, os.listdir(folder) if folder.is_dir() else ())
            yield from (f"{point}/{block}" for block in sorted({*needed, *there}))

    def _constant_chunks(self) -> Iterator[str]:
        """Chunks of arrays that tasks do not fill."""
        layout = self._files.layout
        for name in layout.arrays.keys() - set(self._names):
            yield from (f"{name}/{number}" for number in range(layout.num_chunks(name)))

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

    @property
    def expected(self) -> Floats:
        """(P,) expected weight error of every point; NaN where it is not known or has no form."""
        return self._read(EXPECTED)

    def lacking_expectation(self) -> list[int]:
        """Points with a closed form that has not been evaluated; none in a store without forms."""
        if NOTE not in self.group:
            return []
        has_form = np.asarray(self._array(NOTE)[:]) == ""
        return [int(number) for number in np.flatnonzero(has_form & np.isnan(self.expected))]

    def keep_expected(self, expected: Floats) -> None:
        """Keep the (P,) expected weight errors.

        Raises:
            OSError: if they cannot be written.
        """
        with _explained(self.path):
            self._arrays[EXPECTED][:] = expected
            self._sync.now()

    @cached_property
    def _label(self) -> Floats:
        return self._read("label")

    @cached_property
    def _digital(self) -> Floats:
        return self._read("digital")

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
            predictions: (n, B) [label unit], or (n, B + 1) with weight errors in the last column.

        Returns:
            (n,) mean absolute errors.

        Raises:
            OSError: if it cannot be written; the chunks before are kept.
        """
        predictions, measured = np.split(predictions, [len(self._label)], axis=1)
        values = {
            "prediction": predictions,
            "error": predictions - self._label,
            "deviation": predictions - self._digital,
        }
        finite = np.where(np.isfinite(predictions), predictions, np.inf)
        errors: Floats = np.abs(finite - self._label).mean(-1)
        values[DEVIATION] = np.sqrt(((finite - self._digital) ** 2).mean(-1))
        values[MAE] = errors
        values[WEIGHT_ERROR] = measured[:, 0] if measured.size else np.full(len(errors), np.nan)
        with _explained(self.path):
            for name in self._names:
                self._arrays[name][task.point, task.first : task.last] = values[name]
            self._sync.if_due()
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
                    end = -(-number // self.block) * self.block  # of the last chunk that counts
                    for name in self._names:  # ``mae`` last: until then it is seen to be undone
                        self._arrays[name][point, number:end] = np.nan
                        self._array(name)[point, end:] = np.nan  # no files for these
            self._sync.now()  # first what is complete, then the word that it is
            self.group.attrs.update({"is_complete": 1, "num_chips": list(num_chips)})
            zarr.consolidate_metadata(self._files, zarr_format=_FORMAT)
            self._sync.now()


def _create_array(
    group: zarr.Group, name: str, sizes: Mapping[Hashable, int], units: str, block: int
) -> None:
    dimensions = _DIMENSIONS[:2] if name in OF_CHIPS else _DIMENSIONS
    chunks = {"point": 1, "chip": min(block, sizes["chip"]), "crystal": sizes["crystal"]}
    group.create_array(
        name,
        shape=tuple(sizes[d] for d in dimensions),
        chunks=tuple(chunks[d] for d in dimensions),
        dtype="float64",
        fill_value=np.nan,
        chunk_key_encoding={"name": "v2", "separator": "/"},
        compressors=CHECKSUM,
        attributes={
            "_ARRAY_DIMENSIONS": list(dimensions),
            "units": units,
            "long_name": MEANINGS[name],
        },
    )


def _empty_chunks() -> AbstractContextManager[object]:
    """Write chunks of NaN or zeros too, so that one without a file is a broken one."""
    return zarr.config.set({"array.write_empty_chunks": True})


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
    return RunRecord.model_validate_json(results.attrs["record"])
