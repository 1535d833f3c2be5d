"""Stores of studies that were damaged or made to do harm: refused in one line, nothing is run."""

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Blosc, Pickle, pickles

from experiments.study import open_study
from experiments.study.description import StudyError
from experiments.study.run import Study
from experiments.study.store import STORE, StudyStore
from tests.experiments.study_inputs import HERE, study, study_file
from tests.experiments.test_cli import lightframe, succeeds

AXES = {"phase_noise_rad": [0.01, 0.1], "remedy": ["none"]}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(tmp_path_factory.mktemp("small"), axes=AXES)


@pytest.fixture(scope="module")
def finished(small: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    small.run(out, HERE, is_resumed=False)
    return out


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished study."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


def data(results: xr.Dataset) -> xr.Dataset:
    """Without the record, which holds the command and the time of a run."""
    return results.load().drop_attrs(deep=False)


def edit(store: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the metadata of an array in both places."""
    together, alone = store / ".zmetadata", store / name / ".zarray"
    everything = json.loads(together.read_text())
    change(everything["metadata"][f"{name}/.zarray"])
    together.write_text(json.dumps(everything))
    alone.write_text(json.dumps(everything["metadata"][f"{name}/.zarray"]))


class Command:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("place", ["filters", "compressor"])
@pytest.mark.parametrize("name", ["mae", "label", "weight_error_note"])
def test_a_store_that_would_run_a_command_is_refused(
    out: Path, name: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a numcodecs that runs it when it decodes the chunk, as the first lines show."""
    monkeypatch.setattr(pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True)  # as releases before 0.16.6
    ran, store = out.parent / "ran", out / STORE
    chunk = Pickle().encode(np.array([Command(ran)], dtype=object))
    Pickle().decode(chunk)
    assert ran.exists()
    ran.unlink()

    def change(array: dict[str, Any]) -> None:
        array |= {"dtype": "|O", "fill_value": None, "compressor": None}
        array[place] = [{"id": "pickle"}] if place == "filters" else {"id": "pickle"}

    edit(store, name, change)
    for path in (store / name).rglob("[0-9]*"):
        if path.is_file():
            path.write_bytes(chunk)
    assert refusal("results", out).startswith(f"{store}/.zmetadata: {name}/.zarray: ")
    assert "dtype" in refusal("compare", out, "--along", "phase_noise_rad")
    assert "dtype" in refusal("sweep", study_file(out.parent, axes=AXES), "--out", out, "--resume")
    with pytest.raises(StudyError, match="dtype"):
        open_study(out)
    assert not ran.exists()


def refusal(*arguments: str | Path) -> str:
    """The one line of an error of the user."""
    outcome = lightframe(*arguments, cwd=Path.cwd())
    assert outcome.status == 2, outcome.stderr
    head, _, line = outcome.stderr.partition("lightframe: error: ")
    assert head == "" and line.count("\n") == 1 and len(line) < 600 and line.isascii()
    return line.rstrip("\n")


ARRAYS: dict[str, dict[str, Any]] = {
    "other filter": {"filters": [{"id": "vlen-utf8"}]},
    "no filters said": {"filters": []},
    "other compressor": {"compressor": {"id": "zstd", "level": 1}},
    "no compressor": {"compressor": None},
    "text": {"compressor": "crc32"},
    "blosc beside checksums": {"compressor": Blosc(cname="lz4").get_config()},
    "objects": {"dtype": "|O"},
    "records": {"dtype": [["a", "<f8"]]},
    "bytes": {"dtype": "|V8"},
    "other order of bytes": {"dtype": ">f8"},
    "integers": {"dtype": "<i8", "fill_value": None},
    "other fill value": {"fill_value": 0},
    "order": {"order": "F"},
    "format": {"zarr_format": 3},
    "more points": {"shape": [3, 5]},
    "huge": {"shape": [10**12, 10**12]},
    "negative": {"shape": [-2, 5]},
    "empty": {"shape": [0, 5]},
    "large chunks": {"chunks": [1, 10**7]},
    "no chunks": {"chunks": [1, 0]},
    "flat": {"shape": [10], "chunks": [2]},
    "unknown field": {"transformers": []},
    "separator": {"dimension_separator": "/../"},
}


@pytest.mark.parametrize("change", ARRAYS.values(), ids=ARRAYS)
def test_other_metadata_than_those_of_studies_are_refused(
    out: Path, change: dict[str, Any]
) -> None:
    edit(out / STORE, "mae", lambda array: array.update(change))
    for use in (open_study, StudyStore):
        with pytest.raises(StudyError, match=r"mae|array") as error:
            use(out)
        assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_metadata_of_format_3_are_refused(out: Path) -> None:
    for folder in ("", "mae"):
        path = out / STORE / folder / "zarr.json"
        path.write_text('{"zarr_format": 3, "node_type": "group"}')
        assert "holds metadata of zarr's format 3" in refusal("results", out)
        path.unlink()


def test_the_two_places_of_metadata_must_agree(out: Path) -> None:
    path = out / STORE / "mae" / ".zarray"
    path.write_text(path.read_text().replace("NaN", "NaN").replace('"/"', '"."'))
    assert ".zmetadata and mae/.zarray contradict each other" in refusal("results", out)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"metadata": 1}', b"9" * 10_000],
    ids=range(8),
)
@pytest.mark.parametrize("name", [".zmetadata", ".zattrs", ".zgroup", "mae/.zarray", "mae/.zattrs"])
def test_broken_metadata_are_one_line(out: Path, name: str, content: bytes) -> None:
    (out / STORE / name).write_bytes(content)
    for use in (open_study, StudyStore):
        with pytest.raises(StudyError, match=name) as error:
            use(out)
        assert "\n" not in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record": "{}"}, "`record`"),
        ({"record": 7}, "record"),
        ({"is_complete": 2}, "is_complete"),
        ({"num_chips": [5]}, "`num_chips` does not fit"),
        ({"num_chips": None}, "`num_chips` of a complete study is missing"),
        ({"label_name": "\x1b[2J"}, "cannot be printed"),
        ({"more": 1}, "more"),
    ],
)
def test_other_attributes_are_refused(out: Path, change: dict[str, Any], message: str) -> None:
    together, alone = out / STORE / ".zmetadata", out / STORE / ".zattrs"
    everything = json.loads(together.read_text())
    everything["metadata"][".zattrs"] |= change
    together.write_text(json.dumps(everything))
    alone.write_text(json.dumps(everything["metadata"][".zattrs"]))
    with pytest.raises(StudyError, match=message):
        open_study(out)


@pytest.mark.parametrize("key", ["../../secret/.zarray", "/.zarray", "mae/0/.zarray", "mae/zarr"])
def test_metadata_lead_nowhere_else(out: Path, key: str) -> None:
    path = out / STORE / ".zmetadata"
    everything = json.loads(path.read_text())
    everything["metadata"][key] = everything["metadata"]["mae/.zarray"]
    path.write_text(json.dumps(everything))
    with pytest.raises(StudyError, match=r"\.zmetadata: "):
        open_study(out)


@pytest.mark.parametrize(
    "name", ["", "weight_error", "mae/0", "mae/0/0", "mae/.zarray", ".zmetadata", "label/0"]
)
def test_links_in_a_study_are_refused(out: Path, name: str) -> None:
    """What they lead to has the right content, and none of it is changed."""
    inside, elsewhere = out / STORE / name, out.parent / "elsewhere"
    inside.rename(elsewhere)
    inside.symlink_to(elsewhere)
    before = {p: p.read_bytes() for p in (elsewhere, *elsewhere.rglob("*")) if p.is_file()}
    file = study_file(out.parent, axes=AXES)
    assert "a link" in refusal("sweep", file, "--out", out, "--resume")
    with pytest.raises(StudyError, match=r"a link.*; nothing was read"):
        open_study(out).load()
    after = {p: p.read_bytes() for p in (elsewhere, *elsewhere.rglob("*")) if p.is_file()}
    assert after == before


def test_a_dangling_link_is_not_written_through(small: Study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / STORE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match="is a link; nothing is written through links"):
        small.run(out, HERE, is_resumed=True)
    assert not (tmp_path / "elsewhere").exists()


def test_a_pipe_in_the_place_of_a_chunk_is_not_waited_for(out: Path) -> None:
    chunk = out / STORE / "mae" / "0" / "0"
    chunk.unlink()
    os.mkfifo(chunk)
    assert "no file" in refusal("results", out)
    with pytest.raises(StudyError, match="no file"):
        StudyStore(out)


def test_a_users_own_file_beside_a_store_stays(small: Study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / f"{STORE}.writing").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        small.run(out, HERE, is_resumed=True)
    assert (out / f"{STORE}.writing").is_dir()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda chunk: chunk[:-3],
    "empty": lambda chunk: b"",
    "longer": lambda chunk: chunk + b"\0",
    "one bit": lambda chunk: chunk[:9] + bytes([chunk[9] ^ 1]) + chunk[10:],
    "checksum": lambda chunk: bytes([chunk[0] ^ 128]) + chunk[1:],
    "zeros": lambda chunk: bytes(len(chunk)),
}


@pytest.mark.parametrize("damage", [*DAMAGES, "missing"])
@pytest.mark.parametrize("name", ["mae/1/1", "error/0/2/0", "label/0", "phase_noise_rad/0"])
def test_broken_chunks_are_named_and_made_again(
    small: Study,
    finished: Path,
    out: Path,
    name: str,
    damage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chunk = out / STORE / name
    good = chunk.read_bytes()
    if damage == "missing":
        chunk.unlink()
    else:
        chunk.write_bytes(DAMAGES[damage](good))
    with pytest.raises(StudyError, match=rf"{name} is broken \(.*\); --resume evaluates it again"):
        open_study(out).load()
    again = small.run(out, HERE, is_resumed=True)
    xr.testing.assert_identical(data(again), data(open_study(finished)))
    assert chunk.read_bytes() == good
    assert f"broken on disk, made again: {name} (" in capsys.readouterr().out
    small.run(out, HERE, is_resumed=True)
    assert "broken" not in capsys.readouterr().out


def test_the_command_line_names_a_broken_chunk(out: Path) -> None:
    chunk = out / STORE / "mae" / "1" / "1"
    chunk.write_bytes(DAMAGES["one bit"](chunk.read_bytes()))
    message = f"{chunk} is broken (the checksum does not fit); --resume evaluates it again"
    assert refusal("results", out) == message
    assert refusal("compare", out, "--along", "phase_noise_rad") == message
    file = study_file(out.parent, axes=AXES)
    printed = succeeds("sweep", file, "--out", out, "--resume", cwd=out.parent)
    assert "broken on disk, made again: mae/1/1 (the checksum does not fit)" in printed


@given(place=st.integers(0, 19), bit=st.integers(0, 7))
def test_any_flipped_bit_is_seen(finished: Path, place: int, bit: int) -> None:
    chunk = finished / STORE / "mae" / "0" / "1"
    good = chunk.read_bytes()
    assert len(good) == 4 + 2 * 8
    try:
        chunk.write_bytes(good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :])
        with pytest.raises(StudyError, match="mae/0/1 is broken"):
            open_study(finished)["mae"].load()
    finally:
        chunk.write_bytes(good)


def test_the_whole_of_a_block_cannot_vanish(small: Study, finished: Path, out: Path) -> None:
    """Of a finished study; of an unfinished one it would be evaluated again."""
    for path in (out / STORE).glob("*/1/1*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(StudyError, match=r"mae/1/1 is broken \(missing\)"):
        open_study(out)["mae"].load()
    again = small.run(out, HERE, is_resumed=True)
    xr.testing.assert_identical(data(again), data(open_study(finished)))


@pytest.fixture
def earlier(out: Path) -> Path:
    """A study as earlier versions have stored it: compressed, without checksums."""
    store = out / STORE
    everything = json.loads((store / ".zmetadata").read_text())
    del everything["metadata"][".zattrs"]["num_chips"]
    for key, array in everything["metadata"].items():
        if key.endswith("/.zarray"):
            array["compressor"] = Blosc(cname="lz4").get_config()
            array["compressor"].pop("typesize", None)
            for chunk in (store / key).parent.rglob("[0-9]*"):
                if chunk.is_file():
                    chunk.write_bytes(Blosc(cname="lz4").encode(chunk.read_bytes()[4:]))
        (store / key).write_text(json.dumps(array))
    (store / ".zmetadata").write_text(json.dumps(everything))
    return out


def test_studies_of_earlier_versions_are_read_and_say_so(
    small: Study, finished: Path, earlier: Path
) -> None:
    results = open_study(earlier)
    xr.testing.assert_identical(data(results), data(open_study(finished)))
    printed = succeeds("results", earlier, cwd=earlier)
    assert "written by an earlier version, without checksums" in " ".join(printed.split())
    with pytest.raises(StudyError, match="without checksums: it can be read, but not continued"):
        small.run(earlier, HERE, is_resumed=True)


@pytest.mark.parametrize("damage", ["cut off", "longer", "empty", "zeros", "claims more"])
def test_chunks_of_earlier_versions_are_not_read_beyond_their_end(
    earlier: Path, damage: str
) -> None:
    chunk = earlier / STORE / "mae" / "0" / "1"
    content = chunk.read_bytes()
    if damage == "claims more":
        content = content[:4] + struct.pack("<I", 2**31 - 1) + content[8:]
    else:
        content = DAMAGES[damage](content)
    chunk.write_bytes(content)
    with pytest.raises(StudyError, match=r"mae/0/1 is broken \(.*\)$"):
        open_study(earlier)["mae"].load()


def test_other_programs_read_studies(finished: Path) -> None:
    """The checksum is a codec of numcodecs: xarray alone opens the store."""
    plain = xr.open_zarr(finished / STORE, consolidated=True, chunks=None)
    xr.testing.assert_identical(data(plain), data(open_study(finished)))
    chunk = (finished / STORE / "mae" / "0" / "0").read_bytes()
    assert struct.unpack("<I", chunk[:4])[0] == zlib.crc32(chunk[4:])
