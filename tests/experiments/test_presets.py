"""One model on several chips, and settings that have names or controllers."""

from pathlib import Path

import numpy as np
import pytest

from experiments.chips_run import ChipSetting, ChipStudy
from experiments.console import print_results
from experiments.evaluation import HeldOut, chip_predictions
from experiments.mapped import MappedModel
from experiments.presets import HARDWARE, preset_settings, settings_for
from experiments.record import RunRecord
from photonic import Chip, load_hardware
from photonic.mesh_state import Commands, nominal_commands


def test_each_chip_decides_on_its_layout():
    small, free = load_hardware("sin_quix20_like"), load_hardware("soi_typical")
    assert settings_for(small, 32).tile == 20
    assert settings_for(free, 32, "reck").tile == 32
    assert settings_for(free, 32, "reck").mesh == "reck"
    wired = free.replace(mesh="clements", num_tiles=1, max_modes=4)
    layout = settings_for(wired, 32, "reck")
    assert (layout.mesh, layout.tile, layout.is_time_multiplexed) == ("clements", 4, True)


def test_presets_are_evaluated_with_their_own_programs(
    mapped: MappedModel, held_out: HeldOut, record: RunRecord, tmp_path: Path, capsys
) -> None:
    chips = [load_hardware(name) for name in ("ideal", "flw6_like")]
    settings = preset_settings(mapped, chips)
    assert [setting.mapped.settings.tile for setting in settings] == [16, 6]
    study = ChipStudy(mapped, held_out, HARDWARE, settings, num_chips=1, seed=4)
    path, results = study.run(tmp_path / "out", record)
    assert list(results["hardware"].values) == ["ideal", "flw6_like"]
    direct = chip_predictions(settings[1].mapped, held_out, Chip(chips[1], 4, 0))
    assert np.array_equal(results["prediction"][1, 0], direct)
    assert (path / "errors.svg").is_file()
    print_results(results)
    assert "flw6_like" in capsys.readouterr().out
    with pytest.raises(ValueError, match="chips must have different names, got ideal, ideal"):
        preset_settings(mapped, [chips[0], chips[0]])


def test_a_controller_decides_what_is_asked_of_a_chip(
    mapped: MappedModel, held_out: HeldOut, record: RunRecord, tmp_path: Path
) -> None:
    """One that scales every weight to zero leaves one prediction for all crystals' features."""
    seen: list[int] = []

    def controller(chip: Chip) -> dict[str, Commands]:
        seen.append(chip.index)
        commands = {n: nominal_commands(p, chip.hardware) for n, p in mapped.programs.items()}
        return {n: Commands(c.phases, 0 * c.scale) for n, c in commands.items()}

    ideal = load_hardware("ideal")
    settings = [ChipSetting("dark", ideal, controller=controller), ChipSetting("plain", ideal)]
    study = ChipStudy(mapped, held_out, HARDWARE, settings, num_chips=2, seed=0)
    _, results = study.run(tmp_path / "out", record)
    assert seen == [0, 1]
    assert np.ptp(results["prediction"][0].values) == 0
    assert np.ptp(results["prediction"][1].values) > 0
