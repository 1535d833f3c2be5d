"""Distance law of heaters: its curve, the matrix of a mesh, and the signed law, pair by pair."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.impairments.crosstalk_distance import distance_matrix, scatter_crosstalk
from photonic.impairments.crosstalk_pushpull import pushpull_crosstalk
from photonic.layout import MeshLayout
from photonic.randomness import keyed_generator
from tests.tolerances import CLOSED_FORM_F64, DEVICE_FIT, NEGLIGIBLE_HEAT, NO_OP_F64

DEVICE_UM = (7, 8, 9, 10, 12, 15, 18, 20, 23, 25)
DEVICE = (0.221, 0.168, 0.127, 0.100, 0.067, 0.039, 0.023, 0.017, 0.012, 0.009)
"""Phase of the victim over that of the aggressor at 1.9 V; from the data of SCATTER."""

layouts = st.one_of(
    st.builds(MeshLayout, st.sampled_from(["clements", "reck"]), st.integers(1, 6)),
    st.builds(MeshLayout, st.just("butterfly"), st.sampled_from([2, 4, 8])),
)
pitches = st.floats(5.0, 150.0)
seeds = st.integers(0, 2**32)


def positions(layout: MeshLayout) -> tuple[list[tuple[float, float]], list[int | None]]:
    """Lattice sites (X, y) of all shifters and the lower modes of their interferometers."""
    columns, modes = layout.column.tolist(), layout.mode.tolist()
    sites = [(2 * x + 1, y) for x, y in zip(columns, modes, strict=True)]
    sites += [(2 * x, y) for x, y in zip(columns, modes, strict=True)]
    sites += [(2 * layout.num_columns, y) for y in range(layout.num_modes)]
    lower = layout.partner.tolist()
    return sites, [*lower, *lower, *([None] * layout.num_modes)]


def matrix_by_pairs(
    layout: MeshLayout, column_pitch: float, mode_pitch: float, coupling: float
) -> np.ndarray:
    sites, lower = positions(layout)
    matrix = np.eye(len(sites))
    for i, (x, y) in enumerate(sites):
        for j, (heater_x, heater_y) in enumerate(sites):
            if i == j:
                continue
            along = column_pitch * (x - heater_x)
            upper_um = math.hypot(along, mode_pitch * (y - heater_y))
            matrix[i, j] = coupling * scatter_crosstalk(upper_um)
            if lower[i] is not None:
                lower_um = math.hypot(along, mode_pitch * (lower[i] - heater_y))
                matrix[i, j] -= coupling * scatter_crosstalk(lower_um)
    return matrix


def draw_cells(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Phases of both signs and positions of ``count`` interferometers."""
    source = keyed_generator(seed, "cells")
    phase = source.uniform(-np.pi / 2, np.pi / 2, (2, count))
    return phase, source.uniform(0, 100, (count, 2))


def pushpull_by_pairs(phase: np.ndarray, position: np.ndarray, spacing: float) -> np.ndarray:
    realised = phase.copy()
    for i, upper in enumerate(position):
        for j, heated in enumerate(position):
            if i != j:
                heater = heated - np.array([0.0 if phase[j] >= 0 else spacing, 0.0])
                lower = upper - np.array([spacing, 0.0])
                gain = scatter_crosstalk(math.dist(heater, upper))
                gain -= scatter_crosstalk(math.dist(heater, lower))
                realised[i] += gain * abs(phase[j])
    return realised


def test_an_arm_heats_itself_fully():
    assert scatter_crosstalk(0.0) == 1


def test_the_curve_passes_through_the_published_points():
    error = np.abs(scatter_crosstalk(DEVICE_UM) - DEVICE).max()
    assert error <= DEVICE_FIT, f"{error:.4f}"


def test_the_branches_meet_as_published():
    below, above = scatter_crosstalk([np.nextafter(23.0, 0.0), 23.0])
    assert (round(float(below), 4), round(float(above), 4)) == (0.0118, 0.0116)


def test_the_curve_falls_but_for_the_end_of_the_polynomial():
    falling = np.linspace(0, 22, 401), np.linspace(23, 200, 401)
    assert all((np.diff(scatter_crosstalk(distance)) < 0).all() for distance in falling)
    assert scatter_crosstalk(200) > 0
    last = scatter_crosstalk(np.linspace(22, 22.999, 101))
    assert (round(float(last.min()), 4), round(float(last.max()), 4)) == (0.0098, 0.0118)


@given(layout=layouts, column_pitch=pitches, mode_pitch=pitches, coupling=st.floats(0.01, 1.0))
@example(layout=MeshLayout("clements", 1), column_pitch=20.0, mode_pitch=120.0, coupling=1.0)
@example(layout=MeshLayout("clements", 6), column_pitch=20.0, mode_pitch=120.0, coupling=1.0)
@example(layout=MeshLayout("reck", 6), column_pitch=100.0, mode_pitch=9.0, coupling=1.0)
def test_the_matrix_is_the_sum_over_pairs(layout, column_pitch, mode_pitch, coupling):
    matrix = distance_matrix(layout, column_pitch, mode_pitch, coupling).toarray()
    expected = matrix_by_pairs(layout, column_pitch, mode_pitch, coupling)
    error = np.abs(matrix - expected).max()
    assert error <= NEGLIGIBLE_HEAT, f"{error:.1e}"


@given(layout=layouts, column_pitch=pitches, mode_pitch=pitches, coupling=st.floats(0.01, 0.5))
def test_twice_the_coupling_is_twice_the_crosstalk(layout, column_pitch, mode_pitch, coupling):
    single, double = (
        distance_matrix(layout, column_pitch, mode_pitch, factor).toarray()
        - np.eye(2 * layout.num_mzis + layout.num_modes)
        for factor in (coupling, 2 * coupling)
    )
    assert np.abs(double - 2 * single).max() <= 2 * NEGLIGIBLE_HEAT


def test_no_coupling_is_no_crosstalk():
    layout = MeshLayout("clements", 5)
    assert np.array_equal(distance_matrix(layout, 20.0, 120.0, 0.0).toarray(), np.eye(25))


def test_a_weak_coupling_keeps_its_near_pairs():
    layout = MeshLayout("clements", 3)
    matrix = distance_matrix(layout, 10.0, 50.0, 1e-9).toarray()
    assert matrix[3, 0] == pytest.approx(1e-10, rel=DEVICE_FIT * 10)  # g(10 um) = 0.1
    assert matrix[0, 8] == 0  # the screen two modes away would be warmed by 2e-15


def test_a_neighbour_on_the_lower_arm_cools():
    layout = MeshLayout("clements", 3)  # MZIs on modes (0, 1), (1, 2), (0, 1)
    matrix = distance_matrix(layout, 30.0, 20.0, 1.0).toarray()
    theta_first, phi_second = 0, 4
    assert matrix[theta_first, phi_second] < 0 < matrix[phi_second, theta_first]


def test_far_pairs_are_not_stored():
    layout = MeshLayout("clements", 24)
    matrix = distance_matrix(layout, 30.0, 60.0, 1.0)
    assert np.abs(matrix.data).min() >= 1e-12
    per_shifter = matrix.nnz / matrix.shape[0]
    # An ellipse of 205 um on a site every 1800 um^2 holds 73 sites; half of them hold a shifter.
    assert per_shifter <= 73


@given(seed=seeds, count=st.integers(1, 6), spacing=st.floats(1.0, 30.0))
def test_the_signed_law_is_the_sum_over_pairs(seed, count, spacing):
    phase, position = draw_cells(seed, count)
    realised = pushpull_crosstalk(phase, position, spacing)
    expected = np.array([pushpull_by_pairs(row, position, spacing) for row in phase])
    assert np.abs(realised - expected).max() <= CLOSED_FORM_F64


@given(seed=seeds, count=st.integers(1, 6), spacing=st.floats(1.0, 30.0))
def test_the_signed_law_is_odd_under_reflection(seed, count, spacing):
    phase, position = draw_cells(seed, count)
    mirrored = np.array([spacing, 0.0]) + position * np.array([-1.0, 1.0])
    reflected = pushpull_crosstalk(-phase, mirrored, spacing)
    assert np.abs(reflected + pushpull_crosstalk(phase, position, spacing)).max() <= NO_OP_F64


def test_the_signed_law_is_linear_only_without_a_change_of_sign():
    position = np.array([[0.0, 0.0], [20.0, 0.0]])
    pushed, twice, pulled = (
        pushpull_crosstalk(np.array([0.0, phase]), position, 9.0)[0] for phase in (0.5, 1.0, -0.5)
    )
    assert twice == 2 * pushed
    assert pulled != -pushed
    assert pushed > 0, "the upper arm is the nearer one"


def test_a_signed_phase_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"within \+-pi/2, got 1\.6"):
        pushpull_crosstalk(np.array([0.0, -1.6]), np.zeros((2, 2)), 9.0)
