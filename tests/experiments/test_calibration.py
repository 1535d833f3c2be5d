"""Calibrated chips: what recipes bring, what is stored, how a killed run goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import jobs
from experiments.activations import training_activations
from experiments.calibration import CalibrationError, load_calibration
from experiments.calibration_run import run_calibration
from experiments.calibrator import Calibrator
from experiments.evaluation import HeldOut, chip_predictions
from experiments.mapped import MappedModel
from experiments.robustness import ROWS, Row, markdown_table, robustness_settings
from photonic import Chip, load_hardware
from photonic.calibration.recipe import Recipe
from tests.tolerances import LEARNED

TYPICAL = load_hardware("soi_typical")


def weight_error(mapped: MappedModel, chip: Chip, commands: dict | None) -> float:
    realised = mapped.weights(chip, commands=commands)
    layers = {f"{name}.weight": program.weight() for name, program in mapped.programs.items()}
    square = sum((realised[n].double() - w).square().sum() for n, w in layers.items())
    return (square / sum(w.square().sum() for w in layers.values())).sqrt().item()


def small(mapped: MappedModel, *names: str) -> MappedModel:
    """The same model with the programs of few layers."""
    programs = {name: mapped.programs[name] for name in names}
    return MappedModel(mapped.model, programs, mapped.hardware, mapped.settings, mapped.record)


def test_known_errors_are_corrected_one_after_the_other(mapped: MappedModel) -> None:
    """Each remedy against the error that it is for, all other effects off."""
    layer = small(mapped, "head.outer", "embed")
    cases = {
        "crosstalk": TYPICAL.only("crosstalk"),
        "loss": TYPICAL.only("loss").replace(insertion_loss_std_db=0.0),
    }
    for method, hardware in cases.items():
        calibrator = Calibrator(layer, hardware, Recipe(methods=(method,), coupler_error_rad=0.0))
        before = weight_error(layer, Chip(hardware, 1, 0), None)
        chip = Chip(calibrator.hardware, 1, 0)
        after = weight_error(layer, chip, calibrator(chip))
        assert after < before / 4, f"{method}: {before:.3f} -> {after:.3f}"


def test_a_recipe_without_remedies_asks_what_the_data_sheet_says(mapped: MappedModel) -> None:
    layer = small(mapped, "head.outer")
    calibrator = Calibrator(layer, TYPICAL, Recipe(methods=()))
    assert calibrator.hardware == TYPICAL
    chip = Chip(TYPICAL, 0, 3)
    commands, nominal = calibrator(chip), layer.commands(TYPICAL)
    for name, command in nominal.items():
        assert all(torch.equal(commands[name].phases[m], p) for m, p in command.phases.items())


def test_calibration_is_stored_resumed_and_bound_to_its_chips(
    mapped_dir: Path, mapped: MappedModel, held_out: HeldOut, tmp_path: Path
) -> None:
    recipe = Recipe(methods=("crosstalk", "couplers"))
    arguments = {"num_chips": 2, "seed": 5, "hardware": TYPICAL, "limit": 12}
    out = tmp_path / "calibrated"
    results, efforts = run_calibration(mapped_dir, recipe, out=out, **arguments)
    assert list(results["calibration"].values) == ["before", "after"]
    assert (results["deviation_rms"][1] < results["deviation_rms"][0]).all()
    assert efforts == [{}, {}]

    stored = load_calibration(out, mapped)
    chip = Chip(stored.config.hardware, 5, 1)
    predicted = chip_predictions(mapped, held_out, chip, commands=stored(chip))
    assert np.array_equal(predicted, results["prediction"][1, 1])
    drifted = stored(chip.at(3600.0))
    assert torch.equal(drifted["embed"].scale, stored(chip)["embed"].scale)
    with pytest.raises(CalibrationError, match="holds chips 0 to 1 of soi_typical with seed 5"):
        stored(Chip(stored.config.hardware, 5, 2))
    with pytest.raises(FileExistsError, match="exists; nothing was overwritten"):
        run_calibration(mapped_dir, recipe, out=out, **arguments)

    path = out / "chip-0001.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CalibrationError, match="is truncated or was changed"):
        stored(chip)
    other = small(mapped, "embed")
    with pytest.raises(CalibrationError, match="was made for another mapped model"):
        load_calibration(out, other)
    config = json.loads((out / "calibration.json").read_text())
    (out / "calibration.json").write_text(json.dumps({**config, "seed": -1}))
    with pytest.raises(CalibrationError, match=r"not valid \(field 'seed'"):
        load_calibration(out, mapped)


def test_unknown_and_repeated_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="Input should be 'crosstalk'"):
        Recipe(methods=("prayer",))
    with pytest.raises(ValueError, match="`methods` must differ, got crosstalk, crosstalk"):
        Recipe(methods=("crosstalk", "crosstalk"))


def test_the_table_has_a_row_per_remedy(mapped: MappedModel) -> None:
    rows = [row for row in ROWS if not row.reads_chip and "loss" not in row.methods]
    settings = robustness_settings(small(mapped, "embed"), TYPICAL, None, rows)
    assert [setting.value for setting in settings] == [r.name for r in rows if not r.is_trained]
    by_name = {setting.value: setting for setting in settings}
    assert by_name["crosstalk"].hardware.is_precompensated
    assert not by_name["uncorrected"].hardware.is_precompensated
    assert by_name["centred order"].mapped.settings.order == "centred"
    assert Row("x", ("crosstalk", "mapping")).reads_chip


def test_the_table_counts_repaired_chips() -> None:
    import xarray as xr

    results = xr.Dataset(
        {
            "mae": (("remedy", "chip"), [[1.05, 1.2], [1.0, 1.0]]),
            "deviation_rms": (("remedy", "chip"), [[0.5, 0.7], [0.0, 0.0]]),
            "digital_mae": ((), 1.0),
            "label": (("crystal",), [2.0], {"units": "eV"}),
        },
        coords={"remedy": ["uncorrected", "all"]},
        attrs={"axis": "remedy", "label_name": "gap"},
    )
    lines = markdown_table(results).splitlines()
    assert "MAE of gap [eV]" in lines[0]
    assert lines[3] == "| uncorrected | 1.125 (1.050-1.200) | 0.600 (0.500-0.700) | 50% | +12.5% |"
    assert lines[4].endswith("| 100% | +0.0% |")


def test_attenuators_learn_on_the_chip_what_the_layer_should_give(mapped: MappedModel) -> None:
    layer = small(mapped, "head.inner")
    inputs = training_activations(mapped.model)["head.inner"].double()
    wanted = inputs @ layer.programs["head.inner"].weight().T
    errors = {}
    for methods in (("crosstalk",), ("crosstalk", "subspace")):
        calibrator = Calibrator(layer, TYPICAL, Recipe(methods=methods))
        chip = Chip(calibrator.hardware, 1, 0)
        found = calibrator.calibrate(chip)
        weight = layer.weights(chip, commands=found.commands)["head.inner.weight"].double()
        errors[methods] = ((inputs @ weight.T - wanted).norm() / wanted.norm()).item()
    assert errors["crosstalk", "subspace"] < LEARNED * errors["crosstalk",]
    assert found.effort["subspace"].num_reads > 0


def test_activations_are_those_of_training_crystals(mapped: MappedModel) -> None:
    first, second = (training_activations(mapped.model, num_crystals=2) for _ in range(2))
    assert set(first) == set(mapped.programs)
    for name, rows in first.items():
        assert rows.shape[1] == mapped.programs[name].in_features
        assert torch.equal(rows, second[name])


def test_calibrated_chips_drift_from_their_calibration(
    mapped_dir: Path, mapped: MappedModel, tmp_path: Path
) -> None:
    recipe = Recipe(methods=("crosstalk", "couplers"))
    arguments = {"num_chips": 1, "seed": 5, "hardware": TYPICAL, "limit": 12}
    calibrated, _ = run_calibration(mapped_dir, recipe, out=tmp_path / "calibrated", **arguments)
    results = jobs.drift(
        mapped_dir,
        "0,24",
        num_chips=32,
        seed=0,
        out=tmp_path / "drift",
        rate=0.01,
        limit=12,
        calibration=tmp_path / "calibrated",
    )
    assert results.sizes["chip"] == 1
    after = calibrated["prediction"].sel(calibration="after").values
    assert np.array_equal(results["prediction"].sel(hours=0.0).values, after)
    assert not np.array_equal(results["prediction"].sel(hours=24.0).values, after)
