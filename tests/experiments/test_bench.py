"""The benchmark does what it says; nothing here depends on how fast a machine is."""

import json
from pathlib import Path

import pytest
import torch

from experiments.bench import column_by_column
from experiments.bench.core import NUM_STEPS, Effort, Measurement, measure_core
from experiments.bench.memory import peak_growth_bytes
from experiments.bench.report import print_measurements, write_measurements
from experiments.bench.timing import Timing, thread_count, time_in_turn
from experiments.record import RunRecord
from photonic import MeshLayout, apply, transfer_matrix
from tests.photonic.matrices import assert_close, random_normal, random_settings
from tests.tolerances import MESH_EPS, PEAK_SLACK

TINY = Effort(turns=2, slow_turns=1, rates=((4, 0.2), (8, 0.3)), growth=(4, 8))


@pytest.mark.parametrize("num_modes", [2, 5, 8])
def test_the_yardstick_computes_the_same(num_modes: int) -> None:
    layout = MeshLayout.clements(num_modes)
    settings = random_settings(layout, 0, 3)
    expected = transfer_matrix(layout, *settings)
    assert_close(column_by_column.transfer_matrix(layout, *settings), expected, MESH_EPS)
    fields = random_normal(1, 3, 2, num_modes, dtype=torch.complex128)
    fields = fields / fields.abs().max()
    out = column_by_column.propagate(layout, *settings, fields.mT)
    assert_close(out.mT, apply(layout, *settings, fields), MESH_EPS)


def test_functions_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.bench.timing.WARMING_S", 0.0)
    calls: list[str] = []
    timings = time_in_turn(lambda: calls.append("a"), lambda: calls.append("b"), turns=3)
    assert "".join(calls) == "aabb" * 3
    assert [len(timing.seconds) for timing in timings] == [3, 3]


def test_a_stall_is_seen() -> None:
    assert Timing((1.0, 1.1, 9.0)).is_stalled
    assert not Timing((1.0, 1.1, 1.2)).is_stalled
    assert Timing((5.0, 1.0, 2.0)).median == 2.0


def test_threads_are_set_and_restored() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), thread_count(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_peak_memory_of_a_known_call() -> None:
    """64 MB held and 32 MB for a while: at least 96 MB at the peak, and nothing twice."""
    kept = []

    def call() -> None:
        kept.append(torch.ones(2**24))
        torch.ones(2**23).sum()

    growth = peak_growth_bytes(call, kept.clear)
    if growth is None:
        pytest.skip("the system keeps no books of peak memory")
    assert 1 - PEAK_SLACK < growth / (96 * 2**20) < 1 + PEAK_SLACK


@pytest.mark.parametrize(
    ("value", "required", "is_upper", "expected"),
    [
        (2.0, 1.0, False, True),
        (2.0, 1.0, True, False),
        (None, 1.0, True, None),
        (2.0, None, True, None),
    ],
)
def test_what_counts_as_reached(value, required, is_upper, expected) -> None:
    measurement = Measurement("work", 1, None, value, "x", required, is_upper)
    assert measurement.is_reached is expected


def test_all_figures_are_measured_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.bench.timing.SETTLING_S", 0.0)
    monkeypatch.setattr("experiments.bench.timing.WARMING_S", 0.0)
    steps: list[None] = []
    found = list(measure_core(TINY, (1,), lambda: steps.append(None)))
    assert len(steps) == NUM_STEPS
    missing = [m.work for m in found if m.value is None]
    assert all("interferometer" in work or "memory" in work for work in missing), missing
    assert all(m.value is None or m.value > 0 for m in found)
    assert sum(m.required is not None for m in found) >= 6
    record = RunRecord.capture("lightframe bench core", {}, 0, {})
    write_measurements(found, record, tmp_path)
    stored = json.loads((tmp_path / "core.json").read_text())
    assert [row["work"] for row in stored["measurements"]] == [m.work for m in found]
    assert stored["record"]["versions"]["numba"]
    assert (tmp_path / "core.png").stat().st_size > 10_000
    print_measurements(found)
    assert "GFLOP/s" in capsys.readouterr().out
