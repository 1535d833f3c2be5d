"""Calibrated chips on disk: what a controller asks of each, and what it took to find out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import save
from torch import Tensor

from experiments.mapped import MAX_CONFIG_BYTES, MAX_PROGRAMS_BYTES, MappedModel
from experiments.record import RunRecord
from models.tensor_file import read_tensors, require_tensors
from photonic import Chip, HardwareConfig, Program
from photonic.calibration.recipe import Recipe
from photonic.files import read_regular, write_atomic
from photonic.hardware import EFFECTS, first_problem
from photonic.hardware.effects import DRIFT_EFFECTS
from photonic.mesh_state import MESHES, Commands, mesh_layouts

CONFIG_FILE = "calibration.json"
FORMAT: Literal["lightframe-calibration"] = "lightframe-calibration"
FORMAT_VERSION: Literal[1] = 1


class CalibrationError(ValueError):
    """A calibration that is missing, damaged, or of another model; the message says which."""


class CalibrationConfig(BaseModel):
    """Contents of ``calibration.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["lightframe-calibration"] = FORMAT
    """Name of the format."""
    format_version: Literal[1] = FORMAT_VERSION
    """Version of the format."""
    recipe: Recipe
    """Remedies that were applied."""
    hardware: HardwareConfig
    """Chip description, drive included, that the commands are for."""
    seed: Annotated[int, Field(ge=0)]
    """Seed that the chips are drawn from."""
    chip_sha256: tuple[str, ...]
    """Hash of the commands of each chip, by its number."""
    programs_sha256: str
    """Hash of the programs that were calibrated."""
    record: RunRecord
    """Provenance."""


def chip_file(index: int) -> str:
    """Name of the file with the commands of a chip."""
    return f"chip-{index:04d}.safetensors"


def store_commands(commands: Mapping[str, Commands], directory: Path, index: int) -> str:
    """Write the commands of a chip, tensors "layer/mesh" [rad] and "layer/scale".

    Returns:
        SHA-256 of the file.
    """
    tensors = {
        f"{name}/{key}": tensor.contiguous()
        for name, command in commands.items()
        for key, tensor in {**command.phases, "scale": command.scale}.items()
    }
    data = save(tensors)
    write_atomic(directory / chip_file(index), data)
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Calibration:
    """A stored calibration, as the controller of its chips.

    Attributes:
        directory: where it lies.
        config: what it was made with.
        programs: by layer, what was calibrated; gives the shapes of the commands.
    """

    directory: Path
    config: CalibrationConfig
    programs: Mapping[str, Program]

    @property
    def num_chips(self) -> int:
        """Number of calibrated chips."""
        return len(self.config.chip_sha256)

    def __call__(self, chip: Chip) -> dict[str, Commands]:
        """What is asked of a chip, by layer, at whatever time.

        Raises:
            CalibrationError: if the chip was not calibrated, or its file is missing or damaged.
        """
        known, seed = self.config.hardware, self.config.seed
        is_same = _without_drift(chip.hardware) == _without_drift(known) and chip.seed == seed
        if not is_same or chip.index >= self.num_chips:
            raise CalibrationError(
                f"{self.directory}: holds chips 0 to {self.num_chips - 1} of "
                f"{self.config.hardware.name} with seed {self.config.seed}, not this one"
            )
        path = self.directory / chip_file(chip.index)
        try:
            data = read_regular(path, MAX_PROGRAMS_BYTES)
        except FileNotFoundError:
            raise CalibrationError(f"{path} is missing") from None
        except OSError as error:
            raise CalibrationError(f"{path}: {error.strerror}") from None
        if hashlib.sha256(data).hexdigest() != self.config.chip_sha256[chip.index]:
            raise CalibrationError(f"{path} is truncated or was changed")
        try:
            tensors = read_tensors(data)
            require_tensors(tensors, _shapes(self.programs))
            return _commands(tensors, self.programs)
        except ValueError as error:
            raise CalibrationError(f"{path}: {error}") from None


def load_calibration(directory: str | Path, mapped: MappedModel) -> Calibration:
    """A stored calibration of a mapped model.

    Raises:
        CalibrationError: if it is missing, damaged, or of another mapped model.
    """
    path = Path(directory) / CONFIG_FILE
    try:
        config = CalibrationConfig.model_validate_json(read_regular(path, MAX_CONFIG_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        raise CalibrationError(
            f"{directory} is not a calibration ({CONFIG_FILE} is missing)"
        ) from None
    except OSError as error:
        raise CalibrationError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise CalibrationError(f"{path}: not valid ({first_problem(error)})") from None
    if config.programs_sha256 != programs_sha256(mapped):
        raise CalibrationError(f"{directory} was made for another mapped model")
    name = _contradiction(config)
    if name is not None:
        raise CalibrationError(f"{path}: `{name}` contradicts the record of its run")
    return Calibration(Path(directory), config, mapped.programs)


def programs_sha256(mapped: MappedModel) -> str:
    """Hash of names, layouts and settings of all programs of a mapped model."""
    digest = hashlib.sha256()
    for name, program in mapped.programs.items():
        digest.update(json.dumps([name, program.metadata()], sort_keys=True).encode())
        for tensor in program.to_tensors().values():
            digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _without_drift(hardware: HardwareConfig) -> dict[str, Any]:
    """Figures that decide on a chip at its calibration: drift comes later."""
    drift = {field for effect in DRIFT_EFFECTS for field in EFFECTS[effect]}
    return hardware.model_dump(exclude=drift | {"description", "ideal", "sources"})


def _contradiction(config: CalibrationConfig) -> str | None:
    """First field that is not what the run recorded; None if all are."""
    run = config.record.config
    try:
        recipe = Recipe.model_validate(run.get("recipe"))
        base = HardwareConfig.model_validate(run.get("hardware"))
    except ValidationError:
        return "record"
    found = {
        "seed": config.seed == config.record.seed,
        "recipe": config.recipe == recipe,
        "hardware": config.hardware == recipe.drive(base),
        "chip_sha256": len(config.chip_sha256) == run.get("num_chips"),
    }
    return next((name for name, is_same in found.items() if not is_same), None)


def _shapes(programs: Mapping[str, Program]) -> dict[str, tuple[int, ...]]:
    """Shape of each stored tensor, (R, C, S) of a mesh and (R, C) of the scales."""
    shapes = {}
    for name, program in programs.items():
        for mesh, layout in mesh_layouts(program).items():
            size = 2 * program.rank if layout is None else 2 * layout.num_mzis + layout.num_modes
            shapes[f"{name}/{mesh}"] = (*program.grid_shape, size)
        shapes[f"{name}/scale"] = program.grid_shape
    return shapes


def _commands(
    tensors: Mapping[str, Tensor], programs: Mapping[str, Program]
) -> dict[str, Commands]:
    for name in programs:
        if (tensors[f"{name}/scale"] < 0).any():
            raise ValueError(f"`{name}/scale` must not be negative")
    return {
        name: Commands(
            {mesh: tensors[f"{name}/{mesh}"] for mesh in MESHES}, tensors[f"{name}/scale"]
        )
        for name in programs
    }
