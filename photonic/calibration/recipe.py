"""Recipe: which remedies a calibration applies to the tiles of a chip, and their order.

What is known of the chip comes first (crosstalk, losses, couplers), then what is measured of its
heaters, then what only the chip itself can show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.calibration.characterisation import characterise, characterised_commands
from photonic.calibration.coupler_correction import correct_attenuators, correct_couplers
from photonic.calibration.in_situ_linear import subspace_learning
from photonic.calibration.model_fit import fit_to_model
from photonic.calibration.parallel_mapping import parallel_mapping
from photonic.calibration.subspace import SubspaceLayer
from photonic.calibration.subspace_sampling import Sampling
from photonic.datasheet import nominal_states
from photonic.driven import electronic_gain
from photonic.hardware import HardwareConfig
from photonic.mesh_optics import MeshState, attenuator_field
from photonic.mesh_state import (
    Commands,
    mesh_layouts,
    nominal_commands,
    target_phases,
)
from photonic.program import Program

Method = Literal["crosstalk", "loss", "couplers", "identity", "mapping", "subspace"]
METHODS: tuple[Method, ...] = get_args(Method)
"""Names of the remedies, in the order in which they are applied."""

_Error = Annotated[float, Field(ge=0, le=0.5)]


class Recipe(BaseModel):
    """Remedies and how well the laboratory measures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: tuple[Method, ...]
    """``crosstalk``: commands are solved for the nominal crosstalk. ``loss``: phases are fitted to
    the mean losses of the data sheet. ``couplers``: splitters as measured, corrected MZI by MZI.
    ``identity``: drive coefficients and biases from output powers around the identity.
    ``mapping``: descent on the chip to the target weights, and projection of the attenuators.
    ``subspace``: attenuators trained on the chip, layer by layer, on activations."""
    coupler_error_rad: _Error = 1e-3
    """Std of the measured coupler angles [rad]."""
    read_noise: _Error = 1e-3
    """Std of a reading relative to full scale."""
    mapping_epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    """Epochs of the descent on the chip."""
    subspace_epochs: Annotated[int, Field(ge=1, le=1000)] = 20
    """Passes over the activations when attenuators are trained."""
    column_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the activations of a mini-batch that enter the gradient of the attenuators."""

    @model_validator(mode="after")
    def _known_once(self) -> "Recipe":
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"`methods` must differ, got {', '.join(self.methods)}")
        return self

    def drive(self, hardware: HardwareConfig) -> HardwareConfig:
        """The chip with the drive that the remedies need.

        Args:
            hardware: chip description.

        Returns:
            With ``crosstalk`` commands are compensated. With ``identity``, ``mapping`` or
            ``subspace`` they may exceed one turn, as weak heaters need it.
        """
        changes: dict[str, bool] = {}
        if "crosstalk" in self.methods:
            changes["is_crosstalk_compensated"] = True
        if {"identity", "mapping", "subspace"} & set(self.methods):
            changes["is_drive_extended"] = True
        return hardware.replace(**changes) if changes else hardware


@dataclass(frozen=True)
class Effort:
    """What a remedy asked of the chip."""

    num_settings: int
    """Settings of phases, all tiles in parallel."""
    num_reads: int
    """Vectors of light sent, through all tiles in parallel."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Commands for the tiles of a bench, and what finding them took."""

    commands: Commands
    """Commands and scales."""
    effort: Mapping[Method, Effort] = field(default_factory=dict)
    """By remedy that read the chip."""


@dataclass(frozen=True, eq=False)
class Targets:
    """What the meshes of a layer should be, before anything is measured on a chip."""

    phases: Mapping[str, Tensor]
    """By mesh, (R, C, S) [rad]."""
    scale: Tensor
    """(R, C) factors applied by the electronics."""


def targets_for(program: Program, hardware: HardwareConfig, recipe: Recipe) -> Targets:
    """Targets that a data sheet suggests; the same for all chips of its kind.

    Args:
        program: ideal settings of a layer.
        hardware: data sheet.
        recipe: with ``loss`` the phases are fitted to its mean losses.

    Returns:
        The targets of the program, or the fitted ones.
    """
    phases = target_phases(program)
    if "loss" not in recipe.methods:
        return Targets(phases, program.scale)
    start = nominal_states(program, hardware, phases)
    fit = fit_to_model(_target_tiles(program), start, mesh_layouts(program))
    return Targets(fit.phases, fit.scale / electronic_gain(program, hardware))


def calibrate(
    bench: Bench, recipe: Recipe, targets: Targets | None = None, seed: int = 0
) -> Calibrated:
    """Commands that make the tiles of a bench perform their program as well as remedies can.

    All remedies but ``subspace``, which needs activations: see ``train_attenuators``.

    Args:
        bench: tiles; its hardware is that of ``recipe.drive``.
        recipe: remedies.
        targets: from ``targets_for``, when many chips are calibrated; None finds them.
        seed: key of random choices.

    Returns:
        Commands; without any remedy those of the data sheet.

    Raises:
        ValueError: if a drive cannot reach what a remedy asks for.
    """
    program, hardware = bench.program, bench.hardware
    targets = targets_for(program, hardware, recipe) if targets is None else targets
    phases = dict(targets.phases)
    if "couplers" in recipe.methods:
        phases = _with_corrected_couplers(bench, phases, recipe.coupler_error_rad)
    effort: dict[Method, Effort] = {}
    if "identity" in recipe.methods:
        found = characterise(bench)
        effort["identity"] = Effort(found.num_settings, found.num_reads)
        commands = characterised_commands(program, hardware, found, phases)
    else:
        commands = nominal_commands(program, hardware, phases)
    commands = Commands(commands.phases, targets.scale)
    if "mapping" in recipe.methods:
        tiles = _target_tiles(program)
        mapped = parallel_mapping(
            bench, tiles, commands, num_epochs=recipe.mapping_epochs, seed=seed
        )
        effort["mapping"] = Effort(mapped.num_settings, mapped.num_reads)
        commands = mapped.commands
    return Calibrated(commands, effort)


def train_attenuators(
    bench: Bench, commands: Commands, inputs: Tensor, recipe: Recipe, seed: int = 0
) -> Calibrated:
    """Commands whose attenuators were trained on the chip, on what flows through the layer.

    Args:
        bench: tiles of one layer.
        commands: what they are set to.
        inputs: (B, in_features) activations.
        recipe: epochs and sampling.
        seed: key of random choices.

    Returns:
        Commands for outputs nearest to those of the program, mean square over the activations.
    """
    inputs = inputs.double()
    learned = subspace_learning(
        SubspaceLayer(bench, commands),
        inputs,
        inputs @ bench.program.weight().T,
        sampling=Sampling(columns=recipe.column_share),
        num_epochs=recipe.subspace_epochs,
        seed=seed,
    )
    effort = Effort(learned.num_settings, learned.num_reads)
    return Calibrated(learned.commands, {"subspace": effort})


def _with_corrected_couplers(
    bench: Bench, phases: Mapping[str, Tensor], std_rad: float
) -> dict[str, Tensor]:
    """Phases that make up for couplers as they are measured."""
    corrected = {}
    for mesh, layout in mesh_layouts(bench.program).items():
        measured = bench.coupler_errors(mesh, std_rad)
        if layout is not None:
            corrected[mesh] = correct_couplers(phases[mesh], layout, measured).phases
            continue
        field = attenuator_field(MeshState(phases[mesh]))
        theta, phi = correct_attenuators(field.abs(), measured).phases.chunk(2, dim=-1)
        corrected[mesh] = torch.cat((theta, phi + field.angle()), dim=-1)
    return corrected


def _target_tiles(program: Program) -> Tensor:
    """(R, C, m, n) tiles that a program performs with ideal settings."""
    (rows, columns), (m, n) = program.grid_shape, program.tile_shape
    weight = program.weight()
    padded = weight.new_zeros(rows * m, columns * n)
    padded[: weight.shape[0], : weight.shape[1]] = weight
    return padded.reshape(rows, m, columns, n).transpose(1, 2)
