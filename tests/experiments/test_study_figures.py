"""Figures of studies: which axis lies below, which points form a line, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from experiments.study.figures import draw_study, drawn_axis, lines
from experiments.study.reader import open_study
from tests.experiments.study_inputs import HERE, study

AXES = {"phase_noise_rad": [0.05, 0.0, 0.1], "dac_bits": [6, None]}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("study")
    study(folder, axes=AXES, chips=3).run(folder / "out", HERE, is_resumed=False)
    return open_study(folder / "out").load()


def test_the_axis_with_most_numbers_lies_below(results: xr.Dataset) -> None:
    assert drawn_axis(results) == "phase_noise_rad"
    found = lines(results, range(6), "phase_noise_rad")
    assert list(found) == ["dac_bits 6", "dac_bits absent"]
    for label, members in found.items():
        assert list(results["phase_noise_rad"].values[members]) == [0.0, 0.05, 0.1]
        assert len(set(np.nan_to_num(results["dac_bits"].values[members]))) == 1, label


def test_curves_are_drawn_once(results: xr.Dataset, tmp_path: Path) -> None:
    png, svg = draw_study(results, tmp_path)
    text = svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")
    for word in ("phase noise [rad]", "dac_bits 6", "dac_bits absent", "digital"):
        assert word in text, word
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        draw_study(results, tmp_path)


def test_few_values_are_rows(results: xr.Dataset, tmp_path: Path) -> None:
    two = results.isel(point=[0, 1])
    assert drawn_axis(two) is None
    text = draw_study(two, tmp_path)[1].read_text()
    assert "phase_noise_rad 0.05 rad, dac_bits 6" in text
    assert "phase_noise_rad 0.05 rad, dac_bits absent" in text


def test_points_without_chips_are_left_out(results: xr.Dataset, tmp_path: Path) -> None:
    unfinished = results.copy(deep=True)
    unfinished["mae"][1:] = np.nan
    unfinished["deviation_rms"][1:] = np.nan
    text = draw_study(unfinished, tmp_path)[1].read_text()
    assert "dac_bits 6" in text
    assert "dac_bits absent" not in text
    unfinished["mae"][0] = np.nan
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_study(unfinished, tmp_path / "none")
