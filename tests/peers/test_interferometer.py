"""The package interferometer performs our settings, and our meshes its decompositions."""

import pytest
import torch

from photonic.adapters.interferometer import (
    beamsplitters_to_phases,
    from_interferometer,
    phases_to_beamsplitters,
    to_interferometer,
)
from photonic.decomposition import decompose
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import KINDS, MESH_KINDS, assert_close, haar, random_settings
from tests.tolerances import PEER_ANGLE_EPS, PEER_REBUILD_EPS, WRONG_CONVENTION

peer = pytest.importorskip("interferometer")
pytestmark = pytest.mark.peers
both_meshes = pytest.mark.parametrize("mesh", MESH_KINDS)
sizes = pytest.mark.parametrize("num_modes", range(2, 11))


def decomposed_by_peer(unitary, mesh):
    """Its own decomposition in the arrangement of our mesh."""
    if mesh == "clements":
        return from_interferometer(peer.square_decomposition(unitary.numpy()))
    upside_down = unitary.flip(0, 1).numpy()
    return from_interferometer(peer.triangle_decomposition(upside_down)).flipped()


def performed_by_peer(layout, phases):
    interferometer = to_interferometer(phases_to_beamsplitters(layout, phases))
    return torch.from_numpy(interferometer.calculate_transformation())


def matrix(layout, phases):
    return transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)


@pytest.mark.parametrize("make", KINDS)
@both_meshes
@sizes
def test_its_decomposition_runs_on_our_mesh(num_modes, mesh, make):
    layout, unitary = MeshLayout(mesh, num_modes), make(num_modes, 0)
    phases = beamsplitters_to_phases(decomposed_by_peer(unitary, mesh), layout)
    assert ((phases.theta >= 0) & (phases.theta <= torch.pi)).all()
    assert_close(matrix(layout, phases), unitary, PEER_REBUILD_EPS)


@pytest.mark.parametrize("make", KINDS)
@both_meshes
@sizes
def test_our_decomposition_runs_on_its_mesh(num_modes, mesh, make):
    layout, unitary = MeshLayout(mesh, num_modes), make(num_modes, 0)
    assert_close(performed_by_peer(layout, decompose(unitary, layout)), unitary, PEER_ANGLE_EPS)


@both_meshes
@sizes
def test_both_decompositions_of_a_haar_matrix_are_the_same(num_modes, mesh):
    layout, unitary = MeshLayout(mesh, num_modes), haar(num_modes, 1)
    phases = beamsplitters_to_phases(decomposed_by_peer(unitary, mesh), layout)
    ours = decompose(unitary, layout)
    for name in ("theta", "phi", "output_phase"):
        actual, expected = (torch.exp(1j * getattr(part, name)) for part in (phases, ours))
        assert_close(actual, expected, PEER_ANGLE_EPS)


@both_meshes
@sizes
def test_phases_survive_the_round_trip(num_modes, mesh):
    layout = MeshLayout(mesh, num_modes)
    phases = MeshPhases(*random_settings(layout, 2))
    interferometer = to_interferometer(phases_to_beamsplitters(layout, phases))
    again = beamsplitters_to_phases(from_interferometer(interferometer), layout)
    for name in ("theta", "phi", "output_phase"):
        actual, expected = (torch.exp(1j * getattr(part, name)) for part in (again, phases))
        assert_close(actual, expected, PEER_ANGLE_EPS)


@both_meshes
def test_a_transposed_or_conjugated_mesh_does_not_match(mesh):
    layout, unitary = MeshLayout(mesh, 5), haar(5, 3)
    performed = performed_by_peer(layout, decompose(unitary, layout))
    for wrong in (unitary.T, unitary.conj(), unitary.mH):
        error = (performed - wrong).abs().max().item()
        assert error > WRONG_CONVENTION, f"differs by {error:.1e} only"


def test_its_triangle_is_ours_upside_down():
    upright = from_interferometer(peer.triangle_decomposition(haar(4, 4).numpy()))
    with pytest.raises(ValueError, match="must be a reck mesh of 6 interferometers"):
        beamsplitters_to_phases(upright, MeshLayout.reck(4))


def test_butterflies_run_on_its_mesh():
    layout = MeshLayout.butterfly(8)
    phases = MeshPhases(*random_settings(layout, 5))
    assert_close(performed_by_peer(layout, phases), matrix(layout, phases), PEER_ANGLE_EPS)


def test_output_phases_that_it_leaves_out_are_zero():
    interferometer = peer.Interferometer()
    interferometer.add_BS(peer.Beamsplitter(1, 2, 0.3, 0.4))
    interferometer.add_BS(peer.Beamsplitter(2, 3, 0.5, 0.6))
    interferometer.add_BS(peer.Beamsplitter(1, 2, 0.7, 0.8))
    interferometer.add_phase(2, 0.9)
    layout = MeshLayout.clements(3)
    phases = beamsplitters_to_phases(from_interferometer(interferometer), layout)
    expected = torch.from_numpy(interferometer.calculate_transformation())
    assert_close(matrix(layout, phases), expected, PEER_ANGLE_EPS)


@pytest.mark.parametrize(
    "layout", [MeshLayout.clements(1), MeshLayout.rectangular(3, 1)], ids=["one mode", "odd depth"]
)
def test_a_mesh_that_it_would_cut_short_is_refused(layout):
    beamsplitters = phases_to_beamsplitters(layout, MeshPhases(*random_settings(layout, 0)))
    with pytest.raises(ValueError, match=r"must have one on the last mode, \d"):
        to_interferometer(beamsplitters)
