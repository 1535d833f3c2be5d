"""Predictions do not depend on how a crystal is described; exact prototypes, random weights.

That the comparisons can fail is shown in ``test_broken_controls``; stored crystals with rounded
coordinates are in ``test_invariance_stored``.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.canonical import canonical_cell, shortest_bases
from models.crystal import Crystal
from models.descriptions import (
    distorted,
    image_shifted,
    permuted,
    random_rotation,
    random_unimodular,
    recelled,
    reflected,
    rotated,
    supercell,
    translated,
)
from models.frames import qr_frame
from models.graph import CrystalGraph, build_graph, global_frames, nearest_edges
from tests.models.networks import (
    SETTINGS,
    outputs_of,
    prototype_graph,
    random_model,
    relative_spread,
)
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import (
    EXACT_METRIC,
    EXACT_POSITION,
    INVARIANCE_F32,
    INVARIANCE_F64,
    VISIBLE,
)

SEEDS = st.integers(0, 2**32 - 1)
NAMES = sorted(PROTOTYPES)
Transformation = Callable[[Crystal, np.random.Generator], Crystal]

TRANSFORMATIONS: dict[str, Transformation] = {
    "rotation": lambda crystal, rng: rotated(crystal, random_rotation(rng)),
    "reflection": reflected,
    "translation": lambda crystal, rng: translated(crystal, rng.uniform(-1, 1, 3)),
    "permutation": lambda crystal, rng: permuted(crystal, rng.permutation(crystal.num_sites)),
    "image shift": lambda crystal, rng: image_shifted(
        crystal, rng.integers(-3, 4, (crystal.num_sites, 3))
    ),
    "cell choice": lambda crystal, rng: recelled(crystal, random_unimodular(rng)),
    "supercell then cell choice": lambda crystal, rng: recelled(
        supercell(crystal, (2, 1, 1)), random_unimodular(rng)
    ),
}
SUPERCELLS = [(2, 1, 1), (1, 1, 2), (2, 2, 2)]


def assert_unchanged(first: CrystalGraph, second: CrystalGraph) -> None:
    """The same outputs in float64 and float32."""
    for dtype, bound in ((torch.float64, INVARIANCE_F64), (torch.float32, INVARIANCE_F32)):
        network = random_model(dtype).network
        before, after = outputs_of([first], network, dtype), outputs_of([second], network, dtype)
        spread = relative_spread(before, after)
        assert spread <= bound, f"{dtype}: relative spread {spread:.1e} exceeds {bound:.0e}"


def everything_at_once(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    for transformation in ("reflection", "cell choice", "translation", "permutation"):
        crystal = TRANSFORMATIONS[transformation](crystal, rng)
    return crystal


@pytest.mark.parametrize("kind", TRANSFORMATIONS)
@given(name=st.sampled_from(NAMES), seed=SEEDS)
def test_prediction_is_unchanged(kind: str, name: str, seed: int) -> None:
    crystal = TRANSFORMATIONS[kind](PROTOTYPES[name], np.random.default_rng(seed))
    assert_unchanged(prototype_graph(name), build_graph(crystal, SETTINGS))


@pytest.mark.parametrize("counts", SUPERCELLS)
@pytest.mark.parametrize("name", NAMES)
def test_prediction_is_unchanged_in_a_supercell(name: str, counts: tuple[int, int, int]) -> None:
    graph = build_graph(supercell(PROTOTYPES[name], counts), SETTINGS)
    assert_unchanged(prototype_graph(name), graph)


@given(seed=SEEDS)
def test_prediction_is_unchanged_for_crystals_without_symmetry(seed: int) -> None:
    """All 24 bases of a cubic metric count, in an order that depends on the description."""
    rng = np.random.default_rng(seed)
    crystal = distorted(PROTOTYPES["perovskite"], 0.2, rng)
    graph = build_graph(crystal, SETTINGS)
    assert len(graph.frames) == 24
    assert_unchanged(graph, build_graph(everything_at_once(crystal, rng), SETTINGS))


@pytest.mark.parametrize("counts", SUPERCELLS)
@pytest.mark.parametrize("name", ["triclinic", "wurtzite", "rocksalt", "perovskite"])
def test_raw_supercell_along_the_axes_is_unchanged(name: str, counts: tuple[int, int, int]) -> None:
    """Without primitive reduction: the graph itself does not see the size of the cell."""
    cell = canonical_cell(
        PROTOTYPES[name],
        symprec=EXACT_POSITION,
        metric_tolerance=EXACT_METRIC,
        class_tolerance=EXACT_POSITION,
    )
    graphs = []
    for crystal in (cell.crystal, supercell(cell.crystal, counts)):
        index, vectors = nearest_edges(crystal, 25, SETTINGS.tie_tolerance)
        graphs.append(CrystalGraph(crystal.numbers, index, vectors, global_frames(cell)))
    assert_unchanged(*graphs)


@pytest.mark.parametrize("name", ["quartz", "scheelite", "ilmenite", "pyrite", "hexagonal_3bar"])
def test_inequivalent_bases_differ_and_are_averaged(name: str) -> None:
    """Each basis alone gives another output: the mean over them is needed, not decoration."""
    graph, network = prototype_graph(name), random_model().network
    singles = []
    for frame in graph.frames:
        alone = CrystalGraph(graph.numbers, graph.edge_index, graph.edge_vector, frame[None])
        singles.append(outputs_of([alone], network))
    mean = torch.stack(singles).mean(0)
    spread = relative_spread(outputs_of([graph], network), mean)
    assert spread <= INVARIANCE_F64, f"not the mean over the bases: {spread:.1e}"
    difference = relative_spread(singles[0], singles[1])
    assert difference > VISIBLE, f"bases differ by {difference:.1e} only"


@pytest.mark.parametrize("name", NAMES)
def test_equivalent_bases_give_one_output(name: str) -> None:
    """Dropping bases that the crystal's operations connect does not change the mean."""
    cell = canonical_cell(
        PROTOTYPES[name],
        symprec=EXACT_POSITION,
        metric_tolerance=EXACT_METRIC,
        class_tolerance=EXACT_POSITION,
    )
    bases = shortest_bases(cell.crystal.lattice, EXACT_METRIC)
    assert len(bases) == cell.num_tied_bases
    frames = qr_frame(np.swapaxes(cell.crystal.lattice.T @ bases, -1, -2))
    index, vectors = nearest_edges(cell.crystal, 25, SETTINGS.tie_tolerance)
    all_bases = CrystalGraph(cell.crystal.numbers, index, vectors, frames)
    assert_unchanged(prototype_graph(name), all_bases)


@given(name=st.sampled_from(NAMES), seed=SEEDS)
def test_prediction_is_unchanged_on_a_noisy_chip(name: str, seed: int) -> None:
    """Weight errors, the same for every crystal, leave all of it exact."""
    rng = np.random.default_rng(seed)
    model = random_model()
    generator = torch.Generator().manual_seed(seed)
    weights = {
        key: value * (1 + 0.1 * torch.randn(value.shape, generator=generator, dtype=value.dtype))
        for key, value in model.network.named_parameters()
    }
    graphs = [
        prototype_graph(name),
        build_graph(everything_at_once(PROTOTYPES[name], rng), SETTINGS),
    ]
    before, after = (
        model.standardised(list(model.batches([graph])), weights=weights) for graph in graphs
    )
    spread = relative_spread(before, after)
    assert spread <= INVARIANCE_F64, f"relative spread {spread:.1e}"
    change = relative_spread(outputs_of(graphs[:1], model.network), before)
    assert change > VISIBLE, f"the chip changed outputs by {change:.1e} only"


@pytest.mark.parametrize("name", ["rutile", "quartz", "perovskite"])
def test_prediction_is_unchanged_for_distortions_below_symprec(name: str) -> None:
    """Sites 3e-3 Angstrom off their ideal places, as in relaxed or measured structures."""
    crystal = distorted(PROTOTYPES[name], 3e-3, np.random.default_rng(3))
    graph = build_graph(crystal, SETTINGS)
    for seed in range(8):
        other = everything_at_once(crystal, np.random.default_rng(seed))
        assert_unchanged(graph, build_graph(other, SETTINGS))


def test_prediction_is_unchanged_for_a_heavily_skewed_supercell() -> None:
    basis = np.array([[1, 900, 0], [0, 1, -700], [0, 0, 1]])
    crystal = recelled(supercell(PROTOTYPES["triclinic"], (2, 1, 1)), basis)
    assert_unchanged(prototype_graph("triclinic"), build_graph(crystal, SETTINGS))
