"""Symmetry operations that a CIF declares by list, symbol, number or setting, checked together.

The tables of space groups in their settings are gemmi's: International Tables A with the cell
choices and centrings beyond them. A symbol may leave several settings open; all are given, and the
atoms decide (``models.crystal.cif``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray

from models.crystal.crystal import CrystalError
from models.crystal.sites import Operations

METRIC_TOLERANCE = 0.01
"""Relative change of squared lengths under an operation that is rounding of cell parameters."""
MAX_OPERATIONS = 4 * 192
"""Operations of the largest space group in a cell of four times its size."""
_OPERATION = re.compile(r"[0-9xyzXYZ+\-*/., \t]{5,60}")
_SUFFIX = re.compile(r"^(?P<symbol>.*?)\s*(?::\s*(?P<code>\S+)|(?P<icsd>HR|RS|H|R|S|Z))$")
_ICSD_CODES = {"HR": "H", "H": "H", "RS": "R", "R": "R", "S": "1", "Z": "2"}


@dataclass(frozen=True)
class DeclaredSymmetry:
    """What a block of a CIF says about its symmetry.

    Attributes:
        operations: coordinates of general positions, such as ``-x,y+1/2,-z``; empty if not listed.
        symbol: Hermann-Mauguin symbol; empty if not stated.
        hall: Hall symbol; empty if not stated.
        number: of the space group, 1 to 230; None if not stated.
        code: coordinate-system code of the setting, such as ``b1``, ``2`` or ``cab``; may be empty.
    """

    operations: tuple[str, ...] = ()
    symbol: str = ""
    hall: str = ""
    number: int | None = None
    code: str = ""

    @property
    def text(self) -> str:
        """The declarations other than operations, for messages."""
        parts = [f"symbol {self.symbol!r}"] if self.symbol else []
        parts += [f"Hall symbol {self.hall!r}"] if self.hall else []
        parts += [f"number {self.number}"] if self.number is not None else []
        parts += [f"setting {self.code!r}"] if self.code else []
        return ", ".join(parts)

    def parts(self) -> list[DeclaredSymmetry]:
        """Each declaration by itself, the code with the symbol."""
        parts = [DeclaredSymmetry(symbol=self.symbol, code=self.code)] if self.symbol else []
        parts += [DeclaredSymmetry(hall=self.hall)] if self.hall else []
        parts += [DeclaredSymmetry(number=self.number)] if self.number is not None else []
        return parts


@dataclass(frozen=True, eq=False)
class Setting:
    """Operations that a declaration may stand for.

    Attributes:
        name: of the setting, for messages.
        number: of the space group; None if it is in no table.
        operations: of the general position, the identity first.
    """

    name: str
    number: int | None
    operations: Operations


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Settings that agree with the declarations.

    Attributes:
        settings: one, or several between which the atoms must decide.
        conflict: why the declarations contradict each other; empty if they do not.
        note: what the user should know, mostly empty.
        is_assumed: the setting was not stated.
    """

    settings: tuple[Setting, ...]
    conflict: str = ""
    note: str = ""
    is_assumed: bool = False


NO_SYMMETRY_NOTE = "states no symmetry: all atoms were taken to be listed (P1)"


@lru_cache(maxsize=256)
def _listed_symmetry(declared: DeclaredSymmetry) -> Symmetry:
    """Symmetry of a block that lists operations: they count, if nothing else speaks against them.

    Raises:
        CrystalError: if they are none, or form no group.
    """
    listed = _setting_of_operations(declared.operations)
    named: dict[str, tuple[Setting, ...]] = {}
    for part in declared.parts():
        try:
            named[part.text] = _named_settings(part)
        except CrystalError:  # not known
            continue
    if not declared.text:
        return Symmetry((listed,))
    if not named or listed.number is None:
        note = f"{declared.text} is not known, or not compared with {listed.name}"
        return Symmetry((listed,), note=f"{note}; the listed operations were used")
    told = f"the listed operations are those of {listed.name}"
    wrong = [text for text, settings in named.items() if listed.number not in _numbers(settings)]
    if len(wrong) == len(named):
        union = {setting.name: setting for settings in named.values() for setting in settings}
        return Symmetry((listed, *union.values()), f"{told}, but it states {declared.text}")
    # Another setting of the same group: a note, because nothing else says which one is right.
    wrong += [
        text
        for text, settings in named.items()
        if text not in wrong and not any(_is_same(listed, setting) for setting in settings)
    ]
    note = f"{told}, not of {', '.join(wrong)}; they were used" if wrong else ""
    return Symmetry((listed,), note=note)


def _numbers(settings: Sequence[Setting]) -> set[int | None]:
    return {setting.number for setting in settings}


def declared_symmetry(declared: DeclaredSymmetry, lattice: NDArray[np.float64]) -> Symmetry:
    """Settings that a block of a CIF may mean, those that do not fit the cell left out.

    Args:
        declared: what the block says.
        lattice: (3, 3) [Angstrom] lattice vectors as rows.

    Raises:
        CrystalError: for words that are no operation, operations that form no group, symbols that
            are in no table or contradict each other, and if no setting fits the cell.
    """
    if declared.operations:
        symmetry = _listed_symmetry(declared)
    elif not declared.text:
        return Symmetry((_P1,), note=NO_SYMMETRY_NOTE, is_assumed=True)
    else:
        symmetry = Symmetry(_named_settings(declared))
        if declared.number == 1 and not (declared.symbol or declared.hall):
            note = NO_SYMMETRY_NOTE.replace("no symmetry", "number 1 alone")
            return Symmetry((_P1,), note=note, is_assumed=True)
    deviations = [_metric_deviation(s.operations, lattice) for s in symmetry.settings]
    fitting = [
        (deviation, s)
        for deviation, s in zip(deviations, symmetry.settings, strict=True)
        if deviation < METRIC_TOLERANCE
    ]
    if not fitting:
        raise CrystalError(
            f"the cell does not fit the symmetry {symmetry.settings[0].name}: its operations "
            f"change lengths by {min(deviations) / 2:.1%}"
        )
    if symmetry.conflict and len(fitting) == 1 and len(fitting[0][1].operations.rotations) == 1:
        note = (
            f"{symmetry.conflict}, which does not fit the cell; all atoms were taken to be listed"
        )
        return Symmetry((fitting[0][1],), note=note, is_assumed=True)
    if _is_short_monoclinic(declared):
        first = fitting[:1] if declared.operations else []
        fitting = first + _by_unique_axis(fitting[len(first) :])
    return Symmetry(tuple(s for _, s in fitting), symmetry.conflict, symmetry.note)


def _setting_of_operations(texts: Sequence[str]) -> Setting:
    """The group of listed operations.

    Raises:
        CrystalError: if a word is no operation, the identity is missing, or they form no group.
    """
    if len(texts) > MAX_OPERATIONS:
        raise CrystalError(f"{len(texts)} symmetry operations (at most {MAX_OPERATIONS})")
    parsed = [_operation(text) for text in texts]
    # Repeats are harmless, and usual in magnetic files, where time reversal is left out.
    by_key = {_key(operation): operation for operation in reversed(parsed)}
    unique = list(reversed(by_key.values()))
    if _key(gemmi.Op("x,y,z")) not in by_key:
        raise CrystalError("the symmetry operations lack the identity x,y,z")
    group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(unique))
    if group is not None and len(group.operations()) == len(unique):
        return Setting(group.xhm(), group.number, _arrays(unique))
    operations = _arrays(unique)
    _check_closed(operations)
    return Setting(f"a group of {len(unique)} operations in no table", None, operations)


def _operation(text: str) -> gemmi.Op:
    stripped = text.strip()
    if _OPERATION.fullmatch(stripped):
        try:
            operation = gemmi.Op(stripped)
        except (RuntimeError, ValueError):
            pass
        else:
            rotation = np.array(operation.rot) / operation.DEN
            if (rotation == np.rint(rotation)).all() and abs(np.linalg.det(rotation)) == 1:
                return operation
    raise CrystalError(f"{stripped[:40]!r} is no symmetry operation such as -x,y+1/2,-z")


def _key(operation: gemmi.Op) -> tuple[tuple[int, ...], ...]:
    """The operation with its translation in the cell."""
    translation = tuple(t % operation.DEN for t in operation.tran)
    return (*map(tuple, operation.rot), translation)


def _arrays(operations: Sequence[gemmi.Op]) -> Operations:
    """Operations as arrays, the identity first."""
    ordered = sorted(operations, key=lambda op: op.triplet() != "x,y,z")
    scale = 1.0 / ordered[0].DEN
    rotations = np.rint(np.array([op.rot for op in ordered], dtype=np.float64) * scale)
    translations = np.array([op.tran for op in ordered], dtype=np.float64) * scale
    return Operations(rotations, translations % 1.0)


def _check_closed(operations: Operations) -> None:
    """Refuse operations of which two make one that is not listed."""
    denominator = 24
    rotations = operations.rotations.astype(np.int64)
    shifts = np.rint(operations.translations * denominator).astype(np.int64)
    listed = {(r.tobytes(), t.tobytes()) for r, t in zip(rotations, shifts, strict=True)}
    for rotation, shift in zip(rotations, shifts, strict=True):
        products = rotations @ rotation
        moved = (rotations @ shift + shifts) % denominator
        made = {(r.tobytes(), t.tobytes()) for r, t in zip(products, moved, strict=True)}
        if not made <= listed:
            raise CrystalError(
                "the symmetry operations form no group: some are missing or mistyped"
            )


def _is_same(a: Setting, b: Setting) -> bool:
    """True if two settings have the same operations."""

    def keys(operations: Operations) -> set[bytes]:
        table = np.concatenate(
            [operations.rotations.reshape(-1, 9) * 24, operations.translations * 24], axis=1
        )
        return {row.tobytes() for row in np.rint(table).astype(np.int64)}

    return keys(a.operations) == keys(b.operations)


def _metric_deviation(operations: Operations, lattice: NDArray[np.float64]) -> float:
    """Largest relative change of squared lengths of the cell under the rotations."""
    metric = lattice @ lattice.T
    rotations = operations.rotations
    changed = rotations.transpose(0, 2, 1) @ metric @ rotations - metric
    lengths = np.sqrt(np.diag(metric))
    return float(np.abs(changed / np.outer(lengths, lengths)).max())


def _named_settings(declared: DeclaredSymmetry) -> tuple[Setting, ...]:
    """Settings that agree with symbols, number and code.

    Raises:
        CrystalError: if one of them is not known, or they contradict each other.
    """
    settings: tuple[Setting, ...] = ()
    if declared.hall:
        settings = (_by_hall(declared),)
    if declared.symbol or not settings:
        groups = _by_symbol(declared.symbol) if declared.symbol else _by_number(declared.number)
        groups = _of_code(groups, declared.code, declared)
        of_groups = tuple(_setting_of_group(group.xhm(), group.hall) for group in groups)
        if settings and settings[0].number not in _numbers(of_groups):
            raise CrystalError(f"{declared.text}: different space groups")
        settings = settings or of_groups
    if declared.number is not None and declared.number not in _numbers(settings) - {None}:
        raise CrystalError(f"{declared.text}: different space groups")
    return settings


def _by_number(number: int | None) -> list[gemmi.SpaceGroup]:
    groups = [group for group in _table() if group.number == number]
    if not groups:
        raise CrystalError(f"{number} is the number of no space group")
    return groups


def _by_hall(declared: DeclaredSymmetry) -> Setting:
    try:
        return _setting_of_group("", declared.hall)
    except (RuntimeError, ValueError):
        raise CrystalError(f"{declared.hall[:40]!r} is no Hall symbol") from None


@cache
def _table() -> tuple[gemmi.SpaceGroup, ...]:
    return tuple(gemmi.spacegroup_table())


@lru_cache(maxsize=1024)
def _setting_of_group(name: str, hall: str) -> Setting:
    operations = list(gemmi.symops_from_hall(hall))
    group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(operations))
    name = name or (group.xhm() if group is not None else f"Hall symbol {hall!r}")
    return Setting(name, None if group is None else group.number, _arrays(operations))


def _by_symbol(text: str) -> list[gemmi.SpaceGroup]:
    """Settings with a Hermann-Mauguin symbol, full or short, with or without blanks and suffix.

    Raises:
        CrystalError: if there is none.
    """
    groups = _symbol_groups(text)
    if groups:
        return groups
    match = _SUFFIX.match(text.strip())
    if match is not None:
        groups = _symbol_groups(match["symbol"])
        code = match["code"] or _ICSD_CODES[match["icsd"]]
        chosen = [g for g in groups if _has_code(g, code)]
        if groups and (chosen or match["icsd"]):
            # In the tables of ICSD a suffix may also stand where there is no choice.
            return chosen or groups
    raise CrystalError(
        f"the space group {text[:40]!r} is not known; list its operations "
        "(_space_group_symop_operation_xyz)"
    )


def _symbol_groups(text: str) -> list[gemmi.SpaceGroup]:
    full, short = _symbols()
    for key in (_normal(text), _normal(_without_axes(text))):
        if key in full:
            return list(full[key])
        if key in short:
            return list(short[key])
        if key[1:].count("e") == 1:
            # The double glide plane of 1992: C m m e may be C m m a or C m m b, whose origins
            # differ.
            letters = [key[0] + key[1:].replace("e", glide) for glide in "abc"]
            if found := [group for letter in letters for group in full.get(letter, ())]:
                return found
    if _SUFFIX.match(text.strip()):
        return []
    known = gemmi.find_spacegroup_by_name(text)  # symbols of former editions, such as F m 3 m
    return [] if known is None else list(full[_normal(known.hm)])


def _without_axes(symbol: str) -> str:
    """Short form of a full symbol: P 4/m m m of P 4/m 2/m 2/m, F d -3 m of F 41/d -3 2/m."""
    letter, *directions = symbol.replace("_", "").split() or [""]
    is_kept = directions[:1] and directions[0][0] in "46" and directions[1:2] != ["-3"]
    first = directions[:1] if is_kept else []
    return " ".join([letter, *first, *(re.sub(r"^\d+/", "", d) for d in directions[len(first) :])])


def _normal(symbol: str) -> str:
    return re.sub(r"[\s_()]", "", symbol).lower()


@cache
def _symbols() -> tuple[dict[str, list[gemmi.SpaceGroup]], dict[str, list[gemmi.SpaceGroup]]]:
    """Settings by full symbol, and by the short symbols of monoclinic groups."""
    full: dict[str, list[gemmi.SpaceGroup]] = {}
    short: dict[str, list[gemmi.SpaceGroup]] = {}
    for group in _table():
        full.setdefault(_normal(group.hm), []).append(group)
        if 3 <= group.number <= 15:
            parts = [part for part in group.hm.split() if part != "1"]
            short.setdefault(_normal("".join(parts)), []).append(group)
    return full, short


def _is_short_monoclinic(declared: DeclaredSymmetry) -> bool:
    key = _normal(declared.symbol)
    full, short = _symbols()
    return not declared.hall and not declared.code and key in short and key not in full


def _by_unique_axis(fitting: list[tuple[float, Setting]]) -> list[tuple[float, Setting]]:
    """Settings of a short symbol with the unique axis that the cell shows, else the usual one."""
    if not fitting:
        return []
    least = min(deviation for deviation, _ in fitting)
    close = [(d, s) for d, s in fitting if d < least + 1e-4]
    return [(d, s) for d, s in close if _unique_axis(s) == "b"] or close


def _unique_axis(setting: Setting) -> str:
    """The axis that all rotations of a monoclinic group keep or turn round."""
    for index, axis in enumerate("abc"):
        if (np.abs(setting.operations.rotations[:, index, index]) == 1).all():
            others = [i for i in range(3) if i != index]
            signs = setting.operations.rotations[:, others, others]
            if (signs[:, 0] == signs[:, 1]).all():
                return axis
    return ""


def _of_code(
    groups: list[gemmi.SpaceGroup], code: str, declared: DeclaredSymmetry
) -> list[gemmi.SpaceGroup]:
    """Those with a coordinate-system code.

    Raises:
        CrystalError: if there is none.
    """
    if not code:
        return groups
    chosen = [group for group in groups if _has_code(group, code)]
    if not chosen:
        raise CrystalError(f"{declared.text}: there is no such setting")
    return chosen


def _has_code(group: gemmi.SpaceGroup, code: str) -> bool:
    """True if a setting has a code: origin 1 or 2, axes H or R, cell choice or order of axes."""
    wanted = code.strip().lower()
    origin = "" if group.ext == "\0" else group.ext.lower()
    axes = group.qualifier.lower()
    if origin and wanted[:1] == origin:
        wanted = wanted[1:]
        return wanted in ("", axes) or (wanted == "abc" and not axes)
    if wanted in ("1", "2", "h", "r") and origin:
        return False
    return wanted == axes or (wanted in ("abc", "1") and not axes)


_P1 = Setting("P 1", 1, Operations(np.eye(3)[None], np.zeros((1, 3))))
