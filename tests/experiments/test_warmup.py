"""Kernels are compiled once, ahead if wanted; a few predictions hardly need any."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from models.prototypes import prototypes

MAIN = "from experiments.cli import main; main()"
NOTICE = "lightframe: compiling kernels, about a minute, once (`lightframe warmup` does it ahead)\n"
FIRST_S, LATER_S = 20, 6
"""Processor time of a prediction of five crystals: the first on a machine, and later ones."""


def run(cache: Path, *arguments: str) -> tuple[float, str]:
    """Processor time [s] and stderr of a command that keeps machine code in ``cache``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments], env=environment, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent, done.stderr


def five_files(folder: Path) -> list[str]:
    files = []
    for name, crystal in sorted(prototypes().items())[:5]:
        files.append(str(folder / f"{name}.cif"))
        crystal.to_structure().to(filename=files[-1])
    return files


@pytest.mark.slow
def test_first_prediction_of_a_handful_is_quick(tmp_path):
    files = five_files(tmp_path)
    first, said = run(tmp_path / "code", "predict", *files)
    assert said == NOTICE
    later, said = run(tmp_path / "code", "predict", *files)
    assert said == ""
    assert (first <= FIRST_S, later <= LATER_S) == (True, True), f"{first:.1f} s, {later:.1f} s"


@pytest.mark.slow
def test_nothing_is_left_to_compile_after_a_warmup(tmp_path):
    code = tmp_path / "code"
    run(code, "warmup")
    kept = sorted(code.rglob("*.nbc"))
    assert kept
    run(code, "predict", *five_files(tmp_path))
    run(code, "map", "--out", str(tmp_path / "mapped"))
    mapped = str(tmp_path / "mapped")
    sweep = ("--noise", "phase=0.01", "--chips", "1", "--crystals", "20")
    run(code, "sweep", mapped, *sweep, "--out", str(tmp_path / "sweep"))
    assert sorted(code.rglob("*.nbc")) == kept


def test_compilation_is_announced_once(capfd):
    """Two functions are compiled, each after the patience is over."""
    code = (
        "import experiments.commands.warmup as w, numba\n"
        "w._PATIENCE_S = -1.0\n"
        "w.announce_compilation()\n"
        "numba.njit(lambda x: x + 1)(1)\n"
        "numba.njit(lambda x: x + 2)(1)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert capfd.readouterr().err == NOTICE


def test_what_is_compiled_quickly_is_not_announced(capfd):
    code = (
        "import experiments.commands.warmup as w, numba\n"
        "w._PATIENCE_S = 1e9\n"
        "w.announce_compilation()\n"
        "numba.njit(lambda x: x + 1)(1)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert capfd.readouterr().err == ""
