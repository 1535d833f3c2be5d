"""Canonical cells: one primitive, shortest, right-handed cell whatever description is given."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import canonical
from models.canonical import (
    canonical_cell,
    minkowski_reduced,
    primitive_cell,
    right_handed,
    shortest_bases,
    unimodular_matrices,
)
from models.crystal import Crystal, CrystalError
from models.descriptions import (
    distorted,
    random_rotation,
    random_unimodular,
    recelled,
    reflected,
    rotated,
    supercell,
)
from models.graph import GraphSettings, SymmetryWarning, build_graph
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import EXACT_METRIC, EXACT_POSITION, GEOMETRY_F64

SEEDS = st.integers(0, 2**32 - 1)

# Lattice vectors as rows of each kind of lattice and the order of its proper point group.
LATTICES = {
    "triclinic": ([[4.1, 0.3, -0.2], [-0.9, 5.2, 0.4], [1.1, -1.3, 6.3]], 1),
    "monoclinic": ([[4.0, 0, 0], [0, 5.0, 0], [1.0, 0, 6.0]], 2),
    "monoclinic C": ([[3.0, 2.0, 0], [-3.0, 2.0, 0], [1.2, 0, 7.0]], 2),
    "orthorhombic": ([[4.0, 0, 0], [0, 5.0, 0], [0, 0, 6.0]], 4),
    "orthorhombic F": ([[0, 2.5, 3.1], [2.0, 0, 3.1], [2.0, 2.5, 0]], 4),
    "rhombohedral": ([[1.0, 0, 2.0], [-0.5, 0.75**0.5, 2.0], [-0.5, -(0.75**0.5), 2.0]], 6),
    "tetragonal": ([[4.0, 0, 0], [0, 4.0, 0], [0, 0, 6.0]], 8),
    "tetragonal I": ([[-2.0, 2.0, 5.0], [2.0, -2.0, 5.0], [2.0, 2.0, -5.0]], 8),
    "hexagonal": ([[3.0, 0, 0], [-1.5, 3 * 0.75**0.5, 0], [0, 0, 5.0]], 12),
    "cubic": ([[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]], 24),
    "cubic I": ([[-2.0, 2.0, 2.0], [2.0, -2.0, 2.0], [2.0, 2.0, -2.0]], 24),
    "cubic F": ([[0, 2.0, 2.0], [2.0, 0, 2.0], [2.0, 2.0, 0]], 24),
}

# Order of the lattice's proper point group over that of the crystal's Laue class.
NUM_BASES = {
    "wurtzite": 1,
    "rutile": 1,
    "quartz": 2,
    "scheelite": 2,
    "ilmenite": 2,
    "perovskite": 1,
    "rocksalt": 1,
    "zinc_blende": 1,
    "fcc": 1,
    "hcp": 1,
    "pyrite": 2,
    "hexagonal_3bar": 4,
    "triclinic": 1,
    "caesium_chloride": 1,
    "fluorite": 1,
}

PRIMITIVE_SITES = {"scheelite": 12, "ilmenite": 10, "fcc": 1}  # the others are given primitive


def lattice_crystal(kind: str) -> Crystal:
    return Crystal(np.array([14]), np.array(LATTICES[kind][0]), np.zeros((1, 3)))


def reduced(crystal: Crystal) -> Crystal:
    return minkowski_reduced(right_handed(crystal))


def successive_minima(lattice: np.ndarray) -> np.ndarray:
    """(3,) lengths of the shortest independent lattice vectors, by trying many."""
    coefficients = np.array([n for n in product(range(-4, 5), repeat=3) if any(n)])
    vectors = coefficients @ lattice
    chosen: list[np.ndarray] = []
    for index in np.argsort(np.linalg.norm(vectors, axis=1), kind="stable"):
        trial = [*chosen, coefficients[index]]
        if np.linalg.matrix_rank(np.array(trial)) == len(trial):
            chosen = trial
        if len(chosen) == 3:
            break
    return np.linalg.norm(np.array(chosen) @ lattice, axis=1)


def assert_same_lattice(first: np.ndarray, second: np.ndarray) -> None:
    transform = second @ np.linalg.inv(first)
    error = np.abs(transform - np.rint(transform)).max()
    assert error < GEOMETRY_F64, f"not integer combinations: {error:.1e}"
    assert round(abs(np.linalg.det(transform))) == 1, "not the same volume"


def test_unimodular_matrices_are_all_3480() -> None:
    matrices = unimodular_matrices()
    assert matrices.shape == (3480, 3, 3)
    assert np.abs(matrices).max() == 1
    assert (np.rint(np.linalg.det(matrices)) == 1).all()
    assert len({matrix.tobytes() for matrix in matrices}) == 3480


@pytest.mark.parametrize("kind", LATTICES)
def test_number_of_shortest_bases_is_the_order_of_the_lattice_group(kind: str) -> None:
    lattice = reduced(lattice_crystal(kind)).lattice
    assert len(shortest_bases(lattice, EXACT_METRIC)) == LATTICES[kind][1]


@pytest.mark.parametrize("kind", LATTICES)
def test_shortest_bases_have_one_metric(kind: str) -> None:
    lattice = reduced(lattice_crystal(kind)).lattice
    columns = lattice.T @ shortest_bases(lattice, EXACT_METRIC)
    metrics = np.swapaxes(columns, 1, 2) @ columns
    error = np.abs(metrics - metrics[0]).max() / np.trace(metrics[0])
    assert error < GEOMETRY_F64, f"metrics of tied bases differ by {error:.1e}"


@given(seed=SEEDS, kind=st.sampled_from(sorted(LATTICES)))
def test_shortest_metric_does_not_depend_on_the_cell(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    crystal = lattice_crystal(kind)
    other = rotated(recelled(crystal, random_unimodular(rng)), random_rotation(rng))
    metrics = []
    for given_cell in (crystal, other):
        lattice = reduced(given_cell).lattice
        columns = lattice.T @ shortest_bases(lattice, EXACT_METRIC)[0]
        metrics.append(columns.T @ columns)
    error = np.abs(metrics[0] - metrics[1]).max() / np.trace(metrics[0])
    assert error < GEOMETRY_F64, f"canonical metrics differ by {error:.1e}"


@pytest.mark.parametrize("name", PROTOTYPES)
def test_number_of_inequivalent_bases(name: str) -> None:
    cell = canonical_cell(
        PROTOTYPES[name],
        symprec=EXACT_POSITION,
        metric_tolerance=EXACT_METRIC,
        class_tolerance=EXACT_POSITION,
    )
    assert cell.is_primitive_certain
    assert len(cell.bases) == NUM_BASES[name]
    assert cell.crystal.num_sites == PRIMITIVE_SITES.get(name, PROTOTYPES[name].num_sites)


def test_general_crystal_in_a_cubic_metric_keeps_all_bases() -> None:
    rng = np.random.default_rng(5)
    crystal = distorted(PROTOTYPES["perovskite"], 0.3, rng)
    cell = canonical_cell(
        crystal,
        symprec=EXACT_POSITION,
        metric_tolerance=EXACT_METRIC,
        class_tolerance=EXACT_POSITION,
    )
    assert (cell.num_tied_bases, len(cell.bases)) == (24, 24)


def test_relaxed_metric_needs_the_loose_tolerance() -> None:
    strained = np.diag([4.0, 4.0 * (1 + 2e-4), 4.0 * (1 - 1e-4)])
    assert len(shortest_bases(strained, EXACT_METRIC)) < 24
    assert len(shortest_bases(strained, 1e-3)) == 24


@given(seed=SEEDS, kind=st.sampled_from(sorted(LATTICES)))
def test_minkowski_reduction_reaches_the_successive_minima(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    crystal = recelled(lattice_crystal(kind), random_unimodular(rng, num_steps=8))
    result = minkowski_reduced(crystal)
    assert_same_lattice(crystal.lattice, result.lattice)
    lengths = np.sort(np.linalg.norm(result.lattice, axis=1))
    shortest = successive_minima(result.lattice)
    error = np.abs(lengths / shortest - 1).max()
    assert error < GEOMETRY_F64, f"{lengths} longer than {shortest}"


@given(seed=SEEDS)
def test_minkowski_reduction_keeps_handedness_and_sites(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crystal = recelled(PROTOTYPES["triclinic"], random_unimodular(rng))
    result = minkowski_reduced(crystal)
    assert np.sign(np.linalg.det(result.lattice)) == np.sign(np.linalg.det(crystal.lattice))
    error = np.abs(result.cart_coords - crystal.cart_coords).max()
    assert error < GEOMETRY_F64, f"sites moved by {error:.1e} Angstrom"


@pytest.mark.parametrize("skew", [10, 300, 1000])
def test_reduction_undoes_heavily_skewed_cells(skew: int) -> None:
    basis = np.array([[1, skew, -skew], [0, 1, skew // 2], [0, 0, 1]])
    crystal = recelled(lattice_crystal("orthorhombic"), basis)
    lengths = np.sort(np.linalg.norm(minkowski_reduced(crystal).lattice, axis=1))
    error = np.abs(lengths - [4.0, 5.0, 6.0]).max()
    assert error < EXACT_POSITION, f"lengths off by {error:.1e} Angstrom"


def test_reduction_that_does_not_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "MAX_REDUCTION_STEPS", 1)
    basis = np.array([[1, 50, 0], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(CrystalError, match="too skewed to be reduced"):
        minkowski_reduced(recelled(lattice_crystal("cubic"), basis))


@given(seed=SEEDS, name=st.sampled_from(sorted(PROTOTYPES)))
def test_reduction_undoes_a_change_of_basis(seed: int, name: str) -> None:
    """Same lattice, and the sites where they were, in cells that are not mere shears."""
    crystal = recelled(PROTOTYPES[name], random_unimodular(np.random.default_rng(seed)))
    result = minkowski_reduced(crystal)
    assert_same_lattice(PROTOTYPES[name].lattice, result.lattice)
    site_error = np.abs(crystal.cart_coords - result.cart_coords).max()
    assert site_error < GEOMETRY_F64, f"sites moved by {site_error:.1e} Angstrom"


def test_left_handed_cells_negate_all_vectors() -> None:
    crystal = reflected(PROTOTYPES["triclinic"], np.random.default_rng(1))
    assert np.linalg.det(crystal.lattice) < 0
    result = right_handed(crystal)
    assert np.array_equal(result.lattice, -crystal.lattice)
    error = np.abs(result.cart_coords - crystal.cart_coords).max()
    assert error < GEOMETRY_F64, f"sites moved by {error:.1e} Angstrom"


def test_right_handed_cells_are_kept() -> None:
    assert right_handed(PROTOTYPES["triclinic"]) is PROTOTYPES["triclinic"]


@given(seed=SEEDS, name=st.sampled_from(sorted(PROTOTYPES)))
def test_canonical_cells_are_right_handed_from_any_description(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    crystal = recelled(reflected(PROTOTYPES[name], rng), random_unimodular(rng))
    cell = canonical_cell(crystal, symprec=1e-2, metric_tolerance=1e-3, class_tolerance=1e-4)
    assert np.linalg.det(cell.crystal.lattice) > 0
    assert (np.rint(np.linalg.det(cell.bases)) == 1).all()
    assert len(cell.bases) == NUM_BASES[name]


@pytest.mark.parametrize("counts", [(2, 1, 1), (1, 3, 1), (2, 2, 2)])
@pytest.mark.parametrize("name", ["triclinic", "wurtzite", "scheelite"])
def test_supercells_reduce_to_the_same_primitive_cell(
    name: str, counts: tuple[int, int, int]
) -> None:
    single, _ = primitive_cell(PROTOTYPES[name], 1e-2)
    reduced_back, is_certain = primitive_cell(supercell(PROTOTYPES[name], counts), 1e-2)
    assert is_certain
    assert reduced_back.num_sites == single.num_sites
    assert_same_lattice(single.lattice, reduced_back.lattice)


def test_primitive_cell_keeps_the_orientation() -> None:
    rotation = random_rotation(np.random.default_rng(3))
    crystal = rotated(PROTOTYPES["fcc"], rotation)
    primitive, _ = primitive_cell(crystal, 1e-2)
    assert primitive.num_sites == 1
    halves = 2 * primitive.lattice @ np.linalg.inv(crystal.lattice)
    error = np.abs(halves - np.rint(halves)).max()
    assert error < GEOMETRY_F64, f"primitive vectors left the lattice by {error:.1e}"


@pytest.mark.parametrize("counts", [(2, 1, 1), (2, 2, 1)])
def test_copies_of_a_site_are_averaged(counts: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    exact = supercell(PROTOTYPES["triclinic"], counts)
    primitive, is_certain = primitive_cell(distorted(exact, 1e-3, rng), 1e-2)
    assert is_certain
    num_sites = PROTOTYPES["triclinic"].num_sites
    assert primitive.num_sites == num_sites
    copies = distorted(exact, 1e-3, np.random.default_rng(0)).cart_coords - exact.cart_coords
    expected = copies.reshape(-1, num_sites, 3).mean(axis=0)
    moves = primitive.cart_coords - PROTOTYPES["triclinic"].cart_coords
    error = np.abs(moves - expected).max()
    assert error < GEOMETRY_F64, f"means differ by {error:.1e} Angstrom"


def chain(displacements: list[float]) -> Crystal:
    """Atoms 3 Angstrom apart, moved along the chain [Angstrom]."""
    places = 3.0 * np.arange(len(displacements)) + displacements
    lattice = np.diag([5.0, 6.0, 3.0 * len(displacements)])
    frac_coords = np.zeros((len(displacements), 3))
    frac_coords[:, 2] = places / lattice[2, 2]
    return Crystal(np.full(len(displacements), 29), lattice, frac_coords)


@pytest.mark.parametrize(
    ("displacements", "num_sites"),
    [([0.0, 0.004, 0.008, 0.004], 1), ([0.0, 0.3, 0.0, 0.3], 2), ([0.0, 0.1, 0.2, 0.4], 4)],
)
def test_translations_count_within_the_tolerance(
    displacements: list[float], num_sites: int
) -> None:
    primitive, is_certain = primitive_cell(chain(displacements), 1e-2)
    assert (primitive.num_sites, is_certain) == (num_sites, True)


PSEUDO_PERIODIC = chain([0.0, 0.009, 0.018, 0.009])
"""One site on fits the next within 0.01 Angstrom, but two sites on do not."""


def test_translations_that_fit_alone_but_not_together_are_left_out_and_announced() -> None:
    primitive, is_certain = primitive_cell(PSEUDO_PERIODIC, 1e-2)
    assert (primitive.num_sites, is_certain) == (4, False)
    with pytest.warns(SymmetryWarning, match="no primitive cell was found"):
        graph = build_graph(PSEUDO_PERIODIC, GraphSettings())
    assert graph.num_sites == 4


@pytest.mark.parametrize("counts", [(2, 1, 1), (1, 1, 2)])
def test_what_is_left_out_does_not_depend_on_the_cell(counts: tuple[int, int, int]) -> None:
    primitive, is_certain = primitive_cell(supercell(PSEUDO_PERIODIC, counts), 1e-2)
    assert (primitive.num_sites, is_certain) == (4, False)
