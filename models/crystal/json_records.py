"""Structures inside JSON values, without pymatgen's decoder, which imports whatever a file names.

Read are pymatgen structures, JARVIS atoms, OPTIMADE entries, CIF text, and lists, tables and
dictionaries of these.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.crystal.check import check_number_of_sites
from models.crystal.cif import cif_structures
from models.crystal.crystal import NOT_PERIODIC, Crystal, CrystalError
from models.crystal.found import Getter
from models.crystal.sites import AtomRows, Notes, ReadOptions, crystals_of_rows
from models.crystal.species import species_of

ID_FIELDS = ("id", "jid", "material_id", "task_id", "entry_id", "name")
"""Where the records of the usual collections keep their id."""
MAX_ID = 100
"""Characters of an id that are kept."""
MAX_DEPTH = 4
"""Dictionaries inside each other above a structure."""
FIELDS = ("structure", "atoms", "cif", "initial_structure", "final_structure")
FORMS = "fields sites, lattice_mat, lattice_vectors, structure, atoms or cif"
Named = Iterator[tuple[str | None, Getter]]


def json_structures(value: object, options: ReadOptions, name: str | None = None) -> Named:
    """Name, and a function that gives the crystals, of each structure in a decoded JSON value.

    Functions raise CrystalError if their structure cannot be used; they do not take others along.

    Args:
        value: a structure, a record that holds one as ``structure``, ``atoms`` or ``cif``, text
            of a CIF or of JSON, or a list, table or dictionary of these.
        options: of the reader.
        name: of the value, if it is one of several.
    """
    yield from _structures(value, options, name, MAX_DEPTH)


def crystals_of_record(record: object, options: ReadOptions) -> tuple[Crystal, ...]:
    """The one crystal, or its orderings, that a decoded JSON value describes.

    Raises:
        CrystalError: if it describes none, or several.
    """
    found = list(json_structures(record, options))
    if len(found) != 1:
        raise CrystalError(f"holds {len(found)} structures, one expected")
    return found[0][1]()


def id_of_record(record: object) -> str | None:
    """The id that a record states; None if it states none."""
    if isinstance(record, Mapping):
        for field in ID_FIELDS:
            if isinstance(record.get(field), str | int):
                return str(record[field])[:MAX_ID]
    return None


def _structures(value: object, options: ReadOptions, name: str | None, depth: int) -> Named:
    if isinstance(value, str):
        yield from _of_text(value, options, name, depth)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            inner = _join(name, id_of_record(item) or str(number))
            yield from _structures(item, options, inner, depth - 1)
    elif isinstance(value, Mapping):
        yield from _of_mapping(value, options, name, depth)
    else:
        yield name, _refusal(f"holds no structure (found {type(value).__name__})")


def _of_text(text: str, options: ReadOptions, name: str | None, depth: int) -> Named:
    """Structures in the text of a CIF, or of JSON."""
    if depth > 0 and text.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield name, _refusal("holds text that is neither CIF nor JSON")
        else:
            yield from _structures(value, options, name, depth - 1)
        return
    try:
        for block, get in cif_structures(text, options):
            yield name if block is None else _join(name, block), get
    except CrystalError as error:
        yield name, _refusal(str(error))


def _of_mapping(
    value: Mapping[str, Any], options: ReadOptions, name: str | None, depth: int
) -> Named:
    """Structures in an object: itself one, a record of one, or a table or dictionary of several."""
    if _is_structure(value):
        yield name, lambda: _crystals(value, options)
    elif value.get("@class") == "Trajectory":
        yield name, _refusal("a pymatgen Trajectory; write its frames as a list of structures")
    elif isinstance(value.get("attributes"), Mapping):  # an entry of OPTIMADE
        inner = name or id_of_record(value)
        yield from _of_mapping(value["attributes"], options, inner, depth)
    elif isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        yield from _of_table(value, options, name, depth)
    elif any(field in value for field in FIELDS):
        field = next(field for field in FIELDS if field in value)
        yield from _structures(value[field], options, name, depth - 1)
    elif isinstance(value.get("data"), Mapping | list):  # a response of OPTIMADE
        yield from _structures(value["data"], options, name, depth - 1)
    elif depth > 0 and any(_may_hold(item, depth - 1) for item in value.values()):
        for key, item in value.items():
            yield from _structures(item, options, _join(name, str(key)[:MAX_ID]), depth - 1)
    else:
        yield name, _refusal(f"holds no structure (no {FORMS})")


def _of_table(
    value: Mapping[str, Any], options: ReadOptions, name: str | None, depth: int
) -> Named:
    """Rows of a table of pandas (orient split)."""
    fields = [field for field in FIELDS if field in value["columns"]]
    if not fields:
        yield name, _refusal(f"the table has no column {', '.join(FIELDS)}")
        return
    column = value["columns"].index(fields[0])
    labels = value.get("index")
    for number, row in enumerate(value["data"]):
        label = labels[number] if isinstance(labels, list) and number < len(labels) else number
        inner = _join(name, str(label)[:MAX_ID])
        if isinstance(row, list) and column < len(row):
            yield from _structures(row[column], options, inner, depth - 1)
        else:
            yield inner, _refusal("the row of the table is too short")


def _may_hold(value: object, depth: int) -> bool:
    """True if a value looks like a structure, a record of one, or a dictionary of them."""
    if isinstance(value, str):
        return "_cell_length_a" in value or '"lattice"' in value
    if isinstance(value, list):
        return depth > 0 and any(_may_hold(item, depth - 1) for item in value[:3])
    if not isinstance(value, Mapping):
        return False
    if _is_structure(value) or any(field in value for field in FIELDS):
        return True
    return depth > 0 and any(_may_hold(item, depth - 1) for item in value.values())


def _is_structure(value: Mapping[str, Any]) -> bool:
    return any(field in value for field in ("sites", "lattice_mat", "lattice_vectors"))


def _join(name: str | None, inner: str) -> str:
    return inner if name is None else f"{name}/{inner}"


def _refusal(reason: str) -> Getter:
    def refuse() -> tuple[Crystal, ...]:
        raise CrystalError(reason)

    return refuse


def _crystals(record: Mapping[str, Any], options: ReadOptions) -> tuple[Crystal, ...]:
    notes = Notes(options.is_strict)
    if "lattice_mat" in record:
        rows = _of_jarvis(record, notes)
    elif "sites" in record:
        rows = _of_pymatgen(record, notes)
    else:
        rows = _of_optimade(record, notes)
    return crystals_of_rows(rows, options, notes)


def _of_jarvis(record: Mapping[str, Any], notes: Notes) -> AtomRows:
    """Rows of ``{"lattice_mat", "coords", "elements", "cartesian"}``."""
    elements = record.get("elements")
    if not isinstance(elements, list):
        raise CrystalError("`elements` must be a list of symbols")
    is_cartesian = record.get("cartesian")
    if not isinstance(is_cartesian, bool):
        raise CrystalError("`cartesian` must be true or false")
    occupants = [[(symbol, 1.0)] for symbol in elements]
    coords = _vectors(record.get("coords"), "coords", len(elements))
    lattice = _lattice(record["lattice_mat"], "lattice_mat")
    return _rows(occupants, coords, lattice, notes, is_cartesian=is_cartesian)


def _of_pymatgen(record: Mapping[str, Any], notes: Notes) -> AtomRows:
    """Rows of ``{"lattice": {"matrix"}, "sites": [{"species", "abc" or "xyz"}]}``."""
    sites = record["sites"]
    if not isinstance(sites, list) or not all(isinstance(site, Mapping) for site in sites):
        raise CrystalError("`sites` must be a list of objects")
    check_number_of_sites(len(sites))
    lattice = record.get("lattice")
    if not isinstance(lattice, Mapping):
        raise CrystalError("no `lattice`: a molecule is no crystal")
    _require_periodic(lattice.get("pbc", True))
    is_cartesian = not all("abc" in site for site in sites)
    field = "xyz" if is_cartesian else "abc"
    occupants = [_occupants_of_pymatgen(i, site) for i, site in enumerate(sites)]
    coords = _vectors([site.get(field) for site in sites], field, len(sites))
    matrix = _lattice(lattice.get("matrix"), "matrix")
    return _rows(occupants, coords, matrix, notes, is_cartesian=is_cartesian)


def _occupants_of_pymatgen(index: int, site: Mapping[str, Any]) -> list[tuple[object, float]]:
    species = site.get("species")
    if not isinstance(species, list) or not all(isinstance(s, Mapping) for s in species):
        raise CrystalError(f"site {index}: `species` must be a list of objects")
    return [(s.get("element"), _occupancy(index, s.get("occu", 1))) for s in species]


def _of_optimade(record: Mapping[str, Any], notes: Notes) -> AtomRows:
    """Rows of the attributes of a structure in OPTIMADE."""
    _require_periodic(record.get("dimension_types") or [1, 1, 1])
    if record.get("nperiodic_dimensions", 3) != 3:
        raise CrystalError(NOT_PERIODIC)
    names = record.get("species_at_sites")
    if not isinstance(names, list):
        raise CrystalError("`species_at_sites` must be a list of names")
    check_number_of_sites(len(names))
    kinds = record.get("species") or []
    known: dict[object, Mapping[str, Any]] = {
        kind["name"]: kind
        for kind in kinds
        if isinstance(kind, Mapping) and isinstance(kind.get("name"), str)
    }
    occupants = []
    for index, name in enumerate(names):
        kind = known.get(name) if isinstance(name, str) else None
        symbols, shares = [name], [1.0]
        if kind is not None and isinstance(kind.get("chemical_symbols"), list):
            symbols = kind["chemical_symbols"]
            shares = kind.get("concentration") or [1.0] * len(symbols)
        if not isinstance(shares, list) or len(shares) != len(symbols):
            raise CrystalError(f"site {index}: symbols and concentrations differ in number")
        pairs = zip(symbols, shares, strict=True)
        occupants.append([(s, _occupancy(index, x)) for s, x in pairs if s != "vacancy"])
    coords = _vectors(
        record.get("cartesian_site_positions"), "cartesian_site_positions", len(names)
    )
    lattice = _lattice(record["lattice_vectors"], "lattice_vectors")
    return _rows(occupants, coords, lattice, notes, is_cartesian=True)


def _require_periodic(value: object) -> None:
    """Refuse slabs, chains and molecules; ``value`` is one truth value, or three."""
    flags = value if isinstance(value, list | tuple) else [value]
    if not all(flag in (True, 1) for flag in flags):
        raise CrystalError(NOT_PERIODIC)


def _occupancy(index: int, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CrystalError(f"site {index}: occupancy {reprlib.repr(value)} is no number")
    return float(value)


def _rows(
    occupants: Sequence[Sequence[tuple[object, float]]],
    coords: NDArray[np.float64],
    lattice: NDArray[np.float64],
    notes: Notes,
    *,
    is_cartesian: bool,
) -> AtomRows:
    """One row for every occupant of every site; sites without any are vacant, and noted."""
    check_number_of_sites(len(occupants))
    sites, names, numbers, shares = [], [], [], []
    for index, site in enumerate(occupants):
        if not site:
            notes.add(f"site {index} is vacant and was left out")
        for symbol, share in site:
            try:
                species = species_of(symbol)
            except CrystalError as error:
                raise CrystalError(f"site {index}: {error}") from None
            notes.species(species)
            sites.append(index)
            names.append(f"site {index} ({species.symbol})")
            numbers.append(species.number)
            shares.append(share)
    if not sites:
        raise CrystalError("lists no atoms")
    chosen = coords[sites]
    Crystal(numbers, lattice, chosen)  # finite numbers and a volume, before the lattice is inverted
    if is_cartesian:
        chosen = np.linalg.solve(lattice.T, chosen.T).T
    occupied = np.array(shares, dtype=np.float64)
    return AtomRows(names, np.array(numbers, dtype=np.int64), occupied, chosen, lattice)


def _lattice(value: object, name: str) -> NDArray[np.float64]:
    lattice = _floats(value, name)
    if lattice.shape != (3, 3):
        raise CrystalError(f"`{name}` must hold three rows of three numbers")
    return lattice


def _vectors(value: object, name: str, num_sites: int) -> NDArray[np.float64]:
    check_number_of_sites(num_sites)
    vectors = _floats(value, name)
    if vectors.shape != (num_sites, 3):
        raise CrystalError(f"`{name}` must have shape ({num_sites}, 3), got {vectors.shape}")
    return vectors


def _floats(value: object, name: str) -> NDArray[np.float64]:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise CrystalError(f"`{name}` must hold numbers, in rows of three") from None
