"""A killed training, a real one, goes on to the same bits and metrics as one that was not."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch

from experiments.training_log import METRICS_FILE, count_epochs
from tests.experiments.training_commands import command, metrics, run, start, weights

EPOCHS = 4
PATIENCE_S = 300.0


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_an_epoch_ends_in_the_same_bits(tmp_path: Path) -> None:
    run(command(tmp_path / "whole", EPOCHS))
    process = start(command(tmp_path / "killed", EPOCHS))
    unfinished = tmp_path / "killed.partial"
    deadline = time.monotonic() + PATIENCE_S
    while count_epochs(unfinished) < 1 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    first = (unfinished / METRICS_FILE).read_text(encoding="utf-8").splitlines()[1]
    time.sleep(float(first.rpartition(",")[2]) / 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 1 <= count_epochs(unfinished) < EPOCHS and not (tmp_path / "killed").exists()

    run(command(tmp_path / "killed", EPOCHS))
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    assert len(metrics(tmp_path / "whole")) == EPOCHS + 1
