"""Periodic graphs: directed nearest neighbours, whole shells, one graph per crystal."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.crystal import Crystal, CrystalError
from models.descriptions import random_unimodular, recelled, supercell
from models.graph import (
    CrystalGraph,
    GraphSettings,
    build_graph,
    check_distances,
    nearest_edges,
    neighbours_within,
)
from tests.models.prototypes import FCC, PROTOTYPES, ROCKSALT
from tests.tolerances import EXACT_TIE, FRAME_F64, GEOMETRY_F64

SEEDS = st.integers(0, 2**32 - 1)
NAMES = sorted(PROTOTYPES)
SIMPLE_CUBIC = Crystal(np.array([84]), 3.3 * np.eye(3), np.zeros((1, 3)))
OFF_EDGE = 0.137  # of a step; lengths with few decimals would lie on the edge of rounding
EXACT = {"tie_tolerance": 1e-6, "symprec": 1e-5, "metric_tolerance": 1e-5}


def edge_set(vectors: np.ndarray, index: np.ndarray) -> list[tuple[int, ...]]:
    """Sorted (receiver, sender, vector in 1e-6 Angstrom)."""
    rounded = np.rint(vectors / EXACT_TIE + OFF_EDGE).astype(np.int64)
    return sorted(map(tuple, np.column_stack([index.T, rounded])))


def reversed_edges(vectors: np.ndarray, index: np.ndarray) -> list[tuple[int, ...]]:
    return edge_set(-vectors, index[::-1])


def slow_edges(crystal: Crystal, num_neighbours: int, tie: float) -> list[tuple[int, ...]]:
    """The definition by brute force: all images in a box, sorted, cut behind the last tie."""
    images = np.array(list(product(range(-5, 6), repeat=3))) @ crystal.lattice
    found: list[tuple[int, ...]] = []
    for i, receiver in enumerate(crystal.cart_coords):
        vectors = crystal.cart_coords[:, None] + images - receiver
        lengths = np.linalg.norm(vectors, axis=-1)
        lengths[i, np.argmin(lengths[i])] = np.inf  # the site itself
        last = np.sort(lengths.ravel())[num_neighbours - 1]
        for j, image in np.argwhere(lengths <= last + tie):
            rounded = np.rint(vectors[j, image] / EXACT_TIE + OFF_EDGE).astype(np.int64)
            found.append((i, int(j), *rounded))
    return sorted(found)


def degrees(crystal: Crystal, num_neighbours: int) -> Counter[int]:
    index, _ = nearest_edges(crystal, num_neighbours, EXACT_TIE)
    return Counter(np.bincount(index[0], minlength=crystal.num_sites).tolist())


@pytest.mark.parametrize("name", NAMES)
def test_edges_follow_the_definition(name: str) -> None:
    crystal = PROTOTYPES[name]
    index, vectors = nearest_edges(crystal, 9, EXACT_TIE)
    assert edge_set(vectors, index) == slow_edges(crystal, 9, EXACT_TIE)


@pytest.mark.parametrize("name", NAMES)
def test_edges_are_sorted_by_receiver_then_length(name: str) -> None:
    index, vectors = nearest_edges(PROTOTYPES[name], 12, EXACT_TIE)
    assert (np.diff(index[0]) >= 0).all()
    lengths = np.linalg.norm(vectors, axis=1)
    rises = np.diff(lengths)[np.diff(index[0]) == 0]
    assert rises.min() > -GEOMETRY_F64, f"lengths fall by {-rises.min():.1e} within a receiver"


@pytest.mark.parametrize("num_neighbours", [1, 4, 13, 25])
@pytest.mark.parametrize("name", NAMES)
def test_no_edge_occurs_twice_and_none_is_a_site_with_itself(
    name: str, num_neighbours: int
) -> None:
    index, vectors = nearest_edges(PROTOTYPES[name], num_neighbours, EXACT_TIE)
    edges = edge_set(vectors, index)
    assert len(set(edges)) == len(edges)
    assert np.linalg.norm(vectors, axis=1).min() > 1.0


@pytest.mark.parametrize(
    ("crystal", "shells"),
    [(FCC, (12, 6, 24, 12)), (ROCKSALT, (6, 12, 8, 6)), (SIMPLE_CUBIC, (6, 12, 8, 6))],
    ids=["fcc", "rocksalt", "simple cubic"],
)
def test_a_started_shell_is_kept_whole(crystal: Crystal, shells: tuple[int, ...]) -> None:
    total = 0
    for shell in shells:
        for num_neighbours in (total + 1, total + shell // 2, total + shell):
            assert set(degrees(crystal, num_neighbours)) == {total + shell}
        total += shell


def test_ties_within_the_tolerance_are_kept_and_others_not() -> None:
    """A chain of atoms whose second neighbours are 2e-3 Angstrom nearer than the third."""
    frac_coords = [[0, 0, 0], [0, 0, 3.0 / 40], [0, 0, 1 - 3.002 / 40]]
    crystal = Crystal([1, 2, 3], np.diag([50.0, 50.0, 40.0]), frac_coords)
    for tie, expected in ((1e-3, 1), (5e-3, 2)):
        index, _ = nearest_edges(crystal, 1, tie)
        assert np.bincount(index[0])[0] == expected


@pytest.mark.parametrize("counts", [(2, 1, 1), (1, 1, 3), (2, 2, 2)])
@pytest.mark.parametrize("name", ["triclinic", "rocksalt", "hcp", "quartz"])
def test_degrees_do_not_depend_on_the_supercell(name: str, counts: tuple[int, int, int]) -> None:
    """On the supercell itself: no primitive reduction comes before."""
    single = degrees(PROTOTYPES[name], 6)
    repeated = degrees(supercell(PROTOTYPES[name], counts), 6)
    factor = int(np.prod(counts))
    assert repeated == Counter({degree: factor * n for degree, n in single.items()})


@pytest.mark.parametrize("num_neighbours", [6, 18])
def test_simple_cubic_degree_in_the_cells_where_doubled_self_images_show(
    num_neighbours: int,
) -> None:
    """An undirected construction gives 12, 10 and 6 here in place of 6 everywhere."""
    for counts in ((1, 1, 1), (2, 1, 1), (2, 2, 2)):
        assert set(degrees(supercell(SIMPLE_CUBIC, counts), num_neighbours)) == {num_neighbours}


@pytest.mark.parametrize("name", NAMES)
def test_within_a_radius_every_edge_has_its_reverse(name: str) -> None:
    index, vectors, _ = neighbours_within(PROTOTYPES[name], 4.5)
    assert edge_set(vectors, index) == reversed_edges(vectors, index)


def test_nearest_neighbour_edges_are_directed() -> None:
    """Being a k-th neighbour is not mutual: the far atom hears the pair, not the other way."""
    crystal = Crystal([1, 1, 8], 20 * np.eye(3), [[0, 0, 0], [0, 0, 0.05], [0, 0, 0.2]])
    index, vectors = nearest_edges(crystal, 1, EXACT_TIE)
    assert edge_set(vectors, index) != reversed_edges(vectors, index)
    assert sorted(map(tuple, index.T.tolist())) == [(0, 1), (1, 0), (2, 1)]


@pytest.mark.parametrize("name", ["rocksalt", "fcc", "hcp", "zinc_blende"])
def test_edges_are_closed_under_reversal_where_all_sites_are_alike(name: str) -> None:
    """Whole shells of like neighbourhoods: then the directed graph is also symmetric."""
    index, vectors = nearest_edges(PROTOTYPES[name], 12, EXACT_TIE)
    assert edge_set(vectors, index) == reversed_edges(vectors, index)


@pytest.mark.parametrize(
    "lattice",
    [np.diag([2.5, 2.5, 80.0]), np.diag([2.5, 60.0, 60.0]), np.diag([90.0, 90.0, 90.0])],
    ids=["sheet", "chain", "lone pair"],
)
def test_every_site_reaches_k_in_anisotropic_and_sparse_cells(lattice: np.ndarray) -> None:
    crystal = Crystal([6, 8], lattice, [[0, 0, 0], [0.5, 0, 1.2 / lattice[2, 2]]])
    index, vectors = nearest_edges(crystal, 25, EXACT_TIE)
    assert np.bincount(index[0], minlength=2).min() >= 25
    assert np.isfinite(vectors).all()


def test_reach_grows_until_a_lone_site_beside_a_cluster_has_k() -> None:
    """Density says a short radius; the atom above the slab needs a much longer one."""
    rows = [[x / 6, y / 6, 0.02 * z] for x in range(6) for y in range(6) for z in range(4)]
    crystal = Crystal([29] * 144 + [1], np.diag([15.0, 15.0, 100.0]), [*rows, [0, 0, 0.5]])
    index, _ = nearest_edges(crystal, 30, EXACT_TIE)
    assert np.bincount(index[0], minlength=145).min() >= 30


@given(seed=SEEDS, name=st.sampled_from(NAMES))
def test_heavily_skewed_cells_give_the_same_edges(seed: int, name: str) -> None:
    basis = random_unimodular(np.random.default_rng(seed), num_steps=8)
    index, vectors = nearest_edges(recelled(PROTOTYPES[name], basis), 12, EXACT_TIE)
    lengths = np.linalg.norm(vectors, axis=1)
    expected_index, expected = nearest_edges(PROTOTYPES[name], 12, EXACT_TIE)
    expected_lengths = np.linalg.norm(expected, axis=1)
    assert Counter(index[0].tolist()) == Counter(expected_index[0].tolist())
    error = np.abs(np.sort(lengths) - np.sort(expected_lengths)).max()
    assert error < GEOMETRY_F64, f"lengths differ by {error:.1e} Angstrom"


def test_edge_vectors_point_from_receiver_to_sender() -> None:
    crystal = Crystal([1, 8], 30 * np.eye(3), [[0, 0, 0], [0.1, 0, 0]])
    index, vectors = nearest_edges(crystal, 1, EXACT_TIE)
    assert index.tolist() == [[0, 1], [1, 0]]
    error = np.abs(vectors - [[3.0, 0, 0], [-3.0, 0, 0]]).max()
    assert error < GEOMETRY_F64, f"vectors off by {error:.1e} Angstrom"


@pytest.mark.parametrize("name", NAMES)
def test_graph_frames_are_rotations_one_per_inequivalent_basis(name: str) -> None:
    graph = build_graph(PROTOTYPES[name], GraphSettings(**EXACT))
    assert graph.num_sites == len(graph.numbers)
    products = graph.frames @ np.swapaxes(graph.frames, 1, 2)
    error = np.abs(products - np.eye(3)).max()
    assert error < FRAME_F64, f"frames not orthonormal by {error:.1e}"
    assert (np.linalg.det(graph.frames) > 0).all()
    expected = {"quartz": 2, "scheelite": 2, "ilmenite": 2, "pyrite": 2, "hexagonal_3bar": 4}
    assert len(graph.frames) == expected.get(name, 1)


def test_canonical_vectors_apply_the_frame_to_columns() -> None:
    quarter = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    graph = CrystalGraph(
        np.array([1]), np.zeros((2, 1), np.int64), np.array([[1.0, 2.0, 3.0]]), quarter[None]
    )
    assert graph.canonical_vectors(0).tolist() == [[2.0, -1.0, 3.0]]


@pytest.mark.parametrize("name", NAMES)
def test_frames_of_exact_and_default_settings_agree(name: str) -> None:
    """Default tolerances are for rounded data and must not blur exact crystals."""
    exact = build_graph(PROTOTYPES[name], GraphSettings(**EXACT))
    default = build_graph(PROTOTYPES[name], GraphSettings())
    assert exact.frames.shape == default.frames.shape
    error = np.abs(exact.frames - default.frames).max()
    assert error < FRAME_F64, f"frames differ by {error:.1e}"


def test_atoms_on_top_of_each_other_are_refused() -> None:
    crystal = Crystal([1, 8], 4 * np.eye(3), [[0, 0, 0], [0, 0, 0.1]])
    with pytest.raises(CrystalError, match=r"sites 0 and 1 are 0\.400 Angstrom apart"):
        build_graph(crystal, GraphSettings())


def test_atoms_too_near_an_image_are_refused() -> None:
    crystal = Crystal([1, 8], 4 * np.eye(3), [[0, 0, 0.01], [0, 0, 0.93]])
    with pytest.raises(CrystalError, match=r"are 0\.320 Angstrom apart \(at least 0\.5 expected\)"):
        check_distances(crystal)


def test_a_site_too_near_its_own_image_is_refused() -> None:
    with pytest.raises(CrystalError, match="sites 0 and 0"):
        check_distances(Crystal([1], np.diag([0.4, 5.0, 5.0]), [[0, 0, 0]]))


def test_two_sites_at_one_place_are_refused() -> None:
    crystal = Crystal([1, 8], 4 * np.eye(3), [[0, 0, 0], [1, 0, 0]])
    with pytest.raises(CrystalError, match=r"0\.000 Angstrom"):
        check_distances(crystal)


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_neighbours", 0), ("tie_tolerance", 0.0), ("symprec", -1.0), ("metric_tolerance", 0.2)],
)
def test_settings_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        GraphSettings(**{field: value})


def test_settings_of_older_checkpoints_mean_qr_frames() -> None:
    stored = GraphSettings().model_dump(mode="json")
    del stored["lattice_frame"]
    assert GraphSettings(**stored) == GraphSettings(lattice_frame="qr")


@pytest.mark.parametrize("kind", ["qr", "polar", "pca"])
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_frame_has_one_rotation_per_basis(name: str, kind: str) -> None:
    graph = build_graph(PROTOTYPES[name], GraphSettings(lattice_frame=kind))
    qr = build_graph(PROTOTYPES[name], GraphSettings())
    assert graph.frames.shape == qr.frames.shape
    error = np.abs(graph.frames @ np.swapaxes(graph.frames, 1, 2) - np.eye(3)).max()
    assert error < FRAME_F64, f"frames not orthonormal by {error:.1e}"
    assert (np.linalg.det(graph.frames) > 0).all()
    assert np.array_equal(graph.edge_vector, qr.edge_vector)
    is_different = np.abs(graph.frames - qr.frames).max() > FRAME_F64
    if graph.has_frame_fallback:
        assert kind == "pca"
        assert not is_different


def test_fallbacks_of_principal_axes_can_be_counted() -> None:
    """Equal eigenvalues: the ends of the vectors of a cubic cell form a regular triangle."""
    flags = {
        name: build_graph(PROTOTYPES[name], GraphSettings(lattice_frame="pca")).has_frame_fallback
        for name in NAMES
    }
    cubic = {"caesium_chloride", "fcc", "fluorite", "perovskite", "pyrite", "rocksalt"}
    expected = (cubic | {"zinc_blende"}) & set(NAMES)
    assert len(expected) >= 5
    assert {name for name, flag in flags.items() if flag} == expected


def test_unknown_kinds_of_frame_are_refused() -> None:
    with pytest.raises(ValidationError, match="lattice_frame"):
        GraphSettings(lattice_frame="identity")


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="cutoff"):
        GraphSettings(cutoff=5.0)
