"""A small mapped model and study files for tests, and ``lightframe`` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml

from experiments.mapped import MappingSettings, map_model, save_mapped
from experiments.record import RunRecord
from experiments.study.description import StudyDescription, load_study
from experiments.study.run import Study, Workers
from models import CrystalModel, load_checkpoint
from models.checkpoint import save_checkpoint
from models.elements import element_table
from models.network import SPFrameNetwork
from models.network_config import NetworkConfig
from photonic import load_hardware

HERE = Workers(block=2)
"""In this process, two chips a task."""
_ROOT = Path(__file__).parent.parent.parent
_PROGRAM = """
import signal
from experiments.cli import main
# A shell starts what it runs in the background without this, and children inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


def random_network(num_labels: int) -> SPFrameNetwork:
    """A network of a few small layers."""
    config = NetworkConfig(width=4, num_layers=1, num_scalars=4, num_vectors=2)
    elements = torch.tensor(element_table().values, dtype=torch.float32)
    return SPFrameNetwork(config, elements, num_labels).eval()


@cache
def mapped_directory(seed: int = 0) -> Path:
    """A random network of a few small layers, mapped; its labels are those of the shipped one."""
    torch.manual_seed(seed)
    shipped, table = load_checkpoint("refractive_index"), element_table()
    network = random_network(len(shipped.labels))
    model = CrystalModel(network, shipped.graph_settings, shipped.labels, shipped.info)
    place = Path(tempfile.mkdtemp(prefix="lightframe-tests-"))
    (place / "checkpoint").mkdir()
    save_checkpoint(model, table.names, place / "checkpoint")
    record = RunRecord.capture("test", {}, 0, {})
    mapped = map_model(model, load_hardware("soi_lab_good"), MappingSettings(tile=4), record)
    (place / "mapped").mkdir()
    save_mapped(mapped, place / "checkpoint", place / "mapped")
    return place / "mapped"


def study_file(folder: Path, **changes: Any) -> Path:
    """A file of a small study, with some fields changed; None leaves a field out."""
    fields = {
        "mapped": str(mapped_directory()),
        "axes": {"phase_noise_rad": [0.01, 0.1], "dac_bits": [6, 8]},
        "chips": 5,
        "seed": 3,
        "crystals": 3,
        **changes,
    }
    path = folder / "study.yaml"
    path.write_text(
        yaml.safe_dump({k: v for k, v in fields.items() if v is not None}, sort_keys=False)
    )
    return path


def description(folder: Path, **changes: Any) -> StudyDescription:
    """The description in ``study_file``."""
    return load_study(study_file(folder, **changes))


def study(folder: Path, **changes: Any) -> Study:
    """The study of ``study_file``, loaded."""
    return Study.load(description(folder, **changes))


def start(*arguments: str | Path, preparation: str = "") -> subprocess.Popen[str]:
    """``lightframe`` as the first of a group of processes; ``preparation`` is run before it."""
    program = [sys.executable, "-c", f"{preparation}\n{_PROGRAM}", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}
    return subprocess.Popen(
        program,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
