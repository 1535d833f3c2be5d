"""The element table against textbook values, its standardisation and its builder."""

import json
from importlib import resources
from importlib.metadata import version

import numpy as np
import pytest
from pymatgen.core import Element

from models import build_elements
from models.elements import NUM_STANDARD_ELEMENTS, element_table
from tests.tolerances import STANDARDISED_F64

FEATURES = 22

# Textbook values: IUPAC masses, Pauling scale, NIST ionisation energies, CRC melting points.
KNOWN = [
    ("Fe", "atomic_mass", 55.845, "u"),
    ("F", "electronegativity", 3.98, "1"),
    ("H", "ionization_energy", 13.598434599702, "eV"),
    ("Cl", "electron_affinity", 3.61272528, "eV"),
    ("Ti", "atomic_radius", 1.76, "Angstrom"),
    ("La", "atomic_radius", 1.95, "Angstrom"),  # no calculated radius: the empirical one
    ("O", "van_der_waals_radius", 1.52, "Angstrom"),
    ("Na", "ionic_radius", 1.16, "Angstrom"),
    ("Si", "molar_volume", 12.06, "cm^3/mol"),
    ("W", "melting_point", 3695.0, "K"),
    ("F", "mendeleev_number", 102.0, "1"),
    ("U", "period", 7.0, "1"),
    ("Ce", "group", 3.0, "1"),
    ("Ce", "valence_count", 3.0, "1"),
    ("Zn", "valence_count", 12.0, "1"),
    ("Ga", "valence_count", 3.0, "1"),
    ("Ga", "d_electrons", 10.0, "1"),
    ("O", "p_electrons", 4.0, "1"),
    ("He", "s_electrons", 2.0, "1"),
    ("Cr", "s_electrons", 1.0, "1"),
    ("U", "f_electrons", 3.0, "1"),
    ("Lu", "d_block", 1.0, "1"),
    ("Yb", "f_block", 1.0, "1"),
]


def shipped_text() -> str:
    return resources.files("models").joinpath("elements.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("symbol", "name", "value", "unit"), KNOWN)
def test_known_values(symbol: str, name: str, value: float, unit: str) -> None:
    table = element_table()
    assert table.column(name)[Element(symbol).Z] == value
    assert table.units[table.names.index(name)] == unit


def test_shapes() -> None:
    table = element_table()
    assert table.values.shape == table.raw.shape == (table.max_atomic_number + 1, FEATURES)
    assert table.num_features == len(table.names) == len(set(table.names)) == FEATURES
    assert len(table.units) == FEATURES
    assert table.max_atomic_number >= 100
    assert table.values.dtype == np.float64
    assert table.source.startswith("pymatgen ")


def test_row_zero_is_no_element() -> None:
    table = element_table()
    assert not table.values[0].any()
    assert np.isnan(table.raw[0]).all()


def test_row_is_the_atomic_number() -> None:
    table = element_table()
    assert np.array_equal(
        table.column("atomic_number")[1:], np.arange(1, table.max_atomic_number + 1)
    )


def test_values_are_standardised_over_the_reference_elements() -> None:
    values = element_table().values
    assert np.isfinite(values).all()
    reference = values[1 : NUM_STANDARD_ELEMENTS + 1]
    mean = np.abs(reference.mean(axis=0)).max()
    deviation = np.abs(reference.std(axis=0) - 1).max()
    assert max(mean, deviation) <= STANDARDISED_F64, f"mean {mean:.1e}, std - 1 {deviation:.1e}"


def test_values_are_affine_in_the_raw_ones_and_missing_ones_are_the_mean() -> None:
    table = element_table()
    for raw, value in zip(table.raw[1:].T, table.values[1:].T, strict=True):
        known = ~np.isnan(raw)
        slope, offset = np.polyfit(raw[known], value[known], 1)
        error = np.abs(slope * raw[known] + offset - value[known]).max()
        assert slope > 0 and error <= STANDARDISED_F64, f"{error:.1e}"
        assert np.abs(value[~known]).max(initial=0.0) <= STANDARDISED_F64


def test_missing_values_are_counted() -> None:
    table = element_table()
    counts = {
        feature["name"]: feature["num_missing"]
        for feature in json.loads(shipped_text())["features"]
    }
    measured = np.isnan(table.raw[1:]).sum(axis=0).tolist()
    assert counts == dict(zip(table.names, measured, strict=True))
    missing = np.flatnonzero(np.isnan(table.column("electronegativity")[1:])) + 1
    assert missing.tolist() == [2, 10, 18]


def test_blocks_are_one_hot_and_radii_positive() -> None:
    table = element_table()
    blocks = np.stack([table.column(f"{block}_block")[1:] for block in "spdf"])
    assert np.array_equal(blocks.sum(axis=0), np.ones(table.max_atomic_number))
    for name in ("atomic_radius", "van_der_waals_radius", "ionic_radius", "molar_volume"):
        assert np.nanmin(table.column(name)) > 0


def test_main_group_valence_electrons_add_up() -> None:
    table = element_table()
    outer = table.column("s_electrons") + table.column("p_electrons")
    main_group = (table.column("s_block") + table.column("p_block")) > 0
    main_group[2] = False  # helium: group 18, two electrons
    assert np.array_equal(outer[main_group], table.column("valence_count")[main_group])


def test_table_is_shared_and_read_only() -> None:
    table = element_table()
    assert element_table() is table
    for array in (table.values, table.raw):
        with pytest.raises(ValueError, match="read-only"):
            array[1, 0] = 1.0


def test_unknown_feature_is_refused() -> None:
    with pytest.raises(ValueError, match="no element feature 'colour'; there are atomic_number, "):
        element_table().column("colour")


@pytest.mark.skipif(
    version("pymatgen") not in element_table().source.split(",")[0],
    reason="the table was built from another version of pymatgen",
)
def test_builder_gives_the_shipped_table() -> None:
    assert build_elements.encode_table(build_elements.build_table()) == shipped_text()
