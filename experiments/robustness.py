"""Robustness of a mapped model: what each remedy brings, alone and together with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from experiments.calibrator import Calibrator
from experiments.chips_run import ChipSetting
from experiments.mapped import MappedModel, map_model
from experiments.results import Axis
from photonic import HardwareConfig
from photonic.calibration.recipe import Method, Recipe, Targets

REMEDY = Axis("remedy", "1", "Remedy")
WITHIN = 0.10
"""Excess over the digital error up to which a chip counts as repaired."""


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: what is printed.
        methods: remedies of the calibration.
        is_centred: singular values run through the middle modes instead of the upper ones.
        is_trained: the weights were trained with chips in the loop.
    """

    name: str
    methods: tuple[Method, ...] = ()
    is_centred: bool = False
    is_trained: bool = False

    @property
    def reads_chip(self) -> bool:
        """True if every chip is measured, which takes long."""
        return bool({"identity", "mapping", "subspace"} & set(self.methods))


ROWS = (
    Row("uncorrected"),
    Row("loss", ("loss",)),
    Row("couplers", ("couplers",)),
    Row("centred order", is_centred=True),
    Row("noise-aware training", is_trained=True),
    Row("crosstalk", ("crosstalk",)),
    Row("crosstalk + couplers", ("crosstalk", "couplers")),
    Row("crosstalk + loss", ("crosstalk", "loss")),
    Row("crosstalk + loss + couplers", ("crosstalk", "loss", "couplers")),
    Row("crosstalk + centred order", ("crosstalk",), is_centred=True),
    Row("crosstalk + noise-aware training", ("crosstalk",), is_trained=True),
    Row("all: crosstalk + loss + mapping", ("crosstalk", "loss", "mapping")),
    Row("crosstalk + mapping", ("crosstalk", "mapping")),
    Row("mapping", ("mapping",)),
    Row("crosstalk + loss + subspace", ("crosstalk", "loss", "subspace")),
    Row("identity", ("identity",)),
    Row("crosstalk + identity", ("crosstalk", "identity")),
)
"""The table: what needs no reading of the chip, then what measures every chip."""


def chosen_rows(names: Sequence[str]) -> tuple[Row, ...]:
    """Rows of these names, in the order of the table; all for no name.

    Raises:
        ValueError: if a row is unknown.
    """
    known = {row.name for row in ROWS}
    for name in names:
        if name not in known:
            raise ValueError(f"unknown row {name!r}; known: {'; '.join(sorted(known))}")
    return tuple(row for row in ROWS if not names or row.name in names)


def robustness_settings(
    mapped: MappedModel,
    hardware: HardwareConfig,
    trained: MappedModel | None,
    rows: Sequence[Row] = ROWS,
    *,
    mapping_epochs: int = 1,
) -> list[ChipSetting]:
    """One setting per row.

    Args:
        mapped: the digital model's programs.
        hardware: chip description without any remedy.
        trained: programs of the model that was trained with chips in the loop; None leaves its
            training out of the rows.
        rows: of the table.
        mapping_epochs: epochs of the descent on the chip.
    """
    centred = mapped.settings.model_copy(update={"order": "centred"})
    models = {
        (False, False): mapped,
        (True, False): map_model(mapped.model, hardware, centred, mapped.record),
        (False, True): trained,
    }
    settings: list[ChipSetting] = []
    fitted: dict[bool, list[Targets]] = {}
    for row in rows:
        if row.is_trained and trained is None:
            continue
        model = models[row.is_centred, row.is_trained]
        recipe = Recipe(methods=row.methods, mapping_epochs=mapping_epochs)
        calibrator = None
        if row.methods:
            known = fitted.get(row.is_trained) if "loss" in row.methods else None
            calibrator = Calibrator(model, hardware, recipe, known)
            if "loss" in row.methods:
                fitted[row.is_trained] = calibrator.targets
        settings.append(
            ChipSetting(row.name, recipe.drive(hardware), mapped=model, controller=calibrator)
        )
    return settings


def markdown_table(results: xr.Dataset) -> str:
    """The results as a table of a page: error, deviation, and share of repaired chips."""
    unit = results["label"].attrs["units"]
    label = results.attrs["label_name"] + ("" if unit == "1" else f" [{unit}]")
    digital = float(results["digital_mae"])
    limit = (1 + WITHIN) * digital
    lines = [
        f"| remedy | MAE of {label}: mean, 95 % band | deviation rms: mean, 95 % band | "
        f"chips within {WITHIN:.0%} of the digital error | median chip |",
        "|---|---|---|---|---|",
        f"| digital | {digital:.3f} | 0 | - | - |",
    ]
    for name in results[results.attrs["axis"]].values:
        chosen = results.sel({results.attrs["axis"]: name})
        mae, deviation = chosen["mae"].values, chosen["deviation_rms"].values
        lines.append(
            f"| {name} | {_band(mae)} | {_band(deviation)} | {np.mean(mae <= limit):.0%} | "
            f"{np.median(mae) / digital - 1:+.1%} |"
        )
    return "\n".join(lines) + "\n"


def _band(values: np.ndarray) -> str:
    low, high = np.quantile(values, (0.025, 0.975), method="inverted_cdf")
    return f"{values.mean():.3f} ({low:.3f}-{high:.3f})"
