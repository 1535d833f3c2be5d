"""Structures in JSON: every form that collections use, one by one, under names of their own."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.crystal.crystal import NOT_PERIODIC
from models.crystal.found import NamedCrystal
from models.crystal.json_records import FORMS
from models.crystal.read import read_structure_file
from models.crystal.sites import ReadOptions
from tests.models.cif_text import block, content
from tests.models.user_files import rutile, salt

RUTILE, SALT = rutile().as_dict(), salt().as_dict()
FIRST, SECOND = "O4 Ti2", "Cl4 Na4"
OPTIMADE = {
    "lattice_vectors": rutile().lattice.matrix.tolist(),
    "cartesian_site_positions": rutile().cart_coords.tolist(),
    "species_at_sites": ["metal", "metal", "O", "O", "O", "O"],
    "species": [{"name": "metal", "chemical_symbols": ["Ti"], "concentration": [1.0]}],
    "dimension_types": [1, 1, 1],
    "nperiodic_dimensions": 3,
}


def with_sites(**changes: object) -> dict[str, object]:
    """Rutile with other entries in its first site."""
    first = {**RUTILE["sites"][0], **changes}
    return {**RUTILE, "sites": [first, *RUTILE["sites"][1:]]}


def with_lattice(**changes: object) -> dict[str, object]:
    return {**RUTILE, "lattice": {**RUTILE["lattice"], **changes}}


def outcomes(text: str, folder: Path, name: str = "x.json") -> dict[str, str]:
    """Content and notes, or reason, by name within the file."""
    path = folder / name
    path.write_text(text)
    found = {}
    for item in read_structure_file(path, ReadOptions()):
        inner = item.source.removeprefix(str(path))
        if isinstance(item, NamedCrystal):
            found[inner] = " | ".join((content(item.crystal), *item.crystal.notes))
        else:
            found[inner] = item.reason
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (RUTILE, {"": FIRST}),
        ({"structure": RUTILE}, {"": FIRST}),
        ({"cif": block()}, {"": FIRST}),
        ({"structure": block() + block(name="y")}, {"#x": FIRST, "#y": FIRST}),
        ({"structure": json.dumps(RUTILE)}, {"": FIRST}),
        (json.dumps(RUTILE), {"": FIRST}),
        ([RUTILE, SALT], {"#0": FIRST, "#1": SECOND}),
        (
            [{"id": "a", "cif": block()}, {"id": "a", "structure": SALT}],
            {"#a": FIRST, "#a~2": SECOND},
        ),
        ({"mp-1": RUTILE, "mp-2": SALT}, {"#mp-1": FIRST, "#mp-2": SECOND}),
        (
            {"structures": [RUTILE, SALT], "source": "here"},
            {
                "#structures/0": FIRST,
                "#structures/1": SECOND,
                "#source": "not a CIF: it has no line `data_` with the name of a block",
            },
        ),
        (
            {"mp-1": {"0": {"structure": RUTILE, "energy": -1.0}, "1": {"structure": SALT}}},
            {"#mp-1/0": FIRST, "#mp-1/1": SECOND},
        ),
        ({"structure": {"0": RUTILE, "1": SALT}, "y": {"0": 1.0}}, {"#0": FIRST, "#1": SECOND}),
        (
            {"columns": ["structure", "y"], "index": ["a", "b"], "data": [[RUTILE, 1], [SALT, 2]]},
            {"#a": FIRST, "#b": SECOND},
        ),
        ({"data": {"id": "odb-1", "attributes": OPTIMADE}}, {"#odb-1": FIRST}),
        (
            {"data": [{"id": "1", "attributes": OPTIMADE}, {"id": "2", "attributes": OPTIMADE}]},
            {"#1": FIRST, "#2": FIRST},
        ),
        (with_sites(species=[{"element": "Ti4+", "occu": 0.9999999}]), {"": FIRST}),
        (with_sites(species=[{"element": "ti", "occu": 1}]), {"": f"{FIRST} | ti read as Ti"}),
        (
            with_sites(species=[{"element": "Ti", "occu": 0.5, "oxidation_state": 4},
                                {"element": "Ti", "occu": 0.5, "oxidation_state": 3}]),
            {"": FIRST},
        ),
        (
            with_sites(species=[]),
            {"": "O4 Ti1 | site 0 is vacant and was left out"},
        ),
        (with_lattice(pbc=[True, True, False]), {"": NOT_PERIODIC}),
        ({**OPTIMADE, "dimension_types": [1, 1, 0]}, {"": NOT_PERIODIC}),
        ({**OPTIMADE, "nperiodic_dimensions": 2}, {"": NOT_PERIODIC}),
        (with_sites(species=[{"element": "D", "occu": 1}]),
         {"": "H1 O4 Ti1 | D (deuterium) read as H"}),
        (with_sites(species=[{"element": "X0+", "occu": 1}]), {"": "site 0: 'X0+' is no element"}),
        (with_sites(species=[{"element": "Ti", "occu": "x"}]),
         {"": "site 0: occupancy 'x' is no number"}),
        (with_sites(abc=[0, 0]), {"": "`abc` must hold numbers, in rows of three"}),
        ({"@class": "Trajectory", "coords": []},
         {"": "a pymatgen Trajectory; write its frames as a list of structures"}),
        ({"columns": ["y"], "data": [[1.0]]},
         {"": "the table has no column structure, atoms, cif, initial_structure, final_structure"}),
        ([RUTILE, {"y": 1}, 3],
         {"#0": FIRST, "#1": f"holds no structure (no {FORMS})",
          "#2": "holds no structure (found int)"}),
        ([], {"": "holds no structure"}),
    ],
)  # fmt: skip
def test_forms(value: object, expected: dict[str, str], tmp_path: Path) -> None:
    assert outcomes(json.dumps(value), tmp_path) == expected


def test_coordinates_of_sites_without_fractions(tmp_path: Path) -> None:
    sites = [{key: x for key, x in site.items() if key != "abc"} for site in RUTILE["sites"]]
    (tmp_path / "x.json").write_text(json.dumps({**RUTILE, "sites": sites}))
    [found] = read_structure_file(tmp_path / "x.json")
    assert isinstance(found, NamedCrystal)
    offsets = found.crystal.frac_coords - rutile().frac_coords
    assert np.abs(offsets - np.rint(offsets)).max() < 1e-9


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.json"])
def test_lines(name: str, tmp_path: Path) -> None:
    lines = [json.dumps(x) for x in (RUTILE, {"id": "b", "structure": SALT}, {"y": 1}, RUTILE)]
    found = outcomes("\n".join(lines) + "\n", tmp_path, name)
    assert list(found) == ["#0", "#b", "#2", "#3"]
    assert [found[key] for key in ("#0", "#b", "#3")] == [FIRST, SECOND, FIRST]
    cut = outcomes("\n".join(lines)[:-40], tmp_path, name)
    assert cut["#b"] == SECOND and "not readable JSON" in cut[""]


def test_values_without_lines_of_their_own_are_damage(tmp_path: Path) -> None:
    text = json.dumps(RUTILE)
    [reason] = outcomes(text + text, tmp_path).values()
    assert reason.startswith("a new line is missing before")


def test_notes_of_cif_text(tmp_path: Path) -> None:
    text = block(items=())
    note = "states no symmetry: all atoms were taken to be listed (P1)"
    assert outcomes(json.dumps({"cif": text}), tmp_path) == {"": f"{FIRST} | {note}"}
