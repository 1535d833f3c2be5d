"""The data sheet: mean losses and the common coupler error, without any draw."""

import torch

from photonic.datasheet import nominal_states
from photonic.hardware import load_hardware
from photonic.mapping import map_linear
from photonic.mesh_state import MESHES, target_phases
from photonic.randomness import keyed_generator

TYPICAL = load_hardware("soi_typical").replace(coupler_offset_rad=0.02, edge_loss_db=0.1)
PROGRAM = map_linear(keyed_generator(0, "sheet").standard_normal((8, 8)), tile=4, name="layer")


def test_means_are_known_and_spreads_are_not():
    phases = target_phases(PROGRAM)
    states = nominal_states(PROGRAM, TYPICAL, phases)
    for mesh in MESHES:
        assert torch.equal(states[mesh].phase, phases[mesh])
        assert (states[mesh].insertion_loss_db == TYPICAL.insertion_loss_db).all()
        assert (states[mesh].coupler_error == TYPICAL.coupler_offset_rad).all()
    assert states["sigma"].arm_loss_db is None
    assert states["U"].arm_loss_db.sum() > 0


def test_an_ideal_sheet_knows_of_no_error():
    states = nominal_states(PROGRAM, load_hardware("ideal"), target_phases(PROGRAM))
    assert all(part is None for state in states.values() for part in state[1:])
