"""Frame blocks against loops over their equations, and Gram-Schmidt where it is not defined."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional

from models.batch import collate
from models.frame_blocks import frame_block, gram_schmidt
from models.frame_blocks.gram_schmidt import InvariantGramSchmidt, LocalGramSchmidt
from models.frame_blocks.surroundings import Surroundings
from models.linear import digital_linear
from models.network_config import NetworkConfig
from models.parameter_counts import num_parameters
from tests.models.networks import (
    config_of,
    prototype_graph,
    random_network,
    site_features_of,
    variant_network,
)
from tests.models.test_attention import (
    WIDTH,
    affine,
    assert_close,
    normed,
    random_inputs,
    random_module,
    slow_edge_messages,
    softplus,
)
from tests.tolerances import FRAME_F64

AXES = torch.eye(3, dtype=torch.float64)
ZERO = (0.0, 0.0, 0.0)
DEGENERATE = {
    "both zero": (ZERO, ZERO),
    "first zero": (ZERO, (0.3, -0.4, 1.0)),
    "second zero": ((0.3, -0.4, 1.0), ZERO),
    "parallel": ((0.3, -0.4, 1.0), (-0.6, 0.8, -2.0)),
    "nearly parallel": ((0.3, -0.4, 1.0), (0.3, -0.4, 1.0 + 1e-9)),
    "first along an axis": ((0.0, 0.0, 2.0), (0.0, 0.0, 1.0)),
    "first along the axis that stands in": ((0.0, 1e-12, 0.0), (1.0, 0.0, 0.0)),
    "first between axes": ((1.0, 1.0, 1.0), (2.0, 2.0, 2.0)),
}


def make(frame: str, **changes: object) -> torch.nn.Module:
    config = NetworkConfig(width=WIDTH, frame=frame, **changes)
    return random_module(frame_block(config, digital_linear))


def random_surroundings() -> tuple[Tensor, Tensor, Surroundings]:
    h, lengths, edges = random_inputs()
    generator = torch.Generator().manual_seed(5)
    vectors = torch.randn(len(edges.length_index), 3, generator=generator, dtype=torch.float64)
    numbers = torch.tensor([1, 8, 8, 22, 118])
    return h, lengths, Surroundings(edges, functional.normalize(vectors, dim=-1), numbers)


def assert_rotations(frames: Tensor) -> None:
    identity = torch.eye(3, dtype=frames.dtype)
    error = float((frames @ frames.mT - identity).abs().max())
    assert error <= FRAME_F64, f"rows are orthonormal within {error:.1e} only"
    error = float((torch.linalg.det(frames) - 1).abs().max())
    assert error <= FRAME_F64, f"det is 1 within {error:.1e} only"


def slow_gram_schmidt(v1: Tensor, v2: Tensor) -> Tensor:
    u1 = v1 / torch.linalg.norm(v1)
    u2 = v2 - (v2 @ u1) * u1
    u2 = u2 / torch.linalg.norm(u2)
    return torch.stack((u1, u2, torch.linalg.cross(u1, u2)))


@pytest.mark.parametrize("changes", [{}, {"frame_key_edge": True}, {"frame_combine": True}])
def test_quaternion_frames_follow_the_equations(changes: dict[str, bool]) -> None:
    block = make("quat_sp", **changes)
    h, lengths, surroundings = random_surroundings()
    messages = torch.zeros_like(h)
    for edge, message in enumerate(slow_edge_messages(block.messages, h, lengths, surroundings)):
        messages[surroundings.edges.index[0, edge]] += message
    if "frame_combine" in changes:
        messages = torch.stack([affine(block.combine, message) for message in messages])
    rotations = [
        Rotation.from_quat(
            affine(block.quaternion, softplus(site + normed(block.norm, message))).numpy(),
            scalar_first=True,
        ).as_matrix()
        for site, message in zip(h, messages, strict=True)
    ]
    assert_close(block(h, lengths, surroundings), torch.from_numpy(np.array(rotations)))


def test_quaternion_key_hears_the_edge_if_asked() -> None:
    assert make("quat_sp").messages.key_mlp.edge is None
    assert make("quat_sp", frame_key_edge=True).messages.key_mlp.edge is not None


def test_local_frames_follow_the_equations() -> None:
    block = make("gs_local")
    h, lengths, surroundings = random_surroundings()
    vectors = torch.zeros(len(h), 2, 3, dtype=torch.float64)
    for edge, message in enumerate(slow_edge_messages(block.messages, h, lengths, surroundings)):
        phi = block.scalars.weight @ message
        receiver = surroundings.edges.index[0, edge]
        vectors[receiver] += torch.outer(phi, surroundings.direction[edge])
    assert not block.fallbacks(h, lengths, surroundings).any()
    expected = torch.stack([slow_gram_schmidt(*pair) for pair in vectors])
    assert_close(block(h, lengths, surroundings), expected)


def test_invariant_gram_schmidt_follows_the_equations() -> None:
    block = make("gs_sp")
    h, lengths, surroundings = random_surroundings()
    vectors = torch.zeros(len(h), 2, 3, dtype=torch.float64)
    for edge, message in enumerate(slow_edge_messages(block.messages, h, lengths, surroundings)):
        phi = block.scalars.weight @ message
        vectors[surroundings.edges.index[0, edge]] += torch.stack((phi[:3], phi[3:]))
    assert not block.fallbacks(h, lengths, surroundings).any()
    expected = torch.stack([slow_gram_schmidt(*pair) for pair in vectors])
    assert_close(block(h, lengths, surroundings), expected)


def test_local_frames_turn_with_the_surroundings_and_invariant_ones_do_not() -> None:
    h, lengths, surroundings = random_surroundings()
    rotation = torch.from_numpy(Rotation.random(rng=np.random.default_rng(3)).as_matrix())
    turned = surroundings.turned(rotation.expand(len(h), 3, 3))
    local, invariant = make("gs_local"), make("gs_sp")
    expected = local(h, lengths, surroundings) @ rotation.T
    assert_close(local(h, lengths, turned), expected)
    assert torch.equal(invariant(h, lengths, turned), invariant(h, lengths, surroundings))


@pytest.mark.parametrize("frame", ["none", "gs_local", "gs_sp", "quat_sp", "random_element"])
def test_frames_are_proper_rotations(frame: str) -> None:
    assert_rotations(make(frame)(*random_surroundings()))


def test_fixed_rotations_belong_to_elements_and_to_a_seed() -> None:
    h, lengths, surroundings = random_surroundings()
    first = make("random_element")(h, lengths, surroundings)
    assert torch.equal(first[1], first[2])
    assert not torch.allclose(first[0], first[1])
    assert torch.equal(first, make("random_element")(-h, 2 * lengths, surroundings))
    other = make("random_element", element_seed=1)(h, lengths, surroundings)
    assert not torch.allclose(first, other)


def test_fixed_rotations_keep_their_precision_in_a_network_made_in_float32() -> None:
    h, lengths, surroundings = random_surroundings()
    assert_rotations(make("random_element").float().double()(h, lengths, surroundings))


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_vectors_give_rotations_and_finite_gradients(case: str) -> None:
    vectors = torch.tensor([DEGENERATE[case]], dtype=torch.float64, requires_grad=True)
    scales = torch.ones(1, 2, dtype=torch.float64)
    frames, replaced = gram_schmidt.gram_schmidt(vectors, scales)
    assert replaced.any()
    assert_rotations(frames.detach())
    weights = torch.arange(9, dtype=torch.float64).reshape(3, 3)
    (frames * weights).sum().backward()
    assert torch.isfinite(vectors.grad).all(), f"gradients {vectors.grad}"


def test_nothing_to_add_up_gives_the_global_axes() -> None:
    frames, replaced = gram_schmidt.gram_schmidt(torch.zeros(2, 2, 3), torch.zeros(2, 2))
    assert replaced.all()
    assert torch.equal(frames, torch.eye(3).expand(2, 3, 3))


def test_replacement_axis_is_the_one_least_parallel_with_ties_to_the_first() -> None:
    """Rounding must not decide between axes that symmetry makes equal."""
    directions = torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.8, 0.6, 0.1]])
    directions = directions.to(torch.float64)
    noise = 1e-14 * torch.tensor([[1.0, -1.0, 0.0], [1.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    for first in (directions, directions + noise, directions - noise):
        vectors = torch.stack((first, torch.zeros_like(first)), dim=1)
        frames, _ = gram_schmidt.gram_schmidt(vectors, torch.ones(3, 2, dtype=torch.float64))
        chosen = [AXES[0], AXES[0], AXES[2]]
        expected = torch.stack(
            [slow_gram_schmidt(u, axis) for u, axis in zip(first, chosen, strict=True)]
        )
        assert_close(frames, expected)


def test_vectors_count_from_a_share_of_what_their_terms_could_add_up_to() -> None:
    vectors = torch.tensor([[[0.0, 2e-3, 0.0], [0.0, 1.0, 1.0]]], dtype=torch.float64)
    for scale, is_replaced in ((1.0, False), (3.0, True)):
        _, replaced = gram_schmidt.gram_schmidt(
            vectors, torch.tensor([[scale, 1.0]], dtype=torch.float64)
        )
        assert bool(replaced[0, 0]) is is_replaced


def test_gram_schmidt_gradients() -> None:
    generator = torch.Generator().manual_seed(2)
    vectors = torch.randn(4, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    scales = torch.ones(4, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda v: gram_schmidt.gram_schmidt(v, scales)[0], (vectors,), fast_mode=True
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("triclinic", {(False, False)}),
        ("fcc", {(True, True)}),  # inversion centre
        ("zinc_blende", {(True, True)}),  # -43m
        ("wurtzite", {(False, True)}),  # 3m
        ("rutile", {(True, True), (False, True)}),  # mmm and mm2
    ],
)
def test_symmetry_decides_where_local_frames_are_replaced(
    name: str, expected: set[tuple[bool, bool]]
) -> None:
    network = variant_network(config_of(frame="gs_local"))
    found: list[Tensor] = []
    block = network.layers[0].frame
    hook = block.register_forward_hook(
        lambda module, inputs, _output: found.append(module.fallbacks(*inputs))
    )
    site_features_of(prototype_graph(name), network)
    hook.remove()
    assert {tuple(row) for row in found[0].tolist()} == expected


def test_fresh_frames_are_near_the_identity_and_not_equal_to_it() -> None:
    torch.manual_seed(0)
    block = frame_block(NetworkConfig(width=WIDTH), digital_linear)
    block = block.to(torch.float64).eval().requires_grad_(False)
    offset = (block(*random_surroundings()) - AXES).abs().max()
    assert 0 < float(offset) < 1, f"largest entry of F - 1: {float(offset):.2f}"


def test_quaternion_block_has_the_published_number_of_parameters() -> None:
    block = frame_block(NetworkConfig(width=256), digital_linear)
    assert num_parameters(block) == 723_968 + 1_028


@pytest.mark.parametrize("block", [LocalGramSchmidt, InvariantGramSchmidt])
def test_gram_schmidt_scalars_have_no_offset(block: type) -> None:
    """A constant would be a vector where the surroundings give none."""
    assert block(NetworkConfig(width=WIDTH), digital_linear).scalars.bias is None


@pytest.mark.parametrize(
    ("frame", "head"), [("quat_sp", "quaternion"), ("gs_sp", "scalars"), ("gs_local", "scalars")]
)
def test_gradients_reach_the_frame_block_through_the_update(frame: str, head: str) -> None:
    network = random_network(0, config_of(frame=frame)).requires_grad_(True)
    network(collate([prototype_graph("triclinic")])).sum().backward()
    for layer in network.layers:
        gradient = getattr(layer.frame, head).weight.grad
        assert gradient is not None
        assert float(gradient.abs().max()) > 0
