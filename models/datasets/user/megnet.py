"""Materials Project 2018.6.1 as MEGNet used it: the file ``megnet.json`` with 69,239 entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.crystal.json_files import iter_json
from models.datasets.load import DatasetError, Split
from models.datasets.user.dataset import Gathering, LabelInfo, UserDataset, parse_label
from models.datasets.user.splits import PublishedSplit, SplitRule, published_split

_ALIASES = {"e_form": "formation_energy_per_atom", "gap pbe": "band_gap"}
"""Names of the labels in the original ``mp.2018.6.1.json`` of the MEGNet authors."""
_LABELS = {
    "e_form": LabelInfo("eV/atom", "formation energy (PBE, Materials Project 2018.6.1)"),
    "gap pbe": LabelInfo("eV", "PBE band gap (Materials Project 2018.6.1)"),
}
_MODULI = ("bulk modulus", "shear modulus")
TARGETS = (*_LABELS, *_MODULI)
"""Properties of the file; "gap pbe" is written with a blank."""

PUBLISHED = PublishedSplit(
    69_239,
    (60_000, 5_000, 4_239),
    (
        ("mp-569112", "mvc-6917"),
        ("mp-558851", "mp-542332"),
        ("mp-554286", "mp-17481"),
    ),
)
MAX_LOG10_MODULUS = 3.0
"""A median modulus below this is log10 GPa (typically 2), one above it GPa (typically 100)."""
_MEGNET2 = (
    "has the fields of `megnet2`, another snapshot (133 thousand entries); published numbers need "
    "`megnet` of 2018.6.1, the file megnet.json"
)
_CITATION = (
    "A. Jain et al., APL Materials 1, 011002 (2013); C. Chen et al., Chem. Mater. 31, 3564 (2019)"
)
_LICENCE = "CC-BY-4.0 (Materials Project)"


def load_megnet(path: Path, target: str, *, split: SplitRule = "published") -> UserDataset:
    """The entries that carry a property, in the order of the file, which the split depends on.

    Args:
        path: ``megnet.json``, or the .zip or .gz of it.
        target: ``"e_form"``, ``"gap pbe"`` (with the blank), ``"bulk modulus"`` or
            ``"shear modulus"``; the scale of moduli is read from their median.
        split: ``"published"``, or ``"formula"`` for the folds of this project.

    Raises:
        DatasetError: if the file is damaged, a pickle, ``megnet2`` or of another kind, or the
            published split cannot be confirmed.
    """
    if target not in TARGETS:
        raise DatasetError(f"no MEGNet property {target!r}; there are {', '.join(TARGETS)}")
    gathering, values = Gathering("megnet"), []
    number = 0
    for number, record in enumerate(iter_json(path), start=1):
        value, entry_id = _value(record, target, number, path), _id(record, number, path)
        if math.isnan(value):
            gathering.skip(entry_id, f"has no {target}")
        else:
            values.append(value)
            gathering.add(entry_id, record, [value])
    if not gathering.ids:
        raise DatasetError(f"{path}: none of {number:,} entries carries {target!r}")
    parts = (_published(path, target, gathering.ids),) if split == "published" else ()
    labels = {target: _label(target, values)}
    return gathering.dataset(labels, published=parts, citation=_CITATION, licence=_LICENCE)


def _published(path: Path, target: str, ids: Sequence[str]) -> Split:
    if target in _MODULI:
        raise DatasetError(
            f"{path}: the published split of {target!r} comes as three files, not by a rule; "
            'ask for split="formula"'
        )
    return published_split(str(path), ids, PUBLISHED)


def _value(record: Any, target: str, number: int, path: Path) -> float:
    """The property of an entry; NaN if it is missing."""
    if not isinstance(record, dict):
        raise DatasetError(f"{path}: entry {number} is not an object: not MEGNet")
    if "formation_energy_per_atom" in record and "band_gap" not in record:
        raise DatasetError(f"{path}: {_MEGNET2}")
    field = target if target in record else _ALIASES.get(target, target)
    if field not in record:
        raise DatasetError(f"{path}: entry {number} has no field {target!r}: not MEGNet")
    try:
        return parse_label(record[field])
    except ValueError as error:
        raise DatasetError(f"{path}: entry {number}: {error}") from None


def _id(record: Any, number: int, path: Path) -> str:
    for field in ("id", "material_id"):
        if isinstance(record.get(field), str):
            return record[field]
    raise DatasetError(f"{path}: entry {number} has neither `id` nor `material_id`: not MEGNet")


def _label(target: str, values: Sequence[float]) -> LabelInfo:
    """Unit and meaning; the scale of moduli, which the files do not state, by their median."""
    if target not in _MODULI:
        return _LABELS[target]
    median = float(np.median(values))
    unit = "log10 GPa" if median < MAX_LOG10_MODULUS else "GPa"
    return LabelInfo(unit, f"{target} (Materials Project), median {median:.3g} {unit}")
