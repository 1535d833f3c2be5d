"""Where crystals lie beside the training set, and what is noted about them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from experiments.prediction import DigitalPredictor, chosen, predict_structures
from experiments.structures import iter_structures
from experiments.training_domain import TrainingDomain, training_domain
from models.checkpoint import load_checkpoint
from models.crystal import Crystal, CrystalWarning
from models.crystal.composition import reduced_formula
from models.crystal.found import NamedCrystal
from models.crystal.remarks import empty_layer, is_likely_metal, num_molecules, structure_remarks
from models.crystal.sites import ReadOptions
from models.datasets import load_dataset
from models.model import CrystalModel
from tests.models.cif_text import RUTILE, block
from tests.models.user_files import rutile, salt

COPPER = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0, 0, 0]])


@pytest.fixture(scope="module")
def model() -> CrystalModel:
    return load_checkpoint("multitask")


@pytest.fixture(scope="module")
def domain(model: CrystalModel) -> TrainingDomain:
    return training_domain(model)


def crystal(structure: Structure) -> Crystal:
    return Crystal.from_structure(structure)


def test_training_crystals_are_their_own_nearest(domain: TrainingDomain) -> None:
    assert domain.reason == "" and sum(len(known.ids) for known in domain.sets) > 5000
    for known in domain.sets:
        for index in range(0, len(known.ids), 311):
            first = known.nearest(known.crystals[index])[0]
            assert first.distance == 0 and first.formula == reduced_formula(
                known.crystals[index].numbers
            )
            standing = domain.standing(known.crystals[index])
            assert standing.trained_labels is not None
            assert set(known.labels) <= set(standing.trained_labels)


def test_held_out_formulas_are_not_in_the_training_set(
    model: CrystalModel, domain: TrainingDomain
) -> None:
    dataset = load_dataset("dielectric")
    for index in dataset.split(int(str(model.info["test_fold"]))).test[::40]:
        standing = domain.standing(dataset.crystals[index])
        assert standing.in_training in ("no", "") or standing.in_training.startswith("for ")
        assert "n" not in (standing.trained_labels or ())


def test_elements_and_sizes_outside(domain: TrainingDomain) -> None:
    plutonium = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.4), ["Cm", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]
    )
    notes = " ".join(domain.standing(crystal(plutonium)).notes)
    assert "Cm in none of the" in notes
    wide = crystal(Structure(Lattice.cubic(5.5), ["Cs"], [[0, 0, 0]]))
    assert "Angstrom^3 per atom" in " ".join(domain.standing(wide).notes)
    assert "300 sites, at most" in " ".join(domain.standing(crystal(rutile()), 300).notes)
    assert domain.standing(crystal(rutile())).notes == ()


def test_metals(domain: TrainingDomain) -> None:
    copper = crystal(COPPER)
    [note] = domain.metal_notes(copper, {"n": 6.3, "gap": -0.1})
    assert "holds metallic elements only and has a predicted gap of -0.10 eV" in note
    assert "n, gap, eps_t mean little" in note
    assert domain.metal_notes(crystal(rutile()), {"gap": 1.8}) == []
    insulators = load_dataset("dielectric").crystals
    alarms = sum(is_likely_metal(one.numbers) for one in insulators)
    assert alarms == 15  # of 1,056, such as CsAu and half-Heusler compounds


def test_checkpoint_that_does_not_tell(model: CrystalModel) -> None:
    silent = CrystalModel(model.network, model.graph_settings, model.labels, {})
    domain = training_domain(silent)
    assert domain.reason.startswith("the training set is not known")
    standing = domain.standing(crystal(rutile()))
    assert standing.in_training == "" and standing.nearest == ()


def test_vacuum_and_molecules() -> None:
    slab = Structure(Lattice.tetragonal(4.594, 15), rutile().species, rutile().frac_coords)
    slab = Structure(slab.lattice, slab.species, slab.frac_coords * [1, 1, 0.2])
    width, axis = empty_layer(crystal(slab))
    assert axis == 2 and width == pytest.approx(15 * 0.9)
    assert "along c: a slab or chain in vacuum" in structure_remarks(crystal(slab))[0]
    ice = Structure(
        Lattice.cubic(5.0),
        ["C", "O", "O"],
        [[0.5, 0.5, 0.5], [0.5, 0.5, 0.732], [0.5, 0.5, 0.268]],
    )
    assert num_molecules(crystal(ice)) == 1
    assert num_molecules(crystal(ice * (2, 1, 1))) == 2
    for solid in (rutile(), salt(), COPPER):
        assert num_molecules(crystal(solid)) == 0
    chain = Structure(Lattice.tetragonal(8, 2.4), ["Se", "Se"], [[0, 0, 0.25], [0.05, 0, 0.75]])
    assert num_molecules(crystal(chain)) == 0
    # Another basis and other images of the same crystal say the same.
    sheared = Structure(
        Lattice(np.array([[1, 0, 0], [1, 1, 0], [0, 2, 1]]) @ ice.lattice.matrix),
        ice.species,
        ice.cart_coords + 8,
        coords_are_cartesian=True,
    )
    assert num_molecules(crystal(sheared)) == 1


def test_rows_tell_formula_training_and_notes(model: CrystalModel, tmp_path: Path) -> None:
    COPPER.to(str(tmp_path / "copper.cif"))
    table = predict_structures(
        iter_structures([tmp_path / "copper.cif"]), DigitalPredictor(model, ("gap", "n"))
    )
    assert [column.name for column in table.columns] == ["gap", "n"]
    [row] = table.rows
    assert row.formula == "Cu" and row.in_training in ("no", "yes")
    assert any("likely a metal" in note for note in row.notes)
    assert row.nearest[0].distance >= 0
    expected = model.predict([COPPER])
    assert row.values == pytest.approx([expected["gap"][0], expected["n"][0]])


def test_labels_by_name(model: CrystalModel) -> None:
    assert [label.name for label in chosen(model, ("gap", "n"))] == ["gap", "n"]
    with pytest.raises(ValueError, match="no label 'N'; there are n, gap"):
        chosen(model, ("N",))


def test_orderings_are_averaged(model: CrystalModel, tmp_path: Path) -> None:
    path = tmp_path / "x.cif"
    path.write_text(block(("Ti1 Ti 0 0 0 0.5", "Sn1 Sn 0 0 0 0.5", *RUTILE[1:])))
    predictor = DigitalPredictor(model)
    [found] = iter_structures([path], ReadOptions(disorder="average"))
    assert isinstance(found, NamedCrystal) and len(found.others) == 7
    [row] = predict_structures([found], predictor).rows
    with pytest.warns(CrystalWarning, match="ordered at random"):
        single = model.predict([found.crystal, *found.others])
    assert row.values == pytest.approx([single[c.name].mean() for c in predictor.columns], rel=1e-5)
    assert any(note.startswith("mean of 8 orderings; standard dev") for note in row.notes)
    [one] = iter_structures([path], ReadOptions(disorder="order"))
    assert isinstance(one, NamedCrystal) and one.others == ()
    assert np.array_equal(one.crystal.numbers, found.crystal.numbers)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from experiments.cli import app

    monkeypatch.chdir(tmp_path)
    COPPER.to("copper.cif")
    Path("mixed.cif").write_text(block(("Ti1 Ti 0 0 0 0.5", "Sn1 Sn 0 0 0 0.5", *RUTILE[1:])))
    arguments = ["predict", "copper.cif", "mixed.cif", "--labels", "gap,n", "--disorder", "order"]
    for name in ("x.json", "x.csv"):
        result = CliRunner().invoke(app, [*arguments, "--out", name], catch_exceptions=False)
        assert result.exit_code == 0
    rows = json.loads(Path("x.json").read_text())["predictions"]
    assert rows[0]["formula"] == "Cu"
    assert rows[0]["nearest_training"][0].keys() == {"id", "formula", "distance"}
    assert any("ordered at random" in note for note in rows[1]["notes"])
    header, first, _ = csv.reader(Path("x.csv").read_text().splitlines())
    assert header[:3] == ["file", "gap [eV]", "n"]
    assert dict(zip(header, first, strict=True))["formula"] == "Cu"
