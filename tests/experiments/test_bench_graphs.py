"""The graph benchmark does what it says; nothing here depends on how fast a machine is."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.bench.graph_routes import ROUTES, shipped_crystals, spread
from experiments.bench.graphs import (
    REQUIRED_FILES,
    REQUIRED_PER_CORE,
    REQUIRED_RATIO,
    GraphRate,
    measure_graphs,
    print_graph_rates,
    write_graph_rates,
)
from experiments.bench.timing import Timing
from experiments.record import RunRecord
from models.graph import GraphSettings, build_graph

SETTINGS = GraphSettings()


def rate(seconds: float, **required: float) -> GraphRate:
    return GraphRate("work", 1, 100, Timing((seconds,)), ratio=4.0, **required)


def test_all_routes_count_the_edges_that_they_make() -> None:
    """pymatgen's k nearest are the same edges without the ties beyond the k-th."""
    crystals = spread(shipped_crystals(), 12)
    counts = {name: route(crystals, SETTINGS)() for name, route in ROUTES.items()}
    num_sites = sum(crystal.num_sites for crystal in crystals)
    k = SETTINGS.num_neighbours
    assert counts["pymatgen get_all_neighbors"] == k * num_sites
    assert counts["pymatgen get_neighbor_list"] == k * num_sites
    assert k * num_sites < counts["edges alone"] < 1.5 * k * num_sites
    graphs = [build_graph(crystal, SETTINGS) for crystal in crystals]
    assert counts["whole graph"] == sum(graph.edge_index.shape[1] for graph in graphs)


def test_samples_are_spread_over_all_data_sets() -> None:
    everything = shipped_crystals()
    sample = spread(everything, 5)
    assert len(everything) > 6000
    chosen = [0, *(np.arange(1, 5) * (len(everything) - 1) // 4)]
    for crystal, index in zip(sample, chosen, strict=True):
        assert crystal is everything[index]
    assert spread(everything, None) == spread(everything, 10**6) == everything


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        ({}, None),
        ({"required_rate": 50.0}, True),
        ({"required_rate": 51.0}, False),
        ({"required_ratio": 4.0}, True),
        ({"required_ratio": 5.0}, False),
    ],
)
def test_what_counts_as_reached(required: dict[str, float], expected: bool | None) -> None:
    assert rate(2.0, **required).per_second == 50.0
    assert rate(2.0, **required).is_reached is expected


@pytest.mark.slow
def test_all_rates_are_measured_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.bench.timing.WARMING_S", 0.0)
    found = list(measure_graphs(SETTINGS, 12, processes=2, turns=1, total=24))
    one, two = found[: len(ROUTES)], found[len(ROUTES) : 2 * len(ROUTES)]
    for part, processes in ((one, 1), (two, 2)):
        assert [r.work for r in part] == list(ROUTES)
        assert {r.processes for r in part} == {processes}
        ratios = {r.work: r.ratio for r in part}
        assert ratios["pymatgen get_all_neighbors"] == 1.0
        assert part[0].required_ratio == part[1].required_ratio == REQUIRED_RATIO
    assert len(found) == 2 * len(ROUTES) + 4
    assert [r.work for r in found[-2:]] == ["CIFs read and checked", "CIFs by pymatgen"]
    assert found[-1].ratio == 1.0 and found[-2].required_rate == REQUIRED_FILES
    assert [r.num_crystals for r in found[-4:-2]] == [24, 24]
    assert found[-4].required_rate == 2 * REQUIRED_PER_CORE
    assert all(r.per_second > 0 for r in found)
    record = RunRecord.capture("lightframe bench graphs", {}, 0, {})
    write_graph_rates(found, 3.0, record, tmp_path)
    stored = json.loads((tmp_path / "graphs.json").read_text())
    assert [row["work"] for row in stored["rates"]] == [r.work for r in found]
    assert stored["rates"][0]["per_second"] == found[0].per_second
    print_graph_rates(found, 3.0)
    out = capsys.readouterr().out
    assert "over pymatgen" in out
    assert "load average 3.0" in out
