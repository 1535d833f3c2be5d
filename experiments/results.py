"""Labelled results of runs over chips: what is stored, and the statistics read from it.

One array holds everything: ``prediction (setting, chip, crystal)``. Errors and deviations are
derived from it here, so that figures and tables agree with the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.evaluation import HeldOut
from experiments.record import RunRecord

RESULT_FILE = "results.nc"
BAND = (0.05, 0.95)
"""Quantiles over chips that bound the confidence bands."""


@dataclass(frozen=True)
class Axis:
    """The quantity that a run varies: its dimension name, unit and title for figures."""

    name: str
    unit: str
    title: str


def chip_results(
    axis: Axis,
    settings: NDArray[np.float64],
    predictions: NDArray[np.float64],
    digital: NDArray[np.float64],
    held_out: HeldOut,
    record: RunRecord,
) -> xr.Dataset:
    """Predictions and their statistics as one labelled data set.

    Args:
        axis: what varies.
        settings: (Q,) its values [axis.unit].
        predictions: (Q, C, B) predictions on C chips [label unit].
        digital: (B,) predictions of the digital model [label unit].
        held_out: test crystals.
        record: provenance, stored as JSON attribute.

    Returns:
        variables ``prediction``, ``digital``, ``label``; ``mae (Q, C)`` mean absolute error
        against the labels; ``deviation_rms (Q, C)`` and ``deviation_q95 (Q, C)`` root mean square
        and 95 % quantile over crystals of |prediction - digital|; ``crystal_deviation_rms (Q, B)``
        root mean square over chips for each crystal.
    """
    unit = held_out.label.unit
    deviation = predictions - digital
    per_chip, per_crystal = (axis.name, "chip"), (axis.name, "crystal")

    def entry(
        dims: tuple[str, ...], values: NDArray[np.float64], meaning: str
    ) -> tuple[tuple[str, ...], NDArray[np.float64], dict[str, str]]:
        return dims, values, {"units": unit, "long_name": meaning}

    name = held_out.label.name
    return xr.Dataset(
        {
            "prediction": entry(
                (axis.name, "chip", "crystal"), predictions, f"{name} predicted on a chip"
            ),
            "digital": entry(("crystal",), digital, f"{name} predicted digitally"),
            "label": entry(("crystal",), held_out.truth, f"{name} of the data set"),
            "mae": entry(
                per_chip,
                np.abs(predictions - held_out.truth).mean(-1),
                "mean absolute error against the labels",
            ),
            "deviation_rms": entry(
                per_chip,
                np.sqrt((deviation**2).mean(-1)),
                "root-mean-square deviation from the digital prediction",
            ),
            "deviation_q95": entry(
                per_chip,
                np.quantile(np.abs(deviation), 0.95, axis=-1),
                "95 % quantile of the deviation from the digital prediction",
            ),
            "crystal_deviation_rms": entry(
                per_crystal,
                np.sqrt((deviation**2).mean(1)),
                "root-mean-square deviation over chips",
            ),
        },
        coords={
            axis.name: (axis.name, settings, {"units": axis.unit, "long_name": axis.title}),
            "chip": np.arange(predictions.shape[1]),
            "crystal": np.array(held_out.ids),
        },
        attrs={
            "title": f"{name} against {axis.title.lower()}",
            "axis": axis.name,
            "label_name": name,
            "record": json.dumps(record.model_dump(mode="json")),
        },
    )


def band(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Mean over chips and the 5 % and 95 % quantiles over chips."""
    low, high = (values.quantile(q, dim="chip") for q in BAND)
    return values.mean("chip"), low, high


def write_results(results: xr.Dataset, directory: Path) -> Path:
    """Write ``results.nc`` (NetCDF 3, read by xarray and by every NetCDF tool)."""
    path = directory / RESULT_FILE
    results.to_netcdf(path, engine="scipy")
    return path


def read_results(directory: Path) -> xr.Dataset:
    """The data set of a finished run.

    Raises:
        ValueError: if the directory holds none.
    """
    path = Path(directory) / RESULT_FILE
    if not path.is_file():
        raise ValueError(f"{directory} holds no {RESULT_FILE}")
    return xr.load_dataset(path, engine="scipy")
