"""The record of the training set: written, tied to its weights, refused when damaged."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import load_checkpoint, load_dataset
from models.checkpoint import (
    CheckpointError,
    checkpoint_bytes,
    checkpoint_names,
    save_checkpoint,
    training_set_bytes,
)
from models.elements import element_table
from models.model import CrystalModel
from models.training_set import (
    TRAINING_SET_FILE,
    VOLUME_WEIGHT,
    TrainingCrystals,
    TrainingSet,
    TrainingSetError,
    fingerprints,
    formula_text,
)
from tests.models.networks import random_model
from tests.tolerances import CLOSED_FORM_F64, STORED_VOLUME

HASH = "0" * 64
CRYSTALS = TrainingCrystals(
    id=["a", "b"],
    formula=["11:1,17:1", "8:2,22:1"],
    sites=[2, 6],
    volume=[22.4, 10.4],
    labels={"n": (1.2, 5.0)},
)
RECORD = TrainingSet(data_sha256={"mine": HASH}, crystals={"mine": CRYSTALS})


@pytest.fixture(scope="module", params=checkpoint_names())
def shipped(request: pytest.FixtureRequest) -> CrystalModel:
    return load_checkpoint(request.param)


def test_shipped_records_hold_the_training_crystals_of_the_folds(shipped: CrystalModel) -> None:
    record, info = shipped.training_set, shipped.info
    assert record is not None
    for name, part in record.crystals.items():
        dataset = load_dataset(name)
        assert record.data_sha256[name] == dataset.sha256
        held_out = {info["test_fold"], info["validation_fold"]} - {None}
        expected = [i for i, fold in enumerate(dataset.folds) if fold not in held_out]
        assert part.id == [dataset.ids[i] for i in expected]
        assert part.formula == [dataset.crystals[i].formula_key for i in expected]
        volumes = [dataset.crystals[i].volume / dataset.crystals[i].num_sites for i in expected]
        assert np.abs(np.array(part.volume) - volumes).max() < STORED_VOLUME
        assert all(shipped.graph(dataset.crystals[i]).num_sites == part.sites[k]
                   for k, i in list(enumerate(expected))[::97])  # fmt: skip
        values = dataset.labels[next(x.name for x in shipped.labels if x.dataset == name)]
        label = next(x.name for x in shipped.labels if x.dataset == name)
        assert part.labels[label] == (values[expected].min(), values[expected].max())


def test_nearest_is_the_root_mean_square_of_fingerprints(shipped: CrystalModel) -> None:
    """By hand: mean standardised properties of the atoms, and three times the log of the volume."""
    part = shipped.training_set.crystals["dielectric"]
    table = element_table().values

    def fingerprint(numbers: list[int], volume: float) -> np.ndarray:
        return np.append(table[numbers].mean(axis=0), VOLUME_WEIGHT * np.log(volume))

    own = fingerprint([22, 8, 8], 10.4)
    found = part.nearest(fingerprints(["8:2,22:1"], [10.4])[0], 5)
    dataset = load_dataset("dielectric")
    position = {id_: i for i, id_ in enumerate(dataset.ids)}
    for place, distance in found:
        crystal = dataset.crystals[position[part.id[place]]]
        other = fingerprint(crystal.numbers.tolist(), part.volume[place])
        expected = np.sqrt(np.mean((own - other) ** 2))
        assert distance == pytest.approx(expected, rel=CLOSED_FORM_F64)
    distances = [distance for _, distance in found]
    assert distances == sorted(distances)
    everything = part.nearest(fingerprints(["8:2,22:1"], [10.4])[0], len(part.id))
    assert distances == [distance for _, distance in everything[:5]]


def test_training_crystals_are_their_own_nearest(shipped: CrystalModel) -> None:
    for part in shipped.training_set.crystals.values():
        for place in range(0, len(part.id), 101):
            own = fingerprints([part.formula[place]], [part.volume[place]])[0]
            assert part.nearest(own, 1)[0][1] == pytest.approx(0, abs=CLOSED_FORM_F64)


@given(counts=st.dictionaries(st.integers(1, 118), st.integers(1, 30), min_size=1, max_size=6))
def test_formulas_are_written_as_chemists_do(counts: dict[int, int]) -> None:
    key = ",".join(f"{z}:{n}" for z, n in sorted(counts.items()))
    text = formula_text(key)
    assert sum(c.isupper() for c in text) == len(counts)
    assert formula_text("37:2,52:1") == "Rb2Te" and formula_text("8:3,22:1,38:1") == "SrTiO3"


# Files


def test_round_trip_through_bytes() -> None:
    assert TrainingSet.from_bytes(RECORD.to_bytes(HASH), HASH) == RECORD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-20], "not JSON"),
        (lambda data: b"[1]", "not an object"),
        (lambda data: b"[" * 100_000, "not JSON"),
        (lambda data: data.replace(b'"format_version":1', b'"format_version":2'), "not of format"),
        (lambda data: data.replace(b'"0000', b'"1000', 1), "belongs to other weights"),
        (lambda data: data.replace(b"22.4", b"22.5"), "changed or damaged"),
        (lambda data: data.replace(b'"a"', b'"A"'), "changed or damaged"),
    ],
)
def test_damaged_records_are_refused(change, message: str) -> None:
    with pytest.raises(TrainingSetError, match=message):
        TrainingSet.from_bytes(change(RECORD.to_bytes(HASH)), HASH)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ["a"]),
        ("id", ["a", 3]),
        ("formula", ["11:1,17:1", "x"]),
        ("formula", ["11:1,17:1", "999:1"]),
        ("formula", ["11:1,17:1", "8:0"]),
        ("sites", [2, 0]),
        ("volume", [22.4, -1.0]),
        ("volume", [22.4, float("nan")]),
        ("volume", [22.4, 1e400]),
        ("labels", {"n": [1.0]}),
        ("other", 1),
    ],
)
def test_records_with_fitting_hashes_are_validated(field: str, value: object) -> None:
    content = RECORD.model_dump(mode="json")
    content["crystals"]["mine"][field] = value
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    header = json.loads(RECORD.to_bytes(HASH))
    whole = {**header, **content, "content_sha256": hashlib.sha256(text.encode()).hexdigest()}
    with pytest.raises(TrainingSetError, match="not valid"):
        TrainingSet.from_bytes(json.dumps(whole).encode(), HASH)


def copy_of(name: str, directory: Path) -> Path:
    for file, data in checkpoint_bytes(name).items():
        (directory / file).write_bytes(data)
    return directory


def test_checkpoints_without_a_record_predict_the_same(tmp_path: Path) -> None:
    bare = load_checkpoint(copy_of("multitask", tmp_path))
    assert bare.training_set is None and training_set_bytes(tmp_path) is None
    crystal = load_dataset("dielectric").crystals[7]
    one, other = bare.predict(crystal), load_checkpoint("multitask").predict(crystal)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_records_go_with_the_weights(tmp_path: Path) -> None:
    record = training_set_bytes("multitask")
    (copy_of("multitask", tmp_path) / TRAINING_SET_FILE).write_bytes(record)
    model = load_checkpoint(tmp_path)
    assert model.training_set == load_checkpoint("multitask").training_set
    assert model.to(torch.float64).training_set is model.training_set
    # Saved anew, in other bits of weights, and over a checkpoint that has one.
    save_checkpoint(model.to(torch.float64), element_table().names, tmp_path)
    assert load_checkpoint(tmp_path).training_set == model.training_set
    assert training_set_bytes(tmp_path) != record
    save_checkpoint(random_model(torch.float32), ("a",) * 7, tmp_path)
    assert load_checkpoint(tmp_path).training_set is None


def test_records_of_other_weights_are_refused(tmp_path: Path) -> None:
    (copy_of("multitask", tmp_path) / TRAINING_SET_FILE).write_bytes(
        training_set_bytes("refractive_index")
    )
    with pytest.raises(CheckpointError, match=r"training_set\.json belongs to other weights"):
        load_checkpoint(tmp_path)


def test_records_of_other_labels_are_refused(tmp_path: Path) -> None:
    weights = checkpoint_bytes("multitask")["weights.safetensors"]
    digest = hashlib.sha256(weights).hexdigest()
    (copy_of("multitask", tmp_path) / TRAINING_SET_FILE).write_bytes(RECORD.to_bytes(digest))
    with pytest.raises(CheckpointError, match="knows no label 'n' of 'dielectric'"):
        load_checkpoint(tmp_path)


def test_links_and_pipes_are_no_records(tmp_path: Path) -> None:
    os.mkfifo(copy_of("multitask", tmp_path) / TRAINING_SET_FILE)
    with pytest.raises(CheckpointError, match=r"training_set\.json: not a regular file"):
        load_checkpoint(tmp_path)
