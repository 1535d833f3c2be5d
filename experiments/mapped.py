"""MappedModel: a checkpoint together with the programs of all its dense layers, on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from experiments.record import RunRecord
from models.checkpoint import checkpoint_bytes, load_checkpoint, training_set_bytes
from models.model import CrystalModel
from models.tensor_file import read_tensors
from models.training_set import TRAINING_SET_FILE
from photonic import Chip, HardwareConfig, Program, map_linear
from photonic.drive import has_short_drive
from photonic.drive_laws.branch import Shortfall
from photonic.driven import DrivenLayers, drive_layers, drive_shortfall
from photonic.files import read_regular, write_atomic
from photonic.hardware import first_problem
from photonic.mesh_state import Commands, check_fits, nominal_commands
from photonic.realisation import realise_driven
from photonic.singular_order import SingularOrder

CONFIG_FILE = "mapped.json"
PROGRAMS_FILE = "programs.safetensors"
CHECKPOINT_DIR = "checkpoint"
MAX_CONFIG_BYTES = 64_000_000
MAX_PROGRAMS_BYTES = 1_000_000_000
FORMAT = "lightframe-mapped"
FORMAT_VERSION = 1


class MappedError(ValueError):
    """A mapped model that is missing, damaged or of another kind; the message says which."""


class MappingSettings(BaseModel):
    """How the dense layers were laid out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mesh: Literal["clements", "reck"] = "clements"
    """Wiring of the meshes."""
    tile: Annotated[int, Field(ge=1, le=1024)] | Literal["full"] = 16
    """Modes per tile; ``full`` maps whole matrices."""
    order: SingularOrder = "descending"
    """Which attenuator holds which singular value."""
    is_time_multiplexed: bool = False
    """More tiles than the chip holds are loaded one after another."""


class MappedConfig(BaseModel):
    """Contents of ``mapped.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    format_version: int
    settings: MappingSettings
    hardware: HardwareConfig
    programs: dict[str, dict[str, Any]]
    programs_sha256: str
    checkpoint_sha256: dict[str, str]
    record: RunRecord


@dataclass(frozen=True, eq=False)
class MappedModel:
    """A model whose dense layers have been turned into phase settings.

    Attributes:
        model: the digital model.
        programs: module name of each dense layer to its program.
        hardware: chip that it was mapped for.
        settings: layout of the tiles.
        record: provenance.
    """

    model: CrystalModel
    programs: dict[str, Program]
    hardware: HardwareConfig
    settings: MappingSettings
    record: RunRecord
    _kept: list[DrivenLayers] = field(default_factory=list, init=False, repr=False)

    def commands(self, hardware: HardwareConfig) -> dict[str, Commands]:
        """By layer, what a controller asks for that knows the data sheet of a chip alone."""
        return {name: nominal_commands(p, hardware) for name, p in self.programs.items()}

    def drive_shortfall(self, hardware: HardwareConfig) -> Shortfall | None:
        """Phases of the data sheet's commands beyond the drive; None if it reaches them all."""
        if not has_short_drive(hardware):
            return None
        asked = list(self.commands(hardware).values())
        return drive_shortfall(list(self.programs.values()), asked, hardware)

    def check_drive(self, hardware: HardwareConfig) -> Shortfall | None:
        """The phases that become others because the drive is clipped; None if there are none.

        Raises:
            DriveLawError: if the drive does not reach a phase and is not to be clipped.
        """
        short = self.drive_shortfall(hardware)
        if short is not None and not hardware.is_drive_clipped:
            short.refuse()
        return short

    def weights(
        self, chip: Chip, shot: int = 0, commands: Mapping[str, Commands] | None = None
    ) -> dict[str, Tensor]:
        """Weight matrices that a chip realises, by parameter name, in the model's dtype.

        Args:
            chip: one drawn device at a time.
            shot: number of the read; selects the per-shot noise.
            commands: what its controller asks for in each layer, from a calibration; None for one
                that knows the data sheet alone.
        """
        if commands is None:
            driven = self._nominally_driven(chip.hardware)
        else:
            driven = self._driven(commands, chip.hardware)
        weights = realise_driven(driven, chip, shot, dtype=self.model.dtype)
        names = (f"{name}.weight" for name in self.programs)
        return dict(zip(names, weights, strict=True))

    def _driven(self, commands: Mapping[str, Commands], hardware: HardwareConfig) -> DrivenLayers:
        in_order = [commands[name] for name in self.programs]
        return drive_layers(list(self.programs.values()), in_order, hardware)

    def _nominally_driven(self, hardware: HardwareConfig) -> DrivenLayers:
        """Layers driven by the data sheet, kept for the next chip of the same description."""
        if not self._kept or self._kept[0].hardware != hardware:
            self._kept[:] = [self._driven(self.commands(hardware), hardware)]
        return self._kept[0]


def dense_layers(network: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Name and module of every dense layer, in the order of the network."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def map_model(
    model: CrystalModel, hardware: HardwareConfig, settings: MappingSettings, record: RunRecord
) -> MappedModel:
    """Turn every dense layer into a program.

    Raises:
        ValueError: if a weight is not finite, a mesh is larger than the chip or of another wiring,
            there are more tiles than the chip holds and they are not time-multiplexed, or the drive
            does not reach a phase and is not to be clipped.
    """
    programs = {
        name: map_linear(layer.weight, settings.mesh, settings.tile, name, settings.order)
        for name, layer in dense_layers(model.network)
    }
    for program in programs.values():
        check_fits(program, hardware)
    _check_tiles(sum(program.num_tiles for program in programs.values()), hardware, settings)
    mapped = MappedModel(model, programs, hardware, settings, record)
    mapped.check_drive(hardware)
    return mapped


def _check_tiles(num_tiles: int, hardware: HardwareConfig, settings: MappingSettings) -> None:
    """Refuse more tiles than a chip holds, unless they take turns."""
    held = hardware.num_tiles
    if held is not None and num_tiles > held and not settings.is_time_multiplexed:
        raise ValueError(
            f"{hardware.name} holds {held} {'tile' if held == 1 else 'tiles'} at a time, the model "
            f"needs {num_tiles}; map with --time-multiplexed to load them one after another"
        )


def save_mapped(mapped: MappedModel, checkpoint: str | Path, directory: Path) -> None:
    """Write programs, configuration and a copy of the checkpoint into an existing directory.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
    """
    files = checkpoint_bytes(checkpoint)
    tensors = {
        f"{name}/{key}": tensor.contiguous()
        for name, program in mapped.programs.items()
        for key, tensor in program.to_tensors().items()
    }
    data = save(tensors)
    config = MappedConfig(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        settings=mapped.settings,
        hardware=mapped.hardware,
        programs={name: program.metadata() for name, program in mapped.programs.items()},
        programs_sha256=_sha256(data),
        checkpoint_sha256={name: _sha256(content) for name, content in files.items()},
        record=mapped.record,
    )
    target = directory / CHECKPOINT_DIR
    target.mkdir(exist_ok=True)
    # The record of the training set is tied to the weights by itself.
    training_set = training_set_bytes(checkpoint)
    if training_set is not None:
        files[TRAINING_SET_FILE] = training_set
    for name, content in files.items():
        write_atomic(target / name, content)
    write_atomic(directory / PROGRAMS_FILE, data)
    text = json.dumps(config.model_dump(mode="json"), indent=1)
    write_atomic(directory / CONFIG_FILE, text.encode())


def load_mapped(directory: str | Path, *, dtype: torch.dtype = torch.float32) -> MappedModel:
    """A mapped model from its directory alone.

    Args:
        directory: written by ``save_mapped``.
        dtype: real dtype of the model and of the realised weights.

    Raises:
        MappedError: if the directory is missing, damaged or of another kind.
        CheckpointError: if its copy of the checkpoint is.
    """
    directory = Path(directory)
    config = _read_config(directory)
    try:
        data = read_regular(directory / PROGRAMS_FILE, MAX_PROGRAMS_BYTES)
    except FileNotFoundError:
        raise MappedError(f"{directory}: {PROGRAMS_FILE} is missing") from None
    except OSError as error:
        raise MappedError(f"{directory}: {PROGRAMS_FILE}: {error.strerror}") from None
    if _sha256(data) != config.programs_sha256:
        raise MappedError(f"{directory}: {PROGRAMS_FILE} is truncated or was changed")
    try:
        programs = _programs(read_tensors(data), config.programs)
    except (ValueError, TypeError) as error:
        raise MappedError(f"{directory}: {str(error).splitlines()[0]}") from None
    files = checkpoint_bytes(directory / CHECKPOINT_DIR)
    if {name: _sha256(content) for name, content in files.items()} != config.checkpoint_sha256:
        raise MappedError(f"{directory}: the copy of the checkpoint is truncated or was changed")
    model = load_checkpoint(directory / CHECKPOINT_DIR, dtype=dtype)
    _check_complete(directory, model, programs)
    return MappedModel(model, programs, config.hardware, config.settings, config.record)


def _read_config(directory: Path) -> MappedConfig:
    path = directory / CONFIG_FILE
    try:
        config = MappedConfig.model_validate_json(read_regular(path, MAX_CONFIG_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        raise MappedError(f"{directory} is not a mapped model ({CONFIG_FILE} is missing)") from None
    except OSError as error:
        raise MappedError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise MappedError(f"{path}: not valid ({first_problem(error)})") from None
    if (config.format, config.format_version) != (FORMAT, FORMAT_VERSION):
        raise MappedError(f"{path}: format {config.format} {config.format_version} is unknown")
    return config


def _check_complete(directory: Path, model: CrystalModel, programs: dict[str, Program]) -> None:
    """Every dense layer has a program of its shape, else it would silently stay digital."""
    layers = {name: tuple(layer.weight.shape) for name, layer in dense_layers(model.network)}
    mapped = {name: (p.out_features, p.in_features) for name, p in programs.items()}
    if layers != mapped:
        wrong = sorted(name for name, _ in layers.items() ^ mapped.items())
        raise MappedError(f"{directory}: programs and dense layers differ at {wrong[0]}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _programs(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, dict[str, Any]]
) -> dict[str, Program]:
    """Programs of all layers; ValueError if a tensor is of none, or a layer has another name."""
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in metadata}
    for key, tensor in sorted(tensors.items()):
        layer, _, name = key.rpartition("/")
        if layer not in parts:
            raise ValueError(f"{PROGRAMS_FILE}: tensor {key[:80]!r} is of no layer")
        parts[layer][name] = tensor
    programs = {name: Program.from_tensors(parts[name], metadata[name]) for name in metadata}
    for name, program in programs.items():
        if program.name != name:
            raise ValueError(f"layer {name!r} holds the program of {program.name[:80]!r}")
    return programs
