"""Broken networks that must fail the invariance tests, and by how much: proof that those can fail.

Each control alters the graph of a crystal in one known wrong way and leaves the rest as it is.
Its spread is compared with that of the correct graph under the same transformations.
"""

from collections.abc import Callable

import numpy as np
import pytest

from models.canonical import canonical_cell
from models.crystal import Crystal
from models.descriptions import random_rotation, reflected, rotated, supercell
from models.frame_blocks import gram_schmidt
from models.graph import CrystalGraph, build_graph, global_frames, nearest_edges
from models.network import SPFrameNetwork
from tests.models.networks import (
    SETTINGS,
    config_of,
    graph_of,
    outputs_of,
    prototype_graph,
    random_model,
    relative_spread,
    variant_network,
)
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import (
    BROKEN_EDGES,
    BROKEN_FRAME,
    BROKEN_OVER_CORRECT,
    EXACT_METRIC,
    EXACT_POSITION,
    INVARIANCE_F64,
)

NUM_ROTATIONS = 6
# Chiral, I222: one orbit of sites 222, where local vectors are zero, in a skew primitive cell.
MIXED_SITES = Crystal(
    np.repeat([22, 8, 9], [2, 8, 8]),
    np.diag([5.1, 6.3, 7.9]),
    np.array(
        [
            (signs[0] * x + half, signs[1] * y + half, signs[2] * z + half)
            for x, y, z, images in (
                (0.0, 0.0, 0.0, 1),
                (0.21, 0.34, 0.13, 4),
                (0.38, 0.12, 0.27, 4),
            )
            for signs in ((1, 1, 1), (-1, -1, 1), (-1, 1, -1), (1, -1, -1))[:images]
            for half in (0.0, 0.5)
        ]
    ),
)
# Chiral and cubic, P23: general sites, which feel the frame, in a cell without principal axes.
CUBIC_SITES = Crystal(
    np.repeat([14, 8], [12, 12]),
    7.3 * np.eye(3),
    np.array(
        [
            np.roll(position, turn) * signs
            for position in ((0.262, 0.299, 0.814), (0.092, 0.600, 0.729))
            for turn in range(3)
            for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
        ]
    ),
)
SignRule = Callable[[np.ndarray, np.ndarray], float]
Builder = Callable[[Crystal], CrystalGraph]


def correct(crystal: Crystal) -> CrystalGraph:
    return build_graph(crystal, SETTINGS)


def with_identity_frame(crystal: Crystal) -> CrystalGraph:
    """No global frame: invariant frames turn vectors of the crystal as it happens to lie."""
    return graph_of(crystal, config_of(frame="identity"))


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


def rotation_spread(
    build: Builder, crystal: str | Crystal, network: SPFrameNetwork | None = None
) -> float:
    """Largest relative spread of the output over random rotations of a (named) crystal."""
    rng = np.random.default_rng(1)
    crystal = PROTOTYPES[crystal] if isinstance(crystal, str) else crystal
    network = random_model().network if network is None else network
    before = outputs_of([build(crystal)], network)
    return max(
        relative_spread(
            before, outputs_of([build(rotated(crystal, random_rotation(rng)))], network)
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


@pytest.mark.parametrize("kind", ["polar", "pca"])
@pytest.mark.parametrize("name", ["triclinic", "scheelite", "rutile", "wurtzite", "quartz"])
def test_other_kinds_of_frame_pass(name: str, kind: str) -> None:
    """The frames that are shipped, where the control with Cartesian signs fails."""
    settings = SETTINGS.model_copy(update={"lattice_frame": kind})
    assert not build_graph(PROTOTYPES[name], settings).has_frame_fallback
    passing = rotation_spread(lambda c: build_graph(c, settings), name)
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


def test_frame_averaging_breaks_rotation_where_principal_axes_are_not_defined() -> None:
    """Why the frame of the lattice is made by QR: cubic cells have no principal axes."""
    config = config_of(frame="pca_fa")
    network = variant_network(config)
    passing = rotation_spread(correct, CUBIC_SITES)
    broken = rotation_spread(lambda crystal: graph_of(crystal, config), CUBIC_SITES, network)
    assert passing <= INVARIANCE_F64, f"QR frame: {passing:.1e}"
    assert broken > BROKEN_FRAME, f"control passes with {broken:.1e}"
    assert broken > BROKEN_OVER_CORRECT * passing, f"{broken:.1e} against {passing:.1e}"


@pytest.mark.parametrize("name", ["rutile", "quartz", "scheelite"])
def test_local_frames_without_the_replacement_break_rotation(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On symmetric sites the two vectors are parallel or zero, and their frame is rounding."""
    config = config_of(frame="gs_local")
    network = variant_network(config)
    passing = rotation_spread(lambda crystal: graph_of(crystal, config), name, network)
    monkeypatch.setattr(gram_schmidt, "MIN_SHARE", 0.0)
    broken = rotation_spread(lambda crystal: graph_of(crystal, config), name, network)
    assert passing <= INVARIANCE_F64, f"with replacement: {passing:.1e}"
    assert not broken <= BROKEN_FRAME, f"control passes with {broken:.1e}"  # NaN fails too


def test_local_frames_of_one_hand_break_reflection() -> None:
    """The mean over a crystal and its mirror image is needed where axes stand in on some sites."""
    config = config_of(frame="gs_local")
    network = variant_network(config)
    mirrored = reflected(MIXED_SITES, np.random.default_rng(4))
    both = [outputs_of([graph_of(c, config)], network) for c in (MIXED_SITES, mirrored)]
    one = [outputs_of([correct(c)], network) for c in (MIXED_SITES, mirrored)]
    passing, broken = relative_spread(*both), relative_spread(*one)
    assert passing <= INVARIANCE_F64, f"mean over both: {passing:.1e}"
    assert broken > BROKEN_FRAME, f"control passes with {broken:.1e}"
