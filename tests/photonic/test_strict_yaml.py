"""YAML of strangers: one line for whatever it holds, with bounded work, by either parser."""

import os
import time
from pathlib import Path

import pytest
import yaml

from experiments.study.description import StudyError, load_study
from photonic.channel_map import ChannelMapError, load_channel_map
from photonic.drive_laws import DriveLawError, load_laws
from photonic.hardware import HardwareError, load_hardware, strict_yaml
from photonic.hardware.strict_yaml import MAX_NODES, StrictYamlError, read_table

REFUSED = {
    "a: !!bool x": "'x' is no value of the kind bool",
    "a: !!timestamp x": "'x' is no value of the kind timestamp",
    "a: !!int ''": "'' is no value of the kind int",
    "a: !!float .": "'.' is no value of the kind float",
    "a: 2020-13-45": "'2020-13-45' is no value of the kind timestamp",
    "a: !!binary é": "base64",
    "a: !!set x": "expected a mapping",
    "a: !!pairs {}": "a list or table with the tag",
    "a: !!python/object/apply:os.system [x]": "a list or table with the tag",
    "a: !!python/name:os.system ''": "could not determine a constructor",
    "<<: {a: 1}": "merge key <<",
    "a: &x [1]\nb: *x": "line 2: alias \\*x of a list or table",
    "a: &x [*x]": "alias \\*x of a list or table",
    "a: *x": "alias",
    "a: 1\na: 2": "line 2: 'a' occurs twice",
    "a: 1\n---\nb: 1": "document",
    "1: 2": "the key '1' is no text",
    "on: 2": "the key 'on' is no text",
    ".nan: 2": "the key '.nan' is no text",
    "? [a]\n: 2": "a key that is no text",
    "a: " + "9" * 5000: "a number or word of more than 100 characters",
    "a: !!int 1" + ":1" * 200_000: "a number or word of more than 100 characters",
    "a: " + "[" * 100_000: "more than 50 lists and tables",
    "a: [" + "[]," * MAX_NODES + "]": f"more than {MAX_NODES:,} values",
    "a: \x1b": "not valid YAML",
    "\ud800: 1": "not valid YAML",
    "- a": "must be a table",
    "": "must be a table",
}


@pytest.fixture(params=["libyaml", "Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The parser of installations with and without libyaml."""
    if request.param == "Python":
        monkeypatch.setattr(strict_yaml, "_PARSER", yaml.SafeLoader)
    return request.param


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: f"{text[:20]}{len(text)}")
def test_one_line_for_what_is_refused(text: str, parser: str) -> None:
    if parser == "Python" and len(text) > 1_000_000:
        pytest.skip("the same counting, at a tenth of the speed")
    with pytest.raises(StrictYamlError, match=REFUSED[text]) as caught:
        read_table(text)
    assert len(str(caught.value).splitlines()) == 1


def test_values_are_those_of_safe_yaml(parser: str) -> None:
    text = (
        "a: &x 1.5e+3\nb: *x\nc: [1, true, ~, 2020-01-02, 'on', \"é\\n\", <html>]\n"
        "d: {e: {}, f: []}\ng: |\n  two\n  lines\nh: !!str 12\ni: !!float 3\nj:\n'1': k\n"
    )
    assert read_table(text) == yaml.safe_load(text)
    for file in Path("hardware_configs").resolve().glob("*.yaml"):
        assert read_table(file.read_text()) == yaml.safe_load(file.read_text())


def test_a_channel_map_of_megabytes_takes_seconds(tmp_path: Path) -> None:
    """It took minutes and gigabytes; 40,000 blocks are 2.5 MB."""
    lines = (f"- {{first_id: {n}, count: 1, module: {n}, first_channel: 0}}" for n in range(40_000))
    path = tmp_path / "map.yaml"
    path.write_text("channels_per_module: 64\nblocks:\n" + "\n".join(lines))
    start = time.process_time()
    assert load_channel_map(path, 40_000).module[-1] == 39_999
    assert time.process_time() - start < 20


READERS = {
    "hardware": (load_hardware, HardwareError),
    "study": (load_study, StudyError),
    "laws": (load_laws, DriveLawError),
    "channels": (lambda path: load_channel_map(path, 4), ChannelMapError),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "sparse", "tag", "key", "folder"])
def test_every_reader_gives_one_line(tmp_path: Path, reader: str, kind: str) -> None:
    load, error = READERS[reader]
    path = tmp_path / "x.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 1 << 40)
    elif kind in ("device", "loop"):
        path.symlink_to("/dev/zero" if kind == "device" else path)
    else:
        path.write_text({"tag": "a: !!bool x", "key": "1: 2"}[kind])
    with pytest.raises(error, match=r"x\.yaml: ") as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", ["loop", "pipe"])
def test_tables_beside_a_description(tmp_path: Path, kind: str) -> None:
    table = tmp_path / "rows.csv"
    if kind == "pipe":
        os.mkfifo(table)
    else:
        table.symlink_to(table)
    path = tmp_path / "x.yaml"
    path.write_text("crosstalk_rows: {file: rows.csv, source: measured}\n")
    with pytest.raises(HardwareError, match=r"x\.yaml: field 'crosstalk_rows': .*no such file"):
        load_hardware(path)
