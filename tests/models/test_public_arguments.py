"""Arguments of the public calls of models: wrong ones are refused by name, before any work."""

import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Molecule, Structure

import models
from models import Crystal, CrystalError, GraphSettings, NetworkConfig
from models.crystal import CrystalWarning
from models.crystal.found import NamedCrystal
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
    with pytest.raises(TypeError, match=r"`structures` must be one or a sequence of .* got"):
        model.predict(bad)


@pytest.mark.parametrize("bad", [None, 3, [STRUCTURE], Molecule(["H"], [[0, 0, 0]])])
def test_predict_names_what_is_no_structure(model, bad):
    with pytest.raises(CrystalError, match="structure 1: a periodic structure is needed, got"):
        model.predict([STRUCTURE, bad])


def test_predict_takes_structures_of_every_kind(model, tmp_path):
    """One of each kind, alone and together; a file stands for all its structures."""
    ase = pytest.importorskip("ase")
    atoms = ase.Atoms(
        "NaCl", positions=STRUCTURE.cart_coords, cell=STRUCTURE.lattice.matrix, pbc=True
    )
    path = tmp_path / "POSCAR"
    path.write_text(STRUCTURE.to(fmt="poscar"))
    kinds = [STRUCTURE, CRYSTAL, atoms, path, str(path), NamedCrystal("x", CRYSTAL)]
    expected = model.predict([STRUCTURE])["n"]
    for kind in kinds:
        np.testing.assert_allclose(model.predict(kind)["n"], expected, rtol=INVARIANCE_F32)
    assert model.predict(kinds)["n"].shape == (6,)
    two = tmp_path / "two.json"
    two.write_text(json.dumps([STRUCTURE.as_dict()] * 2))
    assert model.predict([two, CRYSTAL], labels=["gap"])["gap"].shape == (3,)
    assert list(model.predict(CRYSTAL, labels=["gap", "n"])) == ["gap", "n"]


def test_predict_refuses_what_is_not_periodic_in_one_line(model, tmp_path):
    ase = pytest.importorskip("ase")
    slab = Structure(Lattice(4 * np.eye(3), pbc=(True, True, False)), ["Na"], [[0, 0, 0]])
    for bad in (ase.Atoms("H"), [slab], slab):
        with pytest.raises(CrystalError, match=r"^structure 0: not periodic in three"):
            model.predict(bad)
    with pytest.raises(CrystalError, match=r"^structure 1: .*nowhere\.cif: no such file"):
        model.predict([STRUCTURE, tmp_path / "nowhere.cif"])


def test_predict_warns_of_what_the_reader_noted(model, tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(block(items=()))
    with pytest.warns(CrystalWarning, match=r"structure 1 \(.*x\.cif\): states no symmetry"):
        model.predict([CRYSTAL, path])
    with pytest.warns(CrystalWarning, match="structure 0: by hand") as caught:
        model.predict(
            [Crystal(CRYSTAL.numbers, CRYSTAL.lattice, CRYSTAL.frac_coords, ("by hand",))]
        )
    assert [warning.filename for warning in caught] == [__file__]


def test_warnings_of_predict_are_bounded(model, monkeypatch):
    monkeypatch.setattr("models.model.MAX_WARNINGS", 2)
    noted = dataclasses.replace(CRYSTAL, notes=("a", "b", "c"))
    with pytest.warns(CrystalWarning) as caught:
        model.predict([noted, noted])
    assert [str(warning.message) for warning in caught] == [
        "structure 0: a", "structure 0: b", "and 4 more notes on structures"
    ]  # fmt: skip


@pytest.mark.parametrize("bad", ["n", [], ["n", "m"], [3]])
def test_predict_names_the_labels_that_there_are(model, bad):
    with pytest.raises(ValueError, match=r"`labels` must be a list|no label .*; there are n, gap"):
        model.predict(STRUCTURE, labels=bad)


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
