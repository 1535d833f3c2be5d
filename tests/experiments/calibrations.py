"""A stored calibration of one chip that took no time: the commands of the data sheet, warmer."""

import dataclasses
from pathlib import Path

from experiments.calibration import CONFIG_FILE, CalibrationConfig, programs_sha256, store_commands
from experiments.mapped import MappedModel
from experiments.record import RunRecord
from photonic import HardwareConfig
from photonic.calibration.recipe import Recipe

SEED = 3


def stored_calibration(
    mapped: MappedModel, directory: Path, base: HardwareConfig, warmer_rad: float = 0.0
) -> Path:
    """Write it into a new directory, as ``calibrate`` does."""
    recipe = Recipe(methods=("mapping",))
    hardware = recipe.drive(base)
    commands = {
        name: dataclasses.replace(
            command, phases={key: value + warmer_rad for key, value in command.phases.items()}
        )
        for name, command in mapped.commands(hardware).items()
    }
    directory.mkdir()
    digest = store_commands(commands, directory, 0)
    run = {
        "recipe": recipe.model_dump(mode="json"),
        "hardware": base.model_dump(mode="json"),
        "num_chips": 1,
    }
    config = CalibrationConfig(
        recipe=recipe,
        hardware=hardware,
        seed=SEED,
        chip_sha256=(digest,),
        programs_sha256=programs_sha256(mapped),
        record=RunRecord.capture("lightframe calibrate", run, SEED, {}),
    )
    (directory / CONFIG_FILE).write_text(config.model_dump_json())
    return directory
