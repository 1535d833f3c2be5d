"""Reading a study: ``open_study(directory)`` gives a labelled data set."""

from __future__ import annotations

import os
from pathlib import Path

import xarray as xr

from experiments.study.checked_store import CheckedStore
from experiments.study.description import StudyError
from experiments.study.store import STORE


def open_study(directory: str | Path) -> xr.Dataset:
    """The results of a study, finished or not; arrays are read when they are used.

    Args:
        directory: written by ``lightframe sweep STUDY.yaml``.

    Returns:
        ``mae (point, chip)`` and ``deviation_rms (point, chip)``, the quantities that were asked
        for over (point, chip, crystal), ``label (crystal)`` and ``digital (crystal)``, all in the
        label's unit, and the value of every axis along ``point``. Chips that have not been
        evaluated are NaN in ``mae``; one that gives no finite prediction is infinitely wrong.
        ``weight_error (point, chip)`` is the relative error of all mapped weights,
        ``weight_error_expected (point)`` its closed form, NaN for the reason that
        ``weight_error_note (point)`` names; studies of earlier versions have none of the three.

        The attribute ``has_checksums`` is 0 for those, whose damage is noticed where it changes the
        length of a chunk or keeps it from being decoded, but not else.

    Raises:
        StudyError: if the directory holds no study, or one with links or metadata of another kind.
            Arrays raise it when they are read, if a chunk of theirs is broken.
    """
    path = Path(directory) / STORE
    if not os.path.lexists(path):
        raise StudyError(f"{directory} holds no study ({STORE} is missing)")
    files = CheckedStore(path, read_only=True)
    layout = files.layout
    # No numbers are times, whatever their unit says.
    results: xr.Dataset = xr.open_zarr(
        files, consolidated=True, zarr_format=2, decode_times=False, chunks=None
    )
    for name, array in layout.arrays.items():
        is_shown = array.dtype.startswith("<U") and name != "crystal"
        if is_shown and not all(text.isprintable() for text in results[name].values):
            raise StudyError(f"{path}: {name} holds characters that cannot be printed")
    return results.assign_attrs(has_checksums=int(layout.has_checksums))
