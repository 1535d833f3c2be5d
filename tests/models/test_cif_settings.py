"""Every setting of the 230 space groups: the same crystal however it is declared, or a refusal."""

import functools
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.crystal.crystal import CrystalError
from models.crystal.sites import SAME_SITE
from tests.models.cif_text import block, operations, read
from tests.tolerances import EXACT_POSITION, WRITTEN_POSITION

VOLUME_PER_ATOM = 30.0  # Angstrom^3
CLEAR = 0.6
"""[Angstrom] between all atoms, so that no image of a site counts as special."""
COLUMNS = ("label", "type_symbol", "fract_x", "fract_y", "fract_z")


@dataclass(frozen=True, eq=False)
class Sample:
    """A crystal with two atoms in general positions of a group."""

    cell: Sequence[float]
    metric: NDArray[np.float64]
    rows: Sequence[str]
    numbers: NDArray[np.int64]
    coords: NDArray[np.float64]


def sample(rotations: NDArray[np.float64], translations: NDArray[np.float64]) -> Sample:
    """A crystal whose cell shows no more symmetry than the group asks for."""
    rng = np.random.default_rng(len(rotations))
    basis = np.diag([7.0, 8.0, 9.0]) @ (np.eye(3) + 0.1 * rng.standard_normal((3, 3)))
    metric = np.mean([r.T @ basis @ basis.T @ r for r in rotations], axis=0)
    volume = VOLUME_PER_ATOM * 2 * len(rotations)
    metric *= (volume / np.sqrt(np.linalg.det(metric))) ** (2 / 3)
    lengths = np.sqrt(np.diag(metric))
    cosines = [metric[i, j] / lengths[i] / lengths[j] for i, j in ((1, 2), (0, 2), (0, 1))]
    while True:
        sites = rng.random((2, 3)).round(6)
        coords = np.concatenate([rotations @ x + translations for x in sites])
        offsets = coords[:, None] - coords
        offsets -= np.rint(offsets)
        squares = np.einsum("abi,ij,abj->ab", offsets, metric, offsets)
        if squares[~np.eye(len(coords), dtype=bool)].min(initial=np.inf) > CLEAR**2:
            break
    rows = [f"{s} {s} {x} {y} {z}" for s, (x, y, z) in zip(("Na", "Cl"), sites, strict=True)]
    cell = [*lengths.round(6), *np.degrees(np.arccos(cosines)).round(6)]
    return Sample(cell, metric, rows, np.repeat([11, 17], len(rotations)), coords)


@functools.cache
def of_group(hall: str) -> Sample:
    listed = list(gemmi.symops_from_hall(hall))
    return sample(
        np.array([op.rot for op in listed]) / 24.0, np.array([op.tran for op in listed]) / 24.0
    )


def reading(of: Sample, items: Sequence[str]) -> str:
    """Whether a declaration gives the crystal, another one, or is refused."""
    try:
        crystal = read(block(of.rows, of.cell, items, columns=COLUMNS))
    except CrystalError as error:
        is_ambiguous = "which are different crystals" in str(error)
        return "ambiguous" if is_ambiguous else f"refused: {error}"
    if crystal.num_sites != len(of.numbers):
        return "another"
    for number, position in zip(of.numbers, of.coords, strict=True):
        offsets = crystal.frac_coords - position
        distances = np.linalg.norm((offsets - np.rint(offsets)) @ crystal.lattice, axis=1)
        nearest = int(np.argmin(distances))
        if distances[nearest] > WRITTEN_POSITION or crystal.numbers[nearest] != number:
            return "another"
    return "same"


SYMBOL, NUMBER = "_space_group_name_H-M_alt", "_space_group_IT_number"


def declarations(group: gemmi.SpaceGroup) -> dict[str, Sequence[str]]:
    triplets = [op.triplet() for op in group.operations()]
    code = ("" if group.ext == "\0" else group.ext) + group.qualifier
    return {
        "operations": operations(*triplets),
        "hall": [f"_space_group_name_Hall '{group.hall}'"],
        "symbol with extension": [f"{SYMBOL} '{group.xhm()}'"],
        "symbol": [f"{SYMBOL} '{group.hm}'"],
        "short symbol": [f"{SYMBOL} '{group.short_name()}'"],
        "number": [f"{NUMBER} {group.number}"],
        "number and setting": [
            f"{NUMBER} {group.number}",
            f"_space_group_IT_coordinate_system_code {code or 'abc'}",
        ],
        "all": [
            f"{SYMBOL} '{group.hm}'",
            f"{NUMBER} {group.number}",
            f"_space_group_name_Hall '{group.hall}'",
            *operations(*triplets),
        ],
    }


GROUPS = list(gemmi.spacegroup_table())
WAYS = list(declarations(GROUPS[0]))


@pytest.mark.parametrize("way", WAYS)
def test_settings_of_gemmi(way: str) -> None:
    """Operations, Hall symbols and full symbols always give the crystal."""
    found: dict[str, str] = {}
    for group in GROUPS:
        if group.number == 1 and "number" in way:
            continue  # P 1 in centred cells: a number alone is taken for P 1, with a note
        found[group.xhm()] = reading(of_group(group.hall), declarations(group)[way])
    counts = Counter(found.values())
    wrong = {name: text for name, text in found.items() if text not in ("same", "ambiguous")}
    assert not wrong
    if way in ("operations", "hall", "symbol with extension", "all"):
        assert counts == {"same": len(GROUPS)}
    assert counts["same"] >= 150, counts


def test_settings_of_spglib() -> None:
    """Operations of another table, whose symbols may be refused but never misread."""
    import spglib

    found: dict[str, str] = {}
    for hall_number in range(1, 531):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = spglib.get_symmetry_from_database(hall_number)
            kind = spglib.get_spacegroup_type(hall_number)
        of = sample(table["rotations"].astype(float), table["translations"])
        symbol = kind.international.rsplit("=", 1)[-1].strip()
        declared = {
            "hall": [f"_space_group_name_Hall '{kind.hall_symbol}'"],
            "symbol": [f"{SYMBOL} '{symbol}'"],
            "full symbol": [f"{SYMBOL} '{kind.international_full}'"],
            "setting": [
                f"{NUMBER} {kind.number}",
                f"_space_group_IT_coordinate_system_code {kind.choice or 'abc'}",
            ],
        }
        for way, items in declared.items():
            found[f"{hall_number} {way}"] = reading(of, items)
    wrong = {name: text for name, text in found.items() if text not in ("same", "ambiguous")}
    assert not wrong
    assert {text for name, text in found.items() if name.endswith("hall")} == {"same"}


@given(
    group=st.sampled_from(GROUPS),
    position=st.tuples(*[st.sampled_from([*range(0, 24, 2), 3, 9, 15, 21, None])] * 3),
    seed=st.integers(0, 2**32 - 1),
    digits=st.sampled_from([3, 4, 6, 9]),
)
@example(group=GROUPS[-60], position=(8, 16, 6), seed=0, digits=3)
def test_any_image_of_a_site_may_be_listed(
    group: gemmi.SpaceGroup, position: tuple[int | None, ...], seed: int, digits: int
) -> None:
    """The orbit of a special or general position, from any of its images, however rounded."""
    rng = np.random.default_rng(seed)
    listed = list(group.operations())
    rotations = np.array([op.rot for op in listed]) / 24.0
    translations = np.array([op.tran for op in listed]) / 24.0
    of = of_group(group.hall)
    site = np.array([round(rng.random(), 3) if x is None else x / 24 for x in position])
    images = (rotations @ site + translations) % 1.0
    offsets = images[:, None] - images
    offsets -= np.rint(offsets)
    squares = np.einsum("abi,ij,abj->ab", offsets, of.metric, offsets)
    is_far = squares > EXACT_POSITION**2
    assume(squares[is_far].min(initial=np.inf) > CLEAR**2)
    chosen = images[rng.integers(len(images))] + rng.integers(-2, 3, 3)
    x, y, z = (f"{value:.{digits}f}" for value in chosen)
    items = declarations(group)["operations"]
    crystal = read(block([f"Na Na {x} {y} {z}"], of.cell, items, columns=COLUMNS))
    assert crystal.num_sites == round(len(images) / (~is_far).sum(axis=1)[0])
    for found in crystal.frac_coords:
        offset = images - found
        offset -= np.rint(offset)
        nearest = np.sqrt(np.einsum("ai,ij,aj->a", offset, of.metric, offset)).min()
        assert nearest < SAME_SITE, nearest
