"""Perceval gives our meshes the same matrix, and our meshes perform its decompositions."""

import math

import pytest
import torch

from photonic.adapters.perceval import from_circuit, to_circuit, to_experiment
from photonic.decomposition import decompose
from photonic.layout import MeshLayout
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import (
    KINDS,
    MESH_KINDS,
    assert_close,
    haar,
    random_normal,
    random_settings,
)
from tests.tolerances import MESH_EPS, PEER_SEARCH, WRONG_CONVENTION

pcvl = pytest.importorskip("perceval")
pytestmark = pytest.mark.peers
both_meshes = pytest.mark.parametrize("mesh", MESH_KINDS)
sizes = pytest.mark.parametrize("num_modes", [1, 2, 3, 4, 5, 8])


def matrix_of(circuit):
    return torch.from_numpy(circuit.compute_unitary().copy())


def random_errors(layout, seed):
    return 0.1 * random_normal(seed, layout.num_mzis, 2)


def in_order(num_modes, components):
    circuit = pcvl.Circuit(num_modes)
    for modes, component in components:
        circuit.add(modes, component)
    return circuit


@pytest.mark.parametrize("has_errors", [False, True])
@both_meshes
@sizes
def test_circuit_has_the_matrix_of_the_mesh(num_modes, mesh, has_errors):
    layout = MeshLayout(mesh, num_modes)
    settings = random_settings(layout, 0)
    error = random_errors(layout, 1) if has_errors else None
    circuit = to_circuit(layout, *settings, error)
    expected = transfer_matrix(layout, *settings, coupler_error=error)
    assert_close(matrix_of(circuit), expected, MESH_EPS)


@pytest.mark.parametrize("make", KINDS)
@both_meshes
def test_circuit_performs_what_we_decompose(mesh, make):
    layout, unitary = MeshLayout(mesh, 6), make(6, 0)
    phases = decompose(unitary, layout)
    circuit = to_circuit(layout, phases.theta, phases.phi, phases.output_phase)
    assert_close(matrix_of(circuit), unitary, MESH_EPS)


@both_meshes
@sizes
def test_settings_survive_the_round_trip(num_modes, mesh):
    layout = MeshLayout(mesh, num_modes)
    theta, phi, screen = random_settings(layout, 2)
    error = random_errors(layout, 3)
    phases, found = from_circuit(to_circuit(layout, theta, phi - 9.0, screen + 9.0, error), layout)
    assert_close(found, error, MESH_EPS)
    read = (phases.theta, phases.phi, phases.output_phase)
    for actual, expected in zip(read, (theta, phi - 9.0, screen + 9.0), strict=True):
        assert ((actual >= 0) & (actual < 2 * math.pi)).all()
        assert_close(torch.exp(1j * actual), torch.exp(1j * expected), MESH_EPS)


@both_meshes
def test_a_transposed_or_conjugated_circuit_does_not_match(mesh):
    """Run backwards, the circuit has the transposed matrix; with all angles negated as well, the
    adjoint. Neither is taken for the mesh."""
    layout = MeshLayout(mesh, 4)
    settings = random_settings(layout, 4)
    circuit, expected = to_circuit(layout, *settings), transfer_matrix(layout, *settings)
    transposed = in_order(4, reversed(list(circuit)))
    adjoint = circuit.copy()
    adjoint.inverse(h=True)
    conjugated = in_order(4, reversed(list(adjoint)))
    wrong = {transposed: expected.T, adjoint: expected.mH, conjugated: expected.conj()}
    for exported, matrix in wrong.items():
        assert_close(matrix_of(exported), matrix, MESH_EPS)
        error = (matrix_of(exported) - expected).abs().max().item()
        assert error > WRONG_CONVENTION, f"differs by {error:.1e} only"


@pytest.mark.parametrize("num_modes", [2, 3, 4])
def test_its_triangle_runs_on_our_mesh(num_modes):
    """Perceval leaves the phases at the input; its inverse of a mirrored block puts them last."""
    layout, unitary = MeshLayout.reck(num_modes), haar(num_modes, 5)
    mirrored = pcvl.Circuit(2) // pcvl.BS.Rx(-math.pi / 2) // pcvl.PS(pcvl.P("theta"))
    mirrored = mirrored // pcvl.BS.Rx(-math.pi / 2) // pcvl.PS(pcvl.P("phi"))
    circuit = pcvl.Circuit.decomposition(
        pcvl.Matrix(unitary.numpy()),
        mirrored,
        phase_shifter_fn=pcvl.PS,
        shape=pcvl.InterferometerShape.TRIANGLE,
        inverse_h=True,
        ignore_identity_block=False,
    )
    phases, coupler_error = from_circuit(circuit, layout)
    matrix = transfer_matrix(
        layout, phases.theta, phases.phi, phases.output_phase, coupler_error=coupler_error
    )
    assert_close(matrix, matrix_of(circuit), MESH_EPS)
    assert_close(coupler_error, torch.zeros_like(coupler_error), MESH_EPS)
    error = (matrix - unitary).abs().max().item()
    assert error < PEER_SEARCH, f"{error:.1e}"


@both_meshes
def test_lossy_experiment_has_the_probabilities_of_the_mesh(mesh):
    """Two photons on modes 0 and 1: |permanent|^2, which sees the phases that one photon hides."""
    layout = MeshLayout(mesh, 3)
    settings, error = random_settings(layout, 6), random_errors(layout, 7)
    loss_db = random_normal(8, layout.num_mzis).abs()
    loss_db[1] = 0.0
    processor = pcvl.Processor("SLOS", to_experiment(layout, *settings, error, loss_db))
    processor.min_detected_photons_filter(0)
    processor.with_input(pcvl.BasicState([1, 1, 0]))
    found = processor.probs()["results"]
    matrix = transfer_matrix(layout, *settings, coupler_error=error, insertion_loss_db=loss_db)
    for first in range(3):
        for second in range(first, 3):
            photons = [0, 0, 0]
            photons[first] += 1
            photons[second] += 1
            pair = matrix[first, 0] * matrix[second, 1] + matrix[first, 1] * matrix[second, 0]
            expected = pair.abs().square() / (2 if first == second else 1)
            actual = torch.tensor(found[pcvl.BasicState(photons)], dtype=torch.float64)
            assert_close(actual, expected, MESH_EPS)


def test_nesting_barriers_and_missing_shifters_are_understood():
    upper, lower = (
        pcvl.Circuit(2) // pcvl.PS(x) // pcvl.BS.Rx() // pcvl.PS(2 * x) // pcvl.BS.Rx()
        for x in (0.4, 0.7)
    )
    bare = pcvl.Circuit(2) // pcvl.BS.Rx() // pcvl.BS.Rx()
    circuit = pcvl.Circuit(4).add(2, lower).add(0, upper).barrier().add(1, bare, merge=False)
    circuit.add(0, bare).add(2, upper).barrier().add(1, lower).add(3, pcvl.PS(1.0))
    layout = MeshLayout.clements(4)
    phases, error = from_circuit(circuit, layout)
    assert phases.phi.tolist() == [0.4, 0.7, 0.0, 0.0, 0.4, 0.7]
    assert phases.theta.tolist() == [0.8, 1.4, 0.0, 0.0, 0.8, 1.4]
    assert phases.output_phase.tolist() == [0.0, 0.0, 0.0, 1.0]
    matrix = transfer_matrix(
        layout, phases.theta, phases.phi, phases.output_phase, coupler_error=error
    )
    assert_close(matrix, matrix_of(circuit), MESH_EPS)


def mzi(**phases):
    return pcvl.Circuit(2) // pcvl.PS(0.1) // pcvl.BS.Rx(**phases) // pcvl.PS(0.2) // pcvl.BS.Rx()


STRANGERS = {
    "other pair": (
        lambda: pcvl.Circuit(3).add(1, mzi()).add(0, mzi()).add(1, mzi()),
        "one coupler",
    ),
    "missing block": (lambda: pcvl.Circuit(3).add(0, mzi()).add(1, mzi()), "None and None instead"),
    "surplus block": (
        lambda: pcvl.Circuit(3).add(0, mzi()).add(1, mzi()).add(0, mzi()).add(1, mzi()),
        r"must end with this mesh, it goes on with .* on 1",
    ),
    "two phases": (
        lambda: pcvl.Circuit(3).add(0, pcvl.PS(1.0)).add(0, mzi()),
        r"PS\(phi=1/10\) and .* instead of one coupler",
    ),
    "lower arm": (lambda: pcvl.Circuit(3).add(1, pcvl.PS(1.0)).add(0, mzi()), "one coupler"),
    "Hadamard": (lambda: pcvl.Circuit(3).add(0, pcvl.BS.H()), r"got BS.H\(\) on \(0, 1\)"),
    "port phase": (
        lambda: pcvl.Circuit(3).add(0, mzi(phi_tr=0.3)),
        r"PS and bare BS.Rx, got BS.Rx\(phi_tr=3/10\)",
    ),
    "swap": (
        lambda: pcvl.Circuit(3).add(1, pcvl.PERM([1, 0])),
        r"got PERM\(\[1, 0\]\) on \(1, 2\)",
    ),
    "open": (
        lambda: pcvl.Circuit(3).add(0, pcvl.PS(pcvl.P("x"))),
        r"no open parameter, got \['x'\]",
    ),
    "two modes": (lambda: mzi(), "must have 3 modes, got 2"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_other_circuits_are_refused(stranger):
    build, message = STRANGERS[stranger]
    with pytest.raises(ValueError, match=message):
        from_circuit(build(), MeshLayout.clements(3))


def test_butterflies_are_refused():
    layout = MeshLayout.butterfly(4)
    with pytest.raises(ValueError, match="Perceval couples neighbours only"):
        to_circuit(layout, *random_settings(layout, 0))
    with pytest.raises(ValueError, match="Perceval couples neighbours only"):
        from_circuit(pcvl.Circuit(4), layout)
