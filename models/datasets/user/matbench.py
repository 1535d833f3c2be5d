"""Regression tasks of Matbench v0.1 on structures: ``matbench_<task>.json.gz``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.crystal.json_files import read_json
from models.datasets.load import DatasetError
from models.datasets.user.dataset import Gathering, LabelInfo, UserDataset
from models.datasets.user.splits import SplitRule, matbench_splits


@dataclass(frozen=True)
class MatbenchTask:
    """A task: its target's column and meaning, and its number of crystals."""

    column: str
    label: LabelInfo
    num_entries: int


TASKS = {
    "dielectric": MatbenchTask("n", LabelInfo("1", "refractive index"), 4_764),
    "jdft2d": MatbenchTask(
        "exfoliation_en", LabelInfo("meV/atom", "exfoliation energy (OptB88vdW)"), 636
    ),
    "log_gvrh": MatbenchTask(
        "log10(G_VRH)", LabelInfo("log10 GPa", "shear modulus, Voigt-Reuss-Hill"), 10_987
    ),
    "log_kvrh": MatbenchTask(
        "log10(K_VRH)", LabelInfo("log10 GPa", "bulk modulus, Voigt-Reuss-Hill"), 10_987
    ),
    "mp_e_form": MatbenchTask("e_form", LabelInfo("eV/atom", "formation energy (PBE)"), 132_752),
    "mp_gap": MatbenchTask("gap pbe", LabelInfo("eV", "PBE band gap"), 106_113),
    "perovskites": MatbenchTask(
        "e_form", LabelInfo("eV/cell", "formation energy per cell of five atoms"), 18_928
    ),
    "phonons": MatbenchTask(
        "last phdos peak", LabelInfo("1/cm", "last peak of the phonon density of states"), 1_265
    ),
}
_PREFIX = "matbench_"
_CITATION = "A. Dunn et al., npj Comput. Mater. 6, 138 (2020)"
_LICENCE = "see the metadata of the task; most are CC-BY-4.0 (Materials Project)"


def load_matbench(path: Path, *, split: SplitRule = "published") -> UserDataset:
    """A structure task with its five published folds.

    The ids are those of the benchmark, ``mb-dielectric-0001`` and so on in the order of the file.
    Validation crystals are the user's to take from the training ones of a fold:
    ``UserDataset.split_with_validation``.

    Args:
        path: ``matbench_<task>.json.gz``, named as it is published.
        split: ``"published"``, or ``"formula"`` for the folds of this project.

    Raises:
        DatasetError: if the file is damaged, not a regression task on structures, or has another
            number of crystals than the published folds.
    """
    name, task = _task(path)
    rows = _rows(path, task)
    if split == "published" and len(rows) != task.num_entries:
        raise DatasetError(
            f"{path}: {len(rows):,} crystals, the published folds of {name} are of "
            f'{task.num_entries:,}; ask for split="formula" if they are not the aim'
        )
    gathering = Gathering(_PREFIX + name)
    digits = math.floor(math.log10(max(len(rows), 1))) + 1
    for number, (structure, value) in enumerate(rows, start=1):
        gathering.add(f"mb-{name.replace('_', '-')}-{number:0{digits}d}", structure, [value])
    return gathering.dataset(
        {task.column: task.label},
        published=matbench_splits(len(rows)) if split == "published" else (),
        citation=_CITATION,
        licence=_LICENCE,
    )


def _task(path: Path) -> tuple[str, MatbenchTask]:
    name = path.name.split(".")[0].removeprefix(_PREFIX)
    if not path.name.startswith(_PREFIX) or name not in TASKS:
        raise DatasetError(
            f"{path}: no regression task on structures of this name; there are "
            f"{', '.join(_PREFIX + task for task in TASKS)}"
        )
    return name, TASKS[name]


def _rows(path: Path, task: MatbenchTask) -> list[tuple[Any, Any]]:
    """(structure, value) of each row of a table in pandas' split orientation."""
    table = read_json(path)
    if not isinstance(table, dict) or not {"columns", "data"} <= table.keys():
        raise DatasetError(f"{path}: not a table with `columns` and `data`: not Matbench")
    columns, data = table["columns"], table["data"]
    wanted = ["structure", task.column]
    if not isinstance(columns, list) or sorted(map(str, columns)) != sorted(wanted):
        raise DatasetError(f"{path}: columns must be {wanted}, got {columns}")
    if not isinstance(data, list) or not all(isinstance(r, list) and len(r) == 2 for r in data):
        raise DatasetError(f"{path}: every row must hold a structure and a value")
    first = columns.index("structure")
    return [(row[first], row[1 - first]) for row in data]
