"""Heaters and biases recovered from fringes: what is realised afterwards, and at what cost."""

import math

import numpy as np
import pytest
import torch

from photonic.calibration.characterisation import characterise, characterised_commands
from photonic.calibration.chip_estimate import reachable_command
from photonic.calibration.fringes import fit_fringe
from photonic.calibration.simulated_bench import SimulatedBench
from photonic.chip import Chip
from photonic.hardware import HardwareConfig
from photonic.mesh_state import nominal_commands
from photonic.randomness import keyed_generator
from tests.photonic.benches import IDEAL, TYPICAL, layer, weight_error
from tests.tolerances import CHARACTERISED, FRINGE_F64, READ_NOISE_FACTOR

HEATERS = {"gamma_spread": 0.012, "bias_range_rad": 1.0, "is_bias_calibrated": False}
EXTENDED = IDEAL.replace(is_drive_extended=True, **HEATERS)
READ_NOISE = 1e-3


def found_error(mesh: str, tile: int, hardware: HardwareConfig, noise: float) -> float:
    program = layer(2 * tile, tile, tile, mesh)
    bench = SimulatedBench(program, Chip(hardware, 3), noise)
    found = characterise(bench)
    assert (found.num_settings, found.num_reads) == (bench.num_settings, bench.num_reads)
    return weight_error(program, hardware, characterised_commands(program, hardware, found))


@pytest.mark.parametrize("mesh", ["clements", "reck"])
@pytest.mark.parametrize("tile", [2, 4])
def test_heaters_and_biases_are_recovered(mesh, tile):
    assert found_error(mesh, tile, EXTENDED, 0.0) <= CHARACTERISED


@pytest.mark.parametrize("mesh", ["clements", "reck"])
def test_noise_of_readings_is_what_is_left(mesh):
    error = found_error(mesh, 4, EXTENDED, READ_NOISE)
    assert CHARACTERISED < error <= READ_NOISE_FACTOR * READ_NOISE


def test_any_bias_is_found():
    hardware = EXTENDED.replace(bias_range_rad=math.pi)
    assert found_error("clements", 4, hardware, READ_NOISE) <= READ_NOISE_FACTOR * READ_NOISE


def test_known_crosstalk_does_not_disturb():
    hardware = IDEAL.replace(crosstalk=0.005, is_crosstalk_compensated=True, **HEATERS)
    assert found_error("clements", 4, hardware, READ_NOISE) <= READ_NOISE_FACTOR * READ_NOISE


def test_an_uncalibrated_chip_with_all_errors_becomes_useful():
    hardware = TYPICAL.replace(is_crosstalk_compensated=True, **HEATERS)
    program = layer(8, 4, 4)
    before = weight_error(program, hardware, nominal_commands(program, hardware))
    assert found_error("clements", 4, hardware, READ_NOISE) < before / 5


def test_fringes_are_fitted_exactly():
    generator = keyed_generator(0, "fringe")
    command = torch.linspace(0, 2 * math.pi, 12, dtype=torch.float64)
    slope, offset, amplitude = (
        torch.from_numpy(generator.uniform(*bounds, 50))
        for bounds in ((0.96, 1.04), (-3, 3), (0.2, 1))
    )
    signal = 0.5 + amplitude[:, None] * torch.cos(slope[:, None] * command + offset[:, None])
    found = fit_fringe(command, signal, torch.ones(50, dtype=torch.float64), 0.1)
    for value, expected in zip(found, (slope, offset, amplitude), strict=True):
        assert (value - expected).abs().max() <= FRINGE_F64


def test_too_few_commands_and_passes_are_refused():
    with pytest.raises(ValueError, match="a fringe needs at least 5 commands, got 4"):
        fit_fringe(torch.zeros(4), torch.zeros(4), torch.ones(()), 0.1)
    with pytest.raises(ValueError, match="`max_passes` must be at least 1, got 0"):
        characterise(SimulatedBench(layer(), Chip(IDEAL)), max_passes=0)
    with pytest.raises(ValueError, match="square"):
        characterise(SimulatedBench(layer(3, 2, "full"), Chip(IDEAL)))


def test_a_weak_heater_of_one_turn_goes_to_the_nearer_end():
    """gamma 0.9 reaches 5.65 rad: 5.7 is nearer to that, 6.2 to the next turn."""
    driven = torch.tensor([1.0, 5.7, 6.2], dtype=torch.float64)
    gamma = torch.full_like(driven, 0.9)
    found = reachable_command(driven, gamma, IDEAL.replace(dac_bits=8))
    assert found[0] == driven[0] / gamma[0]
    assert found[1] == np.nextafter(2 * math.pi, 0)
    assert found[2] == 0
    extended = reachable_command(driven, gamma, IDEAL.replace(is_drive_extended=True))
    assert torch.equal(extended, driven / gamma)
