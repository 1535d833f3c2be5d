"""Structure files: one or many crystals of a file, whatever its format, one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from models.crystal.ase_formats import ASE_FORMATS, ase_structures
from models.crystal.check import check_usable
from models.crystal.cif import cif_structures
from models.crystal.crystal import Crystal, CrystalError
from models.crystal.found import Getter, NamedCrystal, Skipped, reason_of
from models.crystal.json_files import iter_json, refuse_pickle
from models.crystal.json_records import id_of_record, json_structures
from models.crystal.packed import unpacked
from models.crystal.sites import ReadOptions
from models.crystal.vasp import poscar_structures
from models.datasets.load import DatasetError
from models.files import open_regular

PACKED = (".gz", ".bz2", ".xz")
_CIF = {".cif", ".mcif"}
_VASP = {".vasp", ".poscar", ".contcar", ".xdatcar"}
_VASP_NAMES = ("POSCAR", "CONTCAR", "XDATCAR", "CHGCAR")
_JSON = {".json", ".jsonl", ".ndjson"}
STRUCTURE_SUFFIXES = _CIF | _VASP | _JSON | ASE_FORMATS.keys()
"""Last part of the names that are structures, before a ``.gz``; names of VASP come on top."""
FORMATS = "CIF, POSCAR, XDATCAR, JSON, JSON lines, and through ASE extended XYZ, XSF, gen, pwi, pwo"
MAX_TEXT = 10_000_000
"""Bytes of a CIF or POSCAR, unpacked."""
MAX_TRAJECTORY = 500_000_000
"""Bytes of an XDATCAR, unpacked."""
MAX_LINE = 10_000
"""Characters of a line of text."""
DEFAULTS = ReadOptions()
MAX_SKIPPED = 100_000
"""Structures of one file that cannot be used, before the rest is left."""
_Named = Iterator[tuple[str | None, Getter]]


def is_structure_file(path: Path) -> bool:
    """True if the name says that something other than a folder holds structures."""
    name = unpacked_name(path)
    is_named = _is_of_vasp(name) or Path(name).suffix.lower() in STRUCTURE_SUFFIXES
    # A link to nowhere or a pipe counts, so that it is told of, and not passed over in silence.
    return is_named and os.path.lexists(path) and not path.is_dir()


def read_structure_file(
    path: Path, options: ReadOptions = DEFAULTS
) -> Iterator[NamedCrystal | Skipped]:
    """The structures of a file in order; those that cannot be used with the reason.

    Whatever a foreign reader stumbles over becomes a reason: neither a file nor a structure in it
    takes others along.

    Args:
        path: CIF, POSCAR, XDATCAR, JSON, or a format that ASE reads, packed or not.
        options: what to do with files that are not plain.
    """
    num_found = num_skipped = 0
    seen: dict[str, int] = {}
    try:
        for name, get in _structures(path, options):
            num_found += 1
            source = str(path) if name is None else f"{path}#{_unique(name, seen)}"
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


def _unique(name: str, seen: dict[str, int]) -> str:
    """The name, or ``name~2`` and so on if it occurred before."""
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else f"{name}~{seen[name]}"


def _reason(path: Path, error: Exception) -> str:
    """Why a structure cannot be used; the one place where any error may end."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    if isinstance(error, CrystalError | DatasetError):
        return str(error).removeprefix(f"{path}: ")
    return f"not a readable structure ({reason_of(error)})"


def unpacked_name(path: Path) -> str:
    """Name of a file without the suffixes of packers."""
    name = path.name
    while Path(name).suffix.lower() in PACKED:
        name = Path(name).stem
    return name


def _is_of_vasp(name: str) -> bool:
    return Path(name).suffix.lower() in _VASP or any(word in name for word in _VASP_NAMES)


def _structures(path: Path, options: ReadOptions) -> _Named:
    """Name (None if alone) of each structure, and what decodes it."""
    name = unpacked_name(path)
    suffix = Path(name).suffix.lower()
    if suffix in _JSON:
        yield from _of_json(path, options)
    elif suffix in ASE_FORMATS:
        yield from ase_structures(path, suffix, options)
    else:
        yield from _of_text(path, name, options)


def _of_json(path: Path, options: ReadOptions) -> _Named:
    records = iter_json(path)
    for number, (record, is_alone) in enumerate(_look_ahead(records)):
        name = None if is_alone else id_of_record(record) or str(number)
        yield from json_structures(record, options, name)


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


def _of_text(path: Path, name: str, options: ReadOptions) -> _Named:
    """Structures of a CIF or a file of VASP, by name or content."""
    is_trajectory = "XDATCAR" in name or name.lower().endswith(".xdatcar")
    text = _text(path, MAX_TRAJECTORY if is_trajectory else MAX_TEXT)
    suffix = Path(name).suffix.lower()
    start = text.lstrip()[:5].lower()
    if suffix in _CIF or (not _is_of_vasp(name) and (start == "data_" or "_cell_length_a" in text)):
        yield from cif_structures(text, options)
    elif _is_of_vasp(name):
        yield from poscar_structures(text, options)
    else:
        try:
            # The first of them decides whether the text is of this form at all.
            for label, get in poscar_structures(text, options):
                yield label, lambda get=get: _or_unknown(get)
        except CrystalError as error:
            raise CrystalError(_unknown(error)) from None


def _or_unknown(get: Getter) -> tuple[Crystal, ...]:
    try:
        return get()
    except CrystalError as error:
        raise CrystalError(_unknown(error)) from None


def _unknown(error: CrystalError) -> str:
    """Reason for text that is no CIF, by name or content, and no POSCAR."""
    if not str(error).startswith(("line ", "ends before")):
        return str(error)
    reason = str(error).split("; expected:")[0]
    return f"no known format (as a POSCAR: {reason}); read are {FORMATS}"


def _text(path: Path, limit: int) -> str:
    """The text of a file, unpacked, of bounded length.

    Raises:
        CrystalError: if it is empty, binary or too long.
    """
    with open_regular(path) as file:
        refuse_pickle(path, file.peek(2))
        with unpacked(file) as stream:
            data = stream.read(limit + 1)
    if len(data) > limit:
        raise CrystalError(f"not a readable structure (larger than {limit:,} bytes)")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    elif b"\0" in data:
        raise CrystalError("not a readable structure (binary)")
    else:
        text = data.decode("utf-8-sig", errors="replace")  # names of authors may be in any encoding
    if not text.strip():
        raise CrystalError("not a readable structure (empty file)")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if max(map(len, text.split("\n"))) > MAX_LINE:
        raise CrystalError(
            f"not a readable structure (a line of more than {MAX_LINE:,} characters)"
        )
    return text
