"""``lightframe predict``: files of all kinds, what is skipped, formats of output, drawn chips."""

import csv
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from pymatgen.core import Lattice, Structure
from rich.console import Console
from safetensors.torch import load, save
from typer.testing import CliRunner

from experiments import prediction, prediction_table
from experiments.commands.predict import predict
from experiments.console import console
from experiments.evaluation import HeldOut, chip_predictions
from experiments.mapped import MappedModel
from experiments.prediction import ChipPredictor, DigitalPredictor, predict_structures
from experiments.prediction_table import (
    Column,
    PredictionRow,
    PredictionTable,
    print_predictions,
)
from experiments.results import quantile
from experiments.structures import expand, iter_structures, read_crystals
from models import CrystalModel, load_dataset
from models.checkpoint import checkpoint_bytes
from models.crystal import CrystalError
from models.crystal import read as structure_files
from models.datasets.user import NamedCrystal, Skipped
from photonic import Chip
from tests.models.user_files import rutile, salt, write_json
from tests.tolerances import INVARIANCE_F32

app = typer.Typer()
app.command()(predict)


def run(*arguments: str | Path) -> str:
    """What the command prints."""
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.fixture(autouse=True)
def wide_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with good and bad structure files, and one that is none."""
    tmp_path = tmp_path_factory.mktemp("template")
    rutile().to(str(tmp_path / "rutile.cif"))
    (tmp_path / "POSCAR-salt").write_text(salt().to(fmt="poscar"))
    write_json(tmp_path / "two.json", [rutile().as_dict(), {"id": "mp-9", **salt().as_dict()}])
    alloy = Structure(Lattice.cubic(4.0), [{"Si": 0.5, "Ge": 0.5}], [[0, 0, 0]])
    alloy.to(str(tmp_path / "alloy.cif"))
    Structure(Lattice.cubic(9.0), ["Na"], [[0, 0, 0]]).to(str(tmp_path / "lonely.cif"))
    (tmp_path / "notes.txt").write_text("no structure")
    return tmp_path


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the template, to work in."""
    monkeypatch.chdir(shutil.copytree(template, tmp_path / "place"))
    return Path.cwd()


@pytest.fixture(scope="module")
def stored() -> list[NamedCrystal]:
    dataset = load_dataset("dielectric")
    return [NamedCrystal(i, c) for i, c in zip(dataset.ids[:9], dataset.crystals, strict=False)]


# Which structures


def test_directories_stand_for_their_structure_files(place: Path) -> None:
    names = [path.name for path in expand([place / "notes.txt", place])]
    assert names == ["notes.txt", *sorted(names[1:])]
    assert set(names[1:]) == {"POSCAR-salt", "alloy.cif", "lonely.cif", "rutile.cif", "two.json"}
    (place / "inside").mkdir()
    with pytest.raises(CrystalError, match="inside: is a directory without structure files"):
        expand([place / "inside"])


def test_read_crystals_raises(place: Path) -> None:
    assert [c.num_sites for c in read_crystals([Path("rutile.cif"), Path("POSCAR-salt")])] == [6, 8]
    for name, message in (
        ("alloy.cif", "alloy.cif: row 1 .* is partly occupied"),
        ("two.json", "two.json: holds several structures"),
        ("none.cif", "none.cif: no such file"),
        (".", "is a directory"),
    ):
        with pytest.raises(CrystalError, match=message):
            read_crystals([Path(name)])


def test_order_and_ids_survive(place: Path, model: CrystalModel) -> None:
    files = expand([Path("two.json"), Path("alloy.cif"), Path("rutile.cif")])
    table = predict_structures(iter_structures(files), DigitalPredictor(model))
    assert [row.source for row in table.rows] == ["two.json#0", "two.json#mp-9", "rutile.cif"]
    assert [skip.source for skip in table.skipped] == ["alloy.cif"]
    expected = model.predict([rutile(), salt()])["n"]
    assert [row.values[0] for row in table.rows[:2]] == pytest.approx(expected, rel=INVARIANCE_F32)


def test_two_settings_of_one_crystal_agree(place: Path, model: CrystalModel) -> None:
    """Baddeleyite in P 21/c and P 21/n, each CIF with its own symmetry operations."""
    c_glide = ["x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2"]
    n_glide = ["x,y,z", "-x+1/2,y+1/2,-z+1/2", "-x,-y,-z", "x+1/2,-y+1/2,z+1/2"]
    a, b, c, beta = 5.15, 5.21, 5.32, 99.2
    sites = {
        "Zr1": (0.2754, 0.0395, 0.2083),
        "O1": (0.0700, 0.3317, 0.3447),
        "O2": (0.4496, 0.7569, 0.4792),
    }
    other = Lattice(
        np.array([[-1, 0, -1], [0, 1, 0], [1, 0, 0]]) @ Lattice.monoclinic(a, b, c, beta).matrix
    )
    moved = {name: (-z, y, x - z) for name, (x, y, z) in sites.items()}
    write_cif(place / "c.cif", (a, b, c, beta), c_glide, sites)
    write_cif(place / "n.cif", (*other.abc, other.beta), n_glide, moved)
    table = predict_structures(
        iter_structures([Path("c.cif"), Path("n.cif")]), DigitalPredictor(model)
    )
    first, second = (np.array(row.values) for row in table.rows)
    assert np.abs(other.abc[0] - a) > 1  # another cell indeed
    error = np.abs(first / second - 1).max()
    assert error <= INVARIANCE_F32, f"{error:.1e}"


def write_cif(
    path: Path,
    cell: tuple[float, float, float, float],
    operations: list[str],
    sites: dict[str, tuple[float, float, float]],
) -> None:
    lengths = [f"_cell_length_{n} {x!r}" for n, x in zip("abc", cell[:3], strict=True)]
    angles = [
        f"_cell_angle_{n} {x!r}"
        for n, x in zip(("alpha", "beta", "gamma"), (90.0, cell[3], 90.0), strict=True)
    ]
    symmetry = ["loop_", "_symmetry_equiv_pos_as_xyz", *(f"'{op}'" for op in operations)]
    columns = [f"_atom_site_{n}" for n in ("label", "fract_x", "fract_y", "fract_z")]
    rows = [" ".join([name, *map(repr, map(float, x))]) for name, x in sites.items()]
    lines = ["data_x", *lengths, *angles, *symmetry, "loop_", *columns, *rows]
    path.write_text("\n".join(lines) + "\n")


# Chunks


def test_chunks_change_nothing(
    stored: list[NamedCrystal], model: CrystalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    whole = predict_structures(stored, DigitalPredictor(model))
    original = DigitalPredictor.values

    def watched(self: DigitalPredictor, graphs: list) -> np.ndarray:
        sizes.append(len(graphs))
        return original(self, graphs)

    monkeypatch.setattr(prediction, "CHUNK", 4)
    monkeypatch.setattr(DigitalPredictor, "values", watched)
    parts = predict_structures(iter(stored), DigitalPredictor(model))
    assert sizes == [4, 4, 1]
    for one, other in zip(whole.rows, parts.rows, strict=True):
        assert one.source == other.source
        assert one.values == pytest.approx(other.values, rel=INVARIANCE_F32)


def test_every_structure_is_counted_and_strict_stops_at_the_first(
    stored: list[NamedCrystal], model: CrystalModel
) -> None:
    bad = Skipped("bad.cif", "for a test")
    seen: list[int] = []
    mixed = [stored[0], bad, stored[1]]
    table = predict_structures(mixed, DigitalPredictor(model), on_structure=lambda: seen.append(1))
    assert (len(table.rows), table.skipped, len(seen)) == (2, [bad], 3)
    with pytest.raises(CrystalError, match=r"bad\.cif: for a test"):
        predict_structures(mixed, DigitalPredictor(model), is_strict=True)


# Chips


def test_chip_columns_are_those_of_the_study(mapped: MappedModel, held_out: HeldOut) -> None:
    """Mean and band over the chips that sweep and drift would draw with this seed."""
    dataset = load_dataset("dielectric")
    by_id = dict(zip(dataset.ids, dataset.crystals, strict=True))
    crystals = [NamedCrystal(i, by_id[i]) for i in held_out.ids]
    table = predict_structures(crystals, ChipPredictor(mapped, 3, seed=5))
    columns = [column.name for column in table.columns[:4]]
    assert columns == ["n", "n_chip_mean", "n_chip_p05", "n_chip_p95"]
    chips = np.stack(
        [chip_predictions(mapped, held_out, Chip(mapped.hardware, 5, c)) for c in range(3)]
    )
    values = np.array([row.values[:4] for row in table.rows])
    assert np.allclose(values[:, 1], chips.mean(axis=0), rtol=INVARIANCE_F32)
    assert np.allclose(values[:, 2:].T, quantile(chips, (0.05, 0.95), 0), rtol=INVARIANCE_F32)
    digital = predict_structures(crystals, DigitalPredictor(mapped.model))
    assert np.allclose(values[:, 0], [row.values[0] for row in digital.rows], rtol=INVARIANCE_F32)
    assert np.all(values[:, 2] < values[:, 3])


def test_on_a_mapped_model(place: Path, mapped_dir: Path) -> None:
    arguments = ("rutile.cif", "POSCAR-salt", "--on", mapped_dir, "--chips", "2")
    shown = run(*arguments, "--out", "a.csv")
    assert "n_chip_p95" in shown
    run(*arguments, "--checkpoint", "refractive_index", "--out", "b.csv")
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    run(*arguments, "--seed", "1", "--out", "c.json")
    rows = list(csv.DictReader(Path("a.csv").read_text().splitlines()))
    other = json.loads(Path("c.json").read_text())
    assert float(rows[0]["n"]) == other["predictions"][0]["n"]
    assert float(rows[0]["n_chip_mean"]) != other["predictions"][0]["n_chip_mean"]
    assert (other["origin"]["chips"], other["origin"]["seed"]) == (2, 1)
    assert other["origin"]["hardware"]["name"] == "soi_lab_good"


def test_contradictory_checkpoint_is_refused(place: Path, mapped_dir: Path) -> None:
    other = Path(shutil.copytree(mapped_dir / "checkpoint", place / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config))  # the same, written otherwise
    prediction.require_own_checkpoint(mapped_dir, str(other))
    config["info"]["seed"] = "another"
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="was mapped from another checkpoint than"):
        run("rutile.cif", "--on", mapped_dir, "--checkpoint", other)


# Output


def test_csv_has_units_and_full_digits(place: Path, model: CrystalModel) -> None:
    shown = run(".", "--out", "deep/table.csv")
    header, *rows = csv.reader(Path("deep/table.csv").read_text().splitlines())
    assert header[:3] == ["file", "n", "gap [eV]"]
    assert [row[0] for row in rows] == ["POSCAR-salt", "rutile.cif", "two.json#0", "two.json#mp-9"]
    expected = model.predict([salt()])
    assert [float(x) for x in rows[0][1:-5]] == pytest.approx(
        [expected[label.name][0] for label in model.labels], rel=INVARIANCE_F32
    )
    assert "Skipped (2)" in shown
    assert "alloy.cif: row 1 (Si0) is partly occupied (Si:0.5, Ge:0.5)" in shown
    assert "lonely.cif: site 0 (Na) has no neighbour within 6 Angstrom" in shown


def test_json_tells_units_origin_and_what_was_skipped(place: Path) -> None:
    run("rutile.cif", "alloy.cif", "--out", "table.json")
    content = json.loads(Path("table.json").read_text())
    assert content["units"]["gap"] == "eV" and content["units"]["n"] == "1"
    assert content["predictions"][0]["file"] == "rutile.cif"
    assert content["skipped"][0]["file"] == "alloy.cif"
    assert content["origin"]["checkpoint"] == "refractive_index"
    assert len(content["origin"]["weights_sha256"]) == 64


def test_values_beyond_range_are_null_in_json(tmp_path: Path) -> None:
    table = prediction_table.PredictionTable(
        [prediction_table.Column("K", "GPa")],
        1,
        [prediction_table.PredictionRow("x.cif", [np.inf])],
        [],
        [],
    )
    prediction_table.write_predictions(table, tmp_path / "x.json", {})
    assert json.loads((tmp_path / "x.json").read_text())["predictions"][0]["K"] is None
    prediction_table.write_predictions(table, tmp_path / "x.csv", {})
    extras = "formula,formula_in_training,nearest_training,nearest_distance,notes"
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines == [f"file,K [GPa],{extras}", "x.cif,inf,,,,,"]


def test_notes_reach_the_user(place: Path) -> None:
    lines = Path("rutile.cif").read_text().splitlines()
    bare = [x for x in lines if not x.strip().startswith("_symmetry") and "x, y, z" not in x]
    Path("bare.cif").write_text("\n".join(bare).replace("loop_\nloop_", "loop_"))
    assert "note: bare.cif: states no symmetry" in run("bare.cif", "--out", "x.json")
    [row] = json.loads(Path("x.json").read_text())["predictions"]
    assert "states no symmetry" in row["notes"][0]
    run("bare.cif", "rutile.cif", "--out", "x.csv")
    noted, plain = csv.DictReader(Path("x.csv").read_text().splitlines())
    assert noted["notes"] == "; ".join(row["notes"]) and plain["notes"] == ""


def test_labels_of_a_chip_table_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = [f"{name}{part}" for name in ("n", "eps") for part in ("", "_mean", "_p05", "_p95")]
    monkeypatch.setattr(prediction_table, "console", Console(width=80))
    room = prediction_table._room()
    assert prediction_table._parts(headers, 4, room) == [slice(0, 4), slice(4, 8)]
    assert prediction_table._parts(headers, 1, room) == [slice(0, 5), slice(5, 8)]


@pytest.mark.parametrize("width", [60, 80])
def test_every_block_of_a_narrow_screen_names_the_files(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four columns of a label with a long name left one character to the names of files."""
    label = "formation_energy_per_atom"
    columns = [Column(label + p, "eV/atom") for p in ("", "_chip_mean", "_chip_p05", "_chip_p95")]
    names = ["rutile.cif", "folder/of/structures/POSCAR-salt"]
    rows = [PredictionRow(name, [-1.23456e-5] * 4) for name in names]
    monkeypatch.setattr(console, "_width", width)
    print_predictions(PredictionTable(columns, 4, rows, [], []))
    blocks = capsys.readouterr().out.split("Predictions")[1:]
    assert len(blocks) >= 2
    for block in blocks:
        assert "rutile.cif" in block and "folder/of/structures" in block
        assert "-1.235e-05" in block
        assert max(map(len, block.splitlines())) <= width
    shown = "".join(blocks)
    assert all(column.name in shown for column in columns) and shown.count("[eV/atom]") == 4


def test_long_tables_are_cut_on_the_screen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_table, "MAX_SHOWN", 1)
    assert "and 1 more; --out FILE keeps all" in run("two.json")


def test_names_that_cannot_be_written_lose_no_prediction(place: Path) -> None:
    """Files of a folder named in Latin-1, with colours and line breaks, and a pipe among them."""
    for name in (b"caf\xe9.cif", b"\x1b[31mred\n.cif"):
        shutil.copy("rutile.cif", os.fsdecode(os.fsencode(place) + b"/" + name))
    os.mkfifo("pipe.cif")
    for out in ("x.csv", "x.json"):
        shown = run(".", "--out", out)
        assert "pipe.cif: not a regular file" in shown and "\x1b[31m" not in shown
        text = Path(out).read_text(encoding="utf-8")
        assert text.count("caf") == text.count("31mred") == 1
    rows = {row["file"] for row in json.loads(Path("x.json").read_text())["predictions"]}
    assert {r"caf\xe9.cif", r"\x1b[31mred\n.cif", "rutile.cif", "POSCAR-salt"} <= rows


@pytest.mark.parametrize(
    "error", [RecursionError("deep"), MemoryError(), KeyError("x"), OSError(5)]
)
def test_no_error_of_a_parser_takes_other_files_along(
    place: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str, options: object) -> None:
        raise error

    monkeypatch.setattr(structure_files, "poscar_structures", broken)
    run(".", "--out", "x.json")
    content = json.loads(Path("x.json").read_text())
    assert "rutile.cif" in {row["file"] for row in content["predictions"]}
    [reason] = [skip["reason"] for skip in content["skipped"] if skip["file"] == "POSCAR-salt"]
    assert reason


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.cif"], "none.cif: no such file"),
        (["alloy.cif"], "alloy.cif: row 1 .* partly occupied"),
        (["notes.txt"], "notes.txt: no known format .* read are CIF, POSCAR"),
        (["alloy.cif", "none.cif"], "none of 2 structures can be used; first: alloy.cif: row 1"),
        (["rutile.cif", "none.cif", "--strict"], "none.cif: no such file"),
        (["rutile.cif", "--out", "x.parquet"], "--out must end in .csv or .json, got x.parquet"),
        (["rutile.cif", "--out", "two.json"], "two.json exists; nothing was overwritten"),
        (["rutile.cif", "--chips", "3"], "--chips needs --on MAPPED"),
        (["rutile.cif", "--on", "."], "is not a mapped model"),
        (["rutile.cif", "--checkpoint", "nowhere"], "no checkpoint directory nowhere"),
    ],
)
def test_mistakes_raise_one_line_and_write_nothing(
    place: Path, arguments: list[str], message: str
) -> None:
    before = sorted(place.rglob("*"))
    with pytest.raises((ValueError, OSError), match=message) as error:
        run(*arguments)
    assert len(str(error.value).splitlines()) == 1
    assert sorted(place.rglob("*")) == before


# Predictions that cannot be right


class Failing(DigitalPredictor):
    """A network that fails for crystals of some number of sites."""

    def values(self, graphs):
        outputs = self.model.standardised(list(self.model.batches(graphs)))
        for number, graph in enumerate(graphs):
            if graph.num_sites in (2, 3):
                outputs[number, 0] = float("nan") if graph.num_sites == 2 else 1e6
        return np.stack(list(self.model.predictions(outputs).values()), axis=-1)[None]


def test_crystals_whose_prediction_cannot_be_right_are_skipped(stored, model) -> None:
    sites = [model.graph(entry.crystal).num_sites for entry in stored]
    wrong = [entry.source for entry, size in zip(stored, sites, strict=True) if size in (2, 3)]
    assert 0 < len(wrong) < len(stored)
    table = predict_structures(iter(stored), Failing(model))
    assert [skip.source for skip in table.skipped] == wrong
    assert all("which cannot be right" in skip.reason for skip in table.skipped)
    good = [entry for entry in stored if entry.source not in wrong]
    expected = predict_structures(iter(good), DigitalPredictor(model)).rows
    assert [row.source for row in table.rows] == [row.source for row in expected]
    for row, other in zip(table.rows, expected, strict=True):
        assert row.values == pytest.approx(other.values, rel=INVARIANCE_F32)
    with pytest.raises(CrystalError, match=rf"^{wrong[0]}: the network gives"):
        predict_structures(iter(stored), Failing(model), is_strict=True)


@pytest.mark.parametrize("factor", [1e20, 1e300])
def test_huge_weights_give_no_predictions(place: Path, factor: float) -> None:
    (place / "checkpoint").mkdir()
    for name, data in checkpoint_bytes("refractive_index").items():
        (place / "checkpoint" / name).write_bytes(data)
    state = load((place / "checkpoint" / "weights.safetensors").read_bytes())
    state["head.outer.weight"] = state["head.outer.weight"].double() * factor
    weights = save(state)
    (place / "checkpoint" / "weights.safetensors").write_bytes(weights)
    config = json.loads((place / "checkpoint" / "config.json").read_text())
    config["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    (place / "checkpoint" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"rutile\.cif: the network gives|not finite in torch"):
        run("rutile.cif", "--checkpoint", "checkpoint", "--out", "table.json")
    assert not (place / "table.json").exists()
