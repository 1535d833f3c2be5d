"""CrystalModel: predictions in order and in physical units, refusals that name the structure."""

import numpy as np
import pytest
import torch
from pymatgen.core import DummySpecies, Structure

from models import model as model_module
from models.crystal import Crystal, CrystalError
from models.descriptions import supercell
from models.graph import build_graph
from tests.models.networks import (
    LABELS,
    NUM_ELEMENTS,
    SETTINGS,
    outputs_of,
    prototype_graph,
    random_model,
    random_network,
)
from tests.models.prototypes import PROTOTYPES, TRICLINIC, WURTZITE
from tests.tolerances import CLOSED_FORM_F64, INVARIANCE_F64, SINGLE_PRECISION

NAMES = list(PROTOTYPES)


def largest_difference(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> float:
    """Largest relative difference over all labels; log10 labels by their logarithm."""
    assert first.keys() == second.keys()
    errors = []
    for label in LABELS:
        a, b = label.standardise(first[label.name]), label.standardise(second[label.name])
        errors.append(np.max(np.abs(a - b) / np.abs(a)))
    return float(max(errors))


def test_predictions_come_in_the_order_of_the_structures() -> None:
    model = random_model()
    together = model.predict([PROTOTYPES[name] for name in NAMES])
    assert set(together) == {"index", "energy"}
    for index, name in enumerate(NAMES):
        alone = model.predict([PROTOTYPES[name]])
        picked = {key: values[index : index + 1] for key, values in together.items()}
        error = largest_difference(alone, picked)
        assert error < INVARIANCE_F64, f"{name} alone and at place {index} differ by {error:.1e}"


def test_predictions_are_in_physical_units() -> None:
    outputs = outputs_of([prototype_graph("quartz")], random_model().network)[0].tolist()
    predicted = random_model().predict([PROTOTYPES["quartz"]])
    expected = {"index": 10 ** (0.3 + 0.2 * outputs[0]), "energy": -1.5 + 0.8 * outputs[1]}
    for key, value in expected.items():
        assert predicted[key].dtype == np.float64
        assert predicted[key].shape == (1,)
        error = abs(predicted[key][0] / value - 1)
        assert error < CLOSED_FORM_F64, f"{key} off by {error:.1e}"


def test_logarithmic_labels_are_positive() -> None:
    predicted = random_model().predict([PROTOTYPES[name] for name in NAMES])
    assert (predicted["index"] > 0).all()


def test_no_structures_give_empty_arrays() -> None:
    predicted = random_model().predict([])
    assert {key: values.shape for key, values in predicted.items()} == {
        "index": (0,),
        "energy": (0,),
    }


def test_pymatgen_structures_and_crystals_agree() -> None:
    model = random_model()
    structures = [PROTOTYPES[name].to_structure() for name in ("wurtzite", "triclinic")]
    error = largest_difference(model.predict([WURTZITE, TRICLINIC]), model.predict(structures))
    assert error < INVARIANCE_F64, f"differ by {error:.1e}"


def test_single_precision_predicts_the_same() -> None:
    crystals = [PROTOTYPES[name] for name in NAMES]
    single = random_model(torch.float32)
    assert single.dtype == torch.float32
    error = largest_difference(random_model().predict(crystals), single.predict(crystals))
    assert error < SINGLE_PRECISION, f"float32 differs by {error:.1e}"


def test_small_batches_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    crystals = [PROTOTYPES[name] for name in NAMES]
    expected = random_model().predict(crystals)
    monkeypatch.setattr(model_module, "MAX_EDGES_PER_BATCH", 300)
    graphs = [prototype_graph(name) for name in NAMES]
    batches = list(random_model().batches(graphs))
    assert len(batches) > 4
    assert sum(batch.num_crystals for batch in batches) == len(NAMES)
    error = largest_difference(expected, random_model().predict(crystals))
    assert error < INVARIANCE_F64, f"batch size changes predictions by {error:.1e}"


def test_a_crystal_above_the_batch_size_gets_its_own_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "MAX_EDGES_PER_BATCH", 1)
    graphs = [prototype_graph("fcc"), prototype_graph("hcp")]
    assert [batch.num_crystals for batch in random_model().batches(graphs)] == [1, 1]


def test_changing_precision_leaves_the_model_as_it_is() -> None:
    model = random_model()
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    assert model.to(torch.float32) is not model
    assert all(torch.equal(before[key], value) for key, value in model.network.state_dict().items())
    assert model.dtype == torch.float64


def test_replaced_weights_act_for_one_call_only() -> None:
    model = random_model()
    batches = list(model.batches([prototype_graph("rutile")]))
    before = model.standardised(batches)
    weight = model.network.head.outer.weight
    doubled = model.standardised(batches, weights={"head.outer.weight": 2 * weight})
    bias = model.network.head.outer.bias
    error = float((doubled - bias - 2 * (before - bias)).abs().max())
    assert error < CLOSED_FORM_F64 * float(before.abs().max()), f"head not doubled: {error:.1e}"
    assert torch.equal(before, model.standardised(batches))


def test_predictions_carry_no_gradient() -> None:
    model = random_model()
    outputs = model.standardised(list(model.batches([prototype_graph("fcc")])))
    assert not outputs.requires_grad


def test_predictions_are_reproducible_bit_for_bit() -> None:
    crystals = [PROTOTYPES[name] for name in ("quartz", "pyrite")]
    first, second = (random_model().predict(crystals) for _ in range(2))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_atoms_on_top_of_each_other_are_refused_by_place_in_the_list() -> None:
    clash = Crystal([1, 8], 4 * np.eye(3), [[0, 0, 0], [0, 0, 0.05]])
    with pytest.raises(
        CrystalError, match=r"^structure 1: sites 0 and 1 are 0\.200 Angstrom apart"
    ):
        random_model().predict([WURTZITE, clash])


def test_partial_occupancy_is_refused_by_place_in_the_list() -> None:
    disordered = Structure(4 * np.eye(3), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with pytest.raises(CrystalError, match=r"^structure 2: site 0 .* is partly occupied"):
        random_model().predict([WURTZITE, TRICLINIC, disordered])


def test_dummy_species_are_refused() -> None:
    dummy = Structure(4 * np.eye(3), [DummySpecies("X")], [[0, 0, 0]])
    with pytest.raises(CrystalError, match=r"^structure 0: site 0 .* holds no element"):
        random_model().predict([dummy])


def test_elements_without_features_are_refused() -> None:
    crystal = Crystal([NUM_ELEMENTS + 1], 4 * np.eye(3), [[0, 0, 0]])
    message = r"^structure 0: site 0 \(At, Z = 85\): no features for elements beyond Z = 84"
    with pytest.raises(CrystalError, match=message):
        random_model().predict([crystal])


@pytest.mark.parametrize(
    ("crystal", "message"),
    [
        (supercell(WURTZITE, (7, 7, 6)), r"1176 sites in the cell \(at most 1,000\)"),
        (Crystal([2], 30 * np.eye(3), [[0, 0, 0]]), r"site 0 \(He\) has no neighbour within"),
        (Crystal(WURTZITE.numbers, WURTZITE.lattice / 1e3, WURTZITE.frac_coords), "wrong unit"),
    ],
)
def test_what_is_no_crystal_is_refused_before_its_graph(crystal: Crystal, message: str) -> None:
    with pytest.raises(CrystalError, match=f"^structure 1: .*{message}"):
        random_model().predict([WURTZITE, crystal])


def test_the_last_element_with_features_is_accepted() -> None:
    crystal = Crystal([NUM_ELEMENTS], 3.3 * np.eye(3), [[0, 0, 0]])
    assert np.isfinite(random_model().predict([crystal])["energy"]).all()


def test_networks_of_different_seeds_differ() -> None:
    graph = build_graph(WURTZITE, SETTINGS)
    first, second = (outputs_of([graph], random_network(seed)) for seed in (0, 1))
    assert not torch.equal(first, second)


def test_replaced_weights_of_unknown_name_are_refused() -> None:
    model = random_model()
    batches = list(model.batches([prototype_graph("fcc")]))
    weights = {"head.outer.wieght": torch.zeros(2, 12, dtype=torch.float64)}
    with pytest.raises(ValueError, match="wieght"):
        model.standardised(batches, weights=weights)
