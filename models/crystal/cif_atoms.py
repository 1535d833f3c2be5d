"""Items of a block of a CIF: cell, listed atoms, declared symmetry and composition."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from gemmi import cif
from numpy.typing import NDArray

from models.crystal.cif_symmetry import DeclaredSymmetry
from models.crystal.composition import Composition, parse_formula
from models.crystal.crystal import CrystalError
from models.crystal.sites import AtomRows, Notes, check_number_of_sites
from models.crystal.species import Species, species_of, species_of_label

_FIELD = re.compile(r"_(?:cell|atom_site|space_group|symmetry|chemical_formula|exptl)")
_UNKNOWN = ("?", ".", "")
_CELL = (
    *(f"_cell_length_{axis}" for axis in "abc"),
    *(f"_cell_angle_{angle}" for angle in ("alpha", "beta", "gamma")),
)
_OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop_magn_operation_xyz",
)
_CENTRINGS = "_space_group_symop_magn_centering_xyz"
_SYMBOLS = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_ref",
    "_space_group_name_h-m_full",
)
_HALLS = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_MODULATION = "_cell_modulation_dimension"
_SUPERSPACE = "_space_group_ssg"
_CODE = "_space_group_it_coordinate_system_code"


def is_about_structure(tag: str) -> bool:
    """True for the tags of cell, atoms, symmetry, formula and density."""
    return _FIELD.match(tag.lower().replace(".", "_")) is not None


class Fields:
    """Values of one block by tag: lower case, dots of newer dictionaries as underscores.

    Attributes:
        columns: tag to its values, one for a single item, as written, quotes included.
        faults: what is wrong with tags that occur twice.
        notes: what the reader of the grammar left out.
    """

    def __init__(self, block: cif.Block) -> None:
        self.columns: dict[str, list[str]] = {}
        self.faults: list[str] = []
        self.notes: list[str] = []
        for item in block:
            if item.pair is not None:
                self._add(item.pair[0], [item.pair[1]])
            elif item.loop is not None:
                tags, values = item.loop.tags, item.loop.values
                for index, tag in enumerate(tags):
                    self._add(tag, values[index :: len(tags)])

    def _add(self, tag: str, values: list[str]) -> None:
        if not is_about_structure(tag):
            return
        name = tag.lower().replace(".", "_")
        if name in self.columns and self.columns[name] != values:
            self.faults.append(f"{tag} is stated twice, with different values")
        self.columns[name] = values

    def text(self, *tags: str) -> str:
        """The first of some items that is stated, without quotes; empty if none is."""
        for tag in tags:
            values = self.columns.get(tag)
            if values and (text := cif.as_string(values[0]).strip()) not in _UNKNOWN:
                return text
        return ""

    def number(self, tag: str) -> float | None:
        """A number without its standard uncertainty; None if it is not stated."""
        text = self.text(tag)
        value = cif.as_number(text) if text else float("nan")
        return value if np.isfinite(value) else None

    def column(self, tag: str) -> list[str] | None:
        """The values of a looped item, without quotes; None if the item is missing."""
        values = self.columns.get(tag)
        if values is None:
            return None
        return [v if v in _UNKNOWN else cif.as_string(v).strip() for v in values]


def lattice_of(fields: Fields) -> NDArray[np.float64]:
    """(3, 3) [Angstrom] lattice vectors as rows.

    Raises:
        CrystalError: if a parameter is missing, no number, or they make no cell.
    """
    values = []
    for tag in _CELL:
        value = fields.number(tag)
        if value is None:
            text = fields.text(tag)
            reason = f"{text!r} is no number" if text else "is not stated"
            raise CrystalError(f"{tag} {reason}")
        values.append(value)
    lengths, (alpha, beta, gamma) = values[:3], np.radians(values[3:])
    if min(lengths) <= 0 or not all(0 < angle < 180 for angle in values[3:]):
        raise CrystalError(f"cell parameters {', '.join(f'{v:g}' for v in values)} make no cell")
    cosine = (np.cos(alpha) * np.cos(beta) - np.cos(gamma)) / (np.sin(alpha) * np.sin(beta))
    if abs(cosine) >= 1:
        raise CrystalError(f"angles of {', '.join(f'{v:g}' for v in values[3:])} make no cell")
    gamma_star = np.arccos(cosine)
    a, b, c = lengths
    return np.array(
        [
            [a * np.sin(beta), 0.0, a * np.cos(beta)],
            [
                -b * np.sin(alpha) * np.cos(gamma_star),
                b * np.sin(alpha) * np.sin(gamma_star),
                b * np.cos(alpha),
            ],
            [0.0, 0.0, c],
        ]
    )


def declared_of(fields: Fields) -> DeclaredSymmetry:
    """Declared symmetry of a block; the time reversal of magnetic files is left out."""
    operations = tuple(_listed_operations(fields))
    is_modulated = (fields.number(_MODULATION) or 0) > 0
    if not operations and (is_modulated or any(t.startswith(_SUPERSPACE) for t in fields.columns)):
        raise CrystalError(
            "a modulated structure: its superspace symmetry is no symmetry of a single cell"
        )
    number = fields.text(*_NUMBERS)
    if number and not (number.isdigit() and len(number) <= 3):
        raise CrystalError(f"{number[:40]!r} is the number of no space group")
    return DeclaredSymmetry(
        operations=operations,
        symbol=fields.text(*_SYMBOLS),
        hall=fields.text(*_HALLS),
        number=int(number) if number else None,
        code=fields.text(_CODE),
    )


def _listed_operations(fields: Fields) -> list[str]:
    for tag in _OPERATIONS:
        operations = fields.column(tag) or []
        if all(operation in _UNKNOWN for operation in operations):
            continue
        if all(op.endswith(",") for op in operations[0::3] + operations[1::3]):
            # Blanks without quotes: x, y, z are three values instead of one.
            thirds = operations[0::3], operations[1::3], operations[2::3]
            if len(operations) % 3 == 0:
                operations = ["".join(parts) for parts in zip(*thirds, strict=True)]
        if tag != _OPERATIONS[2]:
            return operations
        centrings = [c for c in fields.column(_CENTRINGS) or [] if c not in _UNKNOWN]
        return _combined([op.rsplit(",", 1)[0] for op in operations], centrings)
    return []


def _combined(operations: list[str], centrings: list[str]) -> list[str]:
    """Operations with each centring translation added."""
    shifts = [[part.strip()[1:] for part in c.split(",")[:3]] for c in centrings] or [["", "", ""]]
    return [
        ",".join(part + shift for part, shift in zip(op.split(","), shift_of, strict=False))
        for shift_of in shifts
        for op in operations
    ]


def rows_of(
    fields: Fields, lattice: NDArray[np.float64], notes: Notes
) -> tuple[AtomRows, Composition]:
    """Listed atoms, and what the block declares about them.

    Raises:
        CrystalError: naming the row that cannot be read.
    """
    columns = {axis: fields.column(f"_atom_site_fract_{axis}") for axis in "xyz"}
    missing = [axis for axis, column in columns.items() if column is None]
    if missing:
        only_cartesian = "_atom_site_cartn_x" in fields.columns
        raise CrystalError(
            "Cartesian coordinates only; fractional ones (_atom_site_fract_x) are needed"
            if only_cartesian
            else f"no coordinates (_atom_site_fract_{missing[0]} is missing)"
        )
    num_rows = len(columns["x"] or ())
    check_number_of_sites(num_rows)
    labels = fields.column("_atom_site_label") or [""] * num_rows
    types = fields.column("_atom_site_type_symbol") or [""] * num_rows
    flags = fields.column("_atom_site_calc_flag") or [""] * num_rows
    names = [
        f"row {k + 1} ({label or kind})" if label or kind else f"row {k + 1}"
        for k, (label, kind) in enumerate(zip(labels, types, strict=False))
    ]
    if not len(labels) == len(types) == len(flags) == num_rows:
        raise CrystalError("the columns of _atom_site_ have different lengths")
    kept = [k for k in range(num_rows) if flags[k].lower() != "dum"]
    if len(kept) < num_rows:
        first = next(k for k in range(num_rows) if flags[k].lower() == "dum")
        notes.add(
            f"{num_rows - len(kept)} dummy sites (calc_flag dum) left out, first {names[first]}"
        )
    if not kept:
        raise CrystalError("lists no atoms")
    text = fields.text("_chemical_formula_sum")
    formula = _formula(text, notes)
    species = [_species(types[k], labels[k], names[k], formula) for k in kept]
    _note_species(species, notes)
    _check_hydrogens(fields, names, num_rows)
    _check_alternatives(fields, names, kept)
    coords = [_numbers(columns[axis] or [], kept, names, f"fract_{axis}") for axis in "xyz"]
    occupancies = _occupancies(fields, kept, names, notes)
    declared = _multiplicities(fields, num_rows)
    composition = Composition(
        formula_text=text,
        formula=formula,
        num_units=fields.number("_cell_formula_units_z"),
        unit_mass=fields.number("_chemical_formula_weight"),
        volume=fields.number("_cell_volume"),
        density=fields.number("_exptl_crystal_density_diffrn"),
        multiplicities=[declared[k] for k in kept],
    )
    rows = AtomRows(
        names=[names[k] for k in kept],
        numbers=np.array([s.number for s in species], dtype=np.int64),
        occupancies=occupancies,
        frac_coords=np.stack(coords, axis=1),
        lattice=lattice,
    )
    return rows, composition


def _formula(text: str, notes: Notes) -> dict[int, float] | None:
    if not text:
        return None
    try:
        return parse_formula(text) or None
    except CrystalError as error:
        notes.add(f"{error}, and not compared with the atoms")
        return None


def _species(kind: str, label: str, name: str, formula: Mapping[int, float] | None) -> Species:
    """Element of a row by its type, or else its label.

    Raises:
        CrystalError: naming the row, if it is no element.
    """
    try:
        if kind in _UNKNOWN:
            return species_of_label(label)
        if kind == "T" and (formula is None or 1 not in formula):
            raise CrystalError("'T' is tritium only if the declared formula holds hydrogen")
        return species_of(kind)
    except CrystalError as error:
        raise CrystalError(f"{name}: {error}") from None


def _note_species(species: Sequence[Species], notes: Notes) -> None:
    for one in {s.note: s for s in species}.values():
        notes.species(one)


def _check_hydrogens(fields: Fields, names: Sequence[str], num_rows: int) -> None:
    """Refuse atoms that stand for groups with hydrogen."""
    attached = fields.column("_atom_site_attached_hydrogens") or []
    for row, text in enumerate(attached[:num_rows]):
        value = cif.as_number(text)
        if np.isfinite(value) and value > 0:
            raise CrystalError(
                f"{names[row]}: {value:g} attached hydrogens have no coordinates: H not located"
            )


def _check_alternatives(fields: Fields, names: Sequence[str], kept: Sequence[int]) -> None:
    """Refuse whole atoms in places that exclude each other."""
    groups = fields.column("_atom_site_disorder_group")
    occupancies = fields.column("_atom_site_occupancy")
    if groups is None:
        return
    for k in kept:
        if groups[k] in _UNKNOWN:
            continue
        occupancy = cif.as_number(occupancies[k]) if occupancies else np.nan
        if not occupancy < 1:
            raise CrystalError(
                f"{names[k]} is an alternative (disorder group {groups[k]}) with occupancy 1; "
                "keep the atoms of one group"
            )


def _numbers(
    texts: Sequence[str], kept: Sequence[int], names: Sequence[str], what: str
) -> NDArray[np.float64]:
    """Numbers of the kept rows.

    Raises:
        CrystalError: naming the first row that holds none.
    """
    values = np.array([cif.as_number(texts[k]) for k in kept])
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        row = kept[int(wrong[0])]
        raise CrystalError(f"{names[row]}: {what} {texts[row]!r} is no number")
    return values


def _occupancies(
    fields: Fields, kept: Sequence[int], names: Sequence[str], notes: Notes
) -> NDArray[np.float64]:
    """Occupancies of the kept rows; 1 is the default of the dictionary."""
    texts = fields.column("_atom_site_occupancy")
    if texts is None:
        return np.ones(len(kept))
    unknown = [k for k in kept if texts[k] == "?"]
    if unknown:
        notes.add(f"{len(unknown)} unknown occupancies taken as 1, first {names[unknown[0]]}")
    filled = ["1" if text in _UNKNOWN else text for text in texts]
    return _numbers(filled, kept, names, "occupancy")


def _multiplicities(fields: Fields, num_rows: int) -> list[float]:
    for tag in ("_atom_site_symmetry_multiplicity", "_atom_site_site_symmetry_multiplicity"):
        texts = fields.column(tag)
        if texts is not None and len(texts) == num_rows:
            return [cif.as_number(text) for text in texts]
    return [np.nan] * num_rows
