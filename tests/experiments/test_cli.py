"""The command line as a user meets it: the whole main job, and one line for every mistake."""

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from safetensors.numpy import load, save

from experiments.cli import main
from models import load_checkpoint

Tensors = dict[str, np.ndarray]


class Outcome(NamedTuple):
    status: int
    stdout: str
    stderr: str


def lightframe(*arguments: str | Path, cwd: Path) -> Outcome:
    """Run the command line in this process, as the console script does."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["lightframe", *map(str, arguments)])
        patch.setenv("COLUMNS", "80")
        patch.delenv("LIGHTFRAME_TRACEBACK", raising=False)
        try:
            main()
            status = 0
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else 0
    return Outcome(status, stdout.getvalue(), stderr.getvalue())


def succeeds(*arguments: str | Path, cwd: Path) -> str:
    outcome = lightframe(*arguments, cwd=cwd)
    assert outcome.status == 0, outcome.stderr
    return outcome.stdout


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a rutile CIF and the shipped model mapped into ``mapped``."""
    place = tmp_path_factory.mktemp("work")
    rutile = Structure.from_spacegroup(
        "P4_2/mnm",
        Lattice.tetragonal(4.594, 2.959),
        ["Ti", "O"],
        [[0, 0, 0], [0.305, 0.305, 0]],
    )
    rutile.to(str(place / "rutile.cif"))
    succeeds("map", "--hardware", "soi_lab_good", "--out", "mapped", cwd=place)
    return place


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("predict", "\x1b[31m\n.cif"), r"\x1b[31m\n.cif: no such file"),
        (("predict", "a" * 5000), "name too long"),
        (("predict", "x/" * 1000 + "none.cif"), "none.cif: no such file"),
        (("predict", os.fsdecode(b"caf\xe9.cif")), r"caf\xe9.cif: no such file"),
        (("no\x07such",), "No such command"),
        (("predict", "--" + "b" * 2000), "no such option"),
    ],
)
def test_errors_are_one_printable_line_of_bounded_length(
    words: tuple[str, ...], shown: str, tmp_path: Path
) -> None:
    outcome = lightframe(*words, cwd=tmp_path)
    assert outcome.status == 2
    line = outcome.stderr.removesuffix("\n")
    assert line.startswith("lightframe: error: ") and shown.lower() in line.lower()
    assert line.isprintable() and len(line) <= 420


def test_map_sweep_drift_export_verify(workplace: Path) -> None:
    few = ("--chips", "2", "--crystals", "5")
    sweep = succeeds(
        "sweep", "mapped", "--noise", "phase=0,0.1", *few, "--out", "noise", cwd=workplace
    )
    assert "phase noise [rad]" in sweep
    drift = succeeds("drift", "mapped", "--hours", "0,72", *few, "--out", "drift", cwd=workplace)
    assert "hours [h]" in drift
    for directory in ("noise", "drift"):
        for name in ("results.nc", "errors.png", "errors.svg"):
            assert (workplace / directory / name).is_file()
    succeeds("export", "mapped", "--out", "chip", cwd=workplace)
    manifest = json.loads((workplace / "chip" / "manifest.json").read_text())
    assert manifest["hardware"]["name"] == "soi_lab_good"
    shown = succeeds("verify", "chip", "--checkpoint", "refractive_index", cwd=workplace)
    assert "from DAC codes" in shown


def test_predict_agrees_with_the_python_interface(workplace: Path) -> None:
    shown = succeeds("predict", "rutile.cif", "--out", "rutile.csv", cwd=workplace)
    assert "rutile.cif" in shown
    header, row = csv.reader((workplace / "rutile.csv").read_text().splitlines())
    expected = load_checkpoint("refractive_index").predict(
        [Structure.from_file(workplace / "rutile.cif")]
    )
    assert header[1] == "n"
    assert float(row[1]) == expected["n"][0]
    assert 2.0 < float(row[1]) < 3.2  # measured 2.6 (ordinary) and 2.9 (extraordinary ray)


def broken_cif(place: Path) -> list[str]:
    (place / "broken.cif").write_text((place / "rutile.cif").read_text()[:200])
    return ["predict", "broken.cif"]


def disordered_cif(place: Path) -> list[str]:
    alloy = Structure(Lattice.cubic(4.0), [{"Si": 0.5, "Ge": 0.5}], [[0, 0, 0]])
    alloy.to(str(place / "alloy.cif"))
    return ["predict", "alloy.cif"]


def other_weights(place: Path) -> list[str]:
    """Chip files of a network with other weights and the same layers."""

    def triple(tensors: Tensors, config: dict[str, Any]) -> None:
        tensors["head.inner.weight"] *= 3

    _changed_checkpoint(place, "other", triple)
    succeeds("map", "--checkpoint", "other", "--out", "other_mapped", cwd=place)
    succeeds("export", "other_mapped", "--out", "other_files", cwd=place)
    return ["verify", "other_files"]


def checkpoint_without_fold(place: Path) -> list[str]:
    _changed_checkpoint(place, "no_fold", lambda tensors, config: config.update(info={}))
    return ["evaluate", "--checkpoint", "no_fold"]


def truncated_checkpoint(place: Path) -> list[str]:
    copy = place / "truncated"
    shutil.copytree(place / "mapped" / "checkpoint", copy, dirs_exist_ok=True)
    weights = copy / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return ["map", "--checkpoint", "truncated", "--out", "new"]


def non_finite_checkpoint(place: Path) -> list[str]:
    def spoil(tensors: Tensors, config: dict[str, Any]) -> None:
        tensors["head.outer.weight"][0, 0] = np.inf

    _changed_checkpoint(place, "non_finite", spoil)
    return ["map", "--checkpoint", "non_finite", "--out", "new"]


def _changed_checkpoint(
    place: Path, name: str, change: Callable[[Tensors, dict[str, Any]], object]
) -> None:
    """A copy of the shipped checkpoint, changed but consistent with its own hash."""
    copy = place / name
    shutil.copytree(place / "mapped" / "checkpoint", copy, dirs_exist_ok=True)
    tensors = load((copy / "weights.safetensors").read_bytes())
    config = json.loads((copy / "config.json").read_text())
    change(tensors, config)
    data = save(tensors)
    (copy / "weights.safetensors").write_bytes(data)
    (copy / "training_set.json").unlink()  # it is that of the shipped weights
    config["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (copy / "config.json").write_text(json.dumps(config))


MISTAKES = {
    "unknown hardware": (
        lambda place: ["map", "--hardware", "soi_typcal", "--out", "new"],
        "did you mean 'soi_typical'",
    ),
    "hardware too small": (
        lambda place: ["map", "--hardware", "flw6_like", "--out", "new"],
        "--tile 6",
    ),
    "broken cif": (broken_cif, "broken.cif: no atoms in this block"),
    "disordered cif": (disordered_cif, "partly occupied"),
    "missing file": (lambda place: ["predict", "none.cif"], "none.cif: no such file"),
    "missing checkpoint": (
        lambda place: ["evaluate", "--checkpoint", "nowhere"],
        "shipped: multitask, refractive_index",
    ),
    "truncated checkpoint": (truncated_checkpoint, "truncated"),
    "non-finite weight": (non_finite_checkpoint, "not finite"),
    "existing output": (
        lambda place: ["map", "--out", "mapped"],
        "exists; nothing was overwritten",
    ),
    "no mapped model": (
        lambda place: ["sweep", "nowhere", "--out", "new"],
        "is not a mapped model",
    ),
    "bad noise": (
        lambda place: ["sweep", "mapped", "--noise", "phsae=0", "--out", "new"],
        "did you mean 'phase'",
    ),
    "bad tile": (
        lambda place: ["map", "--tile", "big", "--out", "new"],
        "number of modes, 1 to 1024, or full",
    ),
    "files of other weights": (other_weights, "made of none of the shipped checkpoints"),
    "unknown option": (lambda place: ["map", "--tiles", "3"], "No such option"),
    "no chips": (lambda place: ["sweep", "mapped", "--chips", "0", "--out", "new"], "chips"),
    "directory as structure": (lambda place: ["predict", "mapped"], "holds no structure"),
    "too late": (
        lambda place: ["drift", "mapped", "--hours", "1e12", "--out", "new"],
        "must lie in 0 to 4660 h",
    ),
    "repeated label": (
        lambda place: ["train", "--auxiliary", "elastic:K,elastic:K", "--out", "new"],
        "labels must have different names",
    ),
    "checkpoint without fold": (checkpoint_without_fold, "test_fold"),
    "noise below zero": (
        lambda place: ["sensitivity", "mapped", "--phase-std", "-1", "--out", "new"],
        "phase-std",
    ),
    "no threads": (
        lambda place: ["bench", "core", "--threads", "0", "--out", "new"],
        "whole numbers from 1 on",
    ),
    "no export": (lambda place: ["verify", "mapped"], "manifest"),
    "unknown data set": (
        lambda place: ["train", "--dataset", "dielectirc", "--out", "new"],
        "dielectric",
    ),
    "unknown label": (
        lambda place: ["train", "--target", "colour", "--out", "new"],
        "has no label 'colour'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gives_one_line_and_status_2(mistake: str, workplace: Path) -> None:
    prepare, message = MISTAKES[mistake]
    arguments = prepare(workplace)
    before = {p: p.stat().st_mtime_ns for p in workplace.rglob("*")}
    done = lightframe(*arguments, cwd=workplace)
    assert done.status == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert {p: p.stat().st_mtime_ns for p in workplace.rglob("*")} == before
