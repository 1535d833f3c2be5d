"""Crosstalk of a mesh: law of the lattice, choice of the law, and compensation under every law."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.hardware import HardwareConfig, load_hardware
from photonic.impairments.crosstalk import (
    apply_crosstalk,
    crosstalk_matrix,
    precompensate_crosstalk,
    solve_crosstalk_transposed,
)
from photonic.impairments.crosstalk_distance import distance_matrix
from photonic.impairments.crosstalk_given import given_matrix
from photonic.impairments.crosstalk_lattice import lattice_matrix
from photonic.layout import MeshLayout
from photonic.randomness import keyed_generator
from tests.tolerances import COMPENSATION

TURN = 2 * np.pi
IDEAL = load_hardware("ideal")
LAWS = ("lattice", "distance", "matrix")
layouts = st.builds(MeshLayout, st.sampled_from(["clements", "reck"]), st.integers(1, 8))
coefficients = st.floats(0.0, 0.05)
seeds = st.integers(0, 2**32)
each_law = pytest.mark.parametrize("law", LAWS)


def num_shifters(layout: MeshLayout) -> int:
    return 2 * layout.num_mzis + layout.num_modes


def draw_phases(layout: MeshLayout, seed: int, batch: int = 3) -> np.ndarray:
    return keyed_generator(seed, "phase").uniform(0, TURN, (batch, num_shifters(layout)))


def lattice(coefficient: float) -> HardwareConfig:
    return IDEAL.replace(crosstalk=coefficient)


def measured(layout: MeshLayout, seed: int) -> tuple[tuple[float, ...], ...]:
    """A matrix near the identity, with entries of both signs and no symmetry."""
    size = num_shifters(layout)
    noise = keyed_generator(seed, "rows").uniform(-0.2, 0.5, (size, size)) / size
    return tuple(map(tuple, (np.eye(size) + noise).tolist()))


def hardware_with(law: str, layout: MeshLayout, seed: int) -> HardwareConfig:
    if law == "lattice":
        return lattice(0.02)
    if law == "matrix":
        return IDEAL.replace(crosstalk_law=law, crosstalk_rows=measured(layout, seed))
    pitch, spacing = keyed_generator(seed, "pitch").uniform((15.0, 8.0), (60.0, 130.0))
    return IDEAL.replace(
        crosstalk_law=law, heater_coupling=0.5, column_pitch_um=pitch, mode_pitch_um=spacing
    )


def by_pairs(layout: MeshLayout, coefficient: float) -> np.ndarray:
    """Crosstalk of the lattice from the rule itself, pair by pair."""
    mzis = list(zip(layout.mode.tolist(), layout.column.tolist(), strict=True))
    sites = [(y, 2 * x + 1) for y, x in mzis] + [(y, 2 * x) for y, x in mzis]
    sites += [(y, 2 * layout.num_columns) for y in range(layout.num_modes)]
    matrix = np.eye(len(sites))
    for i, (y, x) in enumerate(sites):
        for j, (other_y, other_x) in enumerate(sites):
            if (abs(y - other_y), abs(x - other_x)) in {(0, 1), (2, 0)}:
                matrix[i, j] = coefficient
    return matrix


def distance_in_turns(first: np.ndarray, second: np.ndarray) -> float:
    """Largest difference [rad] modulo whole turns."""
    turns = (first - second) / TURN
    return float(np.abs(turns - np.rint(turns)).max() * TURN)


@given(layout=layouts, coefficient=coefficients)
@example(layout=MeshLayout("clements", 1), coefficient=0.05)
@example(layout=MeshLayout("clements", 2), coefficient=0.05)
def test_the_lattice_joins_its_neighbours(layout, coefficient):
    matrix = lattice_matrix(layout, coefficient).toarray()
    assert np.array_equal(matrix, by_pairs(layout, coefficient))


def test_crosstalk_of_two_modes_by_hand():
    phase = np.array([1.0, 2.0, 4.0, 8.0])  # theta, phi, screen of modes 0 and 1
    heated = apply_crosstalk(phase, MeshLayout("clements", 2), lattice(0.125))
    assert heated.tolist() == [1 + 0.125 * (2 + 4), 2 + 0.125 * 1, 4 + 0.125 * 1, 8]


def test_the_hardware_chooses_the_law():
    layout = MeshLayout("reck", 4)
    rows = measured(layout, 0)
    hardware = IDEAL.replace(
        crosstalk=0.03,
        heater_coupling=0.7,
        column_pitch_um=20.0,
        mode_pitch_um=50.0,
        crosstalk_rows=rows,
    )
    expected = {
        "lattice": lattice_matrix(layout, 0.03),
        "distance": distance_matrix(layout, 20.0, 50.0, 0.7),
        "matrix": given_matrix(layout, rows),
    }
    for law in LAWS:
        matrix = crosstalk_matrix(layout, hardware.replace(crosstalk_law=law))
        assert np.array_equal(matrix.toarray(), expected[law].toarray()), law


@each_law
def test_without_figures_of_its_law_there_is_no_crosstalk(law):
    layout = MeshLayout("clements", 4)
    figures = hardware_with(next(other for other in LAWS if other != law), layout, 0)
    hardware = figures.replace(crosstalk_law=law)
    phase = draw_phases(layout, 0)
    assert crosstalk_matrix(layout, hardware) is None
    assert apply_crosstalk(phase, layout, hardware) is phase
    assert precompensate_crosstalk(phase, layout, hardware) is phase


@each_law
@given(layout=layouts, seed=seeds)
def test_crosstalk_is_linear_and_the_batch_does_not_matter(law, layout, seed):
    hardware = hardware_with(law, layout, seed)
    phase = draw_phases(layout, seed, 4).reshape(2, 2, -1)
    heated = apply_crosstalk(phase, layout, hardware)
    single = apply_crosstalk(phase[1, 0], layout, hardware)
    assert np.array_equal(heated[1, 0], single)
    assert np.array_equal(apply_crosstalk(2 * phase, layout, hardware), 2 * heated)


@given(layout=layouts, weak=coefficients, ratio=st.floats(1.0, 4.0), seed=seeds)
def test_more_crosstalk_heats_more(layout, weak, ratio, seed):
    phase = draw_phases(layout, seed)
    small, large = (
        apply_crosstalk(phase, layout, lattice(coefficient)) - phase
        for coefficient in (weak, ratio * weak)
    )
    assert (large >= small).all()
    assert (small >= 0).all()


@each_law
@given(layout=layouts, seed=seeds)
@example(layout=MeshLayout("clements", 1), seed=0)
def test_precompensation_undoes_crosstalk(law, layout, seed):
    hardware = hardware_with(law, layout, seed)
    phase = draw_phases(layout, seed)
    phase[0] = 0.0  # no heat at all: nothing to lift
    command = precompensate_crosstalk(phase, layout, hardware)
    assert command.min() >= 0
    error = distance_in_turns(command @ crosstalk_matrix(layout, hardware).toarray().T, phase)
    assert error <= COMPENSATION, f"{error:.1e} rad"
    assert np.array_equal(precompensate_crosstalk(phase[1:2], layout, hardware), command[1:2]), (
        "depends on the batch"
    )


@pytest.mark.parametrize("law", [*LAWS, None])
@given(layout=layouts, seed=seeds)
def test_known_factors_and_biases_are_compensated_too(law, layout, seed):
    hardware = IDEAL if law is None else hardware_with(law, layout, seed)
    phase = draw_phases(layout, seed)
    source = keyed_generator(seed, "estimates")
    gamma = source.uniform(0.9, 1.1, phase.shape)
    bias = source.uniform(-np.pi, np.pi, phase.shape)
    command = precompensate_crosstalk(phase, layout, hardware, gamma=gamma, bias=bias)
    assert command.min() >= 0
    realised = apply_crosstalk(gamma * command, layout, hardware) + bias
    error = distance_in_turns(realised, phase)
    assert error <= COMPENSATION, f"{error:.1e} rad"


@each_law
@given(layout=layouts, seed=seeds)
def test_the_transposed_solve_is_that_of_the_transposed_matrix(law, layout, seed):
    hardware = hardware_with(law, layout, seed)
    gradient = draw_phases(layout, seed, 4).reshape(2, 2, -1)
    solved = solve_crosstalk_transposed(gradient, layout, hardware)
    back = solved @ crosstalk_matrix(layout, hardware).toarray()
    error = np.abs(back - gradient).max()
    assert error <= COMPENSATION, f"{error:.1e}"


def test_each_estimate_is_optional():
    layout, hardware = MeshLayout("clements", 5), lattice(0.01)
    phase = draw_phases(layout, 0)
    plain = precompensate_crosstalk(phase, layout, hardware)
    ones, zeros = np.ones_like(phase), np.zeros_like(phase)
    for known in ({"gamma": ones}, {"bias": zeros}, {"gamma": ones, "bias": zeros}):
        assert np.array_equal(precompensate_crosstalk(phase, layout, hardware, **known), plain)


def test_many_chips_share_one_target():
    layout, hardware = MeshLayout("reck", 4), lattice(0.01)
    phase = draw_phases(layout, 0, 1)[0]
    gamma = keyed_generator(0, "chips").uniform(0.9, 1.1, (5, len(phase)))
    command = precompensate_crosstalk(phase, layout, hardware, gamma=gamma, bias=0.1 * gamma)
    assert command.shape == gamma.shape
    realised = apply_crosstalk(gamma * command, layout, hardware) + 0.1 * gamma
    assert distance_in_turns(realised, phase) <= COMPENSATION


def test_lifts_are_whole_turns_and_only_where_needed():
    layout, hardware = MeshLayout("clements", 8), lattice(0.02)
    phase = draw_phases(layout, 1)
    phase[:, ::5] = 1e-3  # cold shifters between hot ones must be lifted
    command = precompensate_crosstalk(phase, layout, hardware)
    lifts = np.rint((apply_crosstalk(command, layout, hardware) - phase) / TURN)
    assert set(np.unique(lifts)) == {0.0, 1.0}
    lowest = command[lifts == 1].min()
    assert lowest < TURN, "a lift that was not needed"


def test_crosstalk_that_cannot_be_compensated_raises():
    layout = MeshLayout("clements", 1)
    cooling, nothing = (
        IDEAL.replace(name="odd", crosstalk_law="matrix", crosstalk_rows=((value,),))
        for value in (-1.0, 0.0)
    )
    with pytest.raises(ValueError, match="crosstalk of 'odd' leaves no positive commands"):
        precompensate_crosstalk(np.array([1.0]), layout, cooling)
    with pytest.raises(ValueError, match="cannot be inverted"):
        precompensate_crosstalk(np.array([1.0]), layout, nothing)


def test_factors_that_are_not_positive_are_refused():
    layout = MeshLayout("clements", 2)
    with pytest.raises(ValueError, match=r"`gamma` must be positive, got -0\.1"):
        precompensate_crosstalk(np.ones(4), layout, IDEAL, gamma=np.array([1.0, -0.1, 1.0, 1.0]))


def test_a_measured_matrix_is_kept_as_it_is():
    layout = MeshLayout("clements", 3)
    rows = measured(layout, 3)
    assert np.array_equal(given_matrix(layout, rows).toarray(), np.array(rows))


def test_a_measured_matrix_of_another_mesh_is_refused():
    layout = MeshLayout("clements", 3)
    hardware = hardware_with("matrix", MeshLayout("clements", 2), 0)
    with pytest.raises(ValueError, match=r"must be 9 x 9 .* of 3 modes, got 4 x 4"):
        crosstalk_matrix(layout, hardware)
