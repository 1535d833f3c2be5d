"""Weights drawn and settled by compiled loops against plain arrays: the same bits.

The reference draws mesh by mesh from numpy's generators and lets every error act by itself.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import hardware_configs
from photonic.chip import Chip
from photonic.driven import electronic_gain
from photonic.hardware import HardwareConfig, load_hardware
from photonic.impairments.crosstalk import crosstalk_matrix
from photonic.impairments.loss import edge_losses
from photonic.impairments.quantisation import quantise_phase
from photonic.layout import MeshLayout
from photonic.mapping import map_linear
from photonic.mesh_optics import MeshState
from photonic.mesh_state import Commands, mesh_layouts, nominal_commands
from photonic.program import Program
from photonic.realisation import realise_all, realise_commands, weight_from_states
from tests.photonic.matrices import random_normal

PRESETS = sorted(path.stem for path in Path(hardware_configs.__file__).parent.glob("*.yaml"))
SHOT = 2
EVERYTHING = {
    "shot_phase_noise_rad": 0.01,
    "attenuator_noise_rad": 0.02,
    "gamma_spread": 0.02,
    "stuck_probability": 0.05,
    "dead_probability": 0.02,
    "full_scale_probability": 0.01,
    "coupler_sigma_rad": 0.01,
    "coupler_offset_rad": 0.01,
    "arm_loss_db": 0.1,
    "arm_loss_std_db": 0.05,
    "edge_loss_db": 0.05,
    "ou_sigma_rad": 0.01,
    "ou_time_constant_s": 10.0,
}


def programs(kind: str, largest: int = 9) -> list[Program]:
    """Three wirings, one of them in two layers, with padding and rectangular tiles."""
    tile = min(largest, 8)
    shapes = {"a": (20, 12, tile), "b": (min(largest, 9), 3, "full")}
    shapes |= {"c": (16, 24, tile), "d": (1, 3, 2)}
    return [
        map_linear(random_normal(number, rows, columns), kind, tile, name)
        for number, (name, (rows, columns, tile)) in enumerate(shapes.items())
    ]


def warm(phase: np.ndarray, layout: MeshLayout, hardware: HardwareConfig) -> np.ndarray:
    """Omega phi, the products of a row added in the order of its columns, each sum rounded."""
    matrix = crosstalk_matrix(layout, hardware)
    if matrix is None:
        return phase
    sizes, total = np.diff(matrix.indptr), np.zeros_like(phase)
    for k in range(sizes.max()):
        rows = np.flatnonzero(sizes > k)
        entries = matrix.indptr[rows] + k
        total[..., rows] += matrix.data[entries] * phase[..., matrix.indices[entries]]
    return total


def state(chip: Chip, program: Program, mesh: str, command: Tensor) -> MeshState:
    """What the light meets in the meshes of a layer, effect by effect from numpy's generators."""
    hardware, layout, name = chip.hardware, mesh_layouts(program)[mesh], f"{program.name}/{mesh}"
    shape = tuple(command.shape)
    mzis = (*shape[:2], program.rank if layout is None else layout.num_mzis)
    phase = quantise_phase(command.numpy(), hardware)
    for factor in (chip.gamma_factors(name, shape), chip.ageing(name, shape)):
        phase = phase if factor is None else phase * factor
    failed = chip.failures(name, shape)
    phase = phase if failed is None else np.where(np.isnan(failed), phase, failed)
    phase = phase if layout is None else warm(phase, layout, hardware)
    offsets = (
        chip.bias(name, shape, is_attenuator=layout is None),
        chip.drift(name, shape[:2], shape[2]),
        chip.static_phase_noise(name, shape),
        chip.attenuator_noise(name, shape) if layout is None else None,
        chip.shot_phase_noise(name, shape, SHOT),
    )
    present = [offset for offset in offsets if offset is not None]
    phase = phase + sum(present[1:], start=present[0]) if present else phase
    arms = chip.arm_losses(name, mzis)
    edges = None if layout is None else edge_losses(layout, hardware.edge_loss_db)
    if edges is not None:
        arms = np.broadcast_to(edges, (*mzis, 3, 2)) if arms is None else arms + edges
    drawn = (phase, chip.coupler_errors(name, mzis), chip.insertion_losses(name, mzis), arms)
    return MeshState(*(None if part is None else torch.tensor(part) for part in drawn))


def reference(program: Program, chip: Chip, dtype: torch.dtype) -> Tensor:
    commands = nominal_commands(program, chip.hardware).phases
    states = {mesh: state(chip, program, mesh, commands[mesh]) for mesh in commands}
    scaled = replace(program, scale=program.scale * electronic_gain(program, chip.hardware))
    return weight_from_states(scaled, states, dtype)


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["as it is", "everything"])
@pytest.mark.parametrize("name", PRESETS)
def test_all_presets_give_the_bits_of_plain_arrays(name, changes, dtype):
    hardware = load_hardware(name).replace(**changes)
    for chip in (Chip(hardware, 3, 1), Chip(hardware, 0, 2, 100.0)):
        layers = programs(hardware.mesh or "clements", hardware.max_modes or 9)
        weights = realise_all(layers, chip, SHOT, dtype=dtype)
        for program, weight in zip(layers, weights, strict=True):
            assert torch.equal(weight, reference(program, chip, dtype)), program.name


def test_reck_meshes_give_the_bits_of_plain_arrays(dtype):
    chip = Chip(load_hardware("soi_typical").replace(**EVERYTHING), 3, 1, 100.0)
    layers = programs("reck")
    weights = realise_all(layers, chip, SHOT, dtype=dtype)
    for program, weight in zip(layers, weights, strict=True):
        assert torch.equal(weight, reference(program, chip, dtype)), program.name


@pytest.mark.parametrize("figure", ["gamma_spread", "stuck_probability"])
def test_an_error_before_the_crosstalk_spreads(figure, dtype):
    """Crosstalk found once for all chips must not be taken for a chip with either error."""
    hardware = load_hardware("soi_typical").replace(**{"gamma_spread": 0.0, figure: 0.02})
    chip, layers = Chip(hardware, 3, 1), programs("clements")
    assert hardware.has_crosstalk and bool(hardware.gamma_spread) != bool(
        hardware.stuck_probability
    )
    for program, weight in zip(layers, realise_all(layers, chip, SHOT, dtype=dtype), strict=True):
        assert torch.equal(weight, reference(program, chip, dtype)), program.name


@pytest.mark.parametrize("name", ["ideal", "soi_typical", "soi_lab_good"])
def test_a_gradient_does_not_change_the_weights(name):
    """With one the phases pass through differentiable steps, without one through one loop."""
    chip, layers = Chip(load_hardware(name), 1, 2), programs("clements")
    commands = [nominal_commands(program, chip.hardware) for program in layers]
    wanted = [
        Commands(
            {mesh: phase.clone().requires_grad_() for mesh, phase in c.phases.items()}, c.scale
        )
        for c in commands
    ]
    plain = realise_commands(layers, commands, chip)
    differentiable = realise_commands(layers, wanted, chip)
    with torch.no_grad():
        again = realise_commands(layers, wanted, chip)
    for first, second, third in zip(plain, differentiable, again, strict=True):
        assert second.requires_grad and not third.requires_grad
        assert torch.equal(first, second) and torch.equal(first, third)
    sum(weight.sum() for weight in differentiable).backward()
    assert all(phase.grad.abs().max() > 0 for c in wanted for phase in c.phases.values())


def test_threads_do_not_change_the_weights():
    """Enough shifters that draws, settings and meshes are shared."""
    chip = Chip(load_hardware("soi_typical").replace(**EVERYTHING), 1, 2, 100.0)
    layers = [map_linear(random_normal(i, 64, 64), tile=16, name=f"layer {i}") for i in range(2)]
    threads, weights = torch.get_num_threads(), {}
    assert sum(program.num_phase_shifters for program in layers) > 16_384
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            weights[count] = realise_all(layers, chip, SHOT, dtype=torch.float32)
    finally:
        torch.set_num_threads(threads)
    for count in (2, 3):
        assert all(map(torch.equal, weights[1], weights[count]))
