"""Perceval loads our exported circuits, and they have the matrix of the mesh."""

import json

import pytest
import torch

from photonic.adapters.perceval import to_circuit
from photonic.decomposition import decompose
from photonic.export_formats import circuit_text, perceval_files, write_folder
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from tests.peers.shipped_tiles import trained_mesh, trained_program
from tests.photonic.matrices import MESH_KINDS, assert_close, haar, random_settings
from tests.tolerances import EXPORTED_MATRIX, MESH_EPS, WRONG_CONVENTION

pcvl = pytest.importorskip("perceval")
serialization = pytest.importorskip("perceval.serialization")
pytestmark = pytest.mark.peers
both_meshes = pytest.mark.parametrize("mesh", MESH_KINDS)


def matrix(layout, phases):
    return transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)


def loaded_matrix(text):
    return torch.from_numpy(serialization.deserialize(text).compute_unitary().copy())


def assert_same(found, expected):
    error = (found - expected).abs().max().item()
    assert error < EXPORTED_MATRIX, f"{error:.1e}"


@both_meshes
@pytest.mark.parametrize("num_modes", [1, 2, 3, 4, 5, 8, 12, 16])
def test_random_meshes(num_modes, mesh):
    layout = MeshLayout(mesh, num_modes)
    phases = MeshPhases(*random_settings(layout, num_modes))
    assert_same(loaded_matrix(circuit_text(layout, phases)), matrix(layout, phases))


@both_meshes
@pytest.mark.parametrize("num_modes", [4, 16])
def test_decomposed_matrices(num_modes, mesh):
    layout, unitary = MeshLayout(mesh, num_modes), haar(num_modes, 1)
    assert_same(loaded_matrix(circuit_text(layout, decompose(unitary, layout))), unitary)


@both_meshes
@pytest.mark.parametrize("num_modes", [4, 8, 16])
def test_trained_meshes(num_modes, mesh):
    tile = trained_mesh(mesh, num_modes)
    found = loaded_matrix(circuit_text(tile.layout, tile.phases))
    assert_same(found, matrix(tile.layout, tile.phases))


@both_meshes
def test_the_text_is_what_perceval_writes(mesh):
    """Byte for byte, so that nothing of its format was misread."""
    layout = MeshLayout(mesh, 6)
    phases = MeshPhases(*random_settings(layout, 2))
    circuit = to_circuit(layout, phases.theta, phases.phi, phases.output_phase)
    assert circuit_text(layout, phases) == serialization.serialize(circuit)


def test_files_and_index_make_up_the_weight(tmp_path):
    """From the files alone, as someone without this program would do it."""
    program = trained_program("clements", 16)
    folder = write_folder(perceval_files([program]), tmp_path / "circuits")
    layer = json.loads((folder / "meshes.json").read_text())["layers"][0]
    weight = torch.zeros(64, 64, dtype=torch.float64)
    for tile in layer["tiles"]:
        u, v = (
            torch.from_numpy(
                serialization.deserialize_file(str(folder / tile[key])).compute_unitary().copy()
            )
            for key in ("u_file", "v_file")
        )
        attenuation = torch.tensor(tile["attenuation"], dtype=torch.complex128)
        block = tile["scale"] * (u @ torch.diag(attenuation) @ v).real
        row, column = 16 * tile["tile_row"], 16 * tile["tile_col"]
        weight[row : row + 16, column : column + 16] = block
    assert_same(weight, program.weight())


@both_meshes
def test_a_transposed_or_conjugated_export_does_not_match(mesh):
    """U^T, U* and U^H are unitary too; their circuits load as well and are another mesh."""
    layout, unitary = MeshLayout(mesh, 4), haar(4, 3)
    for wrong in (unitary.T, unitary.conj(), unitary.mH):
        found = loaded_matrix(circuit_text(layout, decompose(wrong, layout)))
        assert_close(found, wrong, MESH_EPS)
        error = (found - unitary).abs().max().item()
        assert error > WRONG_CONVENTION, f"differs by {error:.1e} only"
