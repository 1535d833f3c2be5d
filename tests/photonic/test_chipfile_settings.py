"""Measured laws, clipping, branches, calibrated chips, differences, and the way back."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from photonic.channel_map import ChannelMap
from photonic.chip import Chip
from photonic.chipfile import (
    CalibratedChip,
    ChipExport,
    ChipFileError,
    ExportOptions,
    Origin,
    build_export,
    check_physics,
    clipping_loss,
    diff_exports,
    measured_phases,
    program_of_layer,
    read_export,
    rebuild_weights,
    verify_export,
    write_export,
)
from photonic.chipfile.layer import DEAD, STUCK
from photonic.chipfile.rebuild import weights_on_chip
from photonic.drive_laws import DriveLawError, LawRecord
from photonic.drive_laws.branch import turn_distance
from photonic.hardware import HardwareConfig, load_hardware
from photonic.mesh_state import nominal_commands
from photonic.program import Program
from photonic.randomness import keyed_generator
from photonic.realisation import realise_commands
from tests.photonic.chips import files_of, mapped, network, weights_of
from tests.tolerances import PHASE_BACK, POWER_STEP, REBUILD_F64

IDEAL = load_hardware("ideal")
LAB = load_hardware("soi_lab_good")
TURN = 2 * np.pi


def measured(num_shifters: int) -> list[LawRecord]:
    """Laws of all kinds, different for every shifter, with random biases."""
    generator = keyed_generator(0, "laws")
    ids = np.arange(num_shifters)
    every = {k: ids[k::4] for k in range(4)}

    def draw(k: int, low: float, high: float) -> list[float]:
        return generator.uniform(low, high, len(every[k])).tolist()

    table = {"drive": [0.0, 2.0, 5.0, 12.0], "phase_rad": [0.0, 0.7, 4.0, 25.0]}
    return [
        LawRecord(law="voltage", p1=0.16, p2=1e-5),
        *(
            LawRecord(law=law, ids=every[k].tolist(), p0=draw(k, -4, 4), **fields)
            for k, law, fields in (
                (1, "current", {"p1": draw(1, 0.05, 0.1), "p2": 1e-5, "max_drive": 24.0}),
                (2, "voltage_cubic", {"p1": 0.01, "p2": draw(2, 0.15, 0.2), "p3": 1e-4}),
                (3, "table", table),
            )
        ),
    ]


def total(programs: list[Program]) -> int:
    return sum(program.num_phase_shifters for program in programs)


def assert_weights(export: ChipExport, source: str) -> None:
    weights = weights_of(network())
    for name, weight in rebuild_weights(export, source).items():
        error = (
            torch.linalg.norm(weight - weights[name]) / torch.linalg.norm(weights[name])
        ).item()
        assert error <= REBUILD_F64, f"{name}: {error:.1e}"


@pytest.mark.parametrize("hardware", [IDEAL, LAB], ids=["plain", "compensated"])
def test_measured_laws_give_the_weights_back(tmp_path, hardware):
    programs = network()
    options = ExportOptions(laws=measured(total(programs)))
    export = build_export(programs, hardware, options=options)
    folder = write_export(export, tmp_path / "chip")
    found = verify_export(folder)
    assert_weights(found.export, "phase")
    assert_weights(found.export, "voltage")
    assert files_of(folder) == files_of(write_export(found.export, tmp_path / "again"))
    assert np.abs(export.column("bias_rad")).max() > 3
    assert set(export.column("law")) == {"voltage", "current", "voltage_cubic", "table"}
    # Currents are the quantity of their law, volts need a resistance.
    is_current = export.column("law") == "current"
    assert not np.isnan(export.column("drive_ma")[is_current]).any()
    assert np.isnan(export.column("drive_v")[is_current]).all()


def test_a_wrong_bias_is_seen(tmp_path):
    programs = network()
    export = build_export(programs, IDEAL, options=ExportOptions(laws=measured(total(programs))))
    shifted = [r.model_copy(update={"p0": 0.3}) if i == 0 else r for i, r in enumerate(measured(9))]
    other = build_export([programs[0]], IDEAL, options=ExportOptions(laws=shifted[:1]))
    layer = dataclasses.replace(export.layers[0], laws=other.layers[0].laws)
    with pytest.raises(ChipFileError, match=r"shifter \d+ \('head/first', tile"):
        check_physics(dataclasses.replace(export, layers=(layer,)))


def test_an_unreachable_phase_names_its_shifter():
    weak = IDEAL.replace(v_max_v=6.0)
    with pytest.raises(DriveLawError, match=r"^shifter \d+ \('head/first', tile .*, column \d"):
        build_export(network(), weak)


def test_clipping_goes_to_the_nearest_phase_and_states_its_loss(tmp_path):
    weak = IDEAL.replace(v_max_v=5.0)
    export = build_export(network(), weak, options=ExportOptions(is_clipped=True))
    reach = np.pi * (5.0 / weak.v_pi_v) ** 2
    target, met = export.column("phase_rad"), export.column("phase_cmd_rad")
    is_out = target > reach
    assert 0 < is_out.sum() < len(target)
    assert np.flatnonzero(is_out).tolist() == [
        int(i) for layer in export.layers for i in layer.clipped
    ]
    expected = np.where(target - reach < TURN - target, reach, 0.0)[is_out]
    assert np.abs(met[is_out] - expected).max() <= PHASE_BACK
    losses = clipping_loss(export)
    found = verify_export(write_export(export, tmp_path / "chip"))
    errors = found.errors(weights_of(network()))
    assert [loss.name for loss in losses] == ["head/first", "head second"]
    for loss in losses:
        assert loss.weight_error > 0.01
        assert abs(loss.weight_error - errors[loss.name]["voltage"]) <= REBUILD_F64
        assert errors[loss.name]["phase"] <= REBUILD_F64
        assert 0 < loss.worst_miss_rad <= (TURN - reach) / 2
        assert 0 < loss.worst_fidelity < 1
    assert clipping_loss(build_export(network(), IDEAL)) == []


def test_the_nearest_branch_makes_smaller_steps():
    wide, programs = IDEAL.replace(v_max_v=20.0), network()
    before = build_export(programs, wide)
    turned = [
        dataclasses.replace(
            layer, phase_cmd_rad=layer.phase_cmd_rad + np.where(layer.ids % 2, TURN, 0.1)
        )
        for layer in before.layers
    ]
    present = dataclasses.replace(before, layers=tuple(turned))
    after = build_export(programs, wide, options=ExportOptions(present=present))
    steps = np.abs(after.column("phase_cmd_rad") - present.column("phase_cmd_rad"))
    assert steps.max() <= np.pi + PHASE_BACK
    assert after.header.branch == "nearest"
    assert_weights(after, "voltage")
    lowest = np.abs(before.column("phase_cmd_rad") - present.column("phase_cmd_rad"))
    assert lowest.max() > 6
    with pytest.raises(ValueError, match="solved for crosstalk"):
        build_export(programs, LAB, options=ExportOptions(present=present))
    with pytest.raises(ValueError, match="other layers"):
        build_export(programs[:1], wide, options=ExportOptions(present=present))


def test_channels_of_a_map_are_written():
    programs = network()
    size = total(programs)
    place = np.arange(size)[::-1]
    channels = ChannelMap(place // 64, place % 64)
    export = build_export(programs, IDEAL, options=ExportOptions(channels=channels))
    assert export.column("dac_module").tolist() == (place // 64).tolist()
    assert export.column("dac_channel").tolist() == (place % 64).tolist()
    with pytest.raises(ValueError, match="the channel map is for 1 shifters"):
        short = ChannelMap(np.zeros(1, np.int64), np.zeros(1, np.int64))
        build_export(programs, IDEAL, options=ExportOptions(channels=short))


def broken() -> HardwareConfig:
    return LAB.replace(dead_probability=0.05, stuck_probability=0.05)


def calibrated(hardware: HardwareConfig) -> CalibratedChip:
    """Commands that are not those of the data sheet."""
    commands = {}
    for program in network():
        found = nominal_commands(program, hardware)
        phases = {k: p + 0.01 for k, p in found.phases.items()}
        commands[program.name] = dataclasses.replace(found, phases=phases, scale=2 * found.scale)
    return CalibratedChip(Chip(hardware, 5, 2), commands, ("mapping",))


def test_a_calibrated_chip_is_exported_with_its_failures(tmp_path):
    known, programs = calibrated(broken()), network()
    export = build_export(programs, broken(), options=ExportOptions(calibrated=known))
    folder = write_export(export, tmp_path / "chip")
    found = verify_export(folder)
    asked = torch.cat(
        [known.commands["head/first"].phases[m] for m in ("V", "sigma", "U")], -1
    ).flatten()
    assert found.export.layers[0].phase_cmd_rad.tolist() == asked.tolist()
    header = found.export.header
    assert (header.chip.seed, header.chip.index, header.chip.methods) == (5, 2, ["mapping"])
    expected = realise_commands(programs, [known.commands[p.name] for p in programs], known.chip)
    for program, weight in zip(programs, expected, strict=True):
        assert torch.equal(found.chip_weights[program.name], weight)
    assert found.chip_errors(weights_of(programs))["head/first"] > 0.01
    status = np.concatenate([layer.status for layer in found.export.layers])
    drive = found.export.column("drive_v")
    assert (status == DEAD).any()
    assert (status == STUCK).any()
    assert (drive[status == DEAD] == 0).all()
    assert (drive[status != DEAD] > 0).all()
    failed = known.chip.failures("head/first/V", (2, 3, 16))
    assert ((failed == 0) == (found.export.layers[0].split(status[:240])["V"] == DEAD)).all()
    with pytest.raises(ValueError, match="takes no measured laws"):
        options = ExportOptions(calibrated=known, laws=[LawRecord(law="voltage", p1=1.0)])
        build_export(programs, broken(), options=options)


@pytest.mark.parametrize("hardware", [IDEAL, LAB], ids=["plain", "compensated"])
def test_export_import_export_keeps_every_bit(hardware):
    export = build_export(network(), hardware, Origin({"seed": 1}))
    programs = [program_of_layer(layer) for layer in export.layers]
    again = build_export(programs, hardware, Origin({"seed": 1}))
    for name in ("phase_rad", "phase_cmd_rad", "drive_v", "dac_code"):
        one, two = export.column(name), again.column(name)
        assert (one is None) == (two is None)
        assert one is None or one.tobytes() == two.tobytes(), name
    for program, original in zip(programs, network(), strict=True):
        # Neighbouring amplitudes may have the same phases.
        for one, two in zip(program.attenuator_phases(), original.attenuator_phases(), strict=True):
            assert torch.equal(one, two)


def test_attenuators_with_any_phases_keep_their_weights():
    export = build_export(network(), LAB, options=ExportOptions(calibrated=calibrated(LAB)))
    meant = rebuild_weights(export)
    for layer in export.layers:
        weight = program_of_layer(layer).weight()
        error = torch.linalg.norm(weight - meant[layer.name]) / torch.linalg.norm(weight)
        assert error <= REBUILD_F64, f"{error:.1e}"


def test_measured_settings_change_the_shifters_they_name(tmp_path):
    export = build_export(network(), LAB)
    path = tmp_path / "measured.csv"
    path.write_text("id,phase_rad\n3,7.0\n270,-1.0\n")
    phases, count = measured_phases(export, path)
    assert count == 2
    joined = np.concatenate(list(phases.values()))
    known = export.column("phase_rad").copy()
    known[[3, 270]] = [7.0 - TURN, TURN - 1.0]
    assert np.abs(joined - known).max() <= PHASE_BACK


@pytest.mark.parametrize("hardware", [IDEAL, LAB], ids=["plain", "compensated"])
def test_measured_volts_give_phases_through_laws_and_crosstalk(tmp_path, hardware):
    export = build_export(network(), hardware)
    drive = export.column("drive_v")
    rows = [f"{i},{v!r}" for i, v in enumerate(drive.tolist())]
    path = tmp_path / "volts.csv"
    path.write_text("id,drive_v\n" + "\n".join(rows[::-1]) + "\n")
    phases, count = measured_phases(export, path)
    assert count == len(drive)
    joined = np.concatenate(list(phases.values()))
    assert turn_distance(joined, export.column("phase_rad")).max() <= PHASE_BACK


@pytest.mark.parametrize("law", ["current", "current_quartic"])
def test_measured_currents_give_phases_through_their_laws(tmp_path, law):
    programs = network()
    record = LawRecord(law=law, p0=0.3, p1=0.05, p2=1e-5, max_drive=24.0, resistance_ohm=400.0)
    export = build_export(programs, IDEAL, options=ExportOptions(laws=[record]))
    found = verify_export(write_export(export, tmp_path / "chip"))
    assert_weights(found.export, "voltage")
    current, power = export.column("drive_ma"), export.column("power_mw")
    rise = 1 + 1e-5 / 0.05 * current**2 if law == "current_quartic" else 1.0
    assert np.abs(power - 1e-3 * 400.0 * current**2 * rise).max() <= POWER_STEP
    assert np.abs(export.column("drive_v") * current - power).max() <= 1e3 * POWER_STEP
    path = tmp_path / "currents.csv"
    rows = [f"{i},{x!r}" for i, x in enumerate(current.tolist())]
    path.write_text("id,drive_ma\n" + "\n".join(rows) + "\n")
    phases, count = measured_phases(export, path)
    assert count == len(current)
    joined = np.concatenate(list(phases.values()))
    assert turn_distance(joined, export.column("phase_rad")).max() <= PHASE_BACK
    path.write_text("id,drive_v\n3,1.0\n")
    with pytest.raises(ChipFileError, match=r"the law of shifter 3 \(.*\) is not stated in V"):
        measured_phases(export, path)
    path.write_text("id,drive_ma\n3,24.5\n")
    with pytest.raises(ChipFileError, match=r"24\.5 mA is not between 0 and 24 mA"):
        measured_phases(export, path)
    path.write_text("id,drive_ma\n3,1.0\n")
    with pytest.raises(ChipFileError, match=r"the law of shifter 3 \(.*\) is not stated in mA"):
        measured_phases(build_export(programs, IDEAL), path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,phase_rad,drive_v\n0,1,1\n", "one of phase_rad, drive_v, drive_ma"),
        ("phase_rad\n1\n", "needs the columns id"),
        ("a,b\n1,2\n", "unknown column 'a'; the columns are id, phase_rad, drive_v"),
        ("id,id,phase_rad\n0,0,1\n", "occurs twice"),
        ("id,phase_rad\n0,1\n0,2\n", "shifter 0 occurs twice"),
        ("id,phase_rad\n99999,1\n", "shifter 99999 is unknown; the shifters are 0 to"),
        ("id,phase_rad\n-1,1\n", "shifter -1 is unknown"),
        ("id,phase_rad\n0,nan\n", "`phase_rad` of row 1 is not a finite number"),
        ("id,phase_rad\n0,inf\n", "not a finite number"),
        ("id,phase_rad\n0,x\n", "`phase_rad` of row 1 is not a number, got 'x'"),
        ("id,drive_v\n0,1,5\n", "row 1 has 3 cells, the header has 2"),
        ("id,phase_rad\n0\n", "settings.csv: row 1 has 1 cells, the header has 2"),
        ("id,drive_v\n0,13.0\n", r"shifter 0 \('head/first'.*: 13 V is not between 0 and 12 V"),
        ("id,drive_v\n0,-1.0\n", "-1 V is not between"),
        ("", "unknown column"),
        ("id,phase_rad\n", "holds no rows"),
        ("\x00\x01\x02", "unknown column"),
    ],
)
def test_measured_settings_are_refused(tmp_path, text, message):
    path = tmp_path / "settings.csv"
    path.write_text(text)
    with pytest.raises(ChipFileError, match=message) as caught:
        measured_phases(build_export(network(), LAB), path)
    assert "\n" not in str(caught.value)


def changed(export: ChipExport, place: int, step: float) -> ChipExport:
    """The same bundle with another phase of one shifter of the first layer."""
    program = program_of_layer(export.layers[0])
    phase = export.layers[0].phase_rad.copy()
    phase[place] = (phase[place] + step) % TURN
    programs = [program_of_layer(export.layers[0], phase), program_of_layer(export.layers[1])]
    assert program.name == programs[0].name
    return build_export(programs, export.header.hardware)


def test_the_difference_of_two_bundles():
    hardware = IDEAL.replace(dac_bits=12, dac_mode="voltage", p_pi_mw=20.0)
    before = build_export(network(), hardware)
    place = int(before.layers[0].phase_rad[:12].argmin())
    after = changed(before, place, 0.5)
    found = diff_exports(before, after, time_constant_us=10.0)
    assert found.num_changed == 1
    assert found.layers[1].num_changed == 0
    (change,) = found.largest
    assert change.id == place
    assert abs(change.phase_rad - 0.5) <= PHASE_BACK
    assert abs(change.thermal_step_rad - 0.5) <= PHASE_BACK
    assert abs(change.power_mw - 20.0 * 0.5 / np.pi) <= POWER_STEP
    assert change.dac_code == int(
        after.column("dac_code")[place] - before.column("dac_code")[place]
    )
    settled = np.pi / (2**12 - 1)
    assert found.settled_rad == settled
    assert found.settling_us == pytest.approx(10.0 * math.log(0.5 / settled))
    assert diff_exports(before, before).num_changed == 0
    assert diff_exports(before, after).settling_us is None
    assert diff_exports(before, after, num_largest=0).largest == ()
    back = diff_exports(after, before).largest[0]
    assert back.phase_rad == pytest.approx(-0.5)


def test_bundles_of_other_networks_have_no_difference():
    one = build_export(network(), IDEAL)
    with pytest.raises(ChipFileError, match="2 and 1 layers"):
        diff_exports(one, build_export(network()[:1], IDEAL))
    other = [mapped(7, 9, 4, "head/first", "reck"), network()[1]]
    with pytest.raises(ChipFileError, match="differ in `u_layout`"):
        diff_exports(one, build_export(other, IDEAL))


def test_weights_on_the_chip_follow_the_commands():
    known = calibrated(LAB)
    export = build_export(network(), LAB, options=ExportOptions(calibrated=known))
    other = weights_on_chip(export.layers, Chip(LAB, 5, 3))
    same = weights_on_chip(export.layers, known.chip)
    assert not torch.equal(other["head/first"], same["head/first"])


def test_a_bundle_that_was_read_is_the_one_that_was_built(tmp_path):
    export = build_export(network(), LAB, Origin({"seed": 1}, {"a": "0" * 64}))
    read = read_export(write_export(export, tmp_path / "chip"))
    assert read.header == export.header
    for name in ("phase_rad", "drive_v", "dac_channel", "status", "layer"):
        assert read.column(name).tolist() == export.column(name).tolist()
