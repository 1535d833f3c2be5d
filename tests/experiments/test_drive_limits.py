"""Drives that end too early: mapped models and studies refuse them at once, or clip and say so."""

from pathlib import Path

import numpy as np
import pytest

from experiments import jobs
from experiments.console import console
from experiments.mapped import MappingSettings, load_mapped, map_model
from experiments.study.evaluate import Task, evaluate_block
from photonic import load_hardware
from photonic.chipfile import build_export
from tests.experiments.study_inputs import mapped_directory, study

WEAK = load_hardware("ideal").replace(v_max_v=5.0)
CLIPPED = WEAK.replace(is_drive_clipped=True)
OUT_OF_REACH = r"its heater reaches 0 to 4\.13159 rad \(.* of .* shifters are out of reach"


def test_a_map_refuses_or_clips_what_no_drive_reaches():
    small = load_mapped(mapped_directory())
    settings = MappingSettings(tile=4)
    with pytest.raises(ValueError, match=OUT_OF_REACH):
        map_model(small.model, WEAK, settings, small.record)
    mapped = map_model(small.model, CLIPPED, settings, small.record)
    short = mapped.check_drive(CLIPPED)
    export = build_export(list(mapped.programs.values()), CLIPPED)
    assert short.num_missed == sum(len(layer.clipped) for layer in export.layers) > 0
    assert short.num_shifters == export.header.num_shifters
    assert mapped.check_drive(load_hardware("ideal")) is None
    with pytest.raises(ValueError, match=OUT_OF_REACH):
        mapped.check_drive(WEAK)


def test_a_sweep_refuses_before_it_draws_or_says_what_it_clips(tmp_path: Path):
    options = {"num_chips": 1, "seed": 0, "limit": 2}
    directory = mapped_directory()
    with pytest.raises(ValueError, match=OUT_OF_REACH):
        jobs.sweep(directory, "phase=0", out=tmp_path / "no", hardware=WEAK, **options)
    assert list(tmp_path.iterdir()) == []
    with console.capture() as text:
        clipped = jobs.sweep(
            directory, "phase=0", out=tmp_path / "clipped", hardware=CLIPPED, **options
        )
    assert "shifters are out of reach of their drive, by up to" in text.get()
    ideal = jobs.sweep(
        directory, "phase=0", out=tmp_path / "ideal", hardware=load_hardware("ideal"), **options
    )
    assert float(ideal.deviation_rms.max()) < float(clipped.deviation_rms.min())


@pytest.mark.parametrize("is_compensated", [False, True])
def test_points_of_a_study_are_refused_or_clipped(tmp_path: Path, is_compensated: bool):
    axes = {"v_max_v": [12.0, 5.0], "is_crosstalk_compensated": [is_compensated]}
    with pytest.raises(ValueError, match=r"point 1 \(v_max_v = 5\.0, .*of .* out of reach"):
        study(tmp_path, axes=axes)
    axes["is_drive_clipped"] = [True]
    with console.capture() as text:
        found = study(tmp_path, axes=axes)
    assert "1 of 2 points clip the drive. At the worst:" in text.get()
    strong, weak = (
        evaluate_block(found.source, point, 3, Task(number, 0, 1))
        for number, point in enumerate(found.points)
    )
    assert np.abs(weak / strong - 1).max() > np.finfo(np.float32).eps
