"""Losses: statistics, gains, and edge loss carried by the arms of the MZIs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.impairments.loss import arm_losses, edge_losses, insertion_losses, loss_gain
from photonic.layout import MeshLayout
from photonic.mzi import mzi_block
from photonic.randomness import keyed_generator
from photonic.reference import reference_mesh
from tests.tolerances import DRIVE_EPS, MESH_EPS, STANDARD_ERRORS

TURN = 2 * np.pi
COUNT = 40_000
seeds = st.integers(0, 2**32)
meshes = st.one_of(
    st.builds(MeshLayout, st.sampled_from(["clements", "reck"]), st.integers(2, 9)),
    st.builds(MeshLayout, st.just("rectangular"), st.integers(2, 6), st.integers(2, 7)),
)


def generator(seed: int = 0) -> np.random.Generator:
    return keyed_generator(seed, "loss")


def assert_normal(values: np.ndarray, mean: float, std: float) -> None:
    """Mean and standard deviation of independent normal numbers."""
    error_of_mean = abs(values.mean() - mean) / (std / math.sqrt(values.size))
    error_of_std = abs(values.std() / std - 1) * math.sqrt(2 * values.size)
    assert max(error_of_mean, error_of_std) < STANDARD_ERRORS


def column_by_column(
    layout: MeshLayout, theta: np.ndarray, phi: np.ndarray, screen: np.ndarray, edge_db: float
) -> np.ndarray:
    """Mesh whose idle modes lose light in every column, multiplied out."""
    blocks = mzi_block(torch.from_numpy(theta), torch.from_numpy(phi)).numpy()
    total = np.eye(layout.num_modes, dtype=np.complex128)
    for column in range(layout.num_columns):
        matrix = 10 ** (-edge_db / 20) * np.eye(layout.num_modes, dtype=np.complex128)
        for mzi in np.flatnonzero(layout.column == column):
            pair = [layout.mode[mzi], layout.partner[mzi]]
            matrix[np.ix_(pair, pair)] = blocks[mzi]
        total = matrix @ total
    return np.exp(1j * screen)[:, None] * total


def test_losses_are_never_negative():
    assert_normal(insertion_losses(0.21, 0.02, (COUNT,), generator()), 0.21, 0.02)
    wide = insertion_losses(0.1, 1.0, (COUNT,), generator())
    assert wide.min() == 0
    assert np.array_equal(insertion_losses(0.3, 0.0, (4,), generator()), np.full(4, 0.3))


def test_arm_sections_are_independent_and_never_negative():
    losses = arm_losses(0.084, 0.01, (COUNT,), generator())
    assert losses.shape == (COUNT, 3, 2)
    assert_normal(losses, 0.084, 0.01)
    correlation = np.corrcoef(losses.reshape(COUNT, 6).T) - np.eye(6)
    assert np.abs(correlation).max() < STANDARD_ERRORS / math.sqrt(COUNT)
    assert arm_losses(0.1, 1.0, (COUNT,), generator()).min() == 0
    assert np.array_equal(arm_losses(0.3, 0.0, (4,), generator()), np.full((4, 3, 2), 0.3))


@given(first=st.floats(0, 10), second=st.floats(0, 10), count=st.floats(0, 40))
def test_gains_of_losses_in_series_multiply(first, second, count):
    product = loss_gain(first, count) * loss_gain(second, count)
    total = loss_gain(first + second, count)
    amplification = 1 + (first + second) * count  # of rounding in the exponent
    assert abs(product / total - 1) <= DRIVE_EPS * np.finfo(float).eps * amplification


@given(layout=meshes, edge_db=st.floats(0.01, 6.0), seed=seeds)
@example(layout=MeshLayout("clements", 2), edge_db=1.0, seed=0)
@example(layout=MeshLayout("clements", 3), edge_db=1.0, seed=0)
@example(layout=MeshLayout("reck", 9), edge_db=1.0, seed=0)
@example(layout=MeshLayout("rectangular", 2, 3), edge_db=1.0, seed=0)  # an empty column
def test_edge_loss_in_the_arms_is_edge_loss_in_the_columns(layout, edge_db, seed):
    sizes = layout.num_mzis, layout.num_mzis, layout.num_modes
    theta, phi, screen = (generator(seed).uniform(0, TURN, size) for size in sizes)
    arms = edge_losses(layout, edge_db)
    moved = reference_mesh(
        layout.mode, theta, phi, screen, arm_loss_db=arms, partner=layout.partner
    )
    expected = column_by_column(layout, theta, phi, screen, edge_db)
    error = np.abs(moved - expected).max() / np.finfo(float).eps
    assert error <= MESH_EPS, f"{error:.1f} eps"


@given(layout=meshes, edge_db=st.floats(0.01, 6.0))
def test_every_idle_site_is_counted_once(layout, edge_db):
    idle = layout.num_modes * layout.num_columns - 2 * layout.num_mzis
    losses = edge_losses(layout, edge_db)
    total = 0.0 if losses is None else losses.sum()
    assert abs(total - idle * edge_db) <= MESH_EPS * np.finfo(float).eps * (idle + 1) * edge_db
    if losses is not None:
        assert not losses[:, 1].any(), "loss between the couplers"


@pytest.mark.parametrize(
    ("layout", "edge_db"),
    [
        (MeshLayout("clements", 8), 0.0),
        (MeshLayout("clements", 1), 0.5),
        (MeshLayout("clements", 2), 0.5),
        (MeshLayout("butterfly", 8), 0.5),
        (MeshLayout("rectangular", 4, 0), 0.5),
    ],
    ids=str,
)
def test_no_idle_site_means_no_loss(layout, edge_db):
    assert edge_losses(layout, edge_db) is None


def test_a_waveguide_without_mzis_cannot_carry_its_loss():
    with pytest.raises(ValueError, match="mode 2 of the mesh meets no MZI"):
        edge_losses(MeshLayout("rectangular", 3, 1), 0.5)
