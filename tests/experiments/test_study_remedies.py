"""Studies over remedies: every chip is calibrated, the same device for all of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments.calibrator import Calibrator
from experiments.evaluation import chip_predictions
from experiments.study.description import Calibration, StudyError, parse_study
from experiments.study.evaluate import Task, evaluate_block, evaluate_digital
from experiments.study.remedies import methods_of
from experiments.study.run import Study, Workers
from experiments.study.settings import point_setting
from experiments.threads import on_threads
from photonic import Chip, HardwareConfig
from photonic.calibration.recipe import Recipe
from tests import tolerances
from tests.experiments.study_inputs import study
from tests.experiments.test_study_axes import with_chip

CHIP = HardwareConfig(
    name="some",
    crosstalk=0.01,
    phase_noise_rad=0.05,
    coupler_sigma_rad=0.02,
    random_walk_rad_per_sqrt_hour=0.05,
)


def parse(**changes: Any) -> Any:
    return parse_study({"mapped": "m", "axes": {"remedy": ["none"]}, "chips": 2} | changes, "file")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": {"remedy": ["crostalk"]}}, "unknown method 'crostalk' in remedy 'crostalk'; did"),
        ({"axes": {"remedy": ["none + loss"]}}, "unknown method 'none' in remedy 'none + loss'"),
        ({"axes": {"remedy": ["loss + "]}}, "unknown method ''"),
        ({"axes": {"remedy": ["loss + loss"]}}, "names a method twice"),
        ({"axes": {"remedy": [None]}}, "a remedy is a text such as 'crosstalk + loss' or 'none'"),
        ({"axes": {"remedy": ["loss + crosstalk", "crosstalk + loss"]}}, "holds a value twice"),
        ({"axes": {"remedy": {"from": 0, "to": 1, "num": 2}}}, "takes a list of values"),
        ({"axes": {"mesh": ["square"]}}, "axis 'mesh' takes clements, reck, got 'square'"),
        ({"axes": {"tile": ["half"]}}, "'tile' takes a number of modes, full, got 'half'"),
        ({"axes": {"tile": [True]}}, "'tile' takes a number of modes, full, got True"),
        ({"axes": {"tile": [0]}}, "'tile' takes a number of modes, full, got 0"),
        ({"axes": {"order": ["up"]}}, "axis 'order' takes descending, ascending"),
        ({"calibration": {"epochs": 1}}, "unknown field 'epochs'"),
        ({"axes": {"dac_bits": [8]}, "calibration": {"read_noise": 0.0}}, "no effect without the"),
        ({"split": "tests"}, "field 'split'"),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_remedy_is_written_in_one_way() -> None:
    assert parse(axes={"remedy": ["loss+crosstalk", "none"]}).axes["remedy"] == (
        "crosstalk + loss",
        "none",
    )
    assert methods_of("mapping + loss") == ("loss", "mapping")


def test_a_calibration_is_a_recipe_without_methods() -> None:
    of_recipe = {name: field.default for name, field in Recipe.model_fields.items()}
    del of_recipe["methods"]
    assert Calibration().model_dump() == of_recipe
    study = parse(calibration={"mapping_epochs": 1})
    assert study.recipe("mapping") == Recipe(methods=("mapping",), mapping_epochs=1)
    assert study.recipe("none") is None


def some(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Study:
    with_chip(monkeypatch, changes.pop("chip", CHIP))
    return study(folder, hardware="some", **changes)


def test_undoing_all_that_is_wrong_gives_digital_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = HardwareConfig(name="warm", crosstalk=0.01)
    axes = {"remedy": ["none", "crosstalk"]}
    warm = some(tmp_path, monkeypatch, chip=chip, axes=axes, chips=1)
    digital = evaluate_digital(warm.source)
    wrong, right = (
        np.abs(evaluate_block(warm.source, point, 0, Task(0, 0, 1))[0] - digital).max()
        for point in warm.points
    )
    bound = tolerances.IDEAL_CHIP_F32 * np.abs(digital).max()
    assert right <= bound < wrong, f"{right:.1e} and {wrong:.1e}, bound {bound:.1e}"


def test_a_chip_is_calibrated_when_new_and_evaluated_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = {"remedy": ["crosstalk + couplers"], "time_s": [0, 36_000]}
    drifting = some(tmp_path, monkeypatch, axes=axes)
    inputs = drifting.inputs
    recipe = Recipe(methods=("crosstalk", "couplers"))
    with on_threads(1):
        calibrator = Calibrator(inputs.mapped, CHIP, recipe)
        new = Chip(recipe.drive(CHIP), 3, 1)
        commands = calibrator(new)
        direct = [
            chip_predictions(inputs.mapped, inputs.held_out, new.at(time_s), commands=commands)
            for time_s in axes["time_s"]
        ]
    found = [
        evaluate_block(drifting.source, point, 3, Task(number, 0, 2))[1]
        for number, point in enumerate(drifting.points)
    ]
    assert np.array_equal(found, direct)
    assert not np.array_equal(found[0], found[1])


def test_remedies_that_share_a_fit_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit takes as long as several chips; with other losses it is another one."""
    chip = CHIP.replace(insertion_loss_db=0.2)
    axes = {"insertion_loss_db": [0.2, 0.4], "remedy": ["loss", "crosstalk + loss"]}
    lossy = some(tmp_path, monkeypatch, chip=chip, axes=axes)
    with on_threads(1):
        settings = [point_setting(lossy.inputs, point)[1] for point in lossy.points]
    fits = [setting.targets[0] for setting in settings if isinstance(setting, Calibrator)]
    assert [fits[0] is fits[1], fits[2] is fits[3], fits[0] is fits[2]] == [True, True, False]
    direct = Calibrator(lossy.inputs.mapped, chip, Recipe(methods=("crosstalk", "loss")))
    assert all(
        np.array_equal(fits[0].phases[mesh], phase)
        for mesh, phase in direct.targets[0].phases.items()
    )


def test_bits_depend_on_seed_chip_and_point_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks, processes and the order of points: caches of a worker must not show."""
    axes = {"remedy": ["none", "crosstalk + mapping"], "tile": [4, 8], "time_s": [0, 3600]}
    changes = {"axes": axes, "chips": 2, "calibration": {"mapping_epochs": 1}}
    small = some(tmp_path, monkeypatch, **changes)
    whole = small.run(tmp_path / "whole", Workers(block=2), is_resumed=False)
    parts = small.run(tmp_path / "parts", Workers(processes=2, block=1), is_resumed=False)
    xr.testing.assert_identical(*(found.load().drop_attrs(deep=False) for found in (whole, parts)))
    for number in (6, 1, 7):
        point = small.points[number]
        found = evaluate_block(small.source, point, 3, Task(number, 1, 2))[0]
        assert np.array_equal(found - small.inputs.held_out.truth, whole["error"][number, 1])


@pytest.mark.parametrize(
    ("chip", "axes", "message"),
    [
        (
            {"phase_noise_rad": 0.1},
            {"remedy": ["none", "crosstalk + mapping"]},
            r"point 1 \(remedy = crosstalk \+ mapping\): remedy 'crosstalk' has nothing to act on: "
            "some has none of crosstalk, heater_coupling, crosstalk_rows",
        ),
        ({"crosstalk": 0.01}, {"remedy": ["loss"]}, "'loss' has nothing to act on"),
        ({"crosstalk": 0.01}, {"remedy": ["couplers"]}, "'couplers' has nothing to act on"),
        (
            {"crosstalk": 0.01, "ideal": ("crosstalk",)},
            {"remedy": ["crosstalk"]},
            "'crosstalk' has nothing to act on",
        ),
        (
            {"gamma_spread": 0.01},
            {"tile": [4, "full"], "remedy": ["identity"]},
            r"point 1 \(tile = full, remedy = identity\): remedy 'identity' needs square tiles",
        ),
        (
            {"crosstalk": 0.01},
            {"is_crosstalk_compensated": [False], "remedy": ["none", "crosstalk"]},
            "`is_crosstalk_compensated` is True with this remedy",
        ),
    ],
)
def test_remedies_that_cannot_work_are_named_before_anything_runs(
    chip: dict[str, Any],
    axes: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match=message):
        some(tmp_path, monkeypatch, chip=HardwareConfig(name="some", **chip), axes=axes)


def test_a_figure_that_is_varied_may_be_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = HardwareConfig(name="some", phase_noise_rad=0.1)
    axes = {"crosstalk": [0.0, 0.01], "remedy": ["none", "crosstalk"]}
    cold = some(tmp_path, monkeypatch, chip=chip, axes=axes)
    plain, cured = (evaluate_block(cold.source, p, 0, Task(0, 0, 1)) for p in cold.points[:2])
    assert np.array_equal(plain, cured)
