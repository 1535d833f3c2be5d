"""Labelled results of runs over chips: what is stored, and the statistics read from it.

Everything follows from ``prediction (setting, chip, crystal)``. Errors, deviations and bands are
derived from it here and stored, so that figures and tables only read the file.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.evaluation import HeldOut
from experiments.record import RunRecord
from photonic.files import read_regular, write_atomic

RESULT_FILE = "results.nc"
MAX_BYTES = 1_000_000_000
"""Size of such a file that is read."""
BAND = (0.05, 0.95)
"""Quantiles over chips that bound the bands: 90 % of chips lie inside."""
PER_CHIP = ("mae", "deviation_rms", "deviation_q95")
"""Statistics with one value per setting and chip."""
_OF_CHIPS = ("mean", "q05", "q95", "sem")
"""Statistics over chips."""

Floats = NDArray[np.float64]
Entry = tuple[tuple[str, ...], Floats, str]
"""Dimensions, values and meaning of a variable."""


@dataclass(frozen=True)
class Axis:
    """The quantity that a run varies: its dimension name, unit and title for figures."""

    name: str
    unit: str
    title: str


def chip_results(
    axis: Axis,
    settings: NDArray[Any],
    predictions: Floats,
    digital: Floats,
    held_out: HeldOut,
    record: RunRecord,
) -> xr.Dataset:
    """Predictions and their statistics as one labelled data set.

    Args:
        axis: what varies.
        settings: (Q,) its values [axis.unit], numbers or names.
        predictions: (Q, C, B) predictions on C chips [label unit].
        digital: (B,) predictions of the digital model [label unit].
        held_out: test crystals.
        record: provenance, stored as JSON attribute.

    Returns:
        ``prediction (Q, C, B)``, ``digital (B)``, ``label (B)``, the ``statistics`` of each chip,
        and of each of these over chips ``<name>_mean``, ``<name>_q05``, ``<name>_q95`` (the band
        that holds 90 % of chips) and ``<name>_sem`` (standard error of the mean), all (Q).

    A chip may be so far off that the network overflows: such predictions are kept as they are and
    count as infinitely wrong.
    """
    name, q = held_out.label.name, axis.name
    entries = {
        "prediction": ((q, "chip", "crystal"), predictions, f"{name} predicted on a chip"),
        "digital": (("crystal",), digital, f"{name} predicted digitally"),
        "label": (("crystal",), held_out.truth, f"{name} of the data set"),
        "digital_mae": ((), np.abs(digital - held_out.truth).mean(), "digital error"),
        **statistics(q, predictions, digital, held_out.truth),
    }
    for statistic in PER_CHIP:
        _, values, meaning = entries[statistic]
        entries |= _over_chips(q, statistic, values, meaning)
    unit = {"units": held_out.label.unit}
    return xr.Dataset(
        {
            key: (dims, values, {**unit, "long_name": meaning})
            for key, (dims, values, meaning) in entries.items()
        },
        coords={
            q: (q, settings, {"units": axis.unit, "long_name": axis.title}),
            "chip": np.arange(predictions.shape[1]),
            "crystal": np.array(held_out.ids),
        },
        attrs={
            "title": f"{name} against {axis.title.lower()}",
            "axis": q,
            "label_name": name,
            "record": json.dumps(record.model_dump(mode="json")),
        },
    )


def statistics(axis: str, predictions: Floats, digital: Floats, truth: Floats) -> dict[str, Entry]:
    """Errors and deviations of every chip, and deviations of every crystal.

    Args:
        axis: name of the first dimension.
        predictions: (Q, C, B) [label unit].
        digital: (B,) [label unit].
        truth: (B,) [label unit].

    Returns:
        ``mae (Q, C)`` mean over crystals of |prediction - label|; ``deviation_rms (Q, C)`` and
        ``deviation_q95 (Q, C)`` root mean square and 95 % quantile over crystals of
        |prediction - digital|; ``crystal_deviation_rms (Q, B)`` root mean square over chips.
    """
    predictions = np.where(np.isfinite(predictions), predictions, np.inf)
    deviation = predictions - digital
    per_chip = (axis, "chip")
    return {
        "mae": (per_chip, np.abs(predictions - truth).mean(-1), "error against the labels"),
        "deviation_rms": (
            per_chip,
            np.sqrt((deviation**2).mean(-1)),
            "root-mean-square deviation from the digital prediction",
        ),
        "deviation_q95": (
            per_chip,
            quantile(np.abs(deviation), 0.95, axis=-1),
            "95 % quantile of the deviation from the digital prediction",
        ),
        "crystal_deviation_rms": (
            (axis, "crystal"),
            np.sqrt((deviation**2).mean(1)),
            "root-mean-square deviation over chips",
        ),
    }


def quantile(values: Floats, q: float | tuple[float, ...], axis: int) -> Floats:
    """Quantiles as ``np.quantile``, infinite where they lie between a number and infinity."""
    with np.errstate(invalid="ignore"):
        found = np.quantile(values, q, axis=axis)
    return np.where(np.isnan(found), np.inf, found)


def _over_chips(axis: str, name: str, values: Floats, meaning: str) -> dict[str, Entry]:
    """Mean, 5 % and 95 % quantile and standard error of the mean over chips of (Q, C) values."""
    low, high = quantile(values, BAND, axis=1)
    num_chips = values.shape[1]
    sem = np.full(len(low), np.nan)
    if num_chips > 1:
        with np.errstate(invalid="ignore"):  # no standard error where a chip is infinitely wrong
            sem = values.std(1, ddof=1) / np.sqrt(num_chips)
    return {
        f"{name}_mean": ((axis,), values.mean(1), f"mean over chips: {meaning}"),
        f"{name}_q05": ((axis,), low, f"5 % quantile over chips: {meaning}"),
        f"{name}_q95": ((axis,), high, f"95 % quantile over chips: {meaning}"),
        f"{name}_sem": ((axis,), sem, f"standard error of the mean over chips: {meaning}"),
    }


def write_results(results: xr.Dataset, directory: Path) -> Path:
    """Write ``results.nc`` (NetCDF 3, read by xarray and by every NetCDF tool)."""
    path = directory / RESULT_FILE
    write_atomic(path, bytes(results.to_netcdf(engine="scipy")))
    return path


def read_results(directory: Path) -> xr.Dataset:
    """The data set of a finished run.

    Raises:
        ValueError: if the directory holds none, or one that is not what ``write_results`` writes.
    """
    path = Path(directory) / RESULT_FILE
    try:
        data = read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        raise ValueError(f"{directory} holds no {RESULT_FILE}") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    try:
        with xr.open_dataset(io.BytesIO(data), engine="scipy", decode_cf=False) as raw:
            if raw.nbytes > len(data):  # variables that share bytes: small on disk, large in memory
                raise ValueError("holds less than it declares")
            results = xr.decode_cf(raw, decode_times=False).load()
        _check_results(results)
    except Exception as error:  # scipy's reader raises whatever a wrong header leads to
        reason = f"{type(error).__name__}: {error}".encode("unicode_escape").decode()[:300]
        raise ValueError(f"{path} is not readable as NetCDF 3 of a run ({reason})") from error
    return results


def _check_results(results: xr.Dataset) -> None:
    """Refuse a data set that lacks what tables and figures need, or has it in another form.

    Raises:
        ValueError: with what it lacks.
    """
    axis = results.attrs.get("axis")
    over_settings = {f"{name}_{part}": (axis,) for name in PER_CHIP for part in _OF_CHIPS}
    expected = {
        **{"prediction": (axis, "chip", "crystal"), "digital": ("crystal",), "digital_mae": ()},
        **{"label": ("crystal",), "chip": ("chip",), "crystal": ("crystal",), axis: (axis,)},
        **dict.fromkeys(PER_CHIP, (axis, "chip")),
        **over_settings,
    }
    for name, dimensions in expected.items():
        kinds = "fiU" if name in (axis, "crystal") else "fi"
        if name not in results or results[name].dims != dimensions:
            raise ValueError(f"`{name}` over {dimensions} is missing")
        if results[name].dtype.kind not in kinds and name != "crystal":
            raise ValueError(f"`{name}` must not be of type {results[name].dtype}")
    texts = [results.attrs.get(name) for name in ("title", "axis", "label_name", "record")]
    texts += [results[name].attrs.get("units") for name in ("label", axis)]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a title, unit or record is missing")
