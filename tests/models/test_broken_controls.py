"""Broken networks that must fail the invariance tests, and by how much: proof that those can fail.

Each control alters the graph of a crystal in one known wrong way and leaves the rest as it is.
Its spread is compared with that of the correct graph under the same transformations.
"""

from collections.abc import Callable

import numpy as np
import pytest

from models.canonical import canonical_cell
from models.crystal import Crystal
from models.graph import CrystalGraph, build_graph, global_frames, nearest_edges
from tests.models.networks import (
    SETTINGS,
    outputs_of,
    prototype_graph,
    random_model,
    relative_spread,
)
from tests.models.prototypes import PROTOTYPES, random_rotation, reflected, rotated, supercell
from tests.tolerances import (
    BROKEN_EDGES,
    BROKEN_FRAME,
    BROKEN_OVER_CORRECT,
    EXACT_METRIC,
    EXACT_POSITION,
    INVARIANCE_F64,
)

NUM_ROTATIONS = 6
SignRule = Callable[[np.ndarray, np.ndarray], float]
Builder = Callable[[Crystal], CrystalGraph]


def correct(crystal: Crystal) -> CrystalGraph:
    return build_graph(crystal, SETTINGS)


def with_identity_frame(crystal: Crystal) -> CrystalGraph:
    """No global frame: invariant frames turn vectors of the crystal as it happens to lie."""
    graph = build_graph(crystal, SETTINGS)
    return CrystalGraph(graph.numbers, graph.edge_index, graph.edge_vector, np.eye(3)[None])


def principal_axes(crystal: Crystal) -> tuple[np.ndarray, np.ndarray, Crystal]:
    """Two principal axes of the canonical lattice vectors without sign, the vectors, the cell."""
    cell = canonical_cell(
        crystal,
        symprec=EXACT_POSITION,
        metric_tolerance=EXACT_METRIC,
        class_tolerance=EXACT_POSITION,
    )
    columns = cell.crystal.lattice.T @ cell.bases[0]
    centred = columns - columns.mean(axis=1, keepdims=True)
    _, axes = np.linalg.eigh(centred @ centred.T)
    return axes.T[[2, 1]], columns, cell.crystal


def with_pca_frame(crystal: Crystal, sign_of: SignRule) -> CrystalGraph:
    """Principal axes of the lattice with signs by ``sign_of(axis, columns)``."""
    axes, columns, cell = principal_axes(crystal)
    first, second = (axis * sign_of(axis, columns) for axis in axes)
    frame = np.stack([first, second, np.cross(first, second)])
    index, vectors = nearest_edges(cell, SETTINGS.num_neighbours, SETTINGS.tie_tolerance)
    return CrystalGraph(cell.numbers, index, vectors, frame[None])


def first_cartesian_sign(axis: np.ndarray, _columns: np.ndarray) -> float:
    """The published rule: the first component that is not zero is made positive."""
    return float(np.sign(axis[np.abs(axis) > 1e-6][0]))


def first_lattice_sign(axis: np.ndarray, columns: np.ndarray) -> float:
    """The rule that follows the crystal: positive along the first vector with a component."""
    components = columns.T @ axis
    return float(np.sign(components[np.abs(components) > 1e-6][0]))


def raw_graph(crystal: Crystal, frame: np.ndarray, *, doubled: bool) -> CrystalGraph:
    """The graph without primitive reduction, self-image edges twice if ``doubled``."""
    index, vectors = nearest_edges(crystal, 16, SETTINGS.tie_tolerance)
    if doubled:
        is_self = index[0] == index[1]
        index = np.concatenate([index, index[:, is_self]], axis=1)
        vectors = np.concatenate([vectors, vectors[is_self]])
    return CrystalGraph(crystal.numbers, index, vectors, frame[None])


def rotation_spread(build: Builder, name: str) -> float:
    """Largest relative spread of the output over random rotations."""
    rng = np.random.default_rng(1)
    network = random_model().network
    before = outputs_of([build(PROTOTYPES[name])], network)
    return max(
        relative_spread(
            before, outputs_of([build(rotated(PROTOTYPES[name], random_rotation(rng)))], network)
        )
        for _ in range(NUM_ROTATIONS)
    )


@pytest.mark.parametrize("name", ["wurtzite", "rutile", "quartz", "triclinic"])
def test_identity_as_global_frame_breaks_rotation(name: str) -> None:
    passing, broken = rotation_spread(correct, name), rotation_spread(with_identity_frame, name)
    assert passing <= INVARIANCE_F64, f"correct frame: {passing:.1e}"
    assert broken > BROKEN_FRAME, f"control passes with {broken:.1e}"
    assert broken > BROKEN_OVER_CORRECT * passing, f"{broken:.1e} against {passing:.1e}"


@pytest.mark.parametrize("name", ["rocksalt", "zinc_blende", "fcc"])
def test_identity_as_global_frame_is_not_seen_on_cubic_sites(name: str) -> None:
    """Why such crystals must not be used to show that the test can fail."""
    broken = rotation_spread(with_identity_frame, name)
    assert broken <= INVARIANCE_F64, f"seen after all: {broken:.1e}"


@pytest.mark.parametrize("name", ["triclinic", "scheelite"])
def test_cartesian_sign_rule_breaks_rotation(name: str) -> None:
    broken = rotation_spread(lambda c: with_pca_frame(c, first_cartesian_sign), name)
    passing = rotation_spread(correct, name)
    assert broken > BROKEN_FRAME, f"control passes with {broken:.1e}"
    assert broken > BROKEN_OVER_CORRECT * passing, f"{broken:.1e} against {passing:.1e}"


def test_principal_axes_with_lattice_signs_pass() -> None:
    """Only the sign rule is at fault in the control above."""
    passing = rotation_spread(lambda c: with_pca_frame(c, first_lattice_sign), "triclinic")
    assert passing <= INVARIANCE_F64, f"spread {passing:.1e}"


@pytest.mark.parametrize("name", ["triclinic", "wurtzite", "rocksalt"])
def test_doubled_self_images_break_supercells(name: str) -> None:
    network = random_model().network
    cell = canonical_cell(
        PROTOTYPES[name],
        symprec=EXACT_POSITION,
        metric_tolerance=EXACT_METRIC,
        class_tolerance=EXACT_POSITION,
    )
    frame = global_frames(cell)[0]
    crystals = (cell.crystal, supercell(cell.crystal, (2, 1, 1)))
    spreads = {}
    for doubled in (False, True):
        outputs = [
            outputs_of([raw_graph(crystal, frame, doubled=doubled)], network)
            for crystal in crystals
        ]
        spreads[doubled] = relative_spread(*outputs)
    assert spreads[False] <= INVARIANCE_F64, f"single edges: {spreads[False]:.1e}"
    assert spreads[True] > BROKEN_EDGES, f"control passes with {spreads[True]:.1e}"


def flip_first(crystal: Crystal) -> CrystalGraph:
    """A left-handed cell repaired by negating its first vector alone, seen from the frame.

    Canonical vectors of a mirror image become diag(-1, 1, 1) c in place of -c.
    """
    graph = build_graph(crystal, SETTINGS)
    if np.linalg.det(crystal.lattice) > 0:
        return graph
    frames = np.diag([1.0, -1.0, -1.0]) @ graph.frames
    return CrystalGraph(graph.numbers, graph.edge_index, graph.edge_vector, frames)


def test_one_negated_vector_breaks_reflection() -> None:
    """Triclinic only: on scheelite and ilmenite the mean over both bases hides the error."""
    network = random_model().network
    mirrored = reflected(PROTOTYPES["triclinic"], np.random.default_rng(4))
    before = outputs_of([prototype_graph("triclinic")], network)
    passing = relative_spread(before, outputs_of([correct(mirrored)], network))
    broken = relative_spread(before, outputs_of([flip_first(mirrored)], network))
    assert passing <= INVARIANCE_F64, f"all three negated: {passing:.1e}"
    assert broken > BROKEN_FRAME, f"control passes with {broken:.1e}"
