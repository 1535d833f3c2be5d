"""Structure files: one or many crystals of a file, whatever its format, one at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from models.crystal import Crystal, CrystalError
from models.crystal.ase_formats import ASE_FORMATS, crystal_of_frame, frames_of_ase
from models.crystal.check import check_usable
from models.crystal.cif import cif_structures
from models.crystal.found import NamedCrystal, Skipped, reason_of
from models.crystal.json_files import iter_json, refuse_pickle
from models.crystal.json_records import crystal_of_record, id_of_record
from models.crystal.packed import unpacked
from models.crystal.sites import ReadOptions
from models.crystal.text_formats import crystal_of_poscar
from models.datasets.load import DatasetError
from models.files import open_regular

_CIF = {".cif", ".mcif"}
_POSCAR = {".vasp", ".poscar", ".contcar"}
_JSON = {".json"}
STRUCTURE_SUFFIXES = _CIF | _POSCAR | _JSON | ASE_FORMATS.keys()
"""Last part of the names that are structures, after a ``.gz``; POSCAR and CONTCAR come on top."""
MAX_TEXT = 10_000_000
"""Bytes of a CIF or POSCAR, unpacked."""
DEFAULTS = ReadOptions()
MAX_SKIPPED = 100_000
"""Structures of one file that cannot be used, before the rest is left."""


def is_structure_file(path: Path) -> bool:
    """True if the name says that something other than a folder holds structures."""
    name = path.name.removesuffix(".gz")
    is_poscar = "POSCAR" in name or "CONTCAR" in name
    is_named = is_poscar or Path(name).suffix.lower() in STRUCTURE_SUFFIXES
    # A link to nowhere or a pipe counts, so that it is told of, and not passed over in silence.
    return is_named and os.path.lexists(path) and not path.is_dir()


def read_structure_file(
    path: Path, options: ReadOptions = DEFAULTS
) -> Iterator[NamedCrystal | Skipped]:
    """The structures of a file in order; those that cannot be used with the reason.

    Whatever a foreign reader stumbles over becomes a reason: a file never takes others along.

    Args:
        path: CIF, POSCAR, JSON (one or a list), or a format that ASE reads.
        options: what to do with files that are not plain.
    """
    num_found = num_skipped = 0
    try:
        for name, get in _structures(path, options):
            num_found += 1
            source = str(path) if name is None else f"{path}#{name}"
            try:
                crystal, *others = get()
                for usable in (crystal, *others):
                    check_usable(usable, options.max_atomic_number)
            except Exception as error:
                num_skipped += 1
                yield Skipped(source, _reason(path, error))
                if num_skipped == MAX_SKIPPED:
                    raise CrystalError(
                        f"{MAX_SKIPPED:,} structures cannot be used; the rest was not read"
                    ) from None
            else:
                yield NamedCrystal(source, crystal, tuple(others))
    except Exception as error:
        yield Skipped(str(path), _reason(path, error))
    else:
        if num_found == 0:
            yield Skipped(str(path), "holds no structure")


def _reason(path: Path, error: Exception) -> str:
    """Why a structure cannot be used; the one place where any error may end."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    if isinstance(error, CrystalError | DatasetError):
        return str(error).removeprefix(f"{path}: ")
    return f"not a readable structure ({reason_of(error)})"


_Getter = Callable[[], tuple[Crystal, ...]]


def _structures(path: Path, options: ReadOptions) -> Iterator[tuple[str | None, _Getter]]:
    """Name (None if alone) of each structure and what decodes it."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in _JSON:
        yield from _of_json(path)
    elif suffix in ASE_FORMATS:
        for number, frame in enumerate(frames_of_ase(path, suffix)):
            yield str(number), lambda frame=frame: (crystal_of_frame(frame),)
    else:
        yield from _of_text(path, suffix, options)


def _of_json(path: Path) -> Iterator[tuple[str | None, _Getter]]:
    records = iter_json(path)
    for number, (record, is_alone) in enumerate(_look_ahead(records)):
        name = None if is_alone else id_of_record(record) or str(number)
        yield name, lambda record=record: (crystal_of_record(record),)


def _look_ahead(records: Iterator[object]) -> Iterator[tuple[object, bool]]:
    """Each record, and whether it is the only one."""
    first = next(records, None)
    if first is None:
        return
    second = next(records, None)
    yield first, second is None
    if second is not None:
        yield second, False
        for record in records:
            yield record, False


def _of_text(path: Path, suffix: str, options: ReadOptions) -> Iterator[tuple[str | None, _Getter]]:
    with open_regular(path) as file:
        refuse_pickle(path, file.peek(2))
        with unpacked(file) as stream:
            data = stream.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise CrystalError(f"not a readable structure (larger than {MAX_TEXT:,} bytes)")
    if b"\0" in data:
        raise CrystalError("not a readable structure (binary)")
    text = data.decode(errors="replace")  # names of authors are often in another encoding
    if not text.strip():
        raise CrystalError("not a readable structure (empty file)")
    if suffix in _CIF or (suffix not in _POSCAR and "_cell_length_a" in text):
        yield from cif_structures(text, options)
    else:
        yield None, lambda: (crystal_of_poscar(text),)
