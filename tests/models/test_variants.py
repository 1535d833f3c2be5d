"""Every variant of the network: what it is invariant to, where its frames act, and that it trains.

Random weights throughout. Controls that must fail are in ``test_broken_controls``.
"""

from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from models.batch import collate
from models.crystal import Crystal, CrystalError
from models.descriptions import (
    permuted,
    random_rotation,
    random_unimodular,
    recelled,
    reflected,
    rotated,
    supercell,
    translated,
)
from models.model import CrystalModel
from models.network import SPFrameNetwork
from models.network_config import Frame, NetworkConfig
from models.network_graph import seen_by
from models.parameter_counts import num_parameters, parameter_counts
from tests.models.networks import (
    CONFIG,
    LABELS,
    NUM_ELEMENTS,
    SETTINGS,
    config_of,
    graph_of,
    in_variant,
    outputs_of,
    prototype_graph,
    random_network,
    relative_spread,
    site_features_of,
    variant_graph,
    variant_network,
)
from tests.models.prototypes import PROTOTYPES
from tests.models.test_network import frames_of, orbits_of, spread_in_orbits
from tests.tolerances import INVARIANCE_F32, INVARIANCE_F64, NO_OP_F64, VISIBLE

FRAMES: tuple[Frame, ...] = get_args(Frame)
NAMES = sorted(PROTOTYPES)
VARIANTS = {
    "none": config_of(frame="none"),
    "global": config_of(frame="global"),
    "global, components": config_of(frame="global", components="even"),
    "gs_local": config_of(frame="gs_local"),
    "gs_sp": config_of(frame="gs_sp"),
    "quat_sp": CONFIG,
    "quat_sp, full": config_of(tensor_product="full"),
    "quat_sp, components": config_of(components="even"),
    "quat_sp, initial": config_of(frame_source="initial"),
    "gs_sp, first": config_of(frame="gs_sp", first_frame=True, frame_key_edge=True),
    "quat_sp, first": config_of(first_frame=True, frame_combine=True, elements="both"),
    "random_element": config_of(frame="random_element", elements="learned"),
}
"""Those that claim to be invariant to rotations, reflections and the choice of the cell."""
PLAIN = config_of(components="plain")
DISTINCT_AXES = ["triclinic", "rutile", "wurtzite", "quartz"]


def described_anew(crystal: Crystal, seed: int) -> Crystal:
    rng = np.random.default_rng(seed)
    crystal = translated(rotated(crystal, random_rotation(rng)), rng.uniform(-1, 1, 3))
    return permuted(recelled(crystal, random_unimodular(rng)), rng.permutation(crystal.num_sites))


def descriptions(crystal: Crystal) -> dict[str, Crystal]:
    return {
        "rotated, another cell": described_anew(crystal, 0),
        "mirror image": described_anew(reflected(crystal, np.random.default_rng(1)), 2),
        "supercell": described_anew(supercell(crystal, (2, 1, 1)), 3),
    }


def spread_of(config: NetworkConfig, first: Crystal, second: Crystal) -> float:
    graphs = [graph_of(crystal, config) for crystal in (first, second)]
    network = variant_network(config)
    return relative_spread(*(outputs_of([graph], network) for graph in graphs))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_prediction_is_unchanged(variant: str, name: str) -> None:
    config, crystal = VARIANTS[variant], PROTOTYPES[name]
    before = outputs_of([variant_graph(name, config)], variant_network(config))
    for kind, other in descriptions(crystal).items():
        after = outputs_of([graph_of(other, config)], variant_network(config))
        spread = relative_spread(before, after)
        assert spread <= INVARIANCE_F64, f"{kind}: relative spread {spread:.1e}"


@pytest.mark.parametrize("variant", VARIANTS)
def test_prediction_is_unchanged_in_float32(variant: str) -> None:
    config = VARIANTS[variant]
    network = random_network(0, config).to(torch.float32)
    for name in ("quartz", "triclinic"):
        before, after = (
            outputs_of([graph_of(crystal, config)], network, torch.float32)
            for crystal in (PROTOTYPES[name], described_anew(PROTOTYPES[name], 7))
        )
        spread = relative_spread(before, after)
        assert spread <= INVARIANCE_F32, f"{name}: relative spread {spread:.1e}"


@pytest.mark.parametrize("name", DISTINCT_AXES)
def test_frame_averaging_is_invariant_where_the_axes_are_distinct(name: str) -> None:
    config = config_of(frame="pca_fa")
    for kind, other in descriptions(PROTOTYPES[name]).items():
        spread = spread_of(config, PROTOTYPES[name], other)
        assert spread <= INVARIANCE_F64, f"{kind}: relative spread {spread:.1e}"


def test_frame_averaging_has_four_proper_signs_of_the_principal_axes() -> None:
    graph = variant_graph("triclinic", config_of(frame="pca_fa"))
    assert graph.frames.shape == (4, 3, 3)
    assert np.allclose(np.linalg.det(graph.frames), 1.0)
    relative = graph.frames @ graph.frames[0].T
    signs = {tuple(np.rint(np.diagonal(matrix)).astype(int)) for matrix in relative}
    assert signs == {(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)}


@pytest.mark.parametrize("name", ["quartz", "rutile", "triclinic"])
def test_plain_components_are_invariant_to_rotation(name: str) -> None:
    """Chiral or with an inversion centre: the canonical vectors are known with their sign."""
    spread = spread_of(PLAIN, PROTOTYPES[name], described_anew(PROTOTYPES[name], 0))
    assert spread <= INVARIANCE_F64, f"relative spread {spread:.1e}"


@pytest.mark.parametrize("name", ["quartz", "triclinic"])
def test_plain_components_tell_a_chiral_crystal_from_its_mirror_image(name: str) -> None:
    mirrored = reflected(PROTOTYPES[name], np.random.default_rng(1))
    spread = spread_of(PLAIN, PROTOTYPES[name], mirrored)
    assert spread > VISIBLE, f"relative spread {spread:.1e} only"


def test_plain_components_depend_on_a_tie_without_chirality_and_inversion() -> None:
    """Bases of wurtzite that a mirror connects count as one, and give vectors of either sign."""
    network, graph = variant_network(PLAIN), prototype_graph("wurtzite")
    both = seen_by(graph, config_of(components="even"))
    one = outputs_of([graph], network)
    spread = relative_spread(one, outputs_of([both], network))
    assert spread > VISIBLE, f"relative spread {spread:.1e} only"


@pytest.mark.parametrize("name", ["wurtzite", "quartz", "triclinic"])
def test_global_frame_is_no_frame_for_the_equivariant_update(name: str) -> None:
    """The same weights on canonical vectors and on vectors as the crystal happens to lie."""
    network, config = variant_network(config_of(frame="global")), config_of(frame="none")
    lying = seen_by(prototype_graph(name), config_of(frame="identity"))
    spread = relative_spread(
        outputs_of([prototype_graph(name)], network),
        outputs_of([lying], in_variant(network, config)),
    )
    assert spread <= NO_OP_F64, f"relative spread {spread:.1e}"


@pytest.mark.parametrize("name", ["wurtzite", "quartz", "triclinic"])
def test_global_frame_matters_with_components(name: str) -> None:
    config = config_of(frame="global", components="even")
    network, graph = variant_network(config), variant_graph(name, config)
    lying = seen_by(prototype_graph(name), config_of(frame="identity"))
    spread = relative_spread(outputs_of([graph], network), outputs_of([lying], network))
    assert spread > VISIBLE, f"relative spread {spread:.1e} only"


@pytest.mark.parametrize("frame", ["gs_local", "gs_sp", "quat_sp", "random_element"])
@pytest.mark.parametrize("name", ["fcc", "hcp", "rocksalt", "zinc_blende"])
def test_frames_do_nothing_on_single_orbits_and_cubic_sites(frame: Frame, name: str) -> None:
    config = config_of(frame=frame)
    network = variant_network(config)
    spread = relative_spread(
        outputs_of([variant_graph(name, config)], network),
        outputs_of([prototype_graph(name)], in_variant(network, config_of(frame="none"))),
    )
    assert spread <= NO_OP_F64, f"frames change outputs by {spread:.1e}"


@pytest.mark.parametrize("frame", ["gs_local", "gs_sp", "quat_sp", "random_element"])
@pytest.mark.parametrize("name", ["wurtzite", "rutile", "quartz", "triclinic"])
def test_frames_do_something_elsewhere(frame: Frame, name: str) -> None:
    config = config_of(frame=frame)
    network = variant_network(config)
    spread = relative_spread(
        outputs_of([variant_graph(name, config)], network),
        outputs_of([prototype_graph(name)], in_variant(network, config_of(frame="none"))),
    )
    assert spread > VISIBLE, f"frames change outputs by {spread:.1e} only"


@pytest.mark.parametrize("frame", ["gs_sp", "quat_sp"])
@pytest.mark.parametrize("name", ["rutile", "quartz", "scheelite"])
def test_initial_source_gives_an_orbit_one_frame_in_every_layer(frame: Frame, name: str) -> None:
    orbits = orbits_of(name)
    for source, is_equal in (("initial", True), ("layer", False)):
        network = variant_network(config_of(frame=frame, frame_source=source, num_layers=3))
        spreads = [spread_in_orbits(frames, orbits) for frames in frames_of(name, network)]
        assert spreads[0] <= INVARIANCE_F64, f"first block: {spreads[0]:.1e}"
        for spread in spreads[1:]:
            assert (spread <= INVARIANCE_F64) is is_equal, f"{source}: {spread:.1e}"
            assert (spread > VISIBLE) is not is_equal, f"{source}: {spread:.1e}"


def test_initial_source_is_the_first_layers_own() -> None:
    one_layer = config_of(num_layers=1)
    network = variant_network(one_layer)
    other = in_variant(network, config_of(num_layers=1, frame_source="initial"))
    graphs = [prototype_graph(name) for name in NAMES]
    assert torch.equal(outputs_of(graphs, network), outputs_of(graphs, other))


P2_1 = "P2_1"
P2_1_2_1_2_1 = "P2_1 2_1 2_1"
P_1BAR = "P-1"
SCREWS = {
    P2_1: [((-1, 1, -1), (0, 1 / 2, 0))],
    P2_1_2_1_2_1: [((-1, -1, 1), (1 / 2, 0, 1 / 2)), ((-1, 1, -1), (0, 1 / 2, 1 / 2))],
    P_1BAR: [((-1, -1, -1), (0, 0, 0))],
}


def general_sites(group: str) -> Crystal:
    """Four orbits of general positions in an orthorhombic cell, one element each."""
    coords, numbers = np.random.default_rng(9).uniform(0, 1, (4, 3)), np.array([3, 8, 14, 16])
    for signs, shift in SCREWS[group]:
        coords = np.concatenate([coords, coords * signs + shift])
        numbers = np.tile(numbers, 2)
    return Crystal(numbers, np.diag([7.1, 8.3, 9.7]), coords % 1.0)


def orbit_spread(frame: Frame, group: str) -> float:
    """Largest difference of the features of equivalent sites."""
    config = config_of(frame=frame)
    graph = graph_of(general_sites(group), config)
    features = site_features_of(graph, variant_network(config))
    orbits = np.array([np.flatnonzero(graph.numbers == number)[0] for number in graph.numbers])
    return spread_in_orbits(features, orbits)


@pytest.mark.parametrize("group", SCREWS)
def test_equivariant_local_frames_make_equivalent_sites_equal(group: str) -> None:
    """The symmetry of a site's surroundings is lost."""
    spread = orbit_spread("gs_local", group)
    assert spread <= INVARIANCE_F64, f"equivalent sites differ by {spread:.1e}"


@pytest.mark.parametrize("frame", ["quat_sp", "gs_sp"])
@pytest.mark.parametrize("group", [P2_1, P2_1_2_1_2_1])
def test_symmetry_preserving_frames_tell_equivalent_sites_apart(frame: Frame, group: str) -> None:
    spread = orbit_spread(frame, group)
    assert spread > VISIBLE, f"equivalent sites differ by {spread:.1e} only"


def loss_of(network: SPFrameNetwork, config: NetworkConfig, names: list[str]) -> Tensor:
    return network(collate([variant_graph(name, config) for name in names])).square().sum()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_changes_the_output(variant: str) -> None:
    config = VARIANTS[variant]
    network = random_network(0, config).requires_grad_(True)
    loss_of(network, config, ["quartz", "triclinic"]).backward()
    dead = [
        name
        for name, value in network.named_parameters()
        if value.grad is None or not value.grad.any()
    ]
    assert not dead, f"no gradient reaches {dead}"


@pytest.mark.parametrize("frame", FRAMES)
def test_gradients_are_finite_at_every_degeneracy(frame: Frame) -> None:
    config = config_of(frame=frame)
    network = random_network(0, config).requires_grad_(True)
    loss_of(network, config, NAMES).backward()
    for name, value in network.named_parameters():
        if value.grad is not None:
            assert torch.isfinite(value.grad).all(), name


@pytest.mark.parametrize("frame", FRAMES)
def test_parameter_counts_are_those_of_the_networks(frame: Frame) -> None:
    network = SPFrameNetwork(NetworkConfig(frame=frame), torch.zeros(119, 18), 3)
    counts = parameter_counts(NetworkConfig(), 18, 3, FRAMES)
    assert counts[frame] == num_parameters(network)


@pytest.mark.parametrize("elements", ["properties", "learned", "both"])
def test_elements_enter_as_properties_vectors_or_both(elements: str) -> None:
    network = variant_network(config_of(elements=elements))
    numbers = torch.tensor([3, 8, 84])
    expected = torch.zeros(3, CONFIG.width, dtype=torch.float64)
    if elements != "learned":
        layer = network.embed
        expected += network.element_features[numbers] @ layer.weight.T + layer.bias
    if elements != "properties":
        expected += network.element_vectors.weight[numbers]
    error = float((network._element_inputs(numbers) - expected).abs().max())
    assert error <= NO_OP_F64, f"inputs off by {error:.1e}"


def test_elements_beyond_the_table_are_refused_by_learned_vectors_too() -> None:
    network = variant_network(config_of(elements="learned"))
    model = CrystalModel(network, SETTINGS, LABELS, {})
    crystal = PROTOTYPES["fcc"]
    unknown = Crystal(
        np.full(crystal.num_sites, NUM_ELEMENTS + 1), crystal.lattice, crystal.frac_coords
    )
    with pytest.raises(CrystalError, match=f"Z = {NUM_ELEMENTS + 1}"):
        model.predict([unknown])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": "none", "frame_source": "initial"}, "`frame_source` has no effect"),
        ({"frame": "random_element", "frame_key_edge": True}, "`frame_key_edge` has no effect"),
        ({"frame": "gs_sp", "frame_combine": True}, "`frame_combine` has no effect"),
        ({"frame": "gs_local", "first_frame": True}, "`first_frame` has no effect"),
        ({"frame": "none", "components": "even"}, "`components` need a frame"),
        ({"frame": "lattice"}, "frame"),
    ],
)
def test_switches_without_effect_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NetworkConfig(**changes)
