"""Limits of the drive: mapping, realisation and export refuse or clip the same phases alike."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.chip import Chip
from photonic.chipfile import ExportOptions, build_export, rebuild_weights
from photonic.cost.network import _heaters
from photonic.drive import drive_reach, has_short_drive, phase_to_voltage, reached_phases
from photonic.drive_laws import DriveLawError, LawRecord
from photonic.drive_laws.law_set import data_sheet_laws
from photonic.driven import drive_shortfall
from photonic.hardware import HardwareConfig, hardware_names, load_hardware
from photonic.mesh_state import MESHES, nominal_commands
from photonic.phase_chain import driven_phase
from photonic.realisation import realise, realise_all
from tests.photonic.chips import network
from tests.tolerances import DRIVE_EPS, REBUILD_F64, VISIBLE

IDEAL = load_hardware("ideal")
WEAK = {
    "continuous": IDEAL.replace(v_max_v=5.0),
    "phase codes": IDEAL.replace(v_max_v=5.0, dac_bits=16),
    "voltage codes": IDEAL.replace(v_max_v=5.0, dac_bits=16, dac_mode="voltage"),
    "peak of a quartic law": IDEAL.replace(
        v_pi_v=None, heater_quadratic_rad_per_v2=0.8, heater_quartic_rad_per_v4=-0.04
    ),
    "compensated": load_hardware("soi_lab_good").replace(v_max_v=6.0),
}
weak = pytest.mark.parametrize("hardware", WEAK.values(), ids=WEAK.keys())


def clipped(hardware: HardwareConfig) -> HardwareConfig:
    return hardware.replace(is_drive_clipped=True)


def commands(hardware: HardwareConfig):
    return [nominal_commands(program, hardware) for program in network()]


@pytest.mark.parametrize("hardware", [*WEAK.values(), *map(load_hardware, hardware_names())])
def test_the_reach_is_that_of_the_exported_laws(hardware):
    laws = data_sheet_laws(hardware, 0, 1)
    high = math.inf if laws is None else laws.reach()[1][0]
    if hardware.dac_bits is not None and hardware.dac_mode == "phase":
        high = min(high, 4 * math.pi if hardware.has_extended_drive else 2 * math.pi)
    reach = drive_reach(hardware)
    assert reach == high or abs(reach - high) <= DRIVE_EPS * np.finfo(float).eps * high
    if math.isfinite(reach) and laws is not None:
        assert phase_to_voltage(np.array([math.nextafter(reach, 0.0)]), hardware) <= (
            hardware.v_max_v or math.inf
        )


@weak
def test_every_door_refuses_in_the_same_words(hardware):
    asked = commands(hardware)
    short = drive_shortfall(network(), asked, hardware)
    assert 0 < short.num_missed < short.num_shifters
    words = str(short)
    assert f"{short.num_missed:,} of {short.num_shifters:,} shifters are out of reach" in words
    doors = [
        lambda: realise_all(network(), Chip(hardware)),
        lambda: build_export(network(), hardware),
    ]
    for door in doors:
        with pytest.raises(DriveLawError, match=r"is_drive_clipped") as caught:
            door()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(DriveLawError, match=r"of 60 shifters are out of reach"):
        realise(network()[1], Chip(hardware))


@weak
def test_every_door_clips_to_the_same_phases(hardware):
    on = clipped(hardware)
    export = build_export(network(), on)
    assert export.header.is_clipped
    assert build_export(network(), hardware, options=ExportOptions(is_clipped=True)).column(
        "phase_cmd_rad"
    ).tobytes() == (export.column("phase_cmd_rad").tobytes())
    short = drive_shortfall(network(), commands(on), on)
    assert short.num_missed == sum(len(layer.clipped) for layer in export.layers)
    plain = on.replace(dac_bits=None)
    for layer, asked in zip(export.layers, commands(on), strict=True):
        parts = layer.split(layer.phase_cmd_rad)
        for mesh in MESHES:
            found = driven_phase(asked.phases[mesh], plain).numpy()
            assert np.abs(found - parts[mesh]).max() <= REBUILD_F64
    # What the chip does is what the files of the controller say, and not what was meant.
    source = "voltage" if on.dac_bits is None else "code"
    quiet = on.only("quantisation", "crosstalk")
    weights = rebuild_weights(build_export(network(), quiet), source)
    for program, weight in zip(network(), realise_all(network(), Chip(quiet)), strict=True):
        norm = torch.linalg.norm(weight)
        assert torch.linalg.norm(weight - weights[program.name]) <= REBUILD_F64 * norm
        assert torch.linalg.norm(weight - program.weight()) > VISIBLE * norm


@weak
@given(phase=st.floats(-10.0, 20.0))
@example(phase=2 * math.pi - 1e-9)
def test_the_nearest_phase_is_taken(hardware, phase):
    if hardware.has_extended_drive:
        phase = abs(phase)
    found, reach = reached_phases(np.array([phase]), hardware), drive_reach(hardware)
    asked = found.asked_rad[0]
    assert 0 <= found.heat_rad[0] <= reach
    if asked <= reach:
        assert found.heat_rad[0] == asked
        assert found.miss_rad[0] == 0
        return
    above, below = asked - reach, 2 * math.pi - asked
    nearest = above if hardware.is_precompensated else min(above, below)
    assert found.miss_rad[0] == pytest.approx(nearest, abs=REBUILD_F64)


def test_presets_keep_their_bits():
    for name in hardware_names():
        hardware = load_hardware(name)
        if hardware.max_modes is not None and hardware.max_modes < 6:
            continue
        programs = [p for p in network() if hardware.mesh in (None, p.u_layout.kind)]
        for program in programs:
            asked = nominal_commands(program, hardware)
            assert drive_shortfall([program], [asked], hardware) is None
            on = clipped(hardware)
            assert torch.equal(realise(program, Chip(hardware)), realise(program, Chip(on)))
            if hardware.dac_bits is None:
                assert driven_phase(asked.phases["U"], hardware) is asked.phases["U"]
    assert not has_short_drive(IDEAL)


def test_gradients_pass_a_limit():
    on = clipped(WEAK["continuous"])
    phase = torch.tensor([1.0, 5.0], dtype=torch.float64, requires_grad=True)
    driven = driven_phase(phase, on)
    assert driven.tolist() == [1.0, drive_reach(on)]
    driven.sum().backward()
    assert phase.grad.tolist() == [1.0, 1.0]


def test_heaters_take_the_power_of_what_they_are_driven_for():
    program = network()[0]
    known = WEAK["continuous"].replace(p_pi_mw=20.0)
    meant, met = (_heaters(program, h, None) for h in (known, clipped(known)))
    export = build_export([program], clipped(known))
    assert sum(met) == pytest.approx(20.0 * export.column("phase_cmd_rad").sum() / math.pi)
    assert sum(met) < sum(meant)


def test_a_law_of_a_measured_chip_has_its_own_reach():
    """The limits of the data sheet do not bind an export by measured laws."""
    laws = [LawRecord(law="voltage", p1=0.5, max_drive=5.0)]
    export = build_export(network(), WEAK["continuous"], options=ExportOptions(laws=laws))
    assert all(not len(layer.clipped) for layer in export.layers)
