"""Local correction of coupler errors: exact in reach, quadratic beyond, both meshes."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from photonic.calibration.coupler_correction import (
    correct_attenuators,
    correct_couplers,
    correct_program,
)
from photonic.chip import Chip
from photonic.haar import haar_phases
from photonic.hardware import load_hardware
from photonic.layout import MeshLayout
from photonic.mapping import map_linear
from photonic.mesh_optics import MeshState, attenuator_field, mesh_matrix
from photonic.mesh_state import MESHES, Commands, flat_phases, target_phases
from photonic.quality import relative_error
from photonic.randomness import keyed_generator
from photonic.realisation import layer_errors, realise_commands
from tests.tolerances import (
    CLOSED_FORM,
    CORRECTED_ERROR,
    EXACT_CORRECTION,
    IDEAL_CHIP_F64,
    POWER_LAW,
)

LAYOUTS = [MeshLayout(kind, n) for kind in ("clements", "reck") for n in (2, 3, 4, 8)]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: f"{x.kind}-{x.num_modes}")


def drawn(layout: MeshLayout, std: float, draws: int) -> tuple[Tensor, Tensor]:
    """Haar phases (draws, S) and coupler errors (draws, M, 2)."""
    generator = keyed_generator(0, "coupler", layout.kind, layout.num_modes)
    phases = flat_phases(haar_phases(layout, draws, generator=generator))
    errors = std * generator.standard_normal((draws, layout.num_mzis, 2))
    return phases, torch.from_numpy(errors)


def errors_of(layout: MeshLayout, std: float, draws: int, measured_std: float = 0.0):
    """E of each draw before and after correction, and the clipped MZIs."""
    phases, couplers = drawn(layout, std, draws)
    noise = keyed_generator(1, "measured").standard_normal(couplers.shape)
    found = correct_couplers(phases, layout, couplers + measured_std * torch.from_numpy(noise))
    target = mesh_matrix(layout, MeshState(phases), torch.float64)
    before, after = (
        relative_error(target, mesh_matrix(layout, MeshState(p, couplers), torch.float64))
        for p in (phases, found.phases)
    )
    return before, after, found.num_clipped


def root_mean_square(values: Tensor) -> float:
    return values.square().mean().sqrt().item()


@every_layout
def test_correction_is_exact_where_nothing_clips(layout):
    before, after, clipped = errors_of(layout, 1e-3, 50)
    exact = clipped == 0
    assert exact.any()
    assert after[exact].max() <= EXACT_CORRECTION < before[exact].min()


@every_layout
def test_no_errors_keep_the_matrix(layout):
    phases, couplers = drawn(layout, 0.0, 10)
    found = correct_couplers(phases, layout, couplers)
    target, same = (
        mesh_matrix(layout, MeshState(p), torch.float64) for p in (phases, found.phases)
    )
    assert (target - same).abs().max() <= EXACT_CORRECTION
    assert found.num_clipped.sum() == 0
    turn = (found.phases - phases + math.pi) % (2 * math.pi) - math.pi
    assert turn.abs().max() <= IDEAL_CHIP_F64


@pytest.mark.parametrize("kind", ["clements", "reck"])
def test_errors_grow_linearly_before_and_quadratically_after(kind):
    stds = np.array([0.04, 0.06, 0.08])
    pairs = [errors_of(MeshLayout(kind, 24), std, 100)[:2] for std in stds]
    for which, power in ((0, 1.0), (1, 2.0)):
        errors = [root_mean_square(pair[which]) for pair in pairs]
        slope = np.polyfit(np.log(stds), np.log(errors), 1)[0]
        assert slope == pytest.approx(power, abs=POWER_LAW), f"{slope:.2f}"


@pytest.mark.parametrize("kind", ["clements", "reck"])
def test_corrected_error_is_the_closed_form(kind):
    """E_c = sqrt(2/3) N a^2 (Hamerly et al., 2022) for N a >= 1 and N a^2 <= 0.1."""
    n, a = 32, 0.045
    _, after, _ = errors_of(MeshLayout(kind, n), a, 150)
    expected = math.sqrt(2 / 3) * n * a**2
    assert root_mean_square(after) == pytest.approx(expected, rel=CORRECTED_ERROR)


def test_a_measurement_error_stays_as_a_coupler_error():
    n, std = 8, 1e-3
    _, after, _ = errors_of(MeshLayout.clements(n), 1e-3, 400, measured_std=std)
    expected = std * math.sqrt(2 * (n - 1))
    assert root_mean_square(after) / expected == pytest.approx(1, abs=2 * CLOSED_FORM)


def test_attenuators_in_reach_are_exact_and_the_rest_nearest():
    generator = keyed_generator(0, "attenuators")
    couplers = torch.from_numpy(generator.normal(0, 0.05, (200, 2)))
    wanted = torch.from_numpy(generator.uniform(0, 1, 200))
    found = correct_attenuators(wanted, couplers)
    field = attenuator_field(MeshState(found.phases, couplers))
    assert field.imag.abs().max() <= IDEAL_CHIP_F64
    low, high = (couplers.sum(-1)).sin().abs(), (couplers[:, 0] - couplers[:, 1]).cos()
    nearest = torch.minimum(torch.maximum(wanted, low), high)
    assert (field.real - nearest).abs().max() <= IDEAL_CHIP_F64
    assert found.num_clipped == ((wanted < low) | (wanted > high)).sum()


def test_a_corrected_program_has_its_weight_on_the_chip():
    weight = torch.from_numpy(keyed_generator(0, "program").standard_normal((4, 8)))
    program = map_linear(weight, tile=4, name="layer")
    chip = Chip(load_hardware("ideal").replace(coupler_sigma_rad=1e-3), 3)
    couplers = {mesh: e.coupler_error for mesh, e in layer_errors(program, chip).items()}
    found = correct_program(program, couplers)
    phases = {mesh: found[mesh].phases for mesh in MESHES}
    num_clipped = sum(int(part.num_clipped.sum()) for part in found.values())
    corrected, plain = (
        realise_commands([program], [Commands(p, program.scale)], chip)[0] - program.weight()
        for p in (phases, target_phases(program))
    )
    # The largest singular value asks its attenuator for 1, which no imperfect coupler gives.
    assert num_clipped >= program.num_tiles
    assert corrected.norm() < plain.norm()


def test_wrong_shapes_are_refused():
    layout = MeshLayout.clements(4)
    with pytest.raises(ValueError, match="`coupler_error` must have shape"):
        correct_couplers(torch.zeros(16, dtype=torch.float64), layout, torch.zeros(5, 2).double())
