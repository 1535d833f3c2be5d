"""Settings for the drivers of Qontrol and National Instruments: limits, codes, round trips."""

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.export_formats import (
    DriveTable,
    QontrolChain,
    QontrolModule,
    backplane_chains,
    nidaqmx_files,
    qontrol_files,
    read_channel_table,
    read_script,
)
from photonic.export_formats.drive_table import REPORT_EVERY
from photonic.export_formats.qontrol import LARGEST_CODE, nearest_code, value_to_send
from tests.tolerances import SCRIPT_STEP

CHAINS = (
    QontrolChain(name="port0", modules=(QontrolModule(name="B"), QontrolModule(name="A"))),
    QontrolChain(name="port1", modules=(QontrolModule(name="C", kind="Q8b"),)),
)


def table(**changes):
    """Four shifters, one of them driven by current."""
    columns = {
        "shifter": ("s0", "s1", "s2", "s3"),
        "module": ("A", "A", "B", "C"),
        "channel": (1, 0, 7, 3),
        "drive_v": np.array([1.5, 0.0, 11.25, math.nan]),
        "drive_ma": np.array([3.0, math.nan, math.nan, 40.0]),
        "power_mw": np.array([4.5, 0.0, math.nan, math.nan]),
        "dac_code": (12, 0, None, None),
        "is_current": np.array([False, False, False, True]),
        "limit_v": np.array([5.0, 5.0, math.nan, math.nan]),
        "limit_ma": np.array([20.0, math.nan, math.nan, 50.0]),
        "limit_mw": np.array([30.0, 30.0, math.nan, math.nan]),
    }
    return DriveTable(**columns | changes)


def scripts(drive_table, chains=()):
    return {name: data.decode() for name, data in qontrol_files(drive_table, chains)}


def test_the_script_sets_limits_first():
    expected = [
        *("VMAX7=12.00000", "IMAX7=24.00000"),
        *("VMAX8=5.00000", "IMAX8=24.00000", "VMAX9=5.00000", "IMAX9=20.00000"),
        *("V7=11.25000", "V8=0.00000", "V9=1.50000"),
    ]
    files = scripts(table(), CHAINS)
    assert files["port0.qontrol.txt"].splitlines() == expected
    assert files["port1.qontrol.txt"] == "VMAX3=12.00000\nIMAX3=50.00000\nI3=40.00000\n"


def test_a_law_of_the_current_is_driven_by_the_current():
    volts = np.array([1.5, 0.0, 11.25, 8.0])  # of s3 by its resistance
    files = scripts(table(drive_v=volts), CHAINS)
    assert files["port1.qontrol.txt"] == "VMAX3=12.00000\nIMAX3=50.00000\nI3=40.00000\n"
    with pytest.raises(ValueError, match=r"s3 is calibrated in mA.*\(1 shifters in mA\)"):
        nidaqmx_files(table(drive_v=volts), (0.0, 12.0))
    [(_, data)] = nidaqmx_files(table(drive_v=volts), (0.0, 12.0), is_current_converted=True)
    assert read_channel_table(data.decode())["C/ao3"] == 8.0


def test_a_skipped_module_keeps_its_channels():
    """Module 2 of modules 0 and 2 begins at channel 16 of its port, not at channel 8."""
    chains = backplane_chains([0, 2, 9], "Q8b")
    assert [chain.name for chain in chains] == ["port0", "port1"]
    modules = ("module0", "module2", "module2", "module9")
    files = scripts(table(module=modules, channel=(0, 0, 5, 7)), chains)
    assert [line for line in files["port0.qontrol.txt"].splitlines() if "MAX" not in line] == [
        *("V0=1.50000", "V16=0.00000", "V21=11.25000"),
    ]
    assert files["port1.qontrol.txt"].splitlines()[-1] == "I15=40.00000"
    assert chains[0].module_at(21).name == "module2"


class Column(tuple):
    """A column that counts how often all of it is read."""

    num_reads = 0

    def __iter__(self):
        self.num_reads += 1
        return super().__iter__()


def test_columns_are_read_equally_often_however_long_they_are():
    """646,272 shifters once took 36 hours: each row made a list of all rows."""

    def num_reads(count):
        nothing = np.full(count, math.nan)
        columns = {
            "shifter": Column(map(str, range(count))),
            "module": Column(f"module{k // 8}" for k in range(count)),
            "channel": Column(k % 8 for k in range(count)),
            "dac_code": Column((None,) * count),
        }
        drive_table = DriveTable(
            **columns,
            drive_v=np.full(count, 1.5),
            drive_ma=nothing,
            power_mw=nothing,
            is_current=np.zeros(count, dtype=bool),
            limit_v=nothing,
            limit_ma=nothing,
            limit_mw=nothing,
        )
        steps = []
        chains = backplane_chains(range(count // 8))
        assert list(qontrol_files(drive_table, chains, on_step=lambda *step: steps.append(step)))
        assert nidaqmx_files(drive_table)
        assert steps == [(k, count) for k in range(REPORT_EVERY, count + 1, REPORT_EVERY)]
        return sum(column.num_reads for column in columns.values())

    assert 0 < num_reads(2 * REPORT_EVERY) == num_reads(REPORT_EVERY)


def test_modules_without_a_chain_are_ports_of_their_own():
    files = scripts(table(drive_ma=np.array([3.0, math.nan, math.nan, 20.0])))
    names = ["A.qontrol.txt", "B.qontrol.txt", "C.qontrol.txt", "codes.csv"]
    assert list(files) == names
    assert "V7=11.25000" in files["B.qontrol.txt"]


def test_scripts_are_read_back():
    found = read_script(scripts(table(), CHAINS)["port0.qontrol.txt"], CHAINS[0])
    assert list(found) == [7, 8, 9]
    assert (found[9].quantity, found[9].value) == ("V", 1.5)
    assert (found[9].max_v, found[9].max_ma) == (5.0, 20.0)
    current = read_script(scripts(table(), CHAINS)["port1.qontrol.txt"], CHAINS[1])[3]
    assert (current.quantity, current.value, current.max_ma) == ("I", 40.0, 50.0)


@given(st.lists(st.floats(0, 12), min_size=8, max_size=8))
def test_any_voltages_survive_to_the_last_decimal(volts):
    empty = np.full(8, math.nan)
    names = tuple(f"s{k}" for k in range(8))
    drive_table = DriveTable(
        shifter=names,
        module=("A",) * 8,
        channel=tuple(range(8)),
        drive_v=np.array(volts),
        drive_ma=empty,
        power_mw=empty,
        dac_code=(None,) * 8,
        is_current=np.zeros(8, dtype=bool),
        limit_v=np.array(volts),
        limit_ma=empty,
        limit_mw=empty,
    )
    chain = QontrolChain(name="A", modules=(QontrolModule(name="A"),))
    found = read_script(scripts(drive_table)["A.qontrol.txt"], chain)
    for channel, value in enumerate(volts):
        assert abs(found[channel].value - value) <= SCRIPT_STEP / 2 * (1 + SCRIPT_STEP)


def test_codes_are_the_nearest_and_survive_the_vendors_truncation():
    rows = list(csv.DictReader(io.StringIO(scripts(table(), CHAINS)["codes.csv"])))
    assert [row["shifter"] for row in rows] == ["s1", "s0", "s2", "s3"]
    for row in rows:
        full = 12.0 if row["unit"] == "V" else 83.333333
        code = int(row["code"])
        assert code == round(float(row["value"]) / full * 65535)
        assert int(float(row["value_to_send"]) / full * 0xFFFF) == code
    assert (rows[1]["chain"], rows[1]["chain_channel"], rows[1]["code"]) == ("port0", "9", "8192")


def test_every_code_survives_the_vendors_truncation():
    full = 12.0
    lost = sum(int(code / LARGEST_CODE * full / full * 0xFFFF) != code for code in range(2**16))
    assert lost > 1000  # why the value to send is not the value of the code
    for code in range(2**16):
        sent = value_to_send(code, full)
        assert 0 <= sent <= full
        assert int(sent / full * 0xFFFF) == code
        assert nearest_code(code / LARGEST_CODE * full, full) == code


REFUSED_TABLES = [
    ({"drive_v": np.array([5.5, 0.0, 11.0, 1.0])}, r"s0: `drive_v` is above its limit: 5.5 > 5 V"),
    ({"drive_ma": np.array([21.0, 1, 1, 51])}, r"s0: `drive_ma`.*21 > 20 mA \(and 1 more\)"),
    ({"power_mw": np.array([1.0, 30.5, 1, 1])}, "s1: `power_mw` is above its limit: 30.5 > 30 mW"),
    ({"drive_v": np.array([-0.1, 0.0, 1.0, 1.0])}, "s0: `drive_v` must be finite and at least 0"),
    ({"drive_v": np.array([math.inf, 0.0, 1.0, 1.0])}, "s0: `drive_v` must be finite"),
    ({"channel": (0, 0, 7, 3)}, "channel 0 of A has two shifters: s0 and s1"),
    ({"channel": (1, -1, 7, 3)}, "s1: channel -1 is not a number from 0 on"),
    ({"channel": (1, 0.0, 7, 3)}, "s1: channel 0.0 is not a number"),
    ({"module": ("A", "A", "B\nV0=12", "C")}, "is not a name of a module"),
    ({"shifter": ("s0", "s0", "s2", "s3")}, "a shifter occurs twice"),
    ({"channel": (1, 0)}, "`channel` must have 4 entries, got 2"),
    ({"limit_v": np.zeros(3)}, r"`limit_v` must be float64 of shape \(4,\)"),
    ({"is_current": np.zeros(4)}, r"`is_current` must be bool of shape \(4,\)"),
    ({"drive_ma": np.full(4, math.nan)}, "s3: is driven by a current that is not known"),
]


@pytest.mark.parametrize("case", range(len(REFUSED_TABLES)))
def test_tables_beyond_limits_or_without_sense_are_refused(case):
    changes, message = REFUSED_TABLES[case]
    with pytest.raises(ValueError, match=message):
        table(**changes)


REFUSED_EXPORTS = [
    ({"channel": (1, 8, 7, 3)}, "s1: a Q8iv has channels 0 to 7, there is no 8"),
    ({"module": ("A", "A", "B", "D")}, "s3: module D is on no chain"),
    (
        {"drive_ma": np.full(4, math.nan), "is_current": np.zeros(4, dtype=bool)},
        "s3 has neither a voltage nor a current",
    ),
    ({"drive_v": np.array([1.0, 1, 12.5, 1])}, "s2 needs 12.5 V, a Q8iv gives at most 12 V"),
    (
        {"drive_ma": np.array([1.0, 24.5, 1, 1]), "limit_ma": np.full(4, math.nan)},
        "s1 needs 24.5 mA, a Q8iv gives at most 24 mA",
    ),
]


@pytest.mark.parametrize("case", range(len(REFUSED_EXPORTS)))
def test_what_a_module_cannot_do_is_refused(case):
    changes, message = REFUSED_EXPORTS[case]
    with pytest.raises(ValueError, match=message):
        list(qontrol_files(table(**changes), CHAINS))


REFUSED_SCRIPTS = [
    ("V0=1\n", "V0 is twice or before its limits"),
    ("VMAX0=1\nIMAX0=1\nV0=0.5\nI0=0.5\n", "I0 is twice or before its limits"),
    ("VMAX0=1\nVMAX0=1\n", "VMAX0 is twice"),
    ("VMAX0=1\nIMAX0=1\nV0=1.5\n", "channel 0 is set above its limit VMAX"),
    ("VMAX0=1\nIMAX0=1\n", "channel 0 has limits, but no setting"),
    ("VMAX16=1\n", "chain port0 has no channel 16"),
    ("VMAX0=nan\n", "line 1 is not a command"),
    ("VMAX0=1e9\n", "line 1 is not a command"),
    ("VMAX0=-1\n", "line 1 is not a command"),
    ("SAFE\n", "line 1 is not a command"),
    ("VMAX" + "9" * 10**6 + "=1\n", "line 1 is not a command"),
]


@pytest.mark.parametrize("case", range(len(REFUSED_SCRIPTS)))
def test_other_scripts_are_refused(case):
    text, message = REFUSED_SCRIPTS[case]
    with pytest.raises(ValueError, match=message):
        read_script(text, CHAINS[0])


def test_chains_without_sense_are_refused():
    one = QontrolModule(name="A")
    with pytest.raises(ValueError, match="one of Q8iv, Q8b, Q8a, Q8bi, got 'Q9'"):
        QontrolModule(name="A", kind="Q9")
    with pytest.raises(ValueError, match="must have different modules"):
        QontrolChain(name="x", modules=(one, one))
    with pytest.raises(ValueError, match="module A is on two chains"):
        chains = [QontrolChain(name=name, modules=(one,)) for name in "xy"]
        list(qontrol_files(table(), chains))
    with pytest.raises(ValueError, match="is not a name of a chain"):
        QontrolChain(name="../x", modules=(one,))


def volts_only(**changes):
    volts = {"drive_v": np.array([1.5, 0.0, 9.75, 2.0]), "is_current": np.zeros(4, dtype=bool)}
    return table(**volts | changes)


def test_the_channel_table_is_sorted_and_read_back():
    drive_table = volts_only(module=("cDAQ1Mod2", "cDAQ1Mod1", "cDAQ1Mod1", "Dev1"))
    [(name, data)] = nidaqmx_files(drive_table)
    assert name == "channels.csv"
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [row["physical_channel"] for row in rows] == [
        *("Dev1/ao3", "cDAQ1Mod1/ao0", "cDAQ1Mod1/ao7", "cDAQ1Mod2/ao1"),
    ]
    assert [(row["min_v"], row["max_v"]) for row in rows][1:3] == [("0.0", "5.0"), ("0.0", "10.0")]
    assert read_channel_table(data.decode()) == {
        "Dev1/ao3": 2.0,
        "cDAQ1Mod1/ao0": 0.0,
        "cDAQ1Mod1/ao7": 9.75,
        "cDAQ1Mod2/ao1": 1.5,
    }


@pytest.mark.parametrize(
    ("changes", "range_v", "message"),
    [
        ({"drive_v": np.array([1.5, 0.0, 10.5, 2])}, (0.0, 10.0), "s2 has 10.5 V.* 0 to 10 V"),
        ({}, (0.0, 5.0), "s2 has 9.75 V, the outputs give 0 to 5 V"),
        ({"drive_v": np.full(4, math.nan)}, (0.0, 10.0), "has no voltage"),
        ({}, (5.0, 5.0), "`range_v` must be two rising voltages"),
        ({}, (0.0, math.inf), "`range_v` must be two rising voltages"),
    ],
)
def test_voltages_out_of_range_are_refused(changes, range_v, message):
    with pytest.raises(ValueError, match=message):
        nidaqmx_files(volts_only(**changes), range_v)


HEADER = "physical_channel,volts,min_v,max_v,shifter\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the columns must be"),
        (HEADER + "Dev1/ao0,1,0\n", "line 2 is not a channel"),
        (HEADER + "Dev1/ai0,1,0,5,s\n", "line 2 is not a channel"),
        (HEADER + "../x/ao0,1,0,5,s\n", "line 2 is not a channel"),
        (HEADER + "Dev1/ao0,nan,0,5,s\n", "line 2 is not a channel with its volts"),
        (HEADER + "Dev1/ao0,1_0,0,50,s\n", "line 2 is not a channel with its volts"),
        (HEADER + "Dev1/ao0,6,0,5,s\n", "twice or out of its range"),
        (HEADER + "Dev1/ao0,1,0,5,s\nDev1/ao0,1,0,5,t\n", "line 3: Dev1/ao0 is twice"),
        (HEADER + "Dev1/ao0,one,0,5,s\n", "line 2 is not a channel with its volts"),
        (HEADER + 'Dev1/ao0,1,0,5,"s\n', "is not CSV"),
    ],
)
def test_other_tables_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_channel_table(text)
