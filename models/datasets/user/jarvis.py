"""JARVIS-DFT ``dft_3d_2021``: the file ``jdft_3d-8-18-2021.json``, plain, gzipped or zipped."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.crystal.json_files import iter_json
from models.datasets.load import DatasetError, Split
from models.datasets.user.dataset import Gathering, LabelInfo, UserDataset, parse_label
from models.datasets.user.splits import (
    PublishedSplit,
    SplitRule,
    default_sizes,
    published_split,
)

LABELS = {
    "formation_energy_peratom": LabelInfo("eV/atom", "formation energy (OptB88vdW)"),
    "optb88vdw_total_energy": LabelInfo("eV/atom", "total energy (OptB88vdW)"),
    "optb88vdw_bandgap": LabelInfo("eV", "band gap (OptB88vdW)"),
    "mbj_bandgap": LabelInfo("eV", "band gap (TBmBJ)"),
    "ehull": LabelInfo("eV/atom", "energy above the convex hull (OptB88vdW)"),
    "bulk_modulus_kv": LabelInfo("GPa", "Voigt bulk modulus (OptB88vdW)"),
    "shear_modulus_gv": LabelInfo("GPa", "Voigt shear modulus (OptB88vdW)"),
}
"""Properties whose unit is known here; others need a ``LabelInfo`` from the user."""

_ENERGIES = PublishedSplit(
    55_723,
    default_sizes(55_723),
    (
        ("JVASP-21450", "JVASP-28366"),
        ("JVASP-68836", "JVASP-5650"),
        ("JVASP-38636", "JVASP-90134"),
    ),
)
PUBLISHED = {
    "formation_energy_peratom": _ENERGIES,
    "optb88vdw_total_energy": _ENERGIES,
    "optb88vdw_bandgap": _ENERGIES,
    "ehull": PublishedSplit(
        55_371,
        default_sizes(55_371),
        (
            ("JVASP-33661", "JVASP-14073"),
            ("JVASP-101868", "JVASP-118132"),
            ("JVASP-8413", "JVASP-90134"),
        ),
    ),
    "mbj_bandgap": PublishedSplit(
        18_172,
        default_sizes(18_172),
        (
            ("JVASP-11762", "JVASP-12820"),
            ("JVASP-59652", "JVASP-10869"),
            ("JVASP-100464", "JVASP-65765"),
        ),
    ),
}
"""Published splits by property; for the moduli no sizes were published."""

NUM_ENTRIES = 55_723
"""Entries of ``dft_3d_2021``."""
_LATER_SNAPSHOT = (
    f"more than {NUM_ENTRIES:,} entries: a later snapshot (`dft_3d` of 2022 has 76 thousand); "
    "published numbers need `dft_3d_2021`, the file jdft_3d-8-18-2021.json; ask for "
    'split="formula" to use this one'
)
_CITATION = "K. Choudhary et al., npj Comput. Mater. 6, 173 (2020)"
_LICENCE = "data of NIST; see the terms of JARVIS-DFT"


def load_jarvis(
    path: Path,
    target: str,
    *,
    extra: Sequence[str] = (),
    split: SplitRule = "published",
    labels: Mapping[str, LabelInfo] | None = None,
) -> UserDataset:
    """The entries that carry a property, in the order of the file.

    Missing values are the string "na"; entries are filtered by the target first, the split is
    drawn afterwards, as for the published numbers.

    Args:
        path: ``jdft_3d-8-18-2021.json``, or the .zip or .gz of it.
        target: property, e.g. ``"formation_energy_peratom"``; entries without it are left out.
        extra: further properties, NaN where they are missing.
        split: ``"published"``, or ``"formula"`` for the folds of this project.
        labels: unit and meaning of properties that are not in ``LABELS``.

    Raises:
        DatasetError: if the file is damaged, of another kind or snapshot, has no such property, or
            the published split cannot be confirmed.
    """
    known = {**LABELS, **(labels or {})}
    infos = {name: _label(name, known) for name in (target, *extra)}
    gathering = Gathering("jarvis_dft_3d")
    number = 0
    for number, record in enumerate(iter_json(path), start=1):
        if split == "published" and number > NUM_ENTRIES:
            raise DatasetError(f"{path}: {_LATER_SNAPSHOT}")
        _take(gathering, record, tuple(infos), number, path)
    if not gathering.ids:
        raise DatasetError(f"{path}: none of {number:,} entries carries {target!r}")
    parts = (_published(path, target, gathering.ids),) if split == "published" else ()
    return gathering.dataset(infos, published=parts, citation=_CITATION, licence=_LICENCE)


def _take(
    gathering: Gathering, record: object, names: Sequence[str], number: int, path: Path
) -> None:
    """Take an entry if it carries the target."""
    if not isinstance(record, dict) or "jid" not in record or "atoms" not in record:
        raise DatasetError(f"{path}: entry {number} has no `jid` and `atoms`: not JARVIS-DFT")
    values = [record.get(name) for name in names]
    try:
        if math.isnan(parse_label(values[0])):
            gathering.skip(str(record["jid"]), f"has no {names[0]}")
            return
    except ValueError:
        pass  # counted, and skipped with the reason
    gathering.add(str(record["jid"]), record["atoms"], values)


def _label(name: str, known: Mapping[str, LabelInfo]) -> LabelInfo:
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise DatasetError(f"JARVIS property {name!r}: {hint}its unit is not known; give `labels`")
    return known[name]


def _published(path: Path, target: str, ids: Sequence[str]) -> Split:
    if target not in PUBLISHED:
        raise DatasetError(
            f'{path}: no published split of {target!r} can be checked; ask for split="formula"'
        )
    return published_split(str(path), ids, PUBLISHED[target])
