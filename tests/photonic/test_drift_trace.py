"""Reader of measured temperature traces."""

from pathlib import Path

import pytest

from photonic.drift import read_trace
from photonic.drift.trace import MAX_BYTES

HEADER = b"time_s,temperature_k\n"


def write(place: Path, data: bytes) -> Path:
    path = place / "rack.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        HEADER + b"-60,299.5\n0,300\n3600.5,3.012e2\n",
        b"\xef\xbb\xbf" + HEADER + b"-60,299.5\n0,300\n3600.5,301.2",
        b"time_s, temperature_k\r\n-60, 299.5\r\n0, 300\r\n3600.5, 301.2\r\n\r\n",
    ],
    ids=["plain", "byte-order mark", "Windows"],
)
def test_reads_pairs_in_order(tmp_path: Path, data: bytes) -> None:
    assert read_trace(write(tmp_path, data)) == ((-60.0, 299.5), (0.0, 300.0), (3600.5, 301.2))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: must read time_s,temperature_k, got ''"),
        (b"\n\n", "line 1: must read"),
        (b"time,kelvin\n0,300\n", "line 1: must read time_s,temperature_k, got 'time,kelvin'"),
        (b"0,300\n1,301\n", "line 1: must read"),
        (HEADER, "line 2: holds no temperatures"),
        (HEADER + b"0\n", "line 2: must hold two numbers, got '0'"),
        (HEADER + b"0,300\n1,2,3\n", "line 3: must hold two numbers, got '1,2,3'"),
        (HEADER + b"0,300\n\n5,301\n", "line 3: must hold two numbers, got ''"),
        (HEADER + b"0,warm\n", "line 2: must hold two numbers, got '0,warm'"),
        (HEADER + b"0,nan\n", "line 2: numbers must be finite"),
        (HEADER + b"0,300\ninf,300\n", "line 3: numbers must be finite"),
        (HEADER + b"0,300\n0,301\n", "line 3: times must ascend, got 0 after 0"),
        (HEADER + b"5,300\n4,301\n", "line 3: times must ascend, got 4 after 5"),
        (HEADER + b"0,\x00\n", "line 2: must hold two numbers"),
        (HEADER + b"0," + b"9" * 100_000 + b"\n", "line 2: numbers must be finite"),
        (HEADER + b"0,3\xff0\n", "not UTF-8 text"),
        (HEADER + b"\n" * MAX_BYTES, "must be smaller than 10 MB"),
    ],
)
def test_what_is_no_trace_is_refused_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        read_trace(write(tmp_path, data))
    text = str(refusal.value)
    assert text.startswith(f"{tmp_path / 'rack.csv'}: ")
    assert "\n" not in text.removeprefix(str(tmp_path))
    assert len(text.removeprefix(str(tmp_path))) < 120


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.csv: No such file"):
        read_trace(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="Is a directory"):
        read_trace(tmp_path)
