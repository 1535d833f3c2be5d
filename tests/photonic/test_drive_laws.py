"""Calibration laws: inverses to rounding, branches, limits, and their files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.drive import phase_to_voltage, voltage_to_phase
from photonic.drive_laws import DriveLawError, LawRecord, LawSet, choose_heat, load_laws
from photonic.drive_laws.branch import shortfall, turn_distance
from photonic.drive_laws.law_set import data_sheet_laws
from photonic.drive_laws.records import LAW_NAMES
from photonic.hardware import load_hardware
from tests.tolerances import LAW_EPS, TIE_RAD

TURN = 2 * np.pi
EPS = np.finfo(float).eps
CURVED = st.floats(-0.02, 0.05)


@st.composite
def records(draw: st.DrawFn) -> LawRecord:
    """A law of any kind that reaches a turn within its limits."""
    law = draw(st.sampled_from(LAW_NAMES))
    bias = draw(st.floats(-7, 7))
    low = draw(st.sampled_from([0.0, 0.1, 0.5]))
    if law == "voltage":
        return LawRecord(
            law=law, p0=bias, p1=draw(st.floats(0.8, 3)), p2=draw(CURVED), min_drive=low
        )
    if law == "current":
        p1, p2 = draw(st.floats(0.02, 0.5)), draw(st.sampled_from([0.0, 1e-4, -1e-4]))
        return LawRecord(law=law, p0=bias, p1=p1, p2=p2, min_drive=low, max_drive=40.0)
    if law == "current_quartic":
        p1, p2 = draw(st.floats(0.02, 0.5)), draw(st.sampled_from([0.0, 1e-5, -1e-5]))
        return LawRecord(law=law, p0=bias, p1=p1, p2=p2, min_drive=low, max_drive=30.0)
    if law == "voltage_cubic":
        p1, p2 = draw(st.sampled_from([0.0, 0.01, 0.3])), draw(st.floats(0.2, 2))
        p3 = draw(st.sampled_from([0.0, 0.01, -0.01]))
        return LawRecord(law=law, p0=bias, p1=p1, p2=p2, p3=p3, min_drive=low, max_drive=9.0)
    steps = draw(st.lists(st.floats(0.05, 2), min_size=6, max_size=20))
    rises = draw(st.lists(st.floats(0.05, 2), min_size=len(steps), max_size=len(steps)))
    phases = 8 * np.cumsum([0.0, *rises]) / sum(rises)
    points = np.cumsum([0.0, *steps])
    unit = draw(st.sampled_from(["V", "mA"]))
    return LawRecord(
        law=law, p0=bias, drive=points.tolist(), phase_rad=phases.tolist(), drive_unit=unit
    )


def terms(laws: LawSet, drive: np.ndarray) -> np.ndarray:
    """Sum of the sizes of the terms of f, what rounding is relative to."""
    group = laws.groups[0]
    if group.law == "table":
        return np.full_like(drive, 8.0)
    powers = {
        "voltage": (2, 4),
        "current": (2, 3),
        "voltage_cubic": (1, 2, 3),
        "current_quartic": (2, 4),
    }[group.law]
    return sum(np.abs(c) * drive**p for c, p in zip(group.coefficients, powers, strict=True))


def name_of(place: int) -> str:
    return f"shifter {place}"


@given(record=records(), phase=st.floats(-20, 20))
@example(record=LawRecord(law="voltage", p1=0.8031, p2=-0.02418), phase=0.0)
@example(record=LawRecord(law="voltage_cubic", p1=0.0, p2=1.0, p3=0.0), phase=0.0)
@example(record=LawRecord(law="voltage_cubic", p1=0.0, p2=1.0, p3=0.0), phase=-1e-17)
@example(record=LawRecord(law="current", p1=0.1, max_drive=40.0), phase=TURN - 1e-15)
def test_the_drive_gives_the_phase_modulo_a_turn(record, phase):
    laws = LawSet.of([record], 0, 1)
    low, high = laws.limits
    heat = choose_heat(np.array([phase]) - laws.bias_rad, laws.reach()).heat_rad
    drive = laws.drive(heat)
    assert low[0] <= drive[0] <= high[0]
    met = laws.heat(drive) + laws.bias_rad
    bound = LAW_EPS * EPS * (terms(laws, drive)[0] + abs(phase) + abs(laws.bias_rad[0]))
    error = turn_distance(met, np.array([phase]))[0]
    assert error <= bound, f"{error:.1e} rad exceeds {bound:.1e}"


@given(record=records(), phase=st.floats(-20, 20), present=st.floats(0, 40))
def test_the_nearest_branch_is_no_farther_than_any_other(record, phase, present):
    laws = LawSet.of([record], 0, 1)
    (low,), (high,) = laws.reach()
    target = np.array([phase]) - laws.bias_rad
    lowest = choose_heat(target, laws.reach()).heat_rad[0]
    nearest = choose_heat(target, laws.reach(), present=np.array([present])).heat_rad[0]
    others = lowest + TURN * np.arange(8)
    others = others[others <= high]
    assert low <= lowest <= nearest <= high + TIE_RAD
    assert abs(nearest - present) <= np.abs(others - present).min() + TIE_RAD
    assert np.abs(others - nearest).min() <= TIE_RAD


def test_laws_of_every_kind_side_by_side():
    laws = LawSet.of(
        [
            LawRecord(law="voltage", p0=0.3, p1=0.8, resistance_ohm=500.0),
            LawRecord(law="current", ids=[13, 11], p1=[0.2, 0.1], max_drive=[20.0, 30.0]),
            LawRecord(law="voltage_cubic", ids=[14], p1=0.1, p2=0.5, p3=-0.01),
            LawRecord(law="table", ids=[15], drive=[0, 1, 2, 4], phase_rad=[0, 1, 4, 16]),
        ],
        10,
        6,
    )
    drive = np.array([2.0, 3.0, 2.0, 3.0, 2.0, 3.0])
    assert laws.heat(drive).tolist() == pytest.approx([3.2, 0.9, 3.2, 1.8, 2.12, 9.0])
    assert laws.is_current.tolist() == [False, True, False, True, False, False]
    assert laws.limits[1].tolist()[:2] == [np.inf, 30.0]
    assert laws.bias_rad.tolist() == [0.3, 0, 0.3, 0, 0, 0]
    assert laws.power_mw(drive).tolist()[0] == 8.0
    assert np.isnan(laws.power_mw(drive)[1:2]).all()
    again = LawSet.of(laws.to_records(), 10, 6)
    part = laws.part(12, 3)
    assert again.heat(drive).tobytes() == laws.heat(drive).tobytes()
    assert part.heat(drive[2:5]).tobytes() == laws.heat(drive)[2:5].tobytes()


def test_the_power_of_a_heater_whose_resistance_rises():
    """P = c I^2 (1 + a I^2) with c = R, and the phase in proportion to the power."""
    ohm, a, rad_per_mw = 400.0, 2e-3, 0.1
    current = np.array([0.5, 5.0, 20.0])
    power = 1e-3 * ohm * current**2 * (1 + a * current**2)
    p1 = rad_per_mw * 1e-3 * ohm
    law = LawRecord(law="current_quartic", p1=p1, p2=a * p1, max_drive=24.0, resistance_ohm=ohm)
    laws = LawSet.of([law], 0, 3)
    assert laws.is_current.all()
    assert laws.power_mw(current).tolist() == pytest.approx(power.tolist())
    assert laws.heat(current).tolist() == pytest.approx((rad_per_mw * power).tolist())
    assert laws.drive(rad_per_mw * power).tolist() == pytest.approx(current.tolist())
    volts = 1e-3 * current * laws.resistance_ohm(current)
    assert (volts * current).tolist() == pytest.approx(power.tolist())


def test_a_table_is_linear_in_the_heat():
    table = LawRecord(law="table", drive=[1.0, 3.0], phase_rad=[2.0, 10.0])
    laws = LawSet.of([table], 0, 1)
    # Half the heat between 1 V and 3 V: V^2 = 5.
    assert laws.heat(np.sqrt([5.0]))[0] == pytest.approx(6.0)
    assert laws.drive(np.array([6.0]))[0] == pytest.approx(np.sqrt(5.0))
    assert [x[0] for x in laws.reach()] == [2.0, 10.0]


@pytest.mark.parametrize("name", ["soi_lab_good", "soi_typical", "ideal"])
def test_the_data_sheet_law_is_that_of_the_simulator(name):
    hardware = load_hardware(name)
    laws = data_sheet_laws(hardware, 0, 50)
    phase = np.linspace(0.0, 6.2, 50)
    volts = phase_to_voltage(phase, hardware)
    assert np.abs(laws.drive(phase) - volts).max() <= LAW_EPS * EPS * volts.max()
    apart = laws.heat(volts) - voltage_to_phase(volts, hardware)
    assert np.abs(apart).max() <= LAW_EPS * EPS * TURN
    assert data_sheet_laws(load_hardware("flw6_like"), 0, 1) is None


def test_unreachable_phases_name_the_shifter_or_go_to_the_nearest():
    laws = LawSet.of([LawRecord(law="voltage", p1=1.0, max_drive=2.0)], 0, 4)
    phase = np.array([1.0, 4.1, 6.2, 3.0])
    found = choose_heat(phase, laws.reach())
    short = shortfall([(found, name_of)])
    assert (short.num_missed, short.num_shifters) == (2, 4)
    assert short.largest_rad == pytest.approx(0.1)
    message = (
        r"shifter 1: no allowed drive gives 4\.1 rad; its heater reaches 0 to 4 rad \(2 of 4 "
        r"shifters are out of reach of their drive, by up to 0\.1 rad\)"
    )
    with pytest.raises(DriveLawError, match=message):
        short.refuse()
    # 6.2 is nearer to 0 (0.083) than to 4.
    assert found.heat_rad.tolist() == [1.0, 4.0, 0.0, 3.0]
    assert found.miss_rad.tolist() == pytest.approx([0.0, 0.1, TURN - 6.2, 0.0])
    assert shortfall([(choose_heat(phase[:1], (np.zeros(1), np.full(1, 4.0))), name_of)]) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"law": "voltage"}, "needs `p1`"),
        ({"law": "voltage", "p1": 1.0, "p3": 1.0}, "has no `p3`"),
        ({"law": "voltage", "p1": [1.0, 2.0]}, "needs `ids`"),
        ({"law": "voltage", "ids": [0, 1], "p1": [1.0]}, "must hold 2 numbers"),
        ({"law": "voltage", "ids": [0, 0], "p1": 1.0}, "`ids` must differ"),
        ({"law": "table", "p1": 1.0}, "has no `p1`"),
        ({"law": "table", "drive": [0.0, 1.0]}, "belong to the law 'table'"),
        ({"law": "table", "drive": [0.0], "phase_rad": [0.0]}, "at least 2"),
        ({"law": "current", "p1": float("nan")}, "finite"),
    ],
)
def test_law_records_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        LawRecord(**fields)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (LawRecord(law="voltage", ids=[2], p1=1.0), "shifter 0 has no law"),
        (LawRecord(law="voltage", ids=[7], p1=1.0), "a law is for shifter 7; the shifters are 0 t"),
        (LawRecord(law="voltage", p1=-1.0), "shifter 0: `p1` must be positive"),
        (LawRecord(law="voltage_cubic", p1=-0.1, p2=1.0), "must rise from 0 V"),
        (LawRecord(law="voltage", p1=1.0, min_drive=3.0, max_drive=2.0), "no drive lies between"),
        (LawRecord(law="voltage", p1=1e300, max_drive=1e300), "out of range"),
        (LawRecord(law="table", drive=[0, 2, 1], phase_rad=[0, 1, 2]), "ascend strictly"),
        (LawRecord(law="table", drive=[0, 1, 2], phase_rad=[0, 1, 1]), "ascend strictly"),
        (LawRecord(law="table", drive=[0, 1, 2], phase_rad=[0, 1]), "as many drives as phases"),
    ],
)
def test_laws_are_refused(record, message):
    with pytest.raises(DriveLawError, match=message):
        LawSet.of([record], 0, 4)


def test_laws_of_files(tmp_path):
    (tmp_path / "measured.csv").write_text("id,p1,p0\n2,0.5,0.1\n0,0.25,0.2\n")
    (tmp_path / "laws.yaml").write_text(
        "laws:\n- {law: voltage, p1: 1.0, max_drive: 3.0}\n- {law: voltage, file: measured.csv}\n"
    )
    laws = LawSet.of(load_laws(tmp_path / "laws.yaml"), 0, 4)
    assert laws.coefficient("p1").tolist() == [0.25, 1.0, 0.5, 1.0]
    assert laws.bias_rad.tolist() == [0.2, 0.0, 0.1, 0.0]
    text = {"laws": [r.model_dump(exclude_none=True) for r in laws.to_records()]}
    (tmp_path / "laws.json").write_text(json.dumps(text))
    again = LawSet.of(load_laws(tmp_path / "laws.json"), 0, 4)
    assert again.coefficient("p1").tolist() == laws.coefficient("p1").tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("laws: []", "must hold `laws`"),
        ("law: voltage", "must hold `laws`"),
        ("laws: [1]", "law 0: must be a table"),
        ("laws: [{law: voltage, p1: yes}]", "law 0: field 'p1"),
        ("laws: [{law: voltage, p1: .nan}]", "law 0: field 'p1"),
        ("laws: [{law: voltage, file: ../x.csv}]", "must lie in the folder"),
        ("laws: [{law: voltage, file: /etc/passwd}]", "must lie in the folder"),
        ("laws: [{law: voltage, file: none.csv}]", "no such file"),
        ("laws: [{law: voltage, file: bad.csv}]", "not a finite number"),
        ("laws: [{law: voltage, file: text.csv}]", "`p1` of row 1 is not a number, got 'much'"),
        ("laws: [{law: voltage, file: unit.csv}]", r"law 0: unit.csv: unknown column 'p0 \[rad\]'"),
        ("laws: [{law: voltage, file: comma.csv}]", "row 2 has 3 cells, the header has 2"),
        ("laws: [{law: voltage, file: no_id.csv}]", "has no column `id`"),
        ("laws: [{law: voltage, ids: [1], file: bad2.csv}]", "`ids` is given twice"),
        ("laws: &a [*a]", "not valid YAML"),
        ("laws: !!python/object:os.system {}", "not valid YAML"),
    ],
)
def test_files_of_laws_are_refused(tmp_path, text, message):
    (tmp_path / "bad.csv").write_text("id,p1\n0,nan\n")
    (tmp_path / "bad2.csv").write_text("id,p1\n0,1\n")
    (tmp_path / "text.csv").write_text("id,p1\n0,much\n")
    (tmp_path / "unit.csv").write_text("id,p1,p0 [rad]\n0,1,0.5\n")
    (tmp_path / "comma.csv").write_text("id,p1\n0,1.5\n1,1,934\n")
    (tmp_path / "no_id.csv").write_text("p1\n1\n")
    path = tmp_path / "laws.yaml"
    path.write_text(text)
    with pytest.raises(DriveLawError, match=message) as caught:
        load_laws(path)
    assert str(caught.value).startswith("laws.yaml: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_link_are_refused(tmp_path: Path):
    with pytest.raises(DriveLawError, match="No such file"):
        load_laws(tmp_path / "laws.yaml")
    (tmp_path / "laws.json").symlink_to("/etc/passwd")
    with pytest.raises(DriveLawError, match=r"^laws\.json: "):
        load_laws(tmp_path / "laws.json")
