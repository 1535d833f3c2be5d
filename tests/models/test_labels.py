"""Labels: standardisation, logarithms and the way back to physical units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.datasets import dataset_names, load_dataset
from models.labels import LOG10_FLOORS, Label
from tests.tolerances import CLOSED_FORM_F64

VALUES = np.array([0.5, 2.0, 8.0, 33.0, 120.0])


def fitted(name: str, values: np.ndarray = VALUES) -> Label:
    return Label.fit(name, "test", "GPa", "a label", values)


@pytest.mark.parametrize(
    ("name", "transform"), [("K", "log10"), ("n", "log10"), ("gap", "identity")]
)
def test_fit_standardises_the_training_values(name: str, transform: str) -> None:
    label = fitted(name)
    assert label.transform == transform
    assert (label.name, label.dataset, label.unit) == (name, "test", "GPa")
    standardised = label.standardise(VALUES)
    error = max(abs(standardised.mean()), abs(standardised.std() - 1))
    assert error < CLOSED_FORM_F64, f"mean 0 and deviation 1 missed by {error:.1e}"


def test_logarithm_has_base_ten() -> None:
    label = fitted("K", np.array([1.0, 100.0]))
    assert (label.mean, label.std) == (1.0, 1.0)
    assert label.to_physical(np.array([-1.0, 0.0, 2.0])).tolist() == [1.0, 10.0, 1000.0]


@given(value=st.floats(1e-2, 1e4))
def test_to_physical_undoes_standardise(value: float) -> None:
    for name in ("K", "gap"):
        label = fitted(name)
        back = label.to_physical(label.standardise(np.array([value])))[0]
        error = abs(back / value - 1)
        assert error < CLOSED_FORM_F64, f"{name}: {value} comes back with error {error:.1e}"


def test_to_physical_keeps_the_shape() -> None:
    assert fitted("K").to_physical(np.zeros((4, 3, 2))).shape == (4, 3, 2)


@pytest.mark.parametrize(("name", "floor"), [(n, f) for n, f in LOG10_FLOORS.items() if f > 0])
def test_values_below_the_floor_count_as_the_floor(name: str, floor: float) -> None:
    label = fitted(name, np.array([0.0, floor / 10, 1.0, 10.0]))
    assert label.floor == floor
    values = label.standardise(np.array([-1.0, 0.0, floor]))
    assert np.isfinite(values).all()
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("dataset", dataset_names())
def test_every_shipped_label_has_finite_standardised_values(dataset: str) -> None:
    """A logarithm without floor needs labels that are all positive."""
    data = load_dataset(dataset)
    for name, values in data.labels.items():
        label = Label.fit(name, dataset, data.units[name], data.descriptions[name], values)
        assert np.isfinite(label.standardise(values)).all(), name


def test_labels_without_spread_are_refused() -> None:
    with pytest.raises(ValidationError, match="std"):
        fitted("gap", np.full(4, 2.0))


@pytest.mark.parametrize(
    "field", [{"std": 0.0}, {"transform": "ln"}, {"floor": -1.0}, {"color": 1}]
)
def test_invalid_labels_are_refused(field: dict[str, object]) -> None:
    content = fitted("K").model_dump() | field
    with pytest.raises(ValidationError, match=next(iter(field))):
        Label.model_validate(content)
