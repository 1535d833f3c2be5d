"""``lightframe predict`` row by row: notes, formulas, nearest crystals, labels, orderings."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from experiments import prediction_table
from experiments.commands.predict import predict
from experiments.console import console
from experiments.mapped import MappedModel
from experiments.prediction import ChipPredictor, DigitalPredictor, predict_structures
from experiments.structures import iter_structures, read_crystals, read_structures
from models import CrystalModel, CrystalWarning, load_checkpoint
from models.checkpoint import checkpoint_bytes
from models.crystal import CrystalError
from models.crystal.found import NamedCrystal
from models.crystal.sites import ReadOptions
from models.domain import NOT_RECORDED
from tests.models.cif_text import RUTILE, block
from tests.models.user_files import rutile, salt
from tests.tolerances import INVARIANCE_F32

app = typer.Typer()
app.command()(predict)
AVERAGE = ReadOptions(disorder="average")
MIXED = block(("Ti1 Ti 0 0 0 0.5", "Sn1 Sn 0 0 0 0.5", *RUTILE[1:]))
TWICE = block((*RUTILE, "O5 O 0.196 0.804 0.5 1"))
"""Rutile with one site listed twice, 6 mA apart: merged, which is a repair."""


def run(*arguments: str | Path) -> str:
    """What the command prints."""
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.fixture(scope="module")
def multitask() -> CrystalModel:
    return load_checkpoint("multitask")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with copper, rutile, rutile with disorder, and rutile that needs a repair."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0, 0, 0]])
    copper.to("copper.cif")
    rutile().to("rutile.cif")
    Path("mixed.cif").write_text(MIXED)
    Path("twice.cif").write_text(TWICE)
    return tmp_path


# Columns


def test_rows_of_csv_say_what_they_are_worth(place: Path) -> None:
    run("copper.cif", "rutile.cif", "--checkpoint", "multitask", "--out", "x.csv")
    copper, oxide = csv.DictReader(Path("x.csv").read_text().splitlines())
    assert list(copper)[-5:] == list(prediction_table.EXTRA_COLUMNS)
    assert (copper["formula"], oxide["formula"]) == ("Cu", "TiO2")
    assert "likely a metal" in copper["notes"] and "metal" not in oxide["notes"]
    dataset, id_ = oxide["nearest_training"].split("/")
    record = load_checkpoint("multitask").training_set
    assert id_ in record.crystals[dataset].id and 0 <= float(oxide["nearest_distance"]) < 0.4
    assert oxide["formula_in_training"] in ("yes", "no") or "for " in oxide["formula_in_training"]


def test_rows_of_json_hold_lists(place: Path) -> None:
    run("copper.cif", "rutile.cif", "--labels", "n,gap", "--out", "x.json")
    content = json.loads(Path("x.json").read_text())
    assert content["notes"] == []
    for row in content["predictions"]:
        assert list(row)[:3] == ["file", "n", "gap"] and row["formula_in_training"] == "no"
        assert row["nearest_training"].keys() == {"dielectric"}
        distances = [near["distance"] for near in row["nearest_training"]["dielectric"]]
        assert len(distances) == 3 and distances == sorted(distances)
    assert any("likely a metal" in note for note in content["predictions"][0]["notes"])
    assert content["predictions"][1]["notes"] == []


def test_python_gives_the_same_rows(place: Path, multitask: CrystalModel) -> None:
    run("copper.cif", "--checkpoint", "multitask", "--labels", "gap", "--out", "x.json")
    [expected] = json.loads(Path("x.json").read_text())["predictions"]
    predictor = DigitalPredictor(multitask, ["gap"])
    [row] = predict_structures(read_structures([Path("copper.cif")]), predictor).rows
    assert list(row.notes) == expected["notes"]
    assert row.formula == expected["formula"] and row.values == [expected["gap"]]
    with pytest.warns(CrystalWarning) as caught:
        multitask.predict("copper.cif", labels=["gap"])
    told = [str(warning.message) for warning in caught]
    # All but the nearest crystal, which costs more than the prediction.
    assert told == [
        f"structure 0 (copper.cif): {note}" for note in row.notes if "far from" not in note
    ]


def test_labels_keep_their_order_and_are_checked(place: Path, multitask: CrystalModel) -> None:
    table = predict_structures(
        read_structures([Path("rutile.cif")]), DigitalPredictor(multitask, ["K", "n"])
    )
    values = multitask.predict("rutile.cif")
    assert table.header == ["file", "K [GPa]", "n"]
    assert table.rows[0].values == pytest.approx([values["K"][0], values["n"][0]])
    for wrong in ("n,Gap", "", "n,,gap"):
        with pytest.raises(ValueError, match=r"no label .*; there are n, gap, eps_t"):
            run("rutile.cif", "--labels", wrong)


def test_a_checkpoint_without_a_record_is_told_of_once(place: Path) -> None:
    Path("bare").mkdir()
    for name, data in checkpoint_bytes("multitask").items():
        (Path("bare") / name).write_bytes(data)
    shown = run("rutile.cif", "copper.cif", "--checkpoint", "bare", "--out", "x.json")
    assert shown.count(NOT_RECORDED) == 1
    content = json.loads(Path("x.json").read_text())
    assert content["notes"] == [NOT_RECORDED]
    for row in content["predictions"]:
        assert row["formula_in_training"] is None and row["nearest_training"] == {}


def test_notes_on_the_screen_are_bounded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_table, "MAX_SHOWN", 2)
    shown = run("copper.cif", "rutile.cif")
    assert shown.count("note:") == 2 and "and 1 more notes; --out FILE keeps all" in shown


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_stays_narrow(
    place: Path,
    width: int,
    multitask: CrystalModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Formulas stand in every block; whether they were trained on, where all labels fit."""
    shutil.copy("rutile.cif", "a_folder_of_long_names_POSCAR_TiO2_experiment.cif")
    names = ["copper.cif", "a_folder_of_long_names_POSCAR_TiO2_experiment.cif"]
    found = read_structures([Path(name) for name in names])
    monkeypatch.setattr(console, "_width", width)
    for labels, is_told in ((None, False), (["n", "gap"], True)):
        predictor = DigitalPredictor(multitask, labels)
        prediction_table.print_predictions(predict_structures(found, predictor))
        shown = capsys.readouterr().out
        table = shown.split("note:")[0]
        assert max(map(len, shown.splitlines())) <= width
        assert table.count(" TiO2 ") == table.count("Predictions") >= 1
        assert ("in training" in table) == is_told


# Reading


def test_strict_refuses_repairs(place: Path) -> None:
    assert "1 of 7 listed sites repeat others and were merged" in run("twice.cif")
    with pytest.raises(CrystalError, match=r"twice\.cif: 1 of 7 listed .* \(not with --strict\)"):
        run("twice.cif", "--strict")
    with pytest.raises(CrystalError, match="not with --strict"):
        read_crystals([Path("twice.cif")], ReadOptions(is_strict=True))
    [one] = read_crystals([Path("twice.cif")])
    assert "merged" in one.notes[0]


def test_disorder_is_refused_ordered_or_averaged(place: Path) -> None:
    with pytest.raises(CrystalError, match=r"mixed\.cif: .* is partly occupied"):
        run("mixed.cif")
    rows = {}
    for how in ("order", "average"):
        run("mixed.cif", "--disorder", how, "--labels", "n,gap", "--out", f"{how}.json")
        [rows[how]] = json.loads(Path(f"{how}.json").read_text())["predictions"]
        assert "ordered at random" in rows[how]["notes"][0]
    assert not any("mean of" in note for note in rows["order"]["notes"])
    [note] = [note for note in rows["average"]["notes"] if "mean of" in note]
    assert note.startswith("mean of 8 orderings, standard deviation n ") and note.endswith(" eV")
    wrong = CliRunner().invoke(app, ["mixed.cif", "--disorder", "guess"])
    assert wrong.exit_code == 2 and "refuse" in wrong.output


def test_structures_of_files_in_one_line(place: Path, multitask: CrystalModel) -> None:
    Path("two.json").write_text(json.dumps([rutile().as_dict(), salt().as_dict()]))
    found = read_structures([Path("two.json"), Path("mixed.cif")], AVERAGE)
    assert [entry.source for entry in found] == ["two.json#0", "two.json#1", "mixed.cif"]
    assert [len(entry.others) for entry in found] == [0, 0, 7]
    with pytest.warns(CrystalWarning) as caught:
        assert multitask.predict(found)["n"].shape == (3,)
    assert any("mean of 8 orderings" in str(warning.message) for warning in caught)
    for paths, message in ((["two.json"], "holds several"), (["mixed.cif"], "several orderings")):
        with pytest.raises(CrystalError, match=message):
            read_crystals([Path(path) for path in paths], AVERAGE)
    with pytest.raises(CrystalError, match=r"none\.cif: no such file"):
        read_structures([Path("none.cif")])


# Orderings


def test_orderings_are_one_row_with_their_mean(place: Path, multitask: CrystalModel) -> None:
    predictor = DigitalPredictor(multitask)
    [found] = iter_structures([Path("mixed.cif")], AVERAGE)
    assert isinstance(found, NamedCrystal)
    [row] = predict_structures([found], predictor).rows
    singles = [NamedCrystal("x", one) for one in (found.crystal, *found.others)]
    alone = np.array([one.values for one in predict_structures(singles, predictor).rows])
    assert row.values == pytest.approx(alone.mean(axis=0), rel=INVARIANCE_F32)
    text = (
        f"standard deviation n {alone[:, 0].std(ddof=1):.2g}, gap {alone[:, 1].std(ddof=1):.2g} eV"
    )
    assert any(text in note for note in row.notes)


def test_orderings_on_chips_are_averaged_chip_by_chip(place: Path, mapped: MappedModel) -> None:
    """A quantile over chips of the mean is not the mean of quantiles."""
    predictor = ChipPredictor(mapped, 3, seed=5, labels=["gap"])
    [found] = iter_structures([Path("mixed.cif")], AVERAGE)
    assert isinstance(found, NamedCrystal)
    [row] = predict_structures([found], predictor).rows
    graphs = [mapped.model.graph(one) for one in (found.crystal, *found.others)]
    names = [label.name for label in mapped.model.labels]
    values = predictor.values(graphs)[:, :, names.index("gap")].mean(axis=1)
    low, high = np.quantile(values[1:], (0.05, 0.95))
    expected = [values[0], values[1:].mean(), low, high]
    assert row.values == pytest.approx(expected, rel=INVARIANCE_F32)


class Failing(DigitalPredictor):
    """A network that fails for crystals with tin at their first site."""

    def values(self, graphs):
        outputs = self.model.standardised(list(self.model.batches(graphs)))
        for number, graph in enumerate(graphs):
            if 50 in graph.numbers:
                outputs[number, 0] = float("nan")
        return np.stack(list(self.model.predictions(outputs).values()), axis=-1)[None]


def test_one_wrong_ordering_makes_the_mean_wrong(place: Path, multitask: CrystalModel) -> None:
    found = [*read_structures([Path("mixed.cif"), Path("rutile.cif")], AVERAGE)]
    table = predict_structures(found, Failing(multitask))
    assert [row.source for row in table.rows] == ["rutile.cif"]
    [skipped] = table.skipped
    assert skipped.source == "mixed.cif" and "which cannot be right" in skipped.reason
