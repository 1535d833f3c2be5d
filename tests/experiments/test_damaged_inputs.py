"""Calibrations and mapped models that somebody damaged: one line each, never a traceback."""

import copy
import hashlib
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from experiments.calibration import CONFIG_FILE, Calibration, CalibrationError, load_calibration
from experiments.mapped import MappedError, MappedModel, load_mapped
from models.checkpoint import CheckpointError
from photonic import Chip, load_hardware
from tests.experiments.calibrations import SEED, stored_calibration
from tests.experiments.study_inputs import mapped_directory
from tests.photonic.chips import leaves, other_values, put

LAB = load_hardware("soi_lab_good")
CHIP_FILE = "chip-0000.safetensors"
Edit = Callable[[dict[str, Tensor]], object]

DAMAGE: dict[str, Edit] = {
    "missing": lambda x: x.pop(min(x)),
    "extra": lambda x: x.update(extra=torch.zeros(1)),
    "none": lambda x: x.clear(),
    "shape": lambda x: x.update({min(x): x[min(x)][..., :-1].contiguous()}),
    "flat": lambda x: x.update({min(x): x[min(x)].flatten()}),
    "scalar": lambda x: x.update({min(x): torch.tensor(1.0, dtype=torch.float64)}),
    "empty": lambda x: x.update({min(x): torch.zeros(0, dtype=torch.float64)}),
    "float32": lambda x: x.update({min(x): x[min(x)].float()}),
    "int64": lambda x: x.update({min(x): x[min(x)].long()}),
    "complex": lambda x: x.update({min(x): x[min(x)].to(torch.complex64)}),
    "nan": lambda x: x[min(x)].flatten().__setitem__(0, float("nan")),
    "inf": lambda x: x[max(x)].flatten().__setitem__(0, float("inf")),
    "negative scale": lambda x: x[next(k for k in x if k.endswith("/scale"))].neg_(),
}
HEADERS = [b"", b"\x00" * 8, b"\xff" * 64, b"{}", (2).to_bytes(8, "little") + b"[]"]
TEXTS = [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": 1e999}']


def one_line(call: Callable[[], object], kind: type[ValueError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 500
    return str(caught.value)


@cache
def mapped() -> MappedModel:
    return load_mapped(mapped_directory())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return stored_calibration(mapped(), tmp_path / "calibration", LAB)


def edit_json(path: Path, edit: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def commands(directory: Path) -> object:
    stored: Calibration = load_calibration(directory, mapped())
    return stored(Chip(stored.config.hardware, SEED, 0))


def replace_chip(directory: Path, data: bytes) -> None:
    """Other commands with a hash that fits."""
    (directory / CHIP_FILE).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit_json(directory / CONFIG_FILE, lambda x: x.update(chip_sha256=[digest]))


@pytest.mark.parametrize("edit", DAMAGE.values(), ids=DAMAGE)
def test_commands_that_do_not_fit_are_refused(directory, edit):
    commands(directory)
    tensors = load((directory / CHIP_FILE).read_bytes())
    edit(tensors)
    replace_chip(directory, save({name: x.contiguous() for name, x in tensors.items()}))
    assert CHIP_FILE in one_line(lambda: commands(directory), CalibrationError)


@pytest.mark.parametrize("data", HEADERS)
def test_what_is_no_file_of_commands_is_refused(directory, data):
    replace_chip(directory, data)
    message = one_line(lambda: commands(directory), CalibrationError)
    assert "no readable safetensors file" in message or "is missing" in message


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_calibration_is_refused(directory, text):
    (directory / CONFIG_FILE).write_bytes(text)
    assert CONFIG_FILE in one_line(lambda: commands(directory), CalibrationError)


def test_every_value_of_a_calibration_is_checked_or_free(directory):
    path, passed = directory / CONFIG_FILE, []
    text = path.read_text()
    for place in leaves(json.loads(text)):
        value = copy.deepcopy(json.loads(text))
        for key in place:
            value = value[key]
        for other in other_values(value)[:1]:
            edited = json.loads(text)
            put(edited, place, other)
            path.write_text(json.dumps(edited))
            try:
                commands(directory)
            except CalibrationError as error:
                assert "\n" not in str(error)
                assert len(str(error)) <= 500
            else:
                passed.append(place)
    # What the machine was that calibrated, words about it, and what the recipe decides.
    free = {"command", "versions", "commit", "is_dirty", "created"}
    decided = {
        ("record", "config", "hardware", "is_drive_extended"),
        ("record", "config", "hardware", "sources", "is_drive_extended"),
    }
    assert {place[:2] for place in passed if place not in decided} == {
        ("record", name) for name in free
    }


@pytest.fixture
def model_directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(mapped_directory(), tmp_path / "mapped"))


def replace_programs(directory: Path, data: bytes) -> None:
    (directory / "programs.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit_json(directory / "mapped.json", lambda x: x.update(programs_sha256=digest))


@pytest.mark.parametrize("edit", DAMAGE.values(), ids=DAMAGE)
def test_programs_that_do_not_fit_are_refused(model_directory, edit):
    load_mapped(model_directory)
    tensors = load((model_directory / "programs.safetensors").read_bytes())
    edit(tensors)
    replace_programs(model_directory, save({k: x.contiguous() for k, x in tensors.items()}))
    one_line(lambda: load_mapped(model_directory), MappedError)


@pytest.mark.parametrize("data", HEADERS)
def test_what_is_no_file_of_programs_is_refused(model_directory, data):
    replace_programs(model_directory, data)
    one_line(lambda: load_mapped(model_directory), MappedError)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_mapped_model_is_refused(model_directory, text):
    (model_directory / "mapped.json").write_bytes(text)
    assert "mapped.json" in one_line(lambda: load_mapped(model_directory), MappedError)


def test_any_value_of_a_mapped_model_gives_one_line_or_the_model(model_directory):
    path = model_directory / "mapped.json"
    text = path.read_text()
    content = json.loads(text)
    first = next(iter(content["programs"]))
    content["programs"] = {first: content["programs"][first]}
    lists = ("ideal", "crosstalk_rows", "temperature_trace", "sources", "v_max_v")
    content["hardware"] = {name: content["hardware"][name] for name in lists}
    places = [("hardware", name) for name in lists]
    for place in [place for place in leaves(content) if place[0] != "record"] + places:
        for other in (None, -1, 10**30, "x", {}, [[1]], [{}]):
            edited = json.loads(text)
            put(edited, place, other)
            path.write_text(json.dumps(edited))
            try:
                load_mapped(model_directory)
            except (MappedError, CheckpointError) as error:
                assert "\n" not in str(error)
                assert len(str(error)) <= 500
    edited = json.loads(text)
    edited["programs"][first]["name"] = "other"
    path.write_text(json.dumps(edited))
    with pytest.raises(MappedError, match="holds the program of 'other'"):
        load_mapped(model_directory)
