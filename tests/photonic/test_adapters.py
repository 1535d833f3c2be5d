"""Conversions to the forms of other packages, as far as they need none of them."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from photonic.adapters import perceval, sax
from photonic.adapters.interferometer import (
    BeamsplitterList,
    beamsplitters_to_phases,
    from_interferometer,
    phases_to_beamsplitters,
)
from photonic.decomposition import decompose
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import (
    KINDS,
    MESH_KINDS,
    assert_close,
    haar,
    random_normal,
    random_settings,
)
from tests.photonic.netlists import propagate
from tests.tolerances import MESH_EPS, PEER_ANGLE_EPS, WRONG_CONVENTION

both_meshes = pytest.mark.parametrize("mesh", MESH_KINDS)
layouts = (
    st.builds(MeshLayout, st.sampled_from(MESH_KINDS), st.integers(1, 8))
    | st.builds(MeshLayout.rectangular, st.integers(1, 8), st.integers(0, 12))
    | st.builds(MeshLayout.butterfly, st.sampled_from([1, 2, 4, 8]))
)
seeds = st.integers(0, 2**32)


def dense(beamsplitters):
    """Product of the full matrices of T(t, f), by its definition."""
    total = np.eye(beamsplitters.num_modes, dtype=complex)
    splitters = zip(beamsplitters.modes, beamsplitters.angle, beamsplitters.phase, strict=True)
    for (first, second), t, f in splitters:
        factor = np.eye(len(total), dtype=complex)
        factor[first, first] = np.exp(1j * f) * np.cos(t)
        factor[first, second] = -np.sin(t)
        factor[second, first] = np.exp(1j * f) * np.sin(t)
        factor[second, second] = np.cos(t)
        total = factor @ total
    return torch.from_numpy(np.exp(1j * beamsplitters.output_phase)[:, None] * total)


def matrix(layout, phases):
    return transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)


def replaced(beamsplitters, **parts):
    names = ("modes", "angle", "phase", "output_phase")
    return BeamsplitterList(**{name: getattr(beamsplitters, name) for name in names} | parts)


@given(layout=layouts, seed=seeds)
def test_beamsplitters_perform_the_mesh(layout, seed):
    phases = MeshPhases(*random_settings(layout, seed))
    beamsplitters = phases_to_beamsplitters(layout, phases)
    assert (beamsplitters.modes[:, 0] < beamsplitters.modes[:, 1]).all()
    assert_close(dense(beamsplitters), matrix(layout, phases), PEER_ANGLE_EPS)


@given(layout=layouts, seed=seeds)
def test_mesh_performs_beamsplitters_of_either_orientation(layout, seed):
    theta, f, screen = (part.numpy() for part in random_settings(layout, seed))
    modes = np.stack((layout.mode, layout.partner), axis=-1)
    is_swapped = np.random.default_rng(seed).random((layout.num_mzis, 1)) < 0.5
    modes = np.where(is_swapped, modes[:, ::-1], modes)
    beamsplitters = BeamsplitterList(modes, theta / 2, f, screen)
    phases = beamsplitters_to_phases(beamsplitters, layout)
    assert ((phases.theta >= 0) & (phases.theta <= math.pi)).all()
    assert_close(matrix(layout, phases), dense(beamsplitters), PEER_ANGLE_EPS)


@given(layout=layouts, seed=seeds)
def test_phases_survive_the_round_trip(layout, seed):
    phases = MeshPhases(*random_settings(layout, seed))
    again = beamsplitters_to_phases(phases_to_beamsplitters(layout, phases), layout)
    for name in ("theta", "phi", "output_phase"):
        expected, actual = (torch.exp(1j * getattr(part, name)) for part in (phases, again))
        assert_close(actual, expected, PEER_ANGLE_EPS)


@both_meshes
@given(seed=seeds)
def test_order_of_listing_does_not_matter(mesh, seed):
    layout = MeshLayout(mesh, 6)
    beamsplitters = phases_to_beamsplitters(layout, MeshPhases(*random_settings(layout, seed)))
    order = np.arange(layout.num_mzis)
    generator = np.random.default_rng(seed)
    for k in generator.integers(layout.num_mzis - 1, size=200):
        pairs = beamsplitters.modes[order[k : k + 2]]
        if len(np.unique(pairs)) == 4:  # light of one does not meet the other
            order[[k, k + 1]] = order[[k + 1, k]]
    parts = {name: getattr(beamsplitters, name)[order] for name in ("modes", "angle", "phase")}
    expected = beamsplitters_to_phases(beamsplitters, layout)
    phases = beamsplitters_to_phases(replaced(beamsplitters, **parts), layout)
    assert torch.equal(phases.phi, expected.phi)
    assert torch.equal(phases.theta, expected.theta)


def test_flipping_turns_the_matrix_upside_down():
    layout = MeshLayout.clements(5)
    beamsplitters = phases_to_beamsplitters(layout, decompose(haar(5, 1), layout))
    assert_close(dense(beamsplitters.flipped()), dense(beamsplitters).flip(0, 1), MESH_EPS)
    assert_close(dense(beamsplitters.flipped().flipped()), dense(beamsplitters), MESH_EPS)


@both_meshes
def test_replacing_angles_one_by_one_is_wrong(mesh):
    """exp(i t) is not a global phase: without the phase vector even magnitudes differ."""
    layout = MeshLayout(mesh, 4)
    phases = decompose(haar(4, 2), layout)
    modes = np.stack((layout.mode, layout.partner), axis=-1)
    angle, f = (math.pi - phases.theta) / 2, phases.phi + math.pi
    naive = BeamsplitterList(modes, angle.numpy(), f.numpy(), phases.output_phase.numpy())
    error = (dense(naive).abs() - haar(4, 2).abs()).abs().max().item()
    assert error > WRONG_CONVENTION, f"differs by {error:.1e} only"


@pytest.mark.parametrize(
    ("modes", "message"),
    [
        ([[1, 2], [0, 1], [1, 2]], r"clements mesh of 3 .* got 3, of which 3 without a place"),
        ([[0, 1], [1, 2]], "clements mesh of 3 .* got 2, of which 0 without a place"),
        ([[0, 1], [1, 2], [0, 1], [1, 2]], "got 4, of which 1 without a place"),
        ([[0, 1], [0, 2], [0, 1]], "got 3, of which 1 without a place"),
    ],
)
def test_other_arrangements_are_refused(modes, message):
    size = len(modes)
    other = BeamsplitterList(np.array(modes), np.zeros(size), np.zeros(size), np.zeros(3))
    with pytest.raises(ValueError, match=message):
        beamsplitters_to_phases(other, MeshLayout.clements(3))


def test_lists_of_another_size_are_refused():
    layout = MeshLayout.clements(3)
    beamsplitters = phases_to_beamsplitters(layout, decompose(haar(3, 0), layout))
    with pytest.raises(ValueError, match="`beamsplitters` must have 4 modes, got 3"):
        beamsplitters_to_phases(beamsplitters, MeshLayout.clements(4))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"angle": np.zeros(2)}, r"`angle` must have shape \(3,\), got \(2,\)"),
        ({"modes": np.zeros((3, 1), int)}, r"`modes` must have shape \(3, 2\), got \(3, 1\)"),
        ({"modes": np.array([[0, 1], [1, 3], [0, 1]])}, "pairs of different modes below 3"),
        ({"modes": np.array([[0, 1], [1, 1], [0, 1]])}, "pairs of different modes below 3"),
        ({"modes": np.array([[0, 1], [-1, 1], [0, 1]])}, "pairs of different modes below 3"),
    ],
)
def test_malformed_lists_are_refused(parts, message):
    layout = MeshLayout.clements(3)
    beamsplitters = phases_to_beamsplitters(layout, decompose(haar(3, 0), layout))
    with pytest.raises(ValueError, match=message):
        replaced(beamsplitters, **parts)


@given(layout=layouts, seed=seeds)
def test_netlist_performs_the_mesh_and_survives_yaml(layout, seed):
    settings = random_settings(layout, seed)
    defects = {
        "coupler_error": 0.1 * random_normal(seed, layout.num_mzis, 2),
        "insertion_loss_db": random_normal(seed + 1, layout.num_mzis).abs(),
    }
    for extra in ({}, defects):
        netlist = sax.to_netlist(layout, *settings, **extra)
        assert yaml.safe_load(yaml.safe_dump(netlist)) == netlist
        expected = transfer_matrix(layout, *settings, **extra)
        assert_close(propagate(netlist, layout.num_modes), expected, MESH_EPS)


def test_netlist_names_say_column_and_mode():
    layout = MeshLayout.clements(3)
    netlist = sax.to_netlist(layout, *random_settings(layout, 0))
    names = list(netlist["instances"])
    assert names[4:8] == ["c1_m1_phi", "c1_m1_coupler_a", "c1_m1_theta", "c1_m1_coupler_b"]
    assert names[-3:] == ["output_m0", "output_m1", "output_m2"]
    assert netlist["connections"]["c0_m0_coupler_b,out1"] == "c1_m1_phi,in0"
    assert list(netlist["ports"]) == ["in_0", "in_1", "in_2", "out_0", "out_1", "out_2"]
    assert netlist["ports"]["in_2"] == "c1_m1_coupler_a,in1"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"theta": torch.zeros(2, 3)}, r"`theta` must have shape \(3,\), got \(2, 3\)"),
        ({"output_phase": torch.zeros(2)}, r"`output_phase` must have shape \(3,\), got \(2,\)"),
        ({"phi": torch.full((3,), math.nan)}, "`phi` must be finite"),
        ({"coupler_error": torch.zeros(3)}, r"`coupler_error` must have shape \(3, 2\)"),
        ({"insertion_loss_db": torch.tensor([0.0, -1.0, 0.0])}, "must be at least 0, got -1.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(parts, message):
    layout = MeshLayout.clements(3)
    theta, phi, screen = random_settings(layout, 0)
    with pytest.raises(ValueError, match=message):
        sax.to_netlist(layout, **{"theta": theta, "phi": phi, "output_phase": screen} | parts)


def test_batches_of_phases_are_refused():
    layout = MeshLayout.clements(3)
    with pytest.raises(ValueError, match=r"`theta` must have shape \(3,\), got \(2, 3\)"):
        phases_to_beamsplitters(layout, decompose(haar(3, 0, 2), layout))


def test_adapters_do_not_import_their_packages():
    modules = [module.__name__ for module in (perceval, sax)]
    modules += [from_interferometer.__module__, "photonic.adapters.torchonn"]
    modules.append("photonic.export_formats")
    peers = {"interferometer", "perceval", "sax", "jax", "torchonn", "nidaqmx"}
    code = f"import sys, {', '.join(modules)}; assert not {peers} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("make", KINDS)
@both_meshes
def test_structured_unitaries_survive(mesh, make):
    layout = MeshLayout(mesh, 6)
    unitary = make(6, 3)
    beamsplitters = phases_to_beamsplitters(layout, decompose(unitary, layout))
    assert_close(dense(beamsplitters), unitary, PEER_ANGLE_EPS)
    phases = beamsplitters_to_phases(beamsplitters, layout)
    assert_close(matrix(layout, phases), unitary, PEER_ANGLE_EPS)
