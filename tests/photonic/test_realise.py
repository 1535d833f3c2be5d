"""Realised weights: ideal chips, closed-form errors, keys of the draws, order of the effects."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from photonic.calibration.tile_batch import TileBatch
from photonic.chip import Chip
from photonic.drift import HORIZON_S
from photonic.haar import haar_phases
from photonic.hardware import HardwareConfig, load_hardware
from photonic.impairments.crosstalk import apply_crosstalk
from photonic.impairments.quantisation import quantise_phase
from photonic.layout import MeshLayout
from photonic.linear import PhotonicLinear
from photonic.mapping import map_linear
from photonic.mesh_state import (
    MeshState,
    flat_phases,
    nominal_commands,
    target_phases,
)
from photonic.program import Program
from photonic.quality import relative_error as relative_errors
from photonic.quality import trace_fidelity
from photonic.randomness import keyed_generator
from photonic.realisation import (
    attenuator_field,
    layer_errors,
    mesh_matrix,
    realise,
    realise_all,
)
from tests.photonic.benches import realised_state
from tests.tolerances import CLOSED_FORM, IDEAL_CHIP_F32, IDEAL_CHIP_F64

TURN = 2 * np.pi
IDEAL = load_hardware("ideal")
DRAWS = 1000
LAYOUTS = [MeshLayout(kind, n) for kind in ("clements", "reck") for n in (4, 8, 16)]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: f"{x.kind}-{x.num_modes}")


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(keyed_generator(seed, "weight").standard_normal(shape))


def layer(rows: int = 20, cols: int = 12, tile: int | str = 8, name: str = "layer") -> Program:
    return map_linear(gaussian(rows, cols), tile=tile, name=name)


def chip(index: int = 0, **changes: object) -> Chip:
    return Chip(IDEAL.replace(**changes), 7, index)


def relative_error(realised: Tensor, target: Tensor) -> float:
    return (torch.linalg.norm(realised - target) / torch.linalg.norm(target)).item()


def state_on(
    command: Tensor, chip: Chip, mesh: str, layout: MeshLayout | None, shot: int = 0
) -> MeshState:
    errors = chip.mesh_errors(mesh, layout, command.shape[:-1], command.shape[-1], shot)
    return realised_state(command, errors, chip.hardware, layout)


def haar_errors(layout: MeshLayout, chip: Chip) -> tuple[float, float]:
    """(root mean square E, mean -ln F_tr) of Haar meshes on a chip."""
    generator = keyed_generator(0, "haar", layout.kind, layout.num_modes)
    phases = flat_phases(haar_phases(layout, DRAWS, generator=generator))
    target = mesh_matrix(layout, MeshState(phases), torch.float64)
    realised = mesh_matrix(layout, state_on(phases, chip, "haar", layout), torch.float64)
    error = relative_errors(target, realised).square().mean().sqrt().item()
    return error, -trace_fidelity(target, realised).log().mean().item()


@given(
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    tile=st.integers(1, 5) | st.just("full"),
    layout=st.sampled_from(["clements", "reck"]),
    seed=st.integers(0, 100),
)
def test_ideal_chip_gives_the_weight(rows, cols, tile, layout, seed):
    weight = gaussian(rows, cols, seed=seed)
    program = map_linear(weight, layout=layout, tile=tile, name="layer")
    realised = realise(program, Chip(IDEAL))
    assert relative_error(realised, program.weight()) <= IDEAL_CHIP_F64
    assert relative_error(realised, weight) <= IDEAL_CHIP_F64


def test_ideal_chip_in_both_dtypes(dtype):
    program = layer()
    realised = realise(program, Chip(IDEAL), dtype=dtype)
    bound = IDEAL_CHIP_F64 if dtype == torch.float64 else IDEAL_CHIP_F32
    assert realised.dtype == dtype
    assert relative_error(realised.double(), program.weight()) <= bound


@pytest.mark.parametrize("name", ["soi_lab_good", "soi_typical", "sin_quix20_like"])
def test_a_chip_is_reproducible_and_unlike_others(name):
    program, hardware = layer(), load_hardware(name)
    one = realise(program, Chip(hardware, 1, 2, 50.0))
    assert torch.equal(one, realise(program, Chip(hardware, 1, 2).at(50.0)))
    for other in (Chip(hardware, 1, 3, 50.0), Chip(hardware, 2, 2, 50.0)):
        assert not torch.isclose(one, realise(program, other), rtol=0, atol=0).any()


def test_layers_are_independent_and_their_order_does_not_matter():
    a, b = layer(name="a"), layer(name="b")
    noisy = chip(phase_noise_rad=0.01)
    errors = [realise(p, noisy) - p.weight() for p in (a, b)]
    again = [realise(p, noisy) - p.weight() for p in (b, a)]
    assert torch.equal(errors[0], again[1])
    assert torch.equal(errors[1], again[0])
    assert not torch.isclose(errors[0], errors[1], rtol=0, atol=0).any()


@pytest.mark.parametrize("name", ["ideal", "soi_typical", "soi_lab_good"])
def test_all_layers_at_once_are_the_layers_one_by_one(name):
    """Three wirings, the same one in two layers, several tiles each: the same bits."""
    programs = [layer(20, 12, 8, "a"), layer(9, 5, "full", "b"), layer(16, 24, 8, "c")]
    drawn = Chip(load_hardware(name), 1, 2, 50.0)
    together = realise_all(programs, drawn, 3, dtype=torch.float32)
    for program, weight in zip(programs, together, strict=True):
        assert torch.equal(weight, realise(program, drawn, 3, dtype=torch.float32))
    assert realise_all([], drawn) == []
    with pytest.raises(ValueError, match="layers must have different names"):
        realise_all([programs[0], programs[0]], drawn)


@pytest.mark.parametrize("make", ["map_linear", "PhotonicLinear"])
def test_layers_without_a_name_are_refused_before_they_share_their_draws(make):
    """Realised one by one, two unnamed layers would have had the same errors."""
    unnamed = map_linear(gaussian(6, 6)) if make == "map_linear" else PhotonicLinear(6, 6).program()
    named = dataclasses.replace(unnamed, name="a")
    assert torch.equal(unnamed.weight(), named.weight())
    for refused in (realise, layer_errors):
        with pytest.raises(ValueError, match="needs a `name`, by which a chip draws its errors"):
            refused(unnamed, chip(phase_noise_rad=0.01))
    with pytest.raises(ValueError, match="needs a `name`"):
        realise_all([named, unnamed], chip(phase_noise_rad=0.01))
    with pytest.raises(ValueError, match="layers must have different names"):
        TileBatch.of([named, named])


def test_effects_and_meshes_have_independent_draws():
    hardware = IDEAL.replace(
        bias_residual_rad=1.0, phase_noise_rad=1.0, shot_phase_noise_rad=1.0, coupler_sigma_rad=0.5
    )
    drawn, shape = Chip(hardware), (50,)
    streams = [
        drawn.bias("layer/U", shape),
        drawn.static_phase_noise("layer/U", shape),
        drawn.static_phase_noise("layer/V", shape),
        drawn.shot_phase_noise("layer/U", shape, 0),
        drawn.shot_phase_noise("layer/U", shape, 1),
        2 * drawn.coupler_errors("layer/U", (25,)).ravel(),
    ]
    assert len(np.unique(np.concatenate(streams))) == 50 * len(streams)


def test_shots_differ_only_by_shot_noise():
    program = layer()
    static, read = chip(phase_noise_rad=0.01), chip(shot_phase_noise_rad=0.01)
    assert torch.equal(realise(program, static, shot=0), realise(program, static, shot=1))
    first = realise(program, read, shot=1)
    assert torch.equal(first, realise(program, read, shot=1))
    assert not torch.equal(first, realise(program, read, shot=2))


@every_layout
def test_phase_error_closed_form(layout):
    s = 1e-3
    error, infidelity = haar_errors(layout, chip(phase_noise_rad=s))
    assert error / (s * math.sqrt(layout.num_modes)) == pytest.approx(1, abs=CLOSED_FORM)
    assert infidelity / ((layout.num_modes - 1) * s**2) == pytest.approx(1, abs=CLOSED_FORM)


@every_layout
def test_coupler_error_closed_form(layout):
    a = 1e-3
    error, infidelity = haar_errors(layout, chip(coupler_sigma_rad=a))
    assert error / (a * math.sqrt(2 * (layout.num_modes - 1))) == pytest.approx(1, abs=CLOSED_FORM)
    assert infidelity / (2 * (layout.num_modes - 1) * a**2) == pytest.approx(1, abs=CLOSED_FORM)


@every_layout
@pytest.mark.parametrize("bits", [6, 8, 12])
def test_quantisation_closed_form(layout, bits):
    error, _ = haar_errors(layout, chip(dac_bits=bits))
    s = TURN / ((2**bits - 1) * math.sqrt(12))
    assert error / (s * math.sqrt(layout.num_modes)) == pytest.approx(1, abs=CLOSED_FORM)


@every_layout
def test_random_walk_closed_form(layout):
    rate, hours = 1e-3, 9.0
    drifting = chip(random_walk_rad_per_sqrt_hour=rate)
    _, infidelity = haar_errors(layout, drifting.at(hours * 3600))
    assert infidelity / ((layout.num_modes - 1) * rate**2 * hours) == pytest.approx(
        1, abs=CLOSED_FORM
    )


def test_large_errors_saturate_as_the_closed_form():
    n, s, a = 8, 0.2, 0.1
    error, _ = haar_errors(MeshLayout.clements(n), chip(phase_noise_rad=s, coupler_sigma_rad=a))
    expected = math.sqrt(2 * (1 - math.exp(-(n * s**2 + 2 * (n - 1) * a**2) / 2)))
    assert error / expected == pytest.approx(1, abs=CLOSED_FORM)


@pytest.mark.parametrize("n", [4, 8, 16])
def test_phase_error_of_an_svd_layer(n):
    """Complex weight: s^2 (N^2 + N^2) weighted by S^2, and 1/4 + S^2 per attenuator (theta, phi).

    Real part: a real orthogonal U is a product of plane rotations between phase screens. A phase
    of phi or of the output screen turns a real amplitude by i, to first order nothing in the real
    part. A theta gives (i/2) M and half a rotation: of its norm 1 in the square, 1/2 is real. Hence
    s^2 (N - 1)/4 per column of each mesh, and (cos(theta/2)/2)^2 per attenuator.
    """
    s, tiles = 1e-3, 24
    program, noisy = layer(n * tiles, n * tiles, n), chip(phase_noise_rad=s)
    commands = target_phases(program)
    layouts = {"V": program.v_layout, "sigma": None, "U": program.u_layout}
    states = {
        mesh: state_on(commands[mesh], noisy, f"layer/{mesh}", layout)
        for mesh, layout in layouts.items()
    }
    u, v = (mesh_matrix(layouts[mesh], states[mesh], torch.float64) for mesh in "UV")
    fields = (u * attenuator_field(states["sigma"]).unsqueeze(-2)) @ v

    def by_tile(weight: Tensor) -> Tensor:
        return weight.reshape(tiles, n, tiles, n).transpose(1, 2) / program.scale[..., None, None]

    ideal, realised = by_tile(program.weight()), by_tile(realise(program, noisy))
    power = program.attenuation.square()
    total = power.sum(-1)
    for error, formula in (
        (fields - ideal, 2 * n + (0.25 + power).sum(-1) / total),
        (realised - ideal, (n - 1) / 2 + (1 - power).sum(-1) / 4 / total),
    ):
        square = error.abs().square().sum((-2, -1)) / total
        ratio = (square.mean() / (s**2 * formula.mean())).sqrt().item()
        assert ratio == pytest.approx(1, abs=CLOSED_FORM), f"{ratio:.3f}"


@pytest.mark.parametrize("loss_db", [0.1, 1.0])
def test_mean_loss_of_two_modes_is_undone_exactly(loss_db):
    program = layer(tile=2)
    weight = program.weight()
    gained = realise(program, chip(insertion_loss_db=loss_db))
    assert relative_error(gained, weight) <= IDEAL_CHIP_F64
    lossy = realise(program, chip(insertion_loss_db=loss_db, is_loss_compensated=False))
    assert relative_error(lossy, weight * 10 ** (-3 * loss_db / 20)) <= IDEAL_CHIP_F64


@pytest.mark.parametrize("kind", ["clements", "reck"])
def test_loss_lowers_every_singular_value(kind):
    layout = MeshLayout(kind, 6)
    phases = torch.from_numpy(keyed_generator(0, "loss").uniform(0, TURN, (5, 36)))
    state = state_on(phases, chip(insertion_loss_db=0.5), "mesh", layout)
    singular = torch.linalg.svdvals(mesh_matrix(layout, state, torch.float64))
    assert singular.max() <= 10 ** (-0.5 / 20)
    assert singular.min() >= 10 ** (-0.5 * layout.num_columns / 20)


def test_compensated_crosstalk_is_exact_without_rounding():
    program = layer(32, 32, 16)
    weight = program.weight()
    heated = realise(program, chip(crosstalk=0.02))
    compensated = realise(program, chip(crosstalk=0.02, is_crosstalk_compensated=True))
    assert relative_error(compensated, weight) <= IDEAL_CHIP_F64
    assert relative_error(heated, weight) > CLOSED_FORM


def test_precompensated_commands_differ_on_meshes_alone():
    program = layer()
    hardware = IDEAL.replace(crosstalk=0.02, is_crosstalk_compensated=True)
    target, command = target_phases(program), nominal_commands(program, hardware).phases
    assert torch.equal(target["sigma"], command["sigma"])
    assert not torch.equal(target["U"], command["U"])


def test_order_of_the_phase_effects():
    hardware = HardwareConfig(
        name="all",
        dac_bits=8,
        gamma_spread=0.01,
        crosstalk=0.01,
        bias_residual_rad=0.01,
        phase_noise_rad=0.02,
        shot_phase_noise_rad=0.03,
        ou_sigma_rad=0.04,
        ou_time_constant_s=10.0,
    )
    drawn, layout = Chip(hardware, 3, 4, 60.0), MeshLayout.clements(5)
    command = flat_phases(haar_phases(layout, 6, generator=keyed_generator(0, "order")))
    batch, size = tuple(command.shape[:-1]), command.shape[-1]
    args = "layer/U", (*batch, size)
    expected = quantise_phase(command.numpy(), hardware) * drawn.gamma_factors(*args)
    expected = apply_crosstalk(expected, layout, hardware)
    expected = expected + drawn.bias(*args) + drawn.drift("layer/U", batch, size)
    expected = expected + drawn.static_phase_noise(*args) + drawn.shot_phase_noise(*args, 9)
    state = state_on(command, drawn, "layer/U", layout, 9)
    assert np.abs(state.phase.numpy() - expected).max() <= IDEAL_CHIP_F64
    isolated = state_on(command, Chip(IDEAL.replace(crosstalk=0.1)), "layer/sigma", None)
    assert torch.equal(isolated.phase, command)


def test_both_drifts_add():
    walk, ou = {"random_walk_rad_per_sqrt_hour": 0.01}, {"ou_sigma_rad": 1e-3}
    ou["ou_time_constant_s"] = 600.0
    args = "layer/U", (4,), 5

    def drift(**figures: float) -> np.ndarray | None:
        return chip(**figures).at(1234.5).drift(*args)

    assert np.array_equal(drift(**walk, **ou), drift(**walk) + drift(**ou))
    assert drift() is None


def test_drift_starts_at_the_calibrated_weights():
    program, drifting = layer(), chip(random_walk_rad_per_sqrt_hour=0.01)
    assert torch.equal(realise(program, drifting), realise(program, Chip(IDEAL)))
    errors = [relative_error(realise(program, drifting.at(t)), program.weight()) for t in (1, 1e6)]
    assert 0 < errors[0] < errors[1]
    with pytest.raises(ValueError, match="`time_s` must lie in"):
        drifting.at(HORIZON_S + 1.0)


def test_a_mesh_that_is_too_large_is_refused():
    hardware = load_hardware("sin_quix20_like")
    message = r"sin_quix20_like carries at most 20 modes, 'layer' needs 24; map with --tile 20 or"
    with pytest.raises(ValueError, match=message):
        realise(layer(24, 4, "full"), Chip(hardware))
    realise(layer(20, 20, "full"), Chip(hardware))


def test_attenuators_with_errors_match_the_mesh():
    """An attenuator is element 00 of a two-mode mesh without screen."""
    generator = keyed_generator(0, "attenuator")
    theta, phi = generator.uniform(0, TURN, (2, 50))
    couplers, loss = generator.normal(0, 0.1, (50, 2)), generator.uniform(0, 1, 50)
    arms = torch.from_numpy(generator.uniform(0, 1, (50, 3, 2)))
    theta, phi, couplers, loss = map(torch.from_numpy, (theta, phi, couplers, loss))
    flat = torch.stack([theta, phi, 0 * phi, 0 * phi], dim=-1)
    for arm_loss in (None, arms):
        field = attenuator_field(MeshState(torch.cat([theta, phi]), couplers, loss, arm_loss))
        arm_loss = None if arm_loss is None else arm_loss[:, None]
        state = MeshState(flat, couplers[:, None], loss[:, None], arm_loss)
        bar = mesh_matrix(MeshLayout.clements(2), state, torch.float64)[:, 0, 0]
        assert (field - bar).abs().max() <= IDEAL_CHIP_F64
