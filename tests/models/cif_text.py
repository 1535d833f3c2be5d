"""CIFs written item by item, for the tests of their reader."""

from collections.abc import Sequence

from models.crystal.cif import cif_structures
from models.crystal.crystal import Crystal, CrystalError
from models.crystal.sites import ReadOptions
from models.crystal.species import symbol_of

RUTILE_CELL = (4.594, 4.594, 2.959, 90, 90, 90)
RUTILE = (
    "Ti1 Ti 0 0 0 1",
    "Ti2 Ti 0.5 0.5 0.5 1",
    "O1 O 0.305 0.305 0 1",
    "O2 O 0.695 0.695 0 1",
    "O3 O 0.805 0.195 0.5 1",
    "O4 O 0.195 0.805 0.5 1",
)
SALT_CELL = (5.64, 5.64, 5.64, 90, 90, 90)
SALT = tuple(
    f"{symbol}{n} {symbol} {x} {y} {z} 1"
    for symbol, sites in (
        ("Na", ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))),
        ("Cl", ((0.5, 0.5, 0.5), (0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5))),
    )
    for n, (x, y, z) in enumerate(sites)
)
COLUMNS = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
P1 = ("_space_group_name_H-M_alt 'P 1'", "loop_", "_space_group_symop_operation_xyz", "x,y,z")


def block(
    rows: Sequence[str] = RUTILE,
    cell: Sequence[float] = RUTILE_CELL,
    items: Sequence[str] = P1,
    *,
    columns: Sequence[str] = COLUMNS,
    name: str = "x",
) -> str:
    """A block of a CIF: cell, further items, atoms."""
    tags = [f"_cell_length_{axis}" for axis in "abc"]
    tags += [f"_cell_angle_{angle}" for angle in ("alpha", "beta", "gamma")]
    lines = [f"data_{name}", *(f"{tag} {value}" for tag, value in zip(tags, cell, strict=True))]
    lines += [*items, "loop_", *(f"_atom_site_{column}" for column in columns), *rows]
    return "\n".join(lines) + "\n"


def operations(*texts: str) -> list[str]:
    """A loop of symmetry operations."""
    return ["loop_", "_space_group_symop_operation_xyz", *(f"'{text}'" for text in texts)]


def read(text: str, options: ReadOptions | None = None) -> Crystal:
    """The one crystal of a CIF with one block."""
    [(name, get)] = cif_structures(text, options or ReadOptions())
    assert name is None
    [crystal] = get()
    return crystal


def outcome(text: str, options: ReadOptions | None = None) -> str:
    """Content such as ``O4 Ti2`` with notes behind it, or the reason for refusing it."""
    try:
        crystal = read(text, options)
    except CrystalError as error:
        return f"refused: {error}"
    return " | ".join((content(crystal), *crystal.notes))


def content(crystal: Crystal) -> str:
    """Numbers of atoms such as ``O4 Ti2``."""
    symbols = [symbol_of(int(number)) for number in crystal.numbers]
    return " ".join(f"{symbol}{symbols.count(symbol)}" for symbol in sorted(set(symbols)))
