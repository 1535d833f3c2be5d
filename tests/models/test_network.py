"""The whole network on graphs: batches, permutations, orbits, and where frames do nothing."""

import warnings

import numpy as np
import pytest
import spglib
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from models.batch import collate
from models.canonical import canonical_cell
from models.descriptions import random_rotation
from models.edge_ops import Edges
from models.frame_blocks.surroundings import Surroundings
from models.graph import CrystalGraph
from models.linear import digital_linear
from models.network import NetworkConfig, SPFrameNetwork, mean_by_group
from tests.models.networks import (
    CONFIG,
    SETTINGS,
    FixedFrames,
    outputs_of,
    prototype_graph,
    random_model,
    relative_spread,
    renumbered,
    site_features_of,
    with_frames,
)
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import CLOSED_FORM_F64, INVARIANCE_F32, INVARIANCE_F64, NO_OP_F64, VISIBLE

SEEDS = st.integers(0, 2**32 - 1)
NAMES = sorted(PROTOTYPES)
SINGLE_ORBIT = ["fcc", "hcp"]
CUBIC_SITES = ["rocksalt", "zinc_blende"]
SENSITIVE = ["wurtzite", "rutile", "quartz", "scheelite", "ilmenite", "perovskite", "triclinic"]
IDENTITY = torch.eye(3, dtype=torch.float64)


def orbits_of(name: str) -> np.ndarray:
    """(S,) orbit label of every site of the canonical cell, in the order of its graph."""
    cell = canonical_cell(
        PROTOTYPES[name],
        symprec=SETTINGS.symprec,
        metric_tolerance=SETTINGS.metric_tolerance,
        class_tolerance=SETTINGS.class_tolerance,
    ).crystal
    assert np.array_equal(cell.numbers, prototype_graph(name).numbers)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Set OLD_ERROR_HANDLING")
        dataset = spglib.get_symmetry_dataset((cell.lattice, cell.frac_coords, cell.numbers), 1e-4)
    return dataset.equivalent_atoms


def frames_of(name: str, network: SPFrameNetwork | None = None) -> list[Tensor]:
    """(S, 3, 3) invariant frames of each layer."""
    network = random_model().network if network is None else network
    frames: list[Tensor] = []
    hooks = [
        layer.frame.register_forward_hook(lambda _module, _inputs, output: frames.append(output))
        for layer in network.layers
    ]
    site_features_of(prototype_graph(name), network)
    for hook in hooks:
        hook.remove()
    return frames


def spread_in_orbits(values: Tensor, orbits: np.ndarray) -> float:
    """Largest difference of the (S, ...) rows of one orbit from its first."""
    return max(
        float((values[orbits == orbit] - values[int(orbit)]).abs().max())
        for orbit in np.unique(orbits)
    )


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float64, INVARIANCE_F64), (torch.float32, INVARIANCE_F32)]
)
def test_a_crystal_alone_and_in_a_batch_agree(dtype: torch.dtype, bound: float) -> None:
    network = random_model(dtype).network
    graphs = [prototype_graph(name) for name in NAMES]
    together = outputs_of(graphs, network, dtype)
    alone = torch.cat([outputs_of([graph], network, dtype) for graph in graphs])
    spread = relative_spread(alone, together)
    assert spread <= bound, f"batch changes outputs by {spread:.1e}"


def test_order_of_a_batch_does_not_matter() -> None:
    network = random_model().network
    graphs = [prototype_graph(name) for name in NAMES]
    spread = relative_spread(outputs_of(graphs, network).flip(0), outputs_of(graphs[::-1], network))
    assert spread <= INVARIANCE_F64, f"order changes outputs by {spread:.1e}"


def test_collate_with_a_chosen_frame_uses_that_frame_alone() -> None:
    graph = prototype_graph("hexagonal_3bar")
    batch = collate([graph, prototype_graph("fcc"), graph], frame_choice=[2, 0, 3])
    assert (batch.num_crystals, batch.num_graphs) == (3, 3)
    edges = graph.edge_vector.shape[0]
    assert np.array_equal(batch.edge_vector[:edges].numpy(), graph.canonical_vectors(2))
    assert np.array_equal(batch.edge_vector[-edges:].numpy(), graph.canonical_vectors(3))


def test_collate_makes_one_graph_per_basis() -> None:
    batch = collate([prototype_graph("quartz"), prototype_graph("fcc")], torch.float32)
    assert batch.graph_to_crystal.tolist() == [0, 0, 1]
    assert torch.bincount(batch.site_to_graph).tolist() == [9, 9, 1]
    assert torch.equal(
        batch.site_to_graph[batch.edge_index[0]], batch.site_to_graph[batch.edge_index[1]]
    )
    assert batch.edge_vector.dtype == torch.float32
    assert batch.to(torch.float64).edge_vector.dtype == torch.float64


@given(name=st.sampled_from(NAMES), seed=SEEDS)
def test_site_outputs_follow_a_permutation_of_sites(name: str, seed: int) -> None:
    graph, network = prototype_graph(name), random_model().network
    order = np.random.default_rng(seed).permutation(graph.num_sites)
    expected = site_features_of(graph, network)[torch.from_numpy(order)]
    result = site_features_of(renumbered(graph, order), network)
    spread = float((result - expected).abs().max() / expected.abs().max())
    assert spread <= INVARIANCE_F64, f"site features differ by {spread:.1e}"


@given(name=st.sampled_from(NAMES), seed=SEEDS)
def test_order_of_edges_does_not_matter(name: str, seed: int) -> None:
    graph, network = prototype_graph(name), random_model().network
    order = np.random.default_rng(seed).permutation(graph.edge_vector.shape[0])
    shuffled = CrystalGraph(
        graph.numbers, graph.edge_index[:, order], graph.edge_vector[order], graph.frames
    )
    spread = relative_spread(outputs_of([graph], network), outputs_of([shuffled], network))
    assert spread <= INVARIANCE_F64, f"edge order changes outputs by {spread:.1e}"


@pytest.mark.parametrize("name", NAMES)
def test_equivalent_sites_have_one_frame_in_the_first_block(name: str) -> None:
    spread = spread_in_orbits(frames_of(name)[0], orbits_of(name))
    assert spread <= INVARIANCE_F64, f"frames of an orbit differ by {spread:.1e}"


@pytest.mark.parametrize("name", ["rutile", "quartz", "scheelite"])
def test_equivalent_sites_differ_after_the_first_update(name: str) -> None:
    """What the frames add: symmetry is kept, equivalent sites are told apart."""
    spread = spread_in_orbits(frames_of(name)[1], orbits_of(name))
    assert spread > VISIBLE, f"frames of an orbit differ by {spread:.1e} only"


@pytest.mark.parametrize("name", ["wurtzite", *CUBIC_SITES])
def test_equivalent_sites_stay_equal_where_symmetry_demands_it(name: str) -> None:
    spread = spread_in_orbits(frames_of(name)[1], orbits_of(name))
    assert spread <= INVARIANCE_F64, f"frames of an orbit differ by {spread:.1e}"


@pytest.mark.parametrize("name", SENSITIVE)
def test_frames_of_different_orbits_differ(name: str) -> None:
    """Otherwise the relative rotation, all that the network feels, would be none."""
    spread = spread_in_orbits(frames_of(name)[0], np.zeros(len(orbits_of(name)), np.int64))
    assert spread > VISIBLE, f"all frames equal within {spread:.1e}"


@pytest.mark.parametrize("name", SINGLE_ORBIT + CUBIC_SITES)
def test_frames_do_nothing_on_single_orbits_and_cubic_sites(name: str) -> None:
    network = random_model().network
    graph = prototype_graph(name)
    spread = relative_spread(
        outputs_of([graph], network), outputs_of([graph], with_frames(network, IDENTITY))
    )
    assert spread <= NO_OP_F64, f"frames change outputs by {spread:.1e}"


@pytest.mark.parametrize("name", SENSITIVE)
def test_frames_do_something_elsewhere(name: str) -> None:
    network = random_model().network
    graph = prototype_graph(name)
    spread = relative_spread(
        outputs_of([graph], network), outputs_of([graph], with_frames(network, IDENTITY))
    )
    assert spread > VISIBLE, f"frames change outputs by {spread:.1e} only"


@given(name=st.sampled_from(NAMES), seed=SEEDS)
def test_one_rotation_on_all_sites_is_no_frame_at_all(name: str, seed: int) -> None:
    """A global frame alone is the backbone: one shared rotation cancels."""
    network, graph = random_model().network, prototype_graph(name)
    rotation = torch.from_numpy(random_rotation(np.random.default_rng(seed)))
    spread = relative_spread(
        outputs_of([graph], with_frames(network, IDENTITY)),
        outputs_of([graph], with_frames(network, rotation)),
    )
    assert spread <= NO_OP_F64, f"a shared rotation changes outputs by {spread:.1e}"


def test_evaluation_does_not_change_the_network() -> None:
    network = random_model().network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    outputs_of([prototype_graph("quartz")], network)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_every_dense_layer_comes_from_the_factory() -> None:
    made: list[nn.Module] = []

    def factory(in_features: int, out_features: int, bias: bool = True) -> nn.Linear:
        made.append(digital_linear(in_features, out_features, bias))
        return made[-1]  # type: ignore[return-value]

    network = SPFrameNetwork(CONFIG, torch.zeros(5, 7), 2, factory)
    dense = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert {id(layer) for layer in dense} == {id(layer) for layer in made}


def test_every_parameter_changes_the_output() -> None:
    """A parameter without gradient is dead weight, or a wire that is not connected."""
    network = with_frames(random_model().network, None).requires_grad_(True)
    graphs = [prototype_graph(name) for name in ("quartz", "triclinic")]
    network(collate(graphs)).square().sum().backward()
    dead = [
        name
        for name, value in network.named_parameters()
        if value.grad is None or not value.grad.any()
    ]
    assert not dead, f"no gradient reaches {dead}"


def test_dropout_acts_in_training_only() -> None:
    config = NetworkConfig(width=8, num_layers=1, num_scalars=4, num_vectors=2, dropout=0.5)
    network = SPFrameNetwork(config, torch.randn(85, 7), 2).eval()
    graphs = [prototype_graph("fcc"), prototype_graph("hcp")]
    first, second = (outputs_of(graphs, network, torch.float32) for _ in range(2))
    assert torch.equal(first, second)
    network.train()
    first, second = (outputs_of(graphs, network, torch.float32) for _ in range(2))
    assert not torch.equal(first, second)


def test_fixed_frames_stand_in_for_a_frame_block() -> None:
    edges = Edges(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), 4)
    surroundings = Surroundings(edges, torch.zeros(0, 3), torch.ones(4, dtype=torch.int64))
    frames = FixedFrames(IDENTITY)(torch.zeros(4, 2), torch.zeros(0, 2), surroundings)
    assert frames.shape == (4, 3, 3)


def test_mean_by_group() -> None:
    values = torch.tensor([[1.0], [3.0], [10.0]], dtype=torch.float64)
    means = mean_by_group(values, torch.tensor([1, 1, 0]), 2)
    error = float((means - torch.tensor([[10.0], [2.0]])).abs().max())
    assert error < CLOSED_FORM_F64, f"means off by {error:.1e}"


@pytest.mark.parametrize(("field", "value"), [("width", 0), ("num_layers", 17), ("dropout", 1.0)])
def test_sizes_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        NetworkConfig(**{field: value})
