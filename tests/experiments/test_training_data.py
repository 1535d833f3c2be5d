"""Training data take their graphs from the cache, and are the same with and without it."""

from pathlib import Path

import numpy as np
import pytest

from experiments.training_data import LabelSpec, load_training_data
from models import graph_cache
from models.graph import GraphSettings

SPECS = tuple(LabelSpec.parse(text) for text in ("piezo:eij_max", "dielectric:n"))
SETTINGS = GraphSettings(num_neighbours=4)


def test_the_second_time_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    totals: list[int] = []
    first = load_training_data(SPECS, SETTINGS, 0, totals.append, cache=tmp_path)
    assert totals == [len(first.ids)] * len(first.ids)
    assert len(list((tmp_path / "graphs").iterdir())) == 2  # one entry per data set
    totals.clear()
    monkeypatch.delattr(graph_cache, "build_graphs")
    second = load_training_data(SPECS, SETTINGS, 1, totals.append, cache=tmp_path)
    assert totals == [len(first.ids)] * len(first.ids)
    assert second.ids == first.ids
    for one, other in zip(first.graphs, second.graphs, strict=True):
        assert np.array_equal(one.edge_vector, other.edge_vector)
        assert np.array_equal(one.edge_index, other.edge_index)
