"""Arguments of the public calls of models: wrong ones are refused by name, before any work."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Molecule, Structure

import models
from models import Crystal, CrystalError, GraphSettings, NetworkConfig
from models.crystal import CrystalWarning
from tests.models.cif_text import block
from tests.tolerances import INVARIANCE_F32

STRUCTURE = Structure(Lattice.cubic(4.0), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CRYSTAL = Crystal.from_structure(STRUCTURE)
SETTINGS = GraphSettings()
NAN = float("nan")
GOOD = {"numbers": np.array([14]), "lattice": 4.0 * np.eye(3), "frac_coords": np.zeros((1, 3))}


@pytest.fixture(scope="module")
def model():
    return models.load_checkpoint("refractive_index")


@pytest.fixture(scope="module")
def dataset():
    return models.load_dataset("piezo")


CRYSTAL_ARGUMENTS = {
    "numbers": [
        None,
        "x",
        14,
        [],
        [1.5],
        [True],
        ["Si"],
        [0],
        [119],
        [NAN],
        [14j],
        [[14]],
        [[1], []],
    ],
    "lattice": [
        None,
        "x",
        np.eye(2),
        1j * np.eye(3),
        np.eye(3) > 0,
        np.full((3, 3), NAN),
        np.zeros((3, 3)),
        torch.eye(3, requires_grad=True),
        [["a"] * 3] * 3,
    ],
    "frac_coords": [
        None,
        "x",
        [0, 0, 0],
        np.zeros((2, 3)),
        [[0, 0, NAN]],
        [[0, 0, 1j]],
        [["0", "0", "0"]],
        [[True, False, True]],
    ],
}


@pytest.mark.parametrize("name", CRYSTAL_ARGUMENTS)
def test_crystals_of_anything_but_numbers_are_refused(name):
    for bad in CRYSTAL_ARGUMENTS[name]:
        with pytest.raises(CrystalError, match=r"`|finite|atomic numbers|volume"):
            Crystal(**(GOOD | {name: bad}))


def test_crystals_take_lists_and_tensors():
    found = Crystal([14.0], torch.eye(3) * 4, [[0, 0, 0]])
    for name, expected in GOOD.items():
        np.testing.assert_array_equal(getattr(found, name), expected)
        assert getattr(found, name).dtype == expected.dtype


@pytest.mark.parametrize("bad", [None, 3, {}, b"x"], ids=lambda bad: type(bad).__name__)
def test_predict_wants_structures(model, bad):
    with pytest.raises(TypeError, match="`structures` must be a pymatgen Structure, a Crystal, an"):
        model.predict(bad)


@pytest.mark.parametrize("bad", [None, 3, [STRUCTURE], Molecule(["H"], [[0, 0, 0]])])
def test_predict_names_what_is_no_structure(model, bad):
    with pytest.raises(CrystalError, match="structure 1: a periodic structure is needed, got"):
        model.predict([STRUCTURE, bad])


def test_predict_takes_structures_of_every_kind(model, tmp_path):
    atoms = pytest.importorskip("ase").Atoms(
        "NaCl", positions=STRUCTURE.cart_coords, cell=STRUCTURE.lattice.matrix, pbc=True
    )
    path = tmp_path / "POSCAR"
    path.write_text(STRUCTURE.to(fmt="poscar"))
    kinds = [STRUCTURE, CRYSTAL, atoms, path, str(path)]
    expected = model.predict([STRUCTURE])["n"]
    for kind in kinds:
        np.testing.assert_allclose(model.predict(kind)["n"], expected, rtol=INVARIANCE_F32)
    assert model.predict(kinds)["n"].shape == (5,)
    with pytest.raises(CrystalError, match=r"structure 1: .*nowhere\.cif: no such file"):
        model.predict([STRUCTURE, tmp_path / "nowhere.cif"])
    with pytest.raises(CrystalError, match="not periodic in three directions"):
        model.predict(pytest.importorskip("ase").Atoms("H"))
    slab = Structure(Lattice(4 * np.eye(3), pbc=(True, True, False)), ["Na"], [[0, 0, 0]])
    with pytest.raises(CrystalError, match="structure 0: not periodic in three directions"):
        model.predict([slab])


def test_predict_warns_of_what_the_reader_noted(model, tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(block(items=()))
    with pytest.warns(CrystalWarning, match="structure 0: states no symmetry"):
        model.predict(path)


def test_replaced_weights_are_tensors_of_the_network(model):
    batches = list(model.batches([model.graph(CRYSTAL)]))
    for bad in (3, None, np.zeros(3)):
        with pytest.raises(TypeError, match=r"`head\.inner\.weight` must be a tensor"):
            model.standardised(batches, {"head.inner.weight": bad})


@pytest.mark.parametrize("bad", ["float64", None, 3, torch.int64, torch.float16, torch.complex64])
def test_models_compute_in_single_or_double_precision(model, bad):
    with pytest.raises(TypeError, match="`dtype` must be float32 or float64"):
        model.to(bad)
    with pytest.raises(TypeError, match="`dtype` must be float32 or float64"):
        models.load_checkpoint("refractive_index", dtype=bad)


@pytest.mark.parametrize("bad", [None, 3, True, torch.ones(2), b"x"])
def test_names_are_text(bad):
    with pytest.raises(TypeError, match="`name` must be a name"):
        models.load_dataset(bad)
    with pytest.raises(TypeError, match="`name_or_dir` must be a name or a path"):
        models.load_checkpoint(bad)


def test_folds_are_numbers_of_folds(dataset):
    for bad in (None, "1", 1.5, True, 5, -1, NAN):
        with pytest.raises(ValueError, match="`test_fold` must be 0 to 4"):
            dataset.split(bad)
    same = (dataset.split(2).test, dataset.split(np.int64(2)).test)
    np.testing.assert_array_equal(*same)


@pytest.mark.parametrize("bad", [None, 3, "x", STRUCTURE, SimpleNamespace()])
def test_graphs_are_built_of_crystals_with_settings(bad):
    with pytest.raises(TypeError, match="`crystal` must be a Crystal"):
        models.build_graph(bad, SETTINGS)
    with pytest.raises(TypeError, match="`settings` must be a GraphSettings"):
        models.build_graph(CRYSTAL, bad)


WRONG = {int: [None, "3", True, 1.5, -1, NAN], float: [None, "x", True, -1.0, NAN, np.inf]}


@pytest.mark.parametrize("settings", [GraphSettings, NetworkConfig])
def test_fields_of_settings_are_strict(settings):
    checked = 0
    for name, field in settings.model_fields.items():
        for bad in WRONG.get(field.annotation, []):
            with pytest.raises(ValueError, match=re.escape(name)):
                settings(**{name: bad})
            checked += 1
    assert checked > 20
