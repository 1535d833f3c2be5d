"""CSV tables of a description: crosstalk matrices, temperature traces, and where they may lie."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.hardware import HardwareConfig, HardwareError, load_hardware
from photonic.hardware.tables import MAX_ROWS, read_square, read_trace

MATRIX = "name: x\ncrosstalk_law: matrix\ncrosstalk_rows: {file: FILE, source: measured}\n"
TRACE = (
    "name: x\nthermo_optic_per_k: {value: 1.86e-4, source: a}\n"
    "wavelength_nm: {value: 1550.0, source: a}\n"
    "temperature_trace: {file: FILE, source: measured}\n"
)
finite = st.floats(allow_nan=False, allow_infinity=False)


def load(
    folder: Path, template: str, file: str, table: str | bytes | None = None
) -> HardwareConfig:
    """The description that names a file, after writing the table to it."""
    if table is not None:
        data = table.encode() if isinstance(table, str) else table
        (folder / file).write_bytes(data)
    (folder / "chip.yaml").write_text(template.replace("FILE", file))
    return load_hardware(folder / "chip.yaml")


def test_a_matrix_is_read_with_its_source(tmp_path):
    config = load(tmp_path, MATRIX, "omega.csv", "1,0.01\n-2e-3,1.\n")
    assert config.crosstalk_rows == ((1.0, 0.01), (-0.002, 1.0))
    assert config.sources["crosstalk_rows"] == "measured"
    assert config.has_crosstalk


def test_a_table_may_lie_in_a_folder_below(tmp_path):
    (tmp_path / "measured").mkdir()
    config = load(tmp_path, MATRIX, "measured/omega.csv", "1\n")
    assert config.crosstalk_rows == ((1.0,),)


def test_the_working_directory_does_not_matter(tmp_path, monkeypatch):
    load(tmp_path, MATRIX, "omega.csv", "1\n")
    monkeypatch.chdir(tmp_path.parent)
    relative = Path(tmp_path.name) / "chip.yaml"
    assert load_hardware(relative).crosstalk_rows == ((1.0,),)


def test_a_matrix_may_stand_in_the_description(tmp_path):
    (tmp_path / "chip.yaml").write_text(
        "name: x\ncrosstalk_rows: {value: [[1, 0.1], [0.1, 1]], source: a}\n"
    )
    config = load_hardware(tmp_path / "chip.yaml")
    assert config.crosstalk_rows == ((1.0, 0.1), (0.1, 1.0))


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_trace_is_read(tmp_path, end):
    text = "\ufefftime_s, temperature_k\r\n-60,293.1\n0,293.15\n3600.5, 294\n".rstrip() + end
    config = load(tmp_path, TRACE, "trace.csv", text)
    assert config.temperature_trace == ((-60.0, 293.1), (0.0, 293.15), (3600.5, 294.0))
    assert config.has("temperature")


@given(size=st.integers(1, 6), data=st.data())
def test_every_square_of_doubles_survives(tmp_path_factory, size, data):
    row = st.lists(finite, min_size=size, max_size=size)
    matrix = data.draw(st.lists(row, min_size=size, max_size=size))
    path = tmp_path_factory.getbasetemp() / "square.csv"
    np.savetxt(path, matrix, delimiter=",", fmt="%.17g")
    assert read_square(path) == tuple(map(tuple, matrix))


@given(times=st.lists(finite, min_size=1, max_size=6, unique=True).map(sorted), kelvin=finite)
def test_every_ascending_trace_survives(tmp_path_factory, times, kelvin):
    path = tmp_path_factory.getbasetemp() / "trace.csv"
    path.write_text("time_s,temperature_k\n" + "".join(f"{t!r},{kelvin!r}\n" for t in times))
    assert read_trace(path) == tuple((t, kelvin) for t in times)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("1,0\n0\n", "line 2: must hold 2 numbers, got '0'"),
        ("1,0\n", "line 1: must hold 1 numbers"),
        ("1,0\n\n0,1\n", "line 1: must hold 3 numbers"),
        ("", "line 1: must hold finite numbers, got ''"),
        ("nan\n", "line 1: must hold finite numbers, got 'nan'"),
        ("-inf\n", "finite numbers, got '-inf'"),
        ("1e999\n", "finite numbers, got '1e999'"),
        ("1_0\n", "finite numbers, got '1_0'"),
        ("0x10\n", "finite numbers, got '0x10'"),
        ("\u0661\n", "finite numbers"),
        ("one\n", "finite numbers, got 'one'"),
        ("1;0\n0;1\n", "line 1: must hold 2 numbers, got '1;0'"),
        (b"\xff\xfe\n", "not UTF-8 text"),
    ],
)
def test_bad_matrices_are_refused(tmp_path, table, message):
    with pytest.raises(HardwareError, match=message) as caught:
        load(tmp_path, MATRIX, "omega.csv", table)
    start = f"{tmp_path / 'chip.yaml'}: field 'crosstalk_rows': omega.csv"
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("0,293\n", "line 1: must read time_s,temperature_k, got '0,293'"),
        ("temperature_k,time_s\n293,0\n", "line 1: must read time_s,temperature_k"),
        ("", "line 1: must read"),
        ("time_s,temperature_k\n", "holds no temperatures"),
        ("time_s,temperature_k\n0,293,1\n", "line 2: must hold 2 numbers"),
        ("time_s,temperature_k\n0,nan\n", "line 2: must hold finite numbers"),
        ("time_s,temperature_k\n0,293\n5,293\n5,294\n", "line 4: times must ascend, got 5 after 5"),
        ("time_s,temperature_k\n0,293\n-5,293\n", "line 3: times must ascend, got -5 after 0"),
    ],
)
def test_bad_traces_are_refused(tmp_path, table, message):
    with pytest.raises(HardwareError, match=message) as caught:
        load(tmp_path, TRACE, "trace.csv", table)
    assert "field 'temperature_trace': trace.csv" in str(caught.value)


@pytest.mark.parametrize(
    "file",
    [
        *("/etc/hostname", "../omega.csv", "a/../../omega.csv", "a/../omega.csv", ".", ".."),
        *("C:omega.csv", "C:/omega.csv", "'..\\omega.csv'", "'\\\\host\\share\\omega.csv'"),
    ],
)
def test_tables_outside_the_folder_are_refused(tmp_path, file):
    (tmp_path / "omega.csv").write_text("1\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(HardwareError, match="must lie in the folder of the description"):
        load(inner, MATRIX, file)


def test_links_out_of_the_folder_are_refused(tmp_path):
    (tmp_path / "omega.csv").write_text("1\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.csv").symlink_to(tmp_path / "omega.csv")
    with pytest.raises(HardwareError, match="must lie in the folder of the description"):
        load(inner, MATRIX, "link.csv")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("none.csv", "none.csv: no such file"),
        ("folder", "folder: no such file"),
        ("3", "'file' must be a path, got 3"),
        ("''", "must lie in the folder"),
    ],
)
def test_a_missing_table_is_refused(tmp_path, file, message):
    (tmp_path / "folder").mkdir()
    with pytest.raises(HardwareError, match=message):
        load(tmp_path, MATRIX, file)


def test_sizes_are_bounded(tmp_path):
    with pytest.raises(HardwareError, match=r"omega.csv: holds more than 1024 lines"):
        load(tmp_path, MATRIX, "omega.csv", "1\n" * (MAX_ROWS + 1))


def test_a_large_file_is_refused_unread(tmp_path):
    with (tmp_path / "omega.csv").open("wb") as file:
        file.truncate(10**12)  # sparse
    with pytest.raises(HardwareError, match=r"omega.csv: larger than"):
        load(tmp_path, MATRIX, "omega.csv")
