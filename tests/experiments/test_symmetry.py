"""The command ``symmetry``: all rows on a small network, and that each of them can fail."""

import copy
import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from experiments.commands.symmetry import symmetry
from experiments.mapped import MappingSettings, map_model, save_mapped
from experiments.record import RunRecord
from experiments.symmetry.columns import Evaluator, chip_columns, digital_columns, spread
from experiments.symmetry.controls import CONTROLS, Control, run_control
from experiments.symmetry.frame_free import IDLE, SENSITIVE, effect_of_frames
from experiments.symmetry.invariance import TRANSFORMATIONS, Case, cases, compare
from experiments.symmetry.row import EXACT, Comparison, Row
from experiments.symmetry.run import SymmetryReport, SymmetryRun, SymmetrySettings
from experiments.symmetry.site_rows import equivalent_sites, orbit_frames, permuted_sites
from experiments.symmetry.structures import (
    Named,
    by_space_group,
    exact_structures,
    random_triclinic,
    sample,
    usable,
)
from experiments.symmetry.tolerance_edges import find_edge
from models.checkpoint import save_checkpoint
from models.crystal import Crystal
from models.datasets import Dataset, dataset_names, load_dataset
from models.descriptions import distorted, supercell
from models.graph import neighbours_within
from models.model import CrystalModel
from models.network import NetworkConfig
from models.prototypes import prototypes
from photonic import load_hardware
from tests.models.networks import CONFIG, LABELS, NUM_ELEMENTS, SETTINGS, random_network
from tests.tolerances import (
    BROKEN_FRAME,
    INVARIANCE_F64,
    NO_OP_F64,
    SHORTEST_RANDOM,
    STORED_INVARIANCE,
    VISIBLE,
)

SMALL = SymmetrySettings(draws=1, num_random=1, per_group=1, stored=4, seed=3)
MAX_NUMBER = NUM_ELEMENTS - 1
ROWS = {
    *TRANSFORMATIONS,
    *(control.name for control in CONTROLS),
    "batch",
    "displacement 1e-4 A",
    "rotation + permutation + cell",
    "permutation, site by site",
    "supercells of the raw cell",
    "frames within orbits",
    "no-op: with and without frames",
    "global frame without frames",
    "frames left out",
    "chip against digital",
}


def model_of(**changes: object) -> CrystalModel:
    """The small random network in a variant, in float64."""
    config = NetworkConfig(**(CONFIG.model_dump() | changes))
    return CrystalModel(random_network(0, config), SETTINGS, LABELS, {"seed": 0})


def some(name: str, count: int) -> Dataset:
    """The first crystals of a data set."""
    full = load_dataset(name)
    return dataclasses.replace(full, ids=full.ids[:count], crystals=full.crystals[:count])


@pytest.fixture(scope="module")
def datasets() -> dict[str, Dataset]:
    return {name: some(name, 4) for name in dataset_names()}


@pytest.fixture(scope="module")
def digital() -> Evaluator:
    return digital_columns(model_of())


@pytest.fixture(scope="module")
def report(datasets: dict[str, Dataset], record: RunRecord) -> SymmetryReport:
    """Everything on the small network, digital and on a noisy chip."""
    mapped = map_model(model_of(), load_hardware("soi_typical"), MappingSettings(), record)
    evaluator = chip_columns(mapped, 1, seed=5)
    return SymmetryRun(evaluator, SMALL, datasets, no_progress).report()


@contextmanager
def no_progress(_title: str, _total: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


def test_every_row_is_there_and_as_expected(report: SymmetryReport) -> None:
    assert {row.name for row in report.rows} == ROWS
    assert not report.wrong, [(row.name, row.structures, row.value) for row in report.wrong]
    assert not [row.name for row in report.rows if row.skipped or not row.comparisons]
    for row in report.rows:
        if row.name != "chip against digital":
            assert set(row.value) == {"float64", "float32", "chip"}, row.name


def test_the_chip_is_a_different_model(report: SymmetryReport) -> None:
    (row,) = (row for row in report.rows if row.name == "chip against digital")
    smallest = min(comparison.spreads["chip"] for comparison in row.comparisons)
    assert smallest > VISIBLE, f"chip as good as digital: {smallest:.1e}"


def test_float32_is_really_float32(report: SymmetryReport) -> None:
    value = next(row for row in report.rows if row.name == "rotation").value
    assert value["float32"] > 100 * value["float64"]


def test_numbers_follow_the_seed(digital: Evaluator) -> None:
    crystals = exact_structures(2, MAX_NUMBER, seed=0)[-3:]

    def found(seed: int) -> list[Comparison]:
        todo = cases("small", lambda c, rng: distorted(c, 1e-3, rng), crystals, 2, seed)
        return [comparison for _, comparison in compare(digital, todo, {})]

    assert found(1) == found(1)
    assert found(1) != found(2)
    assert len({comparison.spreads["float64"] for comparison in found(1)}) == 6


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_control_is_seen_and_its_repair_is_reported(control: Control, digital: Evaluator) -> None:
    broken = run_control(control, digital, MAX_NUMBER, seed=0)
    assert broken.is_expected and broken.value["float64"] > BROKEN_FRAME, broken.value
    assert broken.passing["float64"] <= INVARIANCE_F64
    repaired = dataclasses.replace(control, build=lambda crystal, ev: ev.graph(crystal))
    row = run_control(repaired, digital, MAX_NUMBER, seed=0)
    assert not row.is_expected
    assert row.verdict == "NOT SEEN"


def test_controls_that_a_network_cannot_show_are_skipped() -> None:
    free = digital_columns(model_of(frame="none"))
    rows = {control.name: run_control(control, free, MAX_NUMBER, 0) for control in CONTROLS}
    shown = [name for name, row in rows.items() if not row.skipped]
    assert shown == ["self-images doubled, supercell 2x1x1"]
    assert "does not feel the global frame" in rows["raw cell, cell choice"].skipped


def test_frames_act_where_they_must_and_nowhere_else(digital: Evaluator) -> None:
    named = [Named(name, prototypes()[name]) for name in (*IDLE, *SENSITIVE)]
    found = {c.structure: c.spreads["float64"] for c in effect_of_frames(digital, named)}
    assert max(found[name] for name in IDLE) <= NO_OP_F64
    assert min(found[name] for name in SENSITIVE) > VISIBLE


def test_orbits_are_those_of_the_crystal_and_can_come_apart(digital: Evaluator) -> None:
    rutile = prototypes()["rutile"]
    assert equivalent_sites(rutile, SETTINGS).tolist() == [0, 0, 2, 2, 2, 2]
    nearly = Named("nearly", distorted(rutile, 2e-5, np.random.default_rng(0)))
    (comparison,) = orbit_frames(digital, [nearly])
    assert comparison.spreads["float64"] > INVARIANCE_F64


def test_site_features_that_follow_the_list_are_seen() -> None:
    model = model_of()

    def number_sites(_: nn.Module, __: object, output: tuple[Tensor, Tensor]):
        return output[0] + torch.arange(len(output[0]))[:, None], output[1]

    broken = copy.deepcopy(model.network)
    broken.layers[-1].register_forward_hook(number_sites)
    named = [Named("triclinic", prototypes()["triclinic"])]
    spreads = [
        permuted_sites(digital_columns(m), named, seed=1)[0].spreads["float64"]
        for m in (model, dataclasses.replace(model, network=broken))
    ]
    assert spreads[0] <= INVARIANCE_F64 < spreads[1]


def test_what_is_not_a_number_fails() -> None:
    good, bad = (Comparison("x", {"float64": value}) for value in (1e-16, float("nan")))
    bound = {"float64": EXACT["float64"]}
    assert Row("r", "exact", bound, [good] * 99).is_expected
    row = Row("r", "exact", bound, [good] * 99 + [bad])
    assert not row.is_expected and row.failures == [bad] and row.value["float64"] == np.inf
    assert dataclasses.replace(row, share=0.99).is_expected
    assert not dataclasses.replace(row, share=0.995).is_expected
    assert not Row("r", "exact", bound, [good, bad], is_control=True).is_expected


def test_spread_is_relative_to_the_larger_of_output_and_deviation() -> None:
    first, second = np.array([[0.1, -4.0]]), np.array([[0.1 + 1e-3, -4.0 - 2e-3]])
    assert spread(first, second) == pytest.approx(1e-3)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")  # pymatgen's
def test_space_groups_are_all_there() -> None:
    everything = [named for name in dataset_names() for named in usable(some(name, 15), MAX_NUMBER)]
    chosen = by_space_group(everything, 1, seed=0)
    expected = {n.crystal.to_structure().get_space_group_info(1e-2)[0] for n in everything}
    assert {named.name.split("(")[1].rstrip(")") for named in chosen} == expected
    assert len(by_space_group(everything, 2, seed=0)) > len(chosen)
    assert by_space_group(everything, 1, seed=0) == chosen
    assert by_space_group(everything, 1, seed=1) != chosen


def test_samples_and_random_cells() -> None:
    crystals = usable(some("elastic", 30), MAX_NUMBER)
    chosen = sample(crystals, 10, 0, "elastic")
    assert len({named.name for named in chosen}) == 10
    assert chosen != sample(crystals, 10, 1, "elastic")
    assert sample(crystals, None, 0, "elastic") == crystals
    for seed in range(5):
        crystal = random_triclinic(np.random.default_rng(seed), MAX_NUMBER)
        assert neighbours_within(crystal, SHORTEST_RANDOM)[2].size == 0
        assert crystal.numbers.max() <= MAX_NUMBER


def shifted_pair(distance: float) -> Crystal:
    """Triclinic 2x1x1, both copies of one site off by half of ``distance`` [Angstrom]."""
    crystal = supercell(prototypes()["triclinic"], (2, 1, 1))
    frac_coords, step = crystal.frac_coords.copy(), np.array([0, 0, distance / 2])
    step = step @ np.linalg.inv(crystal.lattice)
    frac_coords[0] += step
    frac_coords[crystal.num_sites // 2] -= step
    return Crystal(crystal.numbers, crystal.lattice, frac_coords)


def test_tolerance_that_a_crystal_sits_on_is_found(digital: Evaluator) -> None:
    """Copies displaced by less, and by more, than symprec; a smaller one separates both."""
    limit = SETTINGS.symprec
    inside, outside = shifted_pair(0.92 * limit), shifted_pair(1.08 * limit)
    edge = find_edge(digital, Case("row", Named("pair", inside), outside), STORED_INVARIANCE)
    assert (edge.tolerance, edge.factor) == ("symprec", 1 / 1.1)
    assert (edge.given.sites, edge.described.sites) == (5, 10)
    assert edge.agreed.sites == 10
    assert "sites 5 | 10" in edge.difference and edge.spread > STORED_INVARIANCE
    other = Case("row", Named("pair", inside), shifted_pair(0.5))
    edge = find_edge(digital, other, STORED_INVARIANCE)
    assert edge.text == "no tolerance alone decides"


def run_command(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(symmetry)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def saved(model: CrystalModel, directory: Path) -> Path:
    directory.mkdir()
    save_checkpoint(model, tuple(f"property {i}" for i in range(7)), directory)
    return directory


def test_command_passes_on_a_good_model(tmp_path: Path, record: RunRecord) -> None:
    model = model_of()
    checkpoint = saved(model, tmp_path / "good")
    mapped = map_model(model, load_hardware("soi_typical"), MappingSettings(), record)
    (tmp_path / "mapped").mkdir()
    save_mapped(mapped, checkpoint, tmp_path / "mapped")
    done = run_command(
        *("--on", tmp_path / "mapped", "--checkpoint", checkpoint, "--chips", 1),
        *("--out", tmp_path / "out", "--per-group", 0, "--stored", 1, "--draws", 1),
    )
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "out" / "symmetry.json").read_text())
    assert written["is_expected"]
    assert written["record"]["config"]["chips"] == 1
    rows = {row["test"]: row for row in written["rows"]}
    assert 0 < rows["rotation"]["value"]["chip"] <= INVARIANCE_F64
    assert rows["rotation"]["verdict"] == "pass"
    assert "rotation" in (tmp_path / "out" / "symmetry.csv").read_text()
    assert "elastic mp-" in (tmp_path / "out" / "comparisons.csv").read_text()
    again = run_command("--checkpoint", checkpoint, "--out", tmp_path / "out")
    assert isinstance(again.exception, FileExistsError)


def test_command_reports_a_network_fed_raw_vectors(tmp_path: Path) -> None:
    """Rotation must fail; translations still pass, so that the table says what is wrong."""
    checkpoint = saved(model_of(frame="identity"), tmp_path / "bad")
    done = run_command(
        *("--checkpoint", checkpoint, "--out", tmp_path / "out"),
        *("--per-group", 0, "--stored", 1, "--draws", 1),
    )
    assert done.exit_code == 1
    assert "not as expected: rotation of exact" in done.output
    written = json.loads((tmp_path / "out" / "symmetry.json").read_text())
    verdicts = {row["test"]: row["verdict"] for row in written["rows"]}
    assert verdicts["rotation"] == "FAIL"
    assert verdicts["translation"] == "pass"
    assert not written["is_expected"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--chips", "2"), "--chips needs --on MAPPED"),
        (("--stored", "many"), "--stored takes a number or 'all', got 'many'"),
    ],
)
def test_command_refuses(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = run_command("--out", tmp_path / "out", *arguments)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
    assert not (tmp_path / "out").exists()
