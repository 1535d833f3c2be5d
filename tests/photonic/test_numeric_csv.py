"""Tables of numbers: what a file says is read as it stands, or the file is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.drive_laws.numeric_csv import NumericCsvError, read_numeric_csv

KINDS = {"id": int, "p0": float, "max_drive": float}


def read(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return read_numeric_csv(path, KINDS)


@given(
    numbers=st.lists(
        st.tuples(st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False)),
        min_size=1,
    )
)
def test_numbers_are_read_bit_by_bit(tmp_path_factory, numbers):
    text = "p0,id\n" + "".join(f"{value!r},{number}\n" for number, value in numbers)
    found = read(tmp_path_factory.mktemp("csv"), text)
    assert list(found) == ["id", "p0"]
    assert found["id"].tolist() == [number for number, _ in numbers]
    assert found["p0"].tobytes() == np.array([value for _, value in numbers]).tobytes()


REFUSED = [
    ("id,p0 [rad]\n0,0.5\n", r"unknown column 'p0 \[rad\]'; the columns are id, p0, max_drive"),
    ("id,p0,max_drive_v\n0,0.5,5\n", "unknown column 'max_drive_v'; the columns are id, p0, max"),
    ("id,p0,note\n0,0.5,7\n", "unknown column 'note'"),
    ("id,p0,\n0,0.5,\n", "unknown column ''"),
    ("id;p0\n0;0,5\n", "unknown column 'id;p0'; .*, separated by commas"),
    ("", "unknown column ''; the columns are id"),
    ("id,p0,p0\n0,1,2\n", "column 'p0' occurs twice"),
    ("id,p0\n1,1,934\n", "row 1 has 3 cells, the header has 2: '1,1,934'; decimals need a point"),
    ("id,p0\n0,1.5\n\n1,0,847\n", "row 2 has 3 cells, the header has 2"),
    ("id,p0\n0,1.5\n1\n", "row 2 has 1 cells, the header has 2: '1'"),
    ("id,p0\n0,1.5,\n", "row 1 has 3 cells"),
    ("id,p0\n0,\n", "`p0` of row 1 is not a number, got ''"),
    ("id,p0\n0,1.5 V\n", "`p0` of row 1 is not a number, got '1.5 V'"),
    ("id,p0\n0,1_0\n", "`p0` of row 1 is not a number, got '1_0'"),
    ("id,p0\n1.0,1\n", "`id` of row 1 is not an integer, got '1.0'"),
    ("id,p0\n0,1\n99999999999999999999,1\n", "`id` of row 2 is not an integer"),
    ("id,p0\n0,nan\n", "`p0` of row 1 is not a finite number"),
    ("id,p0\n0,1\n1,1e999\n", "`p0` of row 2 is not a finite number"),
    ("id,p0\n", "holds no rows"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_would_be_misread_is_refused(tmp_path, case):
    text, message = REFUSED[case]
    with pytest.raises(NumericCsvError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith("table.csv: ")
    assert "\n" not in str(caught.value)
