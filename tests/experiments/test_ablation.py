"""Ablation: real variants of a small network, killed and continued; differences by hand."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import experiments.ablation
from experiments.ablation import ablation
from experiments.ablation_config import AblationConfig, ablation_config
from experiments.ablation_score import (
    HELPS,
    HURTS,
    NO_DIFFERENCE,
    PARTS,
    TOO_FEW,
    VariantScore,
    change,
    variant_score,
)
from experiments.ablation_table import markdown, print_ablation
from experiments.ablation_variants import DEFAULT_VARIANTS, VARIANTS, chosen_variants
from experiments.cli import main
from experiments.crossval import crossval
from experiments.crossval_parts import Parts
from experiments.crossval_run import begin
from experiments.crossval_score import ACTIVE, IDLE, score
from experiments.record import RunRecord
from experiments.training_config import TrainConfig
from experiments.training_data import LabelSpec
from models import GraphSettings, NetworkConfig
from models.datasets import Dataset, load_dataset
from models.noop import is_frame_idle

FOLD = 1
SMALL = {"width": 4, "num_layers": 1, "num_scalars": 4, "num_vectors": 2}
TRAINING = TrainConfig(
    target=LabelSpec.parse("dielectric:n"),
    epochs=1,
    batch_size=256,
    graph=GraphSettings(num_neighbours=1),
    network=NetworkConfig(**SMALL),
)
CONFIG = ablation_config(TRAINING, ("none", "quat_sp"), (FOLD,), (0, 1))
REPEATED = "quat_sp/fold1-seed1"


@dataclass(frozen=True)
class Continued:
    """A finished ablation that was killed before and lacked one training then."""

    out: Path
    variants: dict[str, VariantScore]
    was_written: dict[str, int]
    """Name of a training to the time [ns] at which its predictions were written."""


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> Continued:
    out = tmp_path_factory.mktemp("ablation") / "out"
    partial = out.with_name("out.partial")

    def kill(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments.ablation, "score", kill)
        with pytest.raises(KeyboardInterrupt):
            ablation(CONFIG, out, workers=2)
    was_written = times(partial)
    (partial / f"{REPEATED}.json").unlink()
    shutil.rmtree(partial / REPEATED)
    return Continued(out, ablation(CONFIG, out, workers=1), was_written)


def times(directory: Path) -> dict[str, int]:
    paths = directory.glob("*/fold*.json")
    return {f"{path.parent.name}/{path.stem}": path.stat().st_mtime_ns for path in paths}


def test_only_what_is_missing_is_trained_again(continued: Continued) -> None:
    now = times(continued.out)
    assert set(now) == {f"{name}/fold1-seed{k}" for name in CONFIG.networks for k in (0, 1)}
    assert {name for name in now if now[name] != continued.was_written[name]} == {REPEATED}


@pytest.mark.slow
def test_numbers_are_those_of_a_cross_validation(continued: Continued, tmp_path: Path) -> None:
    out = tmp_path / "crossval"
    alone = crossval(CONFIG.crossvals["quat_sp"], out, workers=1, wbm=None)
    ours = continued.variants["quat_sp"].scores
    assert (ours.labels, ours.parameters) == (alone.labels, alone.parameters)
    assert ours.parameters > continued.variants["none"].scores.parameters
    text = (continued.out / "table.md").read_text(encoding="utf-8")
    for part in alone.labels[0].parts[:3]:
        assert f"{part.network_mae:.4g} ({part.network_std:.2g})" in text
        assert f"{part.trees_mae:.4g}" in text and f"{part.median_mae:.4g}" in text


def test_results_hold_everything(continued: Continued) -> None:
    stored = json.loads((continued.out / "results.json").read_text(encoding="utf-8"))
    assert AblationConfig(**stored["record"]["config"]) == CONFIG
    assert list(stored["variants"]) == ["none", "quat_sp"]
    found = stored["variants"]["quat_sp"]
    (label,) = found["scores"]["labels"]
    (reference,) = stored["variants"]["none"]["scores"]["labels"]
    for part in PARTS:
        own, other = (
            np.array(row["folds"][0]["network_mae_of_parts"][part]) for row in (label, reference)
        )
        difference = found["differences"][part]["n"]
        assert difference["mean"] == pytest.approx((own - other).mean())
        assert (difference["num_pairs"], difference["verdict"]) == (2, TOO_FEW)
    seconds = found["scores"]["seconds"].values()  # of two trainings of one epoch
    assert found["scores"]["seconds_per_epoch"] == pytest.approx(sum(seconds) / 2)


def hand_made(dataset: Dataset, offsets: dict[tuple[int, int], tuple[float, float]]) -> Parts:
    """Parts whose errors are given, by fold and seed, where frames act and where they are idle."""
    networks, baselines = {}, {}
    for (fold, seed), (active, idle) in offsets.items():
        test = dataset.split(fold).test
        truth = dataset.labels["n"][test]
        errors = [idle if is_frame_idle(dataset.crystals[i]) else active for i in test]
        predicted = {"ids": [dataset.ids[i] for i in test], "predicted": truth + errors}
        networks[fold, seed] = {
            "labels": {"n": predicted},
            "epoch_seconds": [9.0, 2.0, 1.0],
            "parameters": 5,
        }
        baselines[fold] = {"labels": {"n": {"median": 2.0, "trees": truth}}}
    return Parts(networks, baselines)


@pytest.fixture(scope="module")
def by_hand() -> dict[str, VariantScore]:
    dataset = load_dataset("dielectric")
    config = ablation_config(TRAINING, ("none", "gs_sp"), (0, 3), (0, 1))
    errors = {
        "none": {(0, 0): (1.0, 2.0), (3, 0): (2.0, 2.0), (0, 1): (1.0, 2.0), (3, 1): (4.0, 2.0)},
        "gs_sp": {(0, 0): (0.8, 2.0), (3, 0): (1.6, 3.0), (0, 1): (0.9, 1.0), (3, 1): (3.4, 2.0)},
    }
    scores = {
        name: score(crossval, hand_made(dataset, errors[name]), {"dielectric": dataset}, None)
        for name, crossval in config.crossvals.items()
    }
    return {name: variant_score(name, scores) for name in scores}


def test_differences_pair_folds_and_seeds(by_hand: dict[str, VariantScore]) -> None:
    assert by_hand["none"].differences == {}
    variant = by_hand["gs_sp"]
    assert variant.scores.seconds_per_epoch == 2.0  # the first epoch compiles
    active = variant.differences[ACTIVE]["n"]
    expected = [-0.2, -0.4, -0.1, -0.6]
    assert active.num_pairs == 4
    assert active.mean == pytest.approx(np.mean(expected))
    assert active.standard_error == pytest.approx(np.std(expected, ddof=1) / 2)
    assert active.verdict == HELPS  # -0.325 and 0.111
    idle = variant.differences[IDLE]["n"]
    assert idle.mean == pytest.approx(0.0, abs=1e-12) and idle.verdict == NO_DIFFERENCE
    relative = variant.relative_percent[ACTIVE]
    percent = [-20.0, -20.0, -10.0, -15.0]
    assert relative.mean == pytest.approx(np.mean(percent))
    assert relative.standard_error == pytest.approx(np.std(percent, ddof=1) / 2)


def test_tables_say_what_differs(
    by_hand: dict[str, VariantScore], record: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ablation_config(TRAINING, ("none", "gs_sp"), (0, 3), (0, 1))
    text = markdown(by_hand, config, record, {"workers": 2, "wall_seconds": 36.0})
    assert "| gs_sp | -0.325 (0.1) helps |" in text
    assert "n = 4 pairs" in text and "14% of cells" in text  # Student's t, 3 degrees of freedom
    assert "| gs_sp | 5 | 2.00 |" in text and "| trees | - | - | 0 |" in text
    print_ablation(by_hand)
    assert "Relative difference to none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.3, 0.2, 0.4], HURTS),
        ([-0.3, -0.2, -0.4], HELPS),
        ([-0.3, 0.2, 0.4], NO_DIFFERENCE),
        ([0.0, 0.0, 0.0], NO_DIFFERENCE),
        ([-0.3, -0.3], TOO_FEW),
        ([-0.3], TOO_FEW),
    ],
)
def test_verdicts(values: list[float], verdict: str) -> None:
    assert change(values).verdict == verdict


def test_without_the_reference_there_are_no_differences(by_hand: dict[str, VariantScore]) -> None:
    alone = variant_score("gs_sp", {"gs_sp": by_hand["gs_sp"].scores})
    assert alone.differences == {} and alone.relative_percent == {}


def test_every_variant_is_a_network_of_its_own() -> None:
    config = ablation_config(TRAINING, tuple(VARIANTS), (0,), (0,))
    networks = {name: crossval.training.network for name, crossval in config.crossvals.items()}
    assert len({network.model_dump_json() for network in networks.values()}) == len(VARIANTS)
    assert all(network.width == SMALL["width"] for network in networks.values())
    assert set(VARIANTS) - set(DEFAULT_VARIANTS) == {"full", "quat_sp_full"}
    assert chosen_variants(" full,none") == ("full", "none")


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    with begin(CONFIG, CONFIG.crossval, tmp_path / "out") as begun:
        (begun.output.partial / "none").mkdir()
    more = ablation_config(TRAINING, ("none", "quat_sp", "gs_sp"), (FOLD,), (0, 1))
    with pytest.raises(FileExistsError, match="unfinished run with other settings"):
        ablation(more, tmp_path / "out", workers=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--variants none,quaternion", "--variants: no variant 'quaternion'; there are none,"),
        ("--variants none,none", "--variants: give different names"),
        ("--network frame=gs_sp", "--network frame: this field is decided by the variants"),
        ("--variants none --network elements=both --seeds 1,1", "different whole numbers"),
        ("--variants none,global --network frame_source=initial", "variant none: `frame_source`"),
        ("--folds 5", "folds are 0 to 4"),
    ],
)
def test_wrong_options_are_one_line(
    options: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--auxiliary", "", *options.split()]
    monkeypatch.setattr(sys, "argv", ["lightframe", "ablation", *arguments])
    monkeypatch.delenv("LIGHTFRAME_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
