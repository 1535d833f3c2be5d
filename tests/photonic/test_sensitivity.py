"""Derivatives of the error of a layer: one perturbed shifter, finite differences, sums, tables."""

import math
import subprocess
import sys

import pytest
import torch

from photonic import layer_moments
from photonic.layer_moments import expected_weight_error, num_shifters
from photonic.mapping import map_linear
from photonic.mesh_state import MESHES, MeshState, target_phases
from photonic.realisation import weight_from_states
from photonic.sensitivity import LayerSlope, layer_sensitivity, network_sensitivity
from tests.photonic.matrices import random_normal
from tests.tolerances import CLOSED_FORM_F64, FINITE_DIFFERENCE, SENSITIVITY_MEMORY_MB

# Cropped, wide and tall tiles: out_features, in_features, tile.
SHAPES = [(3, 5, 3), (2, 4, "full"), (4, 3, "full")]
every_shape = pytest.mark.parametrize("shape", SHAPES)
# Without noise, with a little, and far beyond first order.
every_noise = pytest.mark.parametrize("std", [0.0, 0.05, 0.5])


def layer(rows, columns, tile, name="layer"):
    return map_linear(random_normal(0, rows, columns), tile=tile, name=name)


def relative_error(program, std):
    square = expected_weight_error(program, std).sum()
    return (square.sqrt() / torch.linalg.norm(program.weight())).item()


def shifters(program):
    """Mesh of every shifter of every tile, and (R, C, S) zeros with a 1 at its place."""
    for mesh, size in num_shifters(program).items():
        for flat in range(program.num_tiles * size):
            unit = torch.zeros(program.num_tiles * size, dtype=torch.float64)
            unit[flat] = 1.0
            yield mesh, unit.reshape(*program.grid_shape, size)


def assert_slopes(actual, expected):
    """Slopes of dF/ds^2, relative to the largest."""
    largest = max(part.abs().max().item() for part in expected.values())
    for mesh, part in expected.items():
        error = (actual[mesh] - part).abs().max().item() / largest
        assert error <= FINITE_DIFFERENCE, f"{mesh}: {error:.1e}"


@every_shape
def test_square_slopes_are_those_of_one_perturbed_shifter(shape):
    """||W~ - W||^2 / d^2 for a phase that is off by +d and -d, realised without any statistics."""
    program, step = layer(*shape), 1e-4
    phases, weight = target_phases(program), program.weight()
    expected = {mesh: torch.zeros(phases[mesh].shape, dtype=torch.float64) for mesh in MESHES}
    for mesh, unit in shifters(program):
        for sign in (1, -1):
            moved = phases | {mesh: phases[mesh] + sign * step * unit}
            states = {name: MeshState(part) for name, part in moved.items()}
            change = weight_from_states(program, states) - weight
            expected[mesh] += unit * change.square().sum() / (2 * step**2)
    assert_slopes(layer_sensitivity(program).square_slope, expected)


@every_shape
@pytest.mark.parametrize("std", [0.05, 0.5])
def test_square_slopes_are_differences_of_the_exact_error(shape, std):
    program, step = layer(*shape), 1e-4
    expected = {
        mesh: torch.zeros_like(part)
        for mesh, part in layer_sensitivity(program).square_slope.items()
    }
    for mesh, unit in shifters(program):
        errors = [
            expected_weight_error(
                program,
                dict.fromkeys(MESHES, std) | {mesh: (std**2 + sign * step * unit).sqrt()},
            ).sum()
            for sign in (1, -1)
        ]
        expected[mesh] += unit * (errors[0] - errors[1]) / (2 * step)
    assert_slopes(layer_sensitivity(program, std).square_slope, expected)


@every_shape
@every_noise
def test_slope_is_that_of_the_relative_error(shape, std):
    """At 0 the error starts as slope times noise, elsewhere the central difference."""
    program, step = layer(*shape), 1e-5
    result = layer_sensitivity(program, std)
    assert result.relative_error == pytest.approx(relative_error(program, std), rel=CLOSED_FORM_F64)
    below = 0.0 if std == 0 else std - step
    rise = relative_error(program, std + step) - relative_error(program, below)
    assert result.slope == pytest.approx(rise / (std + step - below), rel=FINITE_DIFFERENCE)


@every_shape
def test_one_noisy_shifter_has_the_root_of_its_square_slope(shape):
    program, std = layer(*shape), 1e-5
    result = layer_sensitivity(program)
    for mesh in MESHES:
        slopes = result.square_slope[mesh]
        unit = torch.zeros_like(slopes)
        unit.view(-1)[slopes.argmax()] = std
        alone = expected_weight_error(program, dict.fromkeys(MESHES, 0.0) | {mesh: unit}).sum()
        assert alone / std**2 == pytest.approx(slopes.max().item(), rel=FINITE_DIFFERENCE)


@every_shape
@every_noise
def test_slopes_of_shifters_and_interferometers_sum_to_the_layer(shape, std):
    program = layer(*shape)
    result = layer_sensitivity(program, std)
    by_shifter, by_mzi = result.shifter_slopes(), result.mzi_slopes()
    total = sum(part.sum().item() for part in by_shifter.values())
    assert total == pytest.approx(result.slope, rel=CLOSED_FORM_F64)
    counts = {"V": program.v_layout.num_mzis, "sigma": program.rank, "U": program.u_layout.num_mzis}
    for mesh, count in counts.items():
        part = by_shifter[mesh]
        assert by_mzi[mesh].shape == (*program.grid_shape, count)
        pairs = part[..., :count] + part[..., count : 2 * count]
        assert torch.equal(by_mzi[mesh], pairs)


@every_noise
def test_chunks_do_not_matter(monkeypatch, std):
    program = layer(9, 11, 4)
    whole = layer_sensitivity(program, std)
    monkeypatch.setattr(layer_moments, "_CHUNK_NUMBERS", 1)
    with torch.no_grad():
        single = layer_sensitivity(program, std)
    assert single.square_error == pytest.approx(whole.square_error, rel=CLOSED_FORM_F64)
    for mesh in MESHES:
        gap = (single.square_slope[mesh] - whole.square_slope[mesh]).abs().max()
        assert gap <= CLOSED_FORM_F64 * whole.square_slope[mesh].abs().max()
        assert not single.square_slope[mesh].requires_grad


def test_single_weight_has_no_slope_in_first_order():
    """Its phases turn the one amplitude; the real part falls in second order, E = 1 - cos."""
    program = map_linear([[-0.7]], tile=1)
    assert layer_sensitivity(program).relative_error == 0
    assert abs(layer_sensitivity(program).slope) <= FINITE_DIFFERENCE
    result = layer_sensitivity(program, 0.3)
    rise = relative_error(program, 0.3 + 1e-5) - relative_error(program, 0.3 - 1e-5)
    assert result.slope == pytest.approx(rise / 2e-5, rel=FINITE_DIFFERENCE)
    assert math.isfinite(layer_sensitivity(program, 1e-9).slope)


def test_table_of_a_network():
    small, large = layer(3, 3, 3, "small"), layer(8, 8, 8, "large")
    rows = network_sensitivity([large, small], 0.1)
    assert rows == (
        LayerSlope("large", layer_sensitivity(large, 0.1).slope),
        LayerSlope("small", layer_sensitivity(small, 0.1).slope),
    )
    named = network_sensitivity({"first": small, "second": large})
    assert [row.name for row in named] == ["first", "second"]
    assert 0 < named[0].slope < named[1].slope


def test_arguments_are_checked():
    for std in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"`phase_std` must (not be negative|be finite), got"):
            layer_sensitivity(layer(3, 3, 3), std)
    with pytest.raises(ValueError, match="the weights of 'dark' are zero, they have no relative"):
        layer_sensitivity(map_linear(torch.zeros(3, 3), tile=3, name="dark"))


@pytest.mark.slow
def test_memory_of_a_large_layer():
    """A process of its own: 256 x 256 weights on 16 x 16 tiles."""
    code = (
        "import torch; from photonic.mapping import map_linear;"
        "from photonic.sensitivity import layer_sensitivity;"
        "layer_sensitivity(map_linear(torch.randn(256, 256, dtype=torch.float64), tile=16));"
        # Unlike the figures of getrusage, this one leaves out the process that it was started from.
        "print(*(x.split()[1] for x in open('/proc/self/status') if x.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    peak_mb = int(done.stdout) / 1000
    assert peak_mb <= SENSITIVITY_MEMORY_MB, f"{peak_mb:.0f} MB"
