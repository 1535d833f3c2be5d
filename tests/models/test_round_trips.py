"""Crystals written by other programs and read again have the same predictions."""

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import ase
import ase.io
import gemmi
import numpy as np
import pytest
from pymatgen.io.cif import CifWriter

from models.checkpoint import load_checkpoint
from models.crystal.crystal import Crystal
from models.crystal.found import NamedCrystal
from models.crystal.read import read_structure_file
from models.crystal.species import symbol_of
from models.datasets import dataset_names, load_dataset
from models.model import CrystalModel
from tests.tolerances import ROUND_TRIP

EVERY = 97


def ase_atoms(crystal: Crystal) -> ase.Atoms:
    return ase.Atoms(
        numbers=crystal.numbers,
        scaled_positions=crystal.frac_coords,
        cell=crystal.lattice,
        pbc=True,
    )


def by_ase(form: str) -> Callable[[Crystal], str]:
    def write(crystal: Crystal) -> str:
        binary = form == "cif"
        stream = io.BytesIO() if binary else io.StringIO()
        ase.io.write(stream, ase_atoms(crystal), format=form)
        value = stream.getvalue()
        return value.decode() if isinstance(value, bytes) else value

    return write


def cif_of_gemmi(crystal: Crystal) -> str:
    small = gemmi.SmallStructure()
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    angles = [
        np.degrees(np.arccos(crystal.lattice[i] @ crystal.lattice[j] / lengths[i] / lengths[j]))
        for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    small.cell = gemmi.UnitCell(*lengths, *angles)
    small.spacegroup_hm = "P 1"
    for number, position in zip(crystal.numbers, crystal.frac_coords, strict=True):
        site = gemmi.SmallStructure.Site()
        site.element = gemmi.Element(symbol_of(int(number)))
        site.type_symbol = site.label = symbol_of(int(number))
        site.fract = gemmi.Fractional(*position)
        site.occ = 1.0
        small.add_site(site)
    document = gemmi.cif.Document()
    document.add_copied_block(small.make_cif_block())
    return document.as_string()


WRITERS: dict[str, tuple[str, Callable[[Crystal], str]]] = {
    "CIF of pymatgen": ("x.cif", lambda c: str(CifWriter(c.to_structure()))),
    "CIF of ASE": ("x.cif", by_ase("cif")),
    "CIF of gemmi": ("x.cif", cif_of_gemmi),
    "POSCAR of pymatgen": ("POSCAR", lambda c: c.to_structure().to(fmt="poscar")),
    "POSCAR of ASE": ("POSCAR", by_ase("vasp")),
    "extended XYZ of ASE": ("x.extxyz", by_ase("extxyz")),
    "JSON of pymatgen": ("x.json", lambda c: json.dumps(c.to_structure().as_dict())),
}


@pytest.fixture(scope="module")
def model() -> CrystalModel:
    return load_checkpoint("multitask")


def deviations(
    writer: str, crystals: list[Crystal], model: CrystalModel, folder: Path
) -> np.ndarray:
    """(labels, crystals) changes of standardised predictions, which are of the order of one."""
    name, write = WRITERS[writer]
    again = []
    for crystal in crystals:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (folder / name).write_text(write(crystal))
        [found] = read_structure_file(folder / name)
        assert isinstance(found, NamedCrystal), found
        assert found.crystal.notes == ()
        again.append(found.crystal)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no primitive cell within tolerance
        before, after = (
            model.standardised(list(model.batches([model.graph(c) for c in part])))
            for part in (crystals, again)
        )
    return (before - after).abs().numpy().T


@pytest.mark.parametrize("writer", WRITERS)
def test_round_trips(writer: str, model: CrystalModel, tmp_path: Path) -> None:
    crystals = [c for name in dataset_names() for c in load_dataset(name).crystals[::EVERY]]
    assert deviations(writer, crystals, model, tmp_path).max() < ROUND_TRIP


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
def test_round_trips_of_all_crystals(writer: str, model: CrystalModel, tmp_path: Path) -> None:
    crystals = [c for name in dataset_names() for c in load_dataset(name).crystals]
    assert len(crystals) == 7116
    found = deviations(writer, crystals, model, tmp_path).max(axis=0)
    print(f"{writer}: largest change {found.max():.1e}, {(found > ROUND_TRIP).sum()} above")
    assert found.max() < ROUND_TRIP
