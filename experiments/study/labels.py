"""Names, units and values of points and crystals, as a study's store labels them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.evaluation import HeldOut
from experiments.study.description import AxisValue
from experiments.study.fields import swept_fields
from experiments.study.points import Point


def crystal_frame(held_out: HeldOut, digital: NDArray[np.float64]) -> xr.Dataset:
    """``label (crystal)`` and ``digital (crystal)`` in the label's unit, with crystal ids.

    The attribute ``split`` says which crystals these are.
    """
    name, unit = held_out.label.name, {"units": held_out.label.unit}
    return xr.Dataset(
        {
            "label": ("crystal", held_out.truth, {**unit, "long_name": f"{name} of the data set"}),
            "digital": ("crystal", digital, {**unit, "long_name": f"{name} predicted digitally"}),
        },
        coords={"crystal": np.array(held_out.ids)},
        attrs={"label_name": name, "split": held_out.split},
    )


def point_coordinates(points: Sequence[Point]) -> dict[str, xr.Variable]:
    """Value of every axis along ``point``, with unit and meaning."""
    fields = [swept_fields()[name] for name in points[0].values]
    return {
        field.name: xr.Variable(
            "point",
            _column([point.values[field.name] for point in points], field.kind),
            {"units": field.unit, "long_name": field.meaning},
        )
        for field in fields
    }


def _column(values: list[AxisValue], kind: str) -> NDArray[np.generic]:
    """Text for choices and switches and among texts, else numbers with NaN for what is absent."""
    if kind in ("choice", "switch") or any(isinstance(value, str) for value in values):
        return np.array(["absent" if value is None else str(value).lower() for value in values])
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
