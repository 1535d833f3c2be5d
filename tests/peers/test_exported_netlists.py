"""SAX solves our exported netlists with the models beside them: the matrix of the mesh."""

import runpy

import pytest
import torch

from photonic.decomposition import decompose
from photonic.export_formats import netlist_text, sax_files, write_folder
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from tests.peers.shipped_tiles import trained_mesh, trained_program
from tests.photonic.matrices import MESH_KINDS, haar, random_settings
from tests.tolerances import EXPORTED_MATRIX, WRONG_CONVENTION

sax = pytest.importorskip("sax")
pytestmark = pytest.mark.peers
both_meshes = pytest.mark.parametrize("mesh", MESH_KINDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Exported netlists of one trained tile, 4 x 4, and the models."""
    program = trained_program("clements", 4)
    return write_folder(sax_files([program], (1, 2)), tmp_path_factory.mktemp("sax") / "netlists")


@pytest.fixture(scope="module")
def models(folder):
    """Models of the file that is written beside the netlists, run without this program."""
    return runpy.run_path(str(folder / "sax_models.py"))["models"]()


def matrix(layout, phases):
    return transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)


def solved(source, models):
    netlist = sax.load_netlist(source)
    circuit, _ = sax.circuit(netlist, models)
    scattering, modes = circuit(), range(len(netlist["ports"]) // 2)
    rows = [[complex(scattering[f"in_{k}", f"out_{j}"]) for k in modes] for j in modes]
    return torch.tensor(rows, dtype=torch.complex128)


def assert_same(found, expected):
    error = (found - expected).abs().max().item()
    assert error < EXPORTED_MATRIX, f"{error:.1e}"


@both_meshes
@pytest.mark.parametrize("num_modes", [2, 3, 5, 8, 16])
def test_random_meshes(num_modes, mesh, models):
    layout = MeshLayout(mesh, num_modes)
    phases = MeshPhases(*random_settings(layout, num_modes))
    assert_same(solved(netlist_text(layout, phases), models), matrix(layout, phases))


@both_meshes
@pytest.mark.parametrize("num_modes", [4, 16])
def test_trained_meshes(num_modes, mesh, models):
    tile = trained_mesh(mesh, num_modes)
    found = solved(netlist_text(tile.layout, tile.phases), models)
    assert_same(found, matrix(tile.layout, tile.phases))


def test_files_are_solved_as_they_are(folder, models):
    tile = trained_mesh("clements", 4)
    [path] = folder.glob("*_r1_c2_U.pic.yml")
    assert_same(solved(path, models), matrix(tile.layout, tile.phases))


@both_meshes
def test_a_transposed_or_conjugated_export_does_not_match(mesh, models):
    layout, unitary = MeshLayout(mesh, 4), haar(4, 3)
    for wrong in (unitary.T, unitary.conj(), unitary.mH):
        found = solved(netlist_text(layout, decompose(wrong, layout)), models)
        assert_same(found, wrong)
        error = (found - unitary).abs().max().item()
        assert error > WRONG_CONVENTION, f"differs by {error:.1e} only"
