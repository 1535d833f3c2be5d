"""Results of a study in other formats: a row per chip as CSV or Parquet, all as NetCDF."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import xarray as xr

from experiments.number_text import frame_text
from experiments.output import prepare_file
from experiments.study.store import DEVIATION, EXPECTED, MAE, WEIGHT_ERROR
from photonic.files import write_new

MOST_BYTES = 2**31 - 1
"""In a NetCDF 3 file."""


def of_chips(results: xr.Dataset) -> xr.Dataset:
    """Without what is kept of every crystal on every chip, by far the largest part."""
    return results.drop_vars(
        [name for name in results if {"chip", "crystal"} <= set(results[name].dims)]
    )


def chip_table(results: xr.Dataset) -> pd.DataFrame:
    """One row for each evaluated chip: point, chip, axes, ``mae`` and ``deviation_rms``.

    With ``weight_error`` and, the same for all chips of a point, ``weight_error_expected``, unless
    the study was made before these were kept.
    """
    names = [name for name in (MAE, DEVIATION, WEIGHT_ERROR, EXPECTED) if name in results]
    table = results[names].to_dataframe().reset_index()
    return table[table[MAE].notna()]


def write_csv(results: xr.Dataset, path: Path) -> None:
    """Write the chip table as CSV.

    Raises:
        FileExistsError: if ``path`` exists.
    """
    prepare_file(path)
    write_new(path, frame_text(chip_table(results)).encode())


def write_parquet(results: xr.Dataset, path: Path) -> None:
    """Write the chip table as Parquet, which needs the extra ``parquet``.

    Raises:
        FileExistsError: if ``path`` exists.
        ValueError: if the extra is not installed.
    """
    prepare_file(path)
    data = io.BytesIO()
    try:
        chip_table(results).to_parquet(data, index=False, engine="pyarrow")
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install lightframe[parquet]") from None
    write_new(path, data.getvalue())


def write_netcdf(results: xr.Dataset, path: Path) -> None:
    """Write all arrays and attributes as NetCDF 3.

    Raises:
        FileExistsError: if ``path`` exists.
        ValueError: if they are larger than such a file may be.
    """
    if results.nbytes > MOST_BYTES:
        raise ValueError(
            f"the study has {results.nbytes:,} bytes, a NetCDF 3 file at most {MOST_BYTES:,}: read "
            "results.zarr with xarray, or write --csv"
        )
    prepare_file(path)
    write_new(path, bytes(results.load().to_netcdf(engine="scipy")))
