"""Files and printed tables of results: no number is -0.0, and every other one is as it was."""

import csv
import io
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.console import console, print_table
from experiments.number_text import cell_text, csv_text, frame_text, json_text, positive_zeros
from experiments.training_log import write_metrics

ROOT = Path(__file__).parent.parent.parent
MINUS_ZERO = re.compile(r"(?<!\w)-0(\.0+)?(?![\d.])")
numbers = st.floats(allow_nan=False) | st.just(-0.0)


@given(st.recursive(numbers | st.text(max_size=3), st.lists))
def test_results_keep_their_numbers_but_the_sign_of_zero(content):
    found = json_text({"a": content})
    assert json.loads(found) == json.loads(json.dumps({"a": content}))
    assert found == json_text(json.loads(found))
    assert "-0.0" not in re.findall(r"[-+.\deE]+", json_text(positive_zeros([-0.0, (-0.0,)])))


@given(st.lists(numbers, min_size=1))
def test_tables_of_results_keep_their_numbers(values):
    text = csv_text([["x"], *([value] for value in values)])
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert [float(cell) for (cell,) in rows] == values
    assert not MINUS_ZERO.search(text)
    frame = frame_text(pd.DataFrame({"x": values, "name": "a"}))
    assert [float(line.split(",")[0]) for line in frame.splitlines()[1:]] == values
    assert not MINUS_ZERO.search(frame)


def test_metrics_are_written_without_minus_zero(tmp_path):
    write_metrics([{"epoch": 0, "loss": -0.0}, {"epoch": 1, "loss": -0.5}], tmp_path)
    assert (tmp_path / "metrics.csv").read_text() == "epoch,loss\n0,0.0\n1,-0.5\n"


@given(st.floats(-1e3, 1e3), st.sampled_from([".0f", ".1f", ".3f", ".2e", ".3g", "+.1f"]))
def test_a_printed_number_changes_only_if_it_rounds_to_zero(value, form):
    cell = format(value, form)
    shown = cell_text(f"{cell} V")
    assert shown == (f"{cell} V" if float(cell) else f"{cell.removeprefix('-')} V")
    assert math.copysign(1, float(shown.split()[0])) == 1 or float(cell) < 0


@pytest.mark.parametrize("text", ["-0.05", "mp-0", "10-0.5", "-0.0.1", "-05", "v-0.0", "-"])
def test_other_cells_stay(text):
    assert cell_text(text) == text


def test_printed_tables_show_no_minus_zero():
    with console.capture() as text:
        print_table("t", ("name", "x"), [("a", f"{-0.0001:.1f}"), ("b", "-0.00 ± 0.01")])
    assert "-0" not in text.get()


def test_tables_are_written_in_one_place():
    for path in (ROOT / "experiments").rglob("*.py"):
        if path.name != "number_text.py":
            assert not re.search(r"csv\.writer|DictWriter|\.to_csv\(", path.read_text()), path
