"""The benchmark of studies measures what it says, on a small network; no time is judged."""

from pathlib import Path

import numpy as np
import pytest

from experiments.bench.sweep import measure_sweep
from experiments.bench.sweep_figures import (
    QUICK,
    RESULT_FILE,
    Figure,
    print_figures,
    write_figures,
)
from experiments.record import RunRecord
from tests.experiments.study_inputs import mapped_directory


@pytest.mark.slow
def test_all_ratios_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[Figure] = []
    figures = measure_sweep(mapped_directory(), QUICK, shown.append)
    assert shown == figures
    assert len(figures) == 4 + len(QUICK.memory_blocks) + 3
    assert all(np.isfinite(figure.value) for figure in figures)
    passes, weights, *memory = figures[: 2 + len(QUICK.memory_blocks)]
    assert passes.value > 0 and weights.value > 0
    assert all(figure.is_reached for figure in memory)
    write_figures(figures, RunRecord.capture("test", {}, 0, {}), tmp_path)
    assert '"is_reached"' in (tmp_path / RESULT_FILE).read_text()
    print_figures(figures, 5.0, 1.0)
    assert "load average 5.0 at the start" in capsys.readouterr().out


@pytest.mark.parametrize(("is_upper", "value"), [(True, 2.0), (False, 0.5)])
def test_a_ratio_that_is_missed_says_so(
    is_upper: bool, value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    missed = Figure("this", value, 1.0, is_upper, "of that")
    reached = Figure("other", 1.0, 1.0, is_upper, "of that")
    assert (missed.is_reached, reached.is_reached) == (False, True)
    print_figures([missed, reached], None, 1.0)
    assert capsys.readouterr().out.count("MISSED") == 1
