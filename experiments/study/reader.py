"""Reading a study: ``open_study(directory)`` gives a labelled data set."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
import zarr

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

    Raises:
        StudyError: if the directory holds no study.
    """
    path = Path(directory) / STORE
    if not path.is_dir():
        raise StudyError(f"{directory} holds no study ({STORE} is missing)")
    try:
        results: xr.Dataset = xr.open_zarr(path, consolidated=True)
    except (KeyError, ValueError, zarr.errors.BaseZarrError) as error:
        raise StudyError(f"{path}: not readable ({error})") from None
    return results
