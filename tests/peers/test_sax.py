"""SAX solves the netlists of our meshes and finds their transfer matrices."""

import inspect

import pytest
import torch

from photonic.adapters.sax import models, to_netlist
from photonic.decomposition import decompose
from photonic.layout import MeshLayout
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import MESH_KINDS, assert_close, haar, random_normal, random_settings
from tests.tolerances import MESH_EPS, WRONG_CONVENTION

sax = pytest.importorskip("sax")
pytestmark = pytest.mark.peers
both_meshes = pytest.mark.parametrize("mesh", MESH_KINDS)
LAYOUTS = [
    *(MeshLayout(mesh, num_modes) for mesh in MESH_KINDS for num_modes in (2, 3, 5, 8)),
    MeshLayout.clements(1),
    MeshLayout.rectangular(4, 2),
    MeshLayout.rectangular(3, 0),
    MeshLayout.butterfly(4),
    MeshLayout.butterfly(8),
]


def random_defects(layout, seed):
    return {
        "coupler_error": 0.1 * random_normal(seed, layout.num_mzis, 2),
        "insertion_loss_db": random_normal(seed + 1, layout.num_mzis).abs(),
    }


def block(scattering, sources, targets, num_modes):
    """(N, N) amplitudes S[source_k, target_j] as [j, k]."""
    rows = [
        [complex(scattering[f"{sources}_{k}", f"{targets}_{j}"]) for k in range(num_modes)]
        for j in range(num_modes)
    ]
    return torch.tensor(rows, dtype=torch.complex128)


def solve(netlist, num_modes, components=None, **settings):
    circuit, _ = sax.circuit(netlist, components or models())
    return block(circuit(**settings), "in", "out", num_modes)


@pytest.mark.parametrize("has_defects", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_netlist_has_the_matrix_of_the_mesh(layout, has_defects):
    settings = random_settings(layout, 0)
    defects = random_defects(layout, 1) if has_defects else {}
    found = solve(to_netlist(layout, *settings, **defects), layout.num_modes)
    assert_close(found, transfer_matrix(layout, *settings, **defects), MESH_EPS)


@both_meshes
def test_netlist_performs_what_we_decompose(mesh):
    layout, unitary = MeshLayout(mesh, 8), haar(8, 2)
    phases = decompose(unitary, layout)
    netlist = to_netlist(layout, phases.theta, phases.phi, phases.output_phase)
    assert_close(solve(netlist, 8), unitary, MESH_EPS)


def test_mesh_is_reciprocal_and_does_not_reflect():
    layout = MeshLayout.clements(4)
    settings, defects = random_settings(layout, 3), random_defects(layout, 4)
    circuit, _ = sax.circuit(to_netlist(layout, *settings, **defects), models())
    scattering = circuit()
    expected = transfer_matrix(layout, *settings, **defects)
    assert_close(block(scattering, "out", "in", 4), expected.T, MESH_EPS)
    for side in ("in", "out"):
        assert not block(scattering, side, side, 4).any()


def test_an_instance_can_be_set_anew():
    layout = MeshLayout.clements(3)
    theta, phi, screen = random_settings(layout, 5)
    netlist = to_netlist(layout, theta, phi, screen)
    theta[1] = 0.7
    found = solve(netlist, 3, c1_m1_theta={"phase": 0.7})
    assert_close(found, transfer_matrix(layout, theta, phi, screen), MESH_EPS)


@both_meshes
def test_a_transposed_netlist_does_not_match(mesh):
    """With inputs and outputs exchanged SAX finds the transposed matrix, and we see it."""
    layout = MeshLayout(mesh, 4)
    settings = random_settings(layout, 6)
    netlist = to_netlist(layout, *settings)
    exchange = {"in": "out", "out": "in"}
    ports = {}
    for name, end in netlist["ports"].items():
        side, mode = name.split("_")
        ports[f"{exchange[side]}_{mode}"] = end
    found, expected = solve(netlist | {"ports": ports}, 4), transfer_matrix(layout, *settings)
    assert_close(found, expected.T, MESH_EPS)
    error = (found - expected).abs().max().item()
    assert error > WRONG_CONVENTION, f"differs by {error:.1e} only"


@pytest.mark.parametrize("component", ["coupler", "phase_shifter", "both"])
def test_the_other_sign_of_i_does_not_match(component):
    """A coupler of -i, or a path that delays by exp(-i phi), is not our mesh."""
    layout = MeshLayout.clements(4)
    settings = random_settings(layout, 7)
    components = dict(models())
    for name in components if component == "both" else [component]:
        components[name] = conjugated(components[name])
    found = solve(to_netlist(layout, *settings), 4, components)
    expected = transfer_matrix(layout, *settings)
    if component == "both":
        assert_close(found, expected.conj(), MESH_EPS)
    error = (found - expected).abs().max().item()
    assert error > WRONG_CONVENTION, f"differs by {error:.1e} only"


def conjugated(model):
    def wrong(**settings):
        return {ports: value.conj() for ports, value in model(**settings).items()}

    # SAX reads the settings of a model from the defaults of its signature.
    wrong.__signature__ = inspect.signature(model)
    return wrong
