"""A folder in the layout of CGCNN: structure files named by id, and ``id_prop.csv``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from models.crystal.found import Skipped
from models.crystal.read import (
    STRUCTURE_SUFFIXES,
    is_structure_file,
    read_structure_file,
    unpacked_name,
)
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
_PREFIX = re.compile(r"(?:POSCAR|CONTCAR)[-_.](?P<id>.+)")
_HEADER = re.compile(r"(?P<name>[^\[\]]+?)\s*(\[(?P<unit>[^\[\]]+)\])?")
_NO_VALUE = {"na", "n/a", "n.a.", "nan", "none", "null", "nil", "missing", "unknown"}
_NOT_STRUCTURES = {"atom_init.json"}


def load_folder(
    directory: Path, *, label: str = "value", unit: str = UNIT_NOT_STATED
) -> UserDataset:
    """The crystals of a folder with their labels, in the order of ``id_prop.csv``.

    Rows read ``id,value``. A first line such as ``id,gap [eV],n [1]`` names further columns and
    their units; without one there is a single value. Missing values are empty or "na".

    Args:
        directory: holds ``id_prop.csv`` and one file per id, such as ``id.cif``, ``id.vasp`` or
            ``POSCAR-id``, in any format that is read, packed or not.
        label: name of the value if the file has no header.
        unit: its unit in that case.

    Raises:
        DatasetError: if the table is missing or broken, an id occurs twice, or nothing is usable.
    """
    files = _files_by_id(directory)
    labels, rows = _read_table(directory / PROPERTY_FILE, label, unit, files.keys())
    gathering = Gathering(directory.resolve().name or "folder")
    used = set()
    for entry_id, *values in rows:
        paths = files.get(entry_id, [])
        used.update(path.name for path in paths)
        if len(paths) != 1:
            several = f"several files: {', '.join(path.name for path in paths)}"
            missing = f"no structure file ({entry_id}.cif, {entry_id}.vasp, ...)"
            gathering.skip(entry_id, several if paths else missing)
            continue
        [path] = paths
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


def _read_table(
    path: Path, label: str, unit: str, known: Container[str]
) -> tuple[dict[str, LabelInfo], list[list[str]]]:
    """Labels, and the cells of each row, the id first; a row of a known id is no header."""
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
    if _is_header(rows[0][1]) and rows[0][1][0] not in known:
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
    """True if every cell after the id is a word that stands for no number, missing or not."""
    return len(row) > 1 and all(cell[:1].isalpha() and not _is_value(cell) for cell in row[1:])


def _is_value(cell: str) -> bool:
    """True for what is meant as a number: also infinite ones, and words for missing ones."""
    try:
        float(cell)
    except ValueError:
        return cell.lower() in _NO_VALUE
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


def _files_by_id(directory: Path) -> dict[str, list[Path]]:
    """Structure files of a folder by every id that their names may stand for."""
    files: dict[str, list[Path]] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if is_structure_file(path) and path.name not in _NOT_STRUCTURES:
            for entry_id in {path.name, *ids_of_name(unpacked_name(path))}:
                files.setdefault(entry_id, []).append(path)
    return files


def ids_of_name(name: str) -> list[str]:
    """Ids of a file: its name, without the suffix of a format, or what follows POSCAR."""
    ids = [name]
    if Path(name).suffix.lower() in STRUCTURE_SUFFIXES:
        ids.append(Path(name).stem)
    if match := _PREFIX.fullmatch(name):
        ids.append(match["id"])
    return ids
