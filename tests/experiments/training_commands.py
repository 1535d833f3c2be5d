"""Real ``train`` processes on a small configuration, for tests of kills and of several ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

PROGRAM = """
import sys, typer
from experiments.commands.train import train
typer.run(train)
"""
SMALL = [
    "--dataset=dielectric",
    "--target=n",
    "--auxiliary=dielectric:gap",
    "--batch-size=32",
    "--dropout=0.1",
    "--graph=num_neighbours=4",
    "--network=width=8",
    "--network=num_layers=1",
    "--network=num_scalars=8",
    "--network=num_vectors=2",
    "--device=cpu",
]


def command(out: Path, epochs: int, processes: int = 1) -> list[str]:
    """The command line of a small training."""
    launch = [sys.executable, "-c", PROGRAM]
    if processes > 1:
        script = out.with_suffix(".py")
        script.write_text(PROGRAM, encoding="utf-8")
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        launch += [f"--nproc-per-node={processes}", str(script)]
    return [*launch, f"--out={out}", f"--epochs={epochs}", *SMALL]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """The process, with one thread; it does not share torch's state with the tests."""
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    return subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(arguments: list[str]) -> None:
    """Run a process to its end, which must be a good one."""
    process = start(arguments)
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def weights(directory: Path) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint."""
    return load_file(directory / "weights.safetensors")


def metrics(directory: Path) -> list[str]:
    """Lines of ``metrics.csv`` without the last column, the times."""
    lines = (directory / "metrics.csv").read_text(encoding="utf-8").splitlines()
    return [line.rpartition(",")[0] for line in lines]
