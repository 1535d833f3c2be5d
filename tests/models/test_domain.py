"""What a prediction is worth: metals, vacuum, molecules, elements and sizes beyond training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from models import Crystal, CrystalModel, CrystalWarning, load_checkpoint, load_dataset
from models.connectivity import (
    COVALENT_RADII,
    finite_groups,
    widest_gap,
)
from models.crystal.found import NamedCrystal
from models.domain import NONMETALS, Domain, structure_notes
from models.graph import GraphSettings, build_graph
from models.model import means_of_structures, scatter_note
from tests.models.user_files import rutile, salt
from tests.tolerances import CLOSED_FORM_F64, GEOMETRY_F64, INVARIANCE_F32, STORED_VOLUME

COPPER = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0, 0, 0]])
DRY_ICE = Structure.from_spacegroup(
    "Pa-3", Lattice.cubic(5.62), ["C", "O"], [[0, 0, 0], [0.1185, 0.1185, 0.1185]]
)
SETTINGS = GraphSettings(num_neighbours=14)
UNIMODULAR = [
    np.eye(3),
    np.array([[1, 0, 0], [1, 1, 0], [0, 2, 1]]),
    np.array([[0, 1, 0], [0, 0, 1], [1, 3, -2]]),
]


@pytest.fixture(scope="module")
def model() -> CrystalModel:
    return load_checkpoint("multitask")


def crystal(structure: Structure) -> Crystal:
    return Crystal.from_structure(structure)


def sheared(structure: Structure, basis: np.ndarray) -> Structure:
    lattice = Lattice(basis @ structure.lattice.matrix)
    return Structure(
        lattice, structure.species, structure.cart_coords + 8, coords_are_cartesian=True
    )


def slab(vacuum: float) -> Structure:
    """Two layers of rutile along c, and nothing else in the cell but so much vacuum."""
    two = rutile() * (1, 1, 2)
    height = two.lattice.c + vacuum
    return Structure(
        Lattice.tetragonal(two.lattice.a, height), two.species, two.cart_coords,
        coords_are_cartesian=True,
    )  # fmt: skip


# Structure alone


def test_radii_are_those_of_ase() -> None:
    radii = pytest.importorskip("ase.data").covalent_radii
    assert np.abs(np.array(COVALENT_RADII) - radii[1:97]).max() < CLOSED_FORM_F64


@given(vacuum=st.floats(4, 30), basis=st.sampled_from(UNIMODULAR))
def test_the_widest_gap_of_a_slab_is_its_vacuum(vacuum: float, basis: np.ndarray) -> None:
    """The layers of rutile are half its c apart; that of the vacuum is as much wider."""
    found = widest_gap(crystal(sheared(slab(vacuum), basis)))
    assert found == pytest.approx(vacuum + rutile().lattice.c / 2, abs=GEOMETRY_F64)


@pytest.mark.parametrize("basis", UNIMODULAR)
def test_molecules_are_found_in_any_cell(basis: np.ndarray) -> None:
    for size in (1, 2):
        packed = sheared(DRY_ICE * (size, 1, 1), basis)
        groups, is_all = finite_groups(build_graph(crystal(packed), SETTINGS))
        assert (dict(groups), is_all) == ({("CO2", 3): 4}, True)


@pytest.mark.parametrize("structure", [rutile(), salt(), COPPER], ids=["rutile", "salt", "copper"])
def test_frameworks_have_no_finite_groups(structure: Structure) -> None:
    graph = build_graph(crystal(structure), SETTINGS)
    groups, is_all = finite_groups(graph)
    assert not groups and not is_all
    assert structure_notes(crystal(structure), graph) == []


def test_chains_and_layers_are_no_molecules() -> None:
    chain = Structure(Lattice.tetragonal(8, 2.4), ["Se", "Se"], [[0, 0, 0.25], [0.05, 0, 0.75]])
    layer = Structure(
        Lattice.hexagonal(3.19, 15), ["Mo", "S", "S"],
        [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.604], [2 / 3, 1 / 3, 0.396]],
    )  # fmt: skip
    for endless in (chain, layer):
        found = crystal(endless)
        graph = build_graph(found, SETTINGS)
        assert finite_groups(graph) == ({}, False)
        [note] = structure_notes(found, graph)
        assert "holds no atom: vacuum is no part of a crystal" in note


def test_molecules_in_vacuum_are_both() -> None:
    cell = Lattice.cubic(14)
    water = Structure(
        cell, ["O", "H", "H"], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]],
        coords_are_cartesian=True,
    )  # fmt: skip
    notes = structure_notes(crystal(water), build_graph(crystal(water), SETTINGS))
    assert len(notes) == 2 and "all bonded groups are finite (1 H2O in" in notes[1]


def test_vacuum_is_rare_in_the_shipped_data() -> None:
    """The limit of 6 Angstrom: none of 1,056 dielectric crystals, layered ones among them."""
    gaps = [widest_gap(one) for one in load_dataset("dielectric").crystals]
    assert max(gaps) < 4.5


# Beside the training set


def notes_of(domain: Domain, model: CrystalModel, structure: Structure) -> str:
    found = crystal(structure)
    return " | ".join(domain.report(found, model.graph(found)).notes)


def test_elements_and_sizes_outside_are_named_with_their_labels(model: CrystalModel) -> None:
    plutonium = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.4), ["Pu", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]
    )
    text = "elements without training crystals: Pu for n, gap, eps_t, K, G, eij_max"
    assert text in notes_of(model.domain(), model, plutonium)
    assert "Pu for gap" in notes_of(model.domain(["gap"]), model, plutonium)
    assert "elements" not in notes_of(model.domain(["ef"]), model, plutonium)
    large = rutile() * (1, 2, 2)
    large.replace(0, "Zr")
    text = "24 sites in the primitive cell, in training 2 to 20 for n, gap, eps_t and 2 to 14 for"
    assert text in notes_of(model.domain(), model, large)
    # Cells without an atom out of place are that of rutile.
    assert "sites" not in notes_of(model.domain(), model, rutile() * (1, 2, 2))
    wide = Structure(Lattice.cubic(5.7), ["Cs"], [[0, 0, 0]])
    assert "Angstrom^3 per atom, in training 6." in notes_of(model.domain(["n"]), model, wide)


def test_formulas_that_were_trained_on(model: CrystalModel) -> None:
    dataset, record = load_dataset("dielectric"), model.training_set
    domain, optical = model.domain(), model.domain(["n", "gap"])
    texts = set()
    for index in range(0, len(dataset), 40):
        one = dataset.crystals[index]
        is_held_out = dataset.folds[index] == model.info["test_fold"]
        report = optical.report(one, model.graph(one))
        assert report.in_training == ("no" if is_held_out else "yes")
        nearest = report.nearest["dielectric"][0]
        assert nearest.distance < STORED_VOLUME or is_held_out
        known = domain.report(one, model.graph(one)).known_labels
        expected = [x.name for x in model.labels
                    if one.formula_key in record.crystals[x.dataset].formulas]  # fmt: skip
        assert sorted(known) == sorted(expected)
        texts.add(domain.report(one, model.graph(one)).in_training)
    assert any(text.startswith("for n gap eps_t") for text in texts) and "no" in texts


def test_far_crystals_are_noted_with_the_nearest_one(model: CrystalModel) -> None:
    report = model.domain(["n"]).report(crystal(COPPER), model.graph(crystal(COPPER)))
    first = report.nearest["dielectric"][0]
    assert first == report.nearest_of_all and first.distance > 0.4
    assert f"nearest for n {first.id} ({first.formula}) at {first.distance:.2f}" in report.notes[-1]


def test_a_checkpoint_without_a_record_tells_of_structure_alone(model: CrystalModel) -> None:
    bare = CrystalModel(model.network, model.graph_settings, model.labels, model.info)
    found = crystal(DRY_ICE)
    report = bare.domain().report(found, bare.graph(found))
    assert (report.in_training, report.nearest, report.nearest_of_all) == ("", {}, None)
    assert report.notes == tuple(structure_notes(found, bare.graph(found)))
    assert bare.domain().value_notes(crystal(COPPER), {"n": 99.0, "gap": -1.0}) == []


# Metals


def test_metals_are_told_of_in_python(model: CrystalModel) -> None:
    """Copper gets n = 6.3, and gap and eps_t that mean as little."""
    with pytest.warns(CrystalWarning) as caught:
        values = model.predict(COPPER)
    assert values["n"][0] > 6
    texts = [str(warning.message) for warning in caught]
    assert any(
        "structure 0: likely a metal (metallic elements only): n, gap, eps_t were trained on "
        "insulators with gaps from 0.11 eV on" in text
        for text in texts
    )
    with pytest.warns(CrystalWarning) as caught:
        model.predict(COPPER, labels=["K", "eij_max"])
    assert not any("metal" in str(warning.message) for warning in caught)


def test_small_predicted_gaps_are_a_sign_of_metals_also_unseen(model: CrystalModel) -> None:
    values = {"n": 3.0, "gap": 0.02, "eps_t": 12.0}
    [note] = model.domain(["n"]).value_notes(crystal(rutile()), values)
    assert note.startswith("likely a metal (predicted gap 0.02 eV): n were trained")
    assert model.domain(["n"]).value_notes(crystal(rutile()), values | {"gap": 0.2}) == []


def test_values_beyond_those_of_training_are_noted(model: CrystalModel) -> None:
    values = {"n": 99.0, "gap": 3.0, "eps_t": 12.0, "ef": -9.0}
    notes = model.domain(["n", "ef"]).value_notes(crystal(rutile()), values)
    assert [note.split(" is beyond")[0] for note in notes] == ["n 99", "ef -9 eV/atom"]


def test_false_alarms_of_the_rule_on_insulators() -> None:
    """15 of 1,056 (1.4 %), such as CsAu and half-Heusler compounds, hold metallic elements only."""
    dataset = load_dataset("dielectric")
    alarms = [NONMETALS.isdisjoint(one.numbers.tolist()) for one in dataset.crystals]
    assert (sum(alarms), len(alarms)) == (15, 1056)


# Orderings


def test_orderings_are_one_prediction(model: CrystalModel) -> None:
    first, second, third = load_dataset("dielectric").crystals[:3]
    entries = [NamedCrystal("x", first, (second,)), NamedCrystal("y", third)]
    with pytest.warns(CrystalWarning, match=r"structure 0 \(x\): mean of 2 orderings, standard"):
        found = model.predict(entries, labels=["n", "gap"])
    alone = model.predict([first, second, third])
    for name, values in found.items():
        expected = [alone[name][:2].mean(), alone[name][2]]
        assert values == pytest.approx(expected, rel=INVARIANCE_F32)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_means_are_those_of_each_structure(sizes: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(3, sum(sizes), 2))
    ends = np.cumsum(sizes)
    expected = [values[:, e - s : e].mean(axis=1) for s, e in zip(sizes, ends, strict=True)]
    found = means_of_structures(values, sizes)
    assert found == pytest.approx(
        np.stack(expected, axis=1), rel=CLOSED_FORM_F64, abs=CLOSED_FORM_F64
    )
    if set(sizes) == {1}:
        assert np.array_equal(found, values)


def test_scatter_has_units(model: CrystalModel) -> None:
    values = {"n": np.array([1.0, 2.0]), "gap": np.array([3.0, 3.2])}
    note = scatter_note(values, model.labels_named(["n", "gap"]))
    assert note == "mean of 2 orderings, standard deviation n 0.71, gap 0.14 eV"
