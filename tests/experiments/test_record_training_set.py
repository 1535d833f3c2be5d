"""The tool that writes the records of training sets, and the figures that docs/data.md quotes."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments import record_training_set
from experiments.record_training_set import training_set_of
from models import CrystalModel, load_checkpoint, load_dataset
from models.checkpoint import checkpoint_names, training_set_bytes
from models.domain import FAR, NONMETALS
from models.training_set import fingerprints


@pytest.mark.slow
@pytest.mark.parametrize("name", checkpoint_names())
def test_the_shipped_records_are_those_of_the_tool(name: str, tmp_path: Path) -> None:
    arguments = [name, "--out", str(tmp_path / "record.json")]
    record_training_set.main(arguments)
    assert (tmp_path / "record.json").read_bytes() == training_set_bytes(name)
    with pytest.raises(FileExistsError, match=r"record\.json exists"):
        record_training_set.main(arguments)


def test_other_folds_than_those_of_the_weights_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The statistics of the labels give them away; no graph need be built to see it."""
    model = load_checkpoint("multitask")

    def small(specs, settings, test_fold, **options):
        from experiments.training_data import load_training_data

        return load_training_data(specs[:1], settings.model_copy(update={"num_neighbours": 4}),
                                  test_fold, **options)  # fmt: skip

    one = CrystalModel(model.network, model.graph_settings, model.labels[:1], model.info)
    monkeypatch.setattr(record_training_set, "load_training_data", small)
    data = dict(model.info["record"]["data_sha256"])
    record = {**model.info["record"], "data_sha256": {"dielectric": data["dielectric"]}}
    for change, message in (
        ({"test_fold": 1}, "n was standardised by other training crystals"),
        ({"validation_fold": 1}, "n was standardised by other training crystals"),
        ({"record": {**record, "data_sha256": {"dielectric": "0" * 64}}}, "on other data"),
        ({"fold_rule": 2}, "follow rule 2"),
    ):
        info = {**model.info, "record": record, **change}
        other = CrystalModel(one.network, one.graph_settings, one.labels, info)
        with pytest.raises(ValueError, match=message):
            training_set_of(other)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::models.CrystalWarning")
@pytest.mark.parametrize("name", checkpoint_names())
def test_figures_of_distances(name: str) -> None:
    """Does the error of held-out crystals grow with their distance from the training crystals?"""
    model = load_checkpoint(name)
    found = {}
    for dataset in (load_dataset(part) for part in model.training_set.crystals):
        test = dataset.split(model.info["test_fold"]).test
        crystals = [dataset.crystals[i] for i in test]
        volumes = [one.volume / one.num_sites for one in crystals]
        part = model.training_set.crystals[dataset.name]
        own = fingerprints([one.formula_key for one in crystals], volumes)
        distances = np.array([part.nearest(row, 1)[0][1] for row in own])
        order, quarter = np.argsort(distances), len(test) // 4
        predicted = model.predict(crystals)
        far = (distances > FAR).mean()
        assert far < 0.03
        for label in (x for x in model.labels if x.dataset == dataset.name):
            truth = label.standardise(dataset.labels[label.name][test])
            errors = np.abs(label.standardise(predicted[label.name]) - truth)
            rank = spearmanr(distances, errors)
            found[label.name] = rank.statistic
            print(
                f"{name} {label.name}: Spearman {rank.statistic:.2f} (p {rank.pvalue:.0e}), "
                f"nearest quarter {errors[order[:quarter]].mean():.3f}, farthest "
                f"{errors[order[-quarter:]].mean():.3f}, all {errors.mean():.3f}; "
                f"{far:.1%} beyond {FAR}"
            )
    assert found["K"] > 0.25 and found["ef"] > 0.15  # the others are not, beyond chance


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::models.CrystalWarning")
@pytest.mark.parametrize("name", checkpoint_names())
def test_figures_of_the_rule_for_metals(name: str) -> None:
    """False alarms on the insulators, and what each half of the rule finds among alloys."""
    model = load_checkpoint(name)
    domain = model.domain(["n"])

    def alarms(crystals) -> np.ndarray:
        values = model.predict(crystals)
        rows = [{key: column[k] for key, column in values.items()} for k in range(len(crystals))]
        notes = [domain.value_notes(one, row) for one, row in zip(crystals, rows, strict=True)]
        by_rule = [any("likely a metal" in note for note in lines) for lines in notes]
        by_gap = values["gap"] < model.training_set.crystals["dielectric"].labels["gap"][0]
        return np.array([by_rule, by_gap])

    insulators = load_dataset("dielectric")
    false = alarms(list(insulators.crystals))
    test = insulators.split(model.info["test_fold"]).test
    alloys = [one for one in load_dataset("formation").crystals
              if NONMETALS.isdisjoint(one.numbers.tolist())]  # fmt: skip
    hits = alarms(alloys)
    print(
        f"{name}: false alarms on {false.shape[1]} insulators {false[0].mean():.1%} (by gap alone "
        f"{false[1].mean():.1%}), on {len(test)} held-out ones {false[0][test].mean():.1%}; of "
        f"{len(alloys)} metals and alloys {hits[0].mean():.1%} (by gap alone {hits[1].mean():.1%})"
    )
    assert len(alloys) == 696 and hits[0].all()
    assert false[0].mean() < 0.025 and false[0][test].mean() < 0.03
