"""Structure files and labelled data sets that are spoilt, and what reads them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter

from experiments.mapped import MappedModel
from experiments.prediction import DigitalPredictor, predict_structures
from experiments.prediction_table import _csv, _json, print_predictions
from experiments.structures import expand, iter_structures
from experiments.wbm import load_out_of_distribution
from models import load_dataset
from models.datasets.user import load_folder, load_jarvis, load_matbench, load_megnet
from tests.fuzz import DATA, Subject, files_of
from tests.fuzz.workers import Refused
from tests.models.cif_text import SALT, SALT_CELL, block

_SYMBOL = (
    "_space_group_name_H-M_alt 'F m -3 m'",
    "_space_group_IT_number 225",
    "_space_group_name_Hall '-F 4 2 3'",
    "_chemical_formula_sum 'Na Cl'",
    "_cell_formula_units_Z 4",
)


def structure_subjects(mapped: MappedModel) -> list[Subject]:
    dataset = load_dataset("dielectric")
    few = [dataset.crystals[n].to_structure() for n in (3, 77, 400)]
    salt = Structure.from_spacegroup(
        "Fm-3m", few[0].lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    cif = "".join(str(CifWriter(s)) for s in few)
    poscar = few[0].to(fmt="poscar")
    frames = "".join(
        f"Direct configuration= {n}\n"
        + "\n".join(" ".join(map(str, x)) for x in few[0].frac_coords)
        + "\n"
        for n in (1, 2)
    )
    atoms = {
        "lattice_mat": few[1].lattice.matrix.tolist(),
        "coords": few[1].frac_coords.tolist(),
        "elements": [site.specie.symbol for site in few[1]],
        "cartesian": False,
    }
    files = {
        "one.cif": str(CifWriter(salt, symprec=0.01)),
        "p1.cif": str(CifWriter(few[0])),
        "blocks.cif": cif,
        "POSCAR": poscar,
        "old.vasp": "\n".join(poscar.splitlines()[:5] + poscar.splitlines()[6:]),
        "XDATCAR": "\n".join(poscar.splitlines()[:7]) + "\n" + frames,
        "one.json": json.dumps(few[1].as_dict()),
        "many.json": json.dumps(
            [s.as_dict() for s in few] + [atoms, {"id": "c", "structure": cif}]
        ),
        "two.extxyz": 2 * _extxyz(few[2]),
        "lines.jsonl": "".join(json.dumps(x) + "\n" for x in (few[1].as_dict(), {"atoms": atoms})),
        "symbol.cif": block((SALT[0], SALT[4]), SALT_CELL, _SYMBOL),
    }
    packed = {
        f"{n}.gz": gzip_bytes(t.encode()) for n, t in files.items() if n in ("one.cif", "one.json")
    }
    predictor = DigitalPredictor(mapped.model)
    everything = {name: text.encode() for name, text in files.items()} | packed
    return [
        Subject(f"structure {name}", {name: data}, partial(_predict, predictor=predictor), weight=2)
        for name, data in everything.items()
    ] + [
        Subject("labelled folder", files_of(DATA / "cgcnn"), load_folder),
        *(
            Subject(
                name, {name: (DATA / name).read_bytes()}, partial(_dataset, name=name), weight=0.5
            )
            for name in _LOADERS
        ),
        Subject(
            "wbm", {"wbm.json.gz": _wbm()}, lambda f: load_out_of_distribution(f / "wbm.json.gz")
        ),
    ]


def _extxyz(structure: Structure) -> str:
    cell = " ".join(map(str, structure.lattice.matrix.ravel()))
    rows = [f"{s.specie.symbol} {' '.join(map(str, s.coords))}\n" for s in structure]
    return (
        f'{len(rows)}\nLattice="{cell}" Properties=species:S:1:pos:R:3 pbc="T T T"\n{"".join(rows)}'
    )


def gzip_bytes(data: bytes) -> bytes:
    """Packed, always the same."""
    return gzip.compress(data, 1, mtime=0)


def _wbm() -> bytes:
    dataset = load_dataset("dielectric")
    records = [
        {
            "id": i,
            "z": c.numbers.tolist(),
            "cell": c.lattice.ravel().tolist(),
            "x": c.frac_coords.ravel().tolist(),
            "efc": -1.5,
        }
        for i, c in zip(dataset.ids[:3], dataset.crystals, strict=False)
    ]
    return gzip_bytes(json.dumps({"meta": {}, "records": records}).encode())


_LOADERS: dict[str, Callable[[Path], object]] = {
    "jarvis_dft_3d.json": lambda p: load_jarvis(p, "formation_energy_peratom", split="formula"),
    "megnet.json": lambda p: load_megnet(p, "gap pbe", split="formula"),
    "matbench_dielectric.json.gz": lambda p: load_matbench(p, split="formula"),
}


def _dataset(folder: Path, name: str) -> None:
    for skip in _LOADERS[name](folder / name).skipped:  # type: ignore[attr-defined]
        _check_line(str(skip))


MAX_STRUCTURES = 500
"""Structures of an input that are predicted: honest work grows with their number."""


def _predict(folder: Path, predictor: DigitalPredictor) -> None:
    """As ``lightframe predict``: the table printed and written, also the reasons in it."""
    files = [p for p in folder.iterdir() if not p.is_dir()] or [folder]
    structures = islice(iter_structures(expand(sorted(files))), MAX_STRUCTURES)
    table = predict_structures(structures, predictor)
    (_csv(table) + _json(table, {})).encode()
    print_predictions(table)
    notes = [note for row in table.rows for note in row.notes]
    for line in (*map(str, table.skipped), *table.notes, *notes):
        _check_line(line)
    if not table.rows:
        raise Refused(table.skipped[0].reason)


def _check_line(line: str) -> None:
    assert line.isprintable(), line
    assert len(line) < 1000, line
