"""A folder in the layout of CGCNN: structure files named by id, and ``id_prop.csv``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from models.crystal.found import Skipped
from models.crystal.read import is_structure_file, read_structure_file
from models.datasets.load import DatasetError
from models.datasets.user.dataset import (
    UNIT_NOT_STATED,
    Gathering,
    LabelInfo,
    UserDataset,
    parse_label,
)
from models.files import read_regular

PROPERTY_FILE = "id_prop.csv"
MAX_TABLE_BYTES = 100_000_000
FILE_NAMES = ("{}.cif", "{}.vasp", "{}.poscar", "{}.json", "POSCAR-{}", "POSCAR_{}", "POSCAR.{}")
"""Names that the structure of an id may have, each also with ``.gz``."""
_HEADER = re.compile(r"(?P<name>[^\[\]]+?)\s*(\[(?P<unit>[^\[\]]+)\])?")
_NOT_STRUCTURES = {"atom_init.json"}


def load_folder(
    directory: Path, *, label: str = "value", unit: str = UNIT_NOT_STATED
) -> UserDataset:
    """The crystals of a folder with their labels, in the order of ``id_prop.csv``.

    Rows read ``id,value``. A first line such as ``id,gap [eV],n [1]`` names further columns and
    their units; without one there is a single value. Missing values are empty or "na".

    Args:
        directory: holds ``id_prop.csv`` and one file per id, see ``FILE_NAMES``.
        label: name of the value if the file has no header.
        unit: its unit in that case.

    Raises:
        DatasetError: if the table is missing or broken, an id occurs twice, or nothing is usable.
    """
    labels, rows = _read_table(directory / PROPERTY_FILE, label, unit)
    gathering = Gathering(directory.resolve().name or "folder")
    used = set()
    for entry_id, *values in rows:
        path, reason = _structure_path(directory, entry_id)
        if path is None:
            gathering.skip(entry_id, reason)
            continue
        used.add(path.name)
        found = list(read_structure_file(path))
        if len(found) > 1:
            gathering.skip(entry_id, f"{path.name} holds several structures")
        elif isinstance(found[0], Skipped):
            gathering.skip(entry_id, f"{path.name}: {found[0].reason}")
        else:
            gathering.add(entry_id, found[0].crystal, values)
    for path in sorted(directory.iterdir()):
        if is_structure_file(path) and path.name not in used | _NOT_STRUCTURES:
            gathering.skip(path.name, f"not in {PROPERTY_FILE}")
    return gathering.dataset(labels, citation="not stated", licence="not stated")


def _read_table(path: Path, label: str, unit: str) -> tuple[dict[str, LabelInfo], list[list[str]]]:
    """Labels, and the cells of each row, the id first."""
    try:
        text = read_regular(path, MAX_TABLE_BYTES).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except FileNotFoundError:
        raise DatasetError(
            f"{path}: no such file; it holds a line `id,value` for every structure"
        ) from None
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: not a CSV table ({error})") from None
    if not rows:
        raise DatasetError(f"{path}: empty")
    labels = {label: LabelInfo(unit, "value of the user")}
    if _is_header(rows[0][1]):
        labels, rows = _labels_of(path, rows[0][1][1:]), rows[1:]
    for number, row in rows:
        if len(row) != 1 + len(labels):
            raise DatasetError(
                f"{path}, line {number}: {len(row)} cells, expected {1 + len(labels)} (id and "
                f"{', '.join(labels)}); several values need a header such as `id,gap [eV],n [1]`"
            )
        _check_numbers(path, number, row[1:])
    _check_ids(path, rows)
    return labels, [row for _, row in rows]


def _is_header(row: Sequence[str]) -> bool:
    """True if every cell after the id is a word other than a missing value."""
    return len(row) > 1 and all(cell[:1].isalpha() and not _is_value(cell) for cell in row[1:])


def _is_value(cell: str) -> bool:
    try:
        parse_label(cell)
    except ValueError:
        return False
    return True


def _labels_of(path: Path, cells: Sequence[str]) -> dict[str, LabelInfo]:
    labels: dict[str, LabelInfo] = {}
    for cell in cells:
        match = _HEADER.fullmatch(cell)
        if match is None or match["name"] in labels:
            raise DatasetError(f"{path}: header cell {cell!r} must be a new `name [unit]`")
        labels[match["name"]] = LabelInfo(match["unit"] or UNIT_NOT_STATED, "value of the user")
    return labels


def _check_ids(path: Path, rows: Iterable[tuple[int, Sequence[str]]]) -> None:
    seen: dict[str, int] = {}
    for number, (entry_id, *_) in rows:
        if not entry_id or entry_id in {".", ".."} or set(entry_id) & set("/\\\0"):
            raise DatasetError(f"{path}, line {number}: {entry_id!r} is no id of a file")
        if entry_id in seen:
            raise DatasetError(
                f"{path}, line {number}: the id {entry_id!r} stands in line {seen[entry_id]} too"
            )
        seen[entry_id] = number


def _check_numbers(path: Path, number: int, values: Sequence[str]) -> None:
    try:
        for value in values:
            parse_label(value)
    except ValueError as error:
        raise DatasetError(f"{path}, line {number}: {error}") from None


def _structure_path(directory: Path, entry_id: str) -> tuple[Path | None, str]:
    """The one file of an id, or why there is none."""
    names = [entry_id, *(pattern.format(entry_id) for pattern in FILE_NAMES)]
    candidates = [directory / (name + ending) for name in names for ending in ("", ".gz")]
    found = [path for path in candidates if is_structure_file(path)]
    if len(found) == 1:
        return found[0], ""
    if found:
        return None, f"several files: {', '.join(path.name for path in found)}"
    return None, f"no structure file ({names[1]}, {names[2]}, ...)"
