"""Components of directions as edge features, against their formula."""

import math

import torch

from models.component_consumer import ComponentConsumer
from models.linear import digital_linear
from tests.models.test_attention import WIDTH, assert_close, random_inputs, random_module
from tests.models.test_update import random_directions
from tests.tolerances import VISIBLE


def test_features_follow_the_formula() -> None:
    consumer = random_module(ComponentConsumer(WIDTH, digital_linear))
    _, lengths, edges = random_inputs()
    directions = random_directions(len(edges.length_index))
    features, own = consumer(lengths, edges, directions)
    spacing = 2 / 63
    rows = []
    for direction, u in zip(directions.tolist(), edges.length_index.tolist(), strict=True):
        basis = [
            math.exp(-((component - (-1 + k * spacing)) ** 2) / (2 * (4 * spacing) ** 2))
            for component in direction
            for k in range(64)
        ]
        projected = consumer.project.weight @ torch.tensor(basis, dtype=torch.float64)
        rows.append(lengths[u] + projected)
    assert_close(features, torch.stack(rows))
    assert torch.equal(own.index, edges.index)
    assert own.length_index.tolist() == list(range(len(directions)))


def test_opposite_directions_have_other_features() -> None:
    consumer = random_module(ComponentConsumer(WIDTH, digital_linear))
    _, lengths, edges = random_inputs()
    directions = random_directions(len(edges.length_index))
    first, second = (consumer(lengths, edges, d)[0] for d in (directions, -directions))
    change = float((first - second).abs().max())
    assert change > VISIBLE, f"changed by {change:.1e} only"
