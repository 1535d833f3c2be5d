"""Costs of tiles, layers and networks: sums of components, both ways of operation, gaps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import HardwareConfig, Program, map_linear
from photonic.cost import (
    OperationCost,
    dac_power_mw,
    laser_power_mw,
    layer_cost,
    missing_fields,
    network_cost,
    tile_cost,
)
from photonic.mesh_state import Commands, nominal_commands
from tests.photonic.matrices import random_normal
from tests.tolerances import CLOSED_FORM_F64

FIGURES = {
    "p_pi_mw": 24.77,
    "group_index": 4.2,
    "modulation_rate_ghz": 5.0,
    "program_time_us": 2.0,
    "mzi_length_um": 180.0,
    "mzi_width_um": 100.0,
    "modulator_area_um2": 5200.0,
    "laser_area_um2": 120000.0,
    "input_converter_area_um2": 11000.0,
    "output_converter_area_um2": 2850.0,
    "detector_area_um2": 400.0,
    "modulator_loss_db": 1.2,
    "insertion_loss_db": 0.99,
    "modulator_energy_fj_per_bit": 450.0,
    "detector_sensitivity_dbm": -25.0,
    "laser_wall_plug": 0.2,
    "dac_power_mw": 50.0,
    "adc_power_mw": 14.8,
    "tia_power_mw": 3.0,
    "detector_power_mw": 1.1,
    "conversion_latency_ns": 1.0,
    "responsivity_a_per_w": 1.0,
    "tia_noise_pa_per_sqrt_hz": 5.0,
    "bandwidth_ghz": 1.0,
}
CHIP = HardwareConfig(name="figures of Lightening-Transformer", **FIGURES)
COSTS = ("heater_mw", "laser_mw", "converter_mw", "area_mm2", "latency_us", "energy_uj")
COMPENSATED = {"crosstalk": 0.02, "is_crosstalk_compensated": True}


def program(rows: int = 10, columns: int = 7, tile: int = 4, name: str = "layer") -> Program:
    return map_linear(random_normal(rows + columns, rows, columns), tile=tile, name=name)


def close(value: float | None):
    return pytest.approx(value, rel=CLOSED_FORM_F64)


def all_phases(of: Program, hardware: HardwareConfig = CHIP) -> float:
    return sum(phase.sum().item() for phase in nominal_commands(of, hardware).phases.values())


def test_a_single_number_heats_two_shifters():
    """1 x 1 and positive: meshes without MZIs, and an attenuator at theta = pi, phi = pi."""
    one = map_linear([[2.0]], tile="full")
    assert layer_cost(one, CHIP, 1).resident.heater_mw == close(2 * 24.77)


@pytest.mark.parametrize("crosstalk", [{}, COMPENSATED], ids=["plain", "compensated"])
def test_heaters_hold_what_is_commanded(crosstalk):
    hardware, layer = CHIP.replace(**crosstalk), program()
    phases = all_phases(layer, hardware)
    cost = layer_cost(layer, hardware, 3)
    assert cost.resident.heater_mw == close(24.77 * phases / math.pi)
    if crosstalk:
        assert abs(phases - all_phases(layer)) > 1


def test_other_commands_cost_what_they_ask_for():
    layer = program()
    commands = nominal_commands(layer, CHIP)
    more = Commands({mesh: phase + 1 for mesh, phase in commands.phases.items()}, commands.scale)
    grown = layer_cost(layer, CHIP, 3, more).resident.heater_mw
    plain = layer_cost(layer, CHIP, 3).resident.heater_mw
    assert grown - plain == close(24.77 * layer.num_phase_shifters / math.pi)
    network = network_cost([layer], CHIP, {"layer": 3}, {"layer": more})
    assert network.resident.heater_mw == close(grown)


def test_laser_of_a_tile_is_that_of_lightening_transformer():
    """12 x 12 meshes: 1.19 W at 4 bit, 19.1 W at the 8 bit that are assumed."""
    core = program(12, 12, 12)
    assert round(tile_cost(core, CHIP).laser_mw / 1000, 1) == 19.1
    assert round(tile_cost(core, CHIP.replace(adc_bits=4)).laser_mw / 1000, 2) == 1.19
    assert tile_cost(core, CHIP.replace(input_bits=4)).laser_mw == tile_cost(core, CHIP).laser_mw


def test_losses_of_arms_add_to_the_path():
    """Light crosses three of the six arm sections of an interferometer."""
    lumped = CHIP.replace(insertion_loss_db=1.5)
    arms = CHIP.replace(insertion_loss_db=0.0, arm_loss_db=0.5)
    assert tile_cost(program(), arms).laser_mw == close(tile_cost(program(), lumped).laser_mw)


def test_triangles_are_deeper():
    deep = map_linear(random_normal(1, 8, 8), "reck", 8)
    flat = map_linear(random_normal(1, 8, 8), "clements", 8)
    per_column_ns = 180 * 4.2 / 299792.458
    assert tile_cost(flat, CHIP).delay_ns == close(17 * per_column_ns + 1.0)
    assert tile_cost(deep, CHIP).delay_ns == close(27 * per_column_ns + 1.0)
    extra_db = 0.99 * (27 - 17)
    ratio = tile_cost(deep, CHIP).laser_mw / tile_cost(flat, CHIP).laser_mw
    assert ratio == close(10 ** (extra_db / 10))
    assert tile_cost(deep, CHIP).area_mm2 == tile_cost(flat, CHIP).area_mm2


def test_tile_counts_inputs_and_outputs():
    tall, wide = (map_linear(random_normal(1, *s), tile="full") for s in ((3, 5), (5, 3)))
    at_input = dac_power_mw(50, 8, 5) + 450 * 5e-3
    at_output = 14.8 / 2 + 3 + 2 * 1.1
    assert tile_cost(tall, CHIP).converter_mw == close(5 * at_input + 3 * at_output)
    assert tile_cost(wide, CHIP).converter_mw == close(3 * at_input + 5 * at_output)
    coarse = CHIP.replace(input_bits=4, adc_bits=6)
    coarse_output = at_output - 14.8 / 8
    assert tile_cost(tall, coarse).converter_mw == close(
        5 * (dac_power_mw(50, 4, 5) + 450 * 5e-3) + 3 * coarse_output
    )
    area = (3 + 10 + 3) * 18000 + 120000 + 5 * (5200 + 11000) + 3 * (400 + 2850)
    assert tile_cost(tall, CHIP).area_mm2 == close(area * 1e-6)
    assert tile_cost(tall, CHIP).laser_mw == close(
        laser_power_mw(-25, 1.2 + 0.99 * (3 + 5 + 1), 5, 8, 0.2)
    )


def test_resident_layer_by_hand():
    layer = program()
    tile, cost = tile_cost(layer, CHIP), layer_cost(layer, CHIP, 50).resident
    assert (cost.num_tiles, cost.num_loads) == (6, 0)
    time_us = 50 / 5e3 + tile.delay_ns * 1e-3
    assert cost.latency_us == close(time_us)
    assert cost.laser_mw == close(6 * tile.laser_mw)
    assert cost.area_mm2 == close(6 * tile.area_mm2)
    assert cost.power_mw == close(cost.heater_mw + cost.laser_mw + cost.converter_mw)
    assert cost.energy_uj == close(cost.power_mw * time_us * 1e-3)
    assert cost.mean_power_mw == close(cost.power_mw)
    assert cost.num_macs == 10 * 7 * 50
    assert cost.energy_per_mac_pj == close(cost.energy_uj * 1e6 / 3500)


def test_reprogrammed_layer_by_hand():
    """Six tiles on a chip of four: two loads, 2 us each, the second with two tiles."""
    layer, chip = program(), CHIP.replace(num_tiles=4)
    tile, cost = tile_cost(layer, chip), layer_cost(layer, chip, 50)
    time_us = 50 / 5e3 + tile.delay_ns * 1e-3
    again = cost.reprogrammed
    assert (again.num_tiles, again.num_loads) == (4, 2)
    assert again.latency_us == close(2 * (2.0 + time_us))
    assert again.laser_mw == close(4 * tile.laser_mw)
    assert again.area_mm2 == close(4 * tile.area_mm2)
    light = 6 * (tile.laser_mw + tile.converter_mw) * time_us
    held = cost.resident.heater_mw * (2.0 + time_us)
    assert again.energy_uj == close((light + held) * 1e-3)
    assert cost.resident.heater_mw / 2 < again.heater_mw < cost.resident.heater_mw


def test_spare_tiles_take_room_and_no_power():
    layer, chip = program(), CHIP.replace(num_tiles=50)
    tile, cost = tile_cost(layer, chip), layer_cost(layer, chip, 50)
    assert cost.reprogrammed.area_mm2 == close(50 * tile.area_mm2)
    assert cost.reprogrammed.num_loads == 1
    for name in ("heater_mw", "laser_mw", "converter_mw"):
        assert getattr(cost.reprogrammed, name) == close(getattr(cost.resident, name))


def test_network_of_one_layer_is_the_layer():
    layer = program()
    chip = CHIP.replace(num_tiles=2)
    network, alone = network_cost([layer], chip, {"layer": 9}), layer_cost(layer, chip, 9)
    assert network.layers == (alone,)
    assert network.resident == alone.resident
    assert network.reprogrammed == alone.reprogrammed


def test_heaters_of_resident_layers_stay_on_while_others_work():
    layers = [program(name="a"), program(5, 4, name="b")]
    network = network_cost(layers, CHIP, {"a": 10, "b": 300})
    a, b = (layer.resident for layer in network.layers)
    whole = network.resident
    assert whole.latency_us == close(a.latency_us + b.latency_us)
    assert whole.heater_mw == close(a.heater_mw + b.heater_mw)
    assert whole.laser_mw == max(a.laser_mw, b.laser_mw)
    assert whole.area_mm2 == close(a.area_mm2 + b.area_mm2)
    waiting = a.heater_mw * b.latency_us + b.heater_mw * a.latency_us
    assert whole.energy_uj == close(a.energy_uj + b.energy_uj + waiting * 1e-3)
    assert whole.num_macs == 700 + 6000
    again = network.reprogrammed
    parts = [layer.reprogrammed for layer in network.layers]
    assert again.energy_uj == close(sum(part.energy_uj for part in parts))
    assert again.num_loads == 6 + 2


@given(vectors=st.floats(1, 1e5), capacity=st.integers(1, 7))
def test_writing_costs_time_and_saves_area(vectors, capacity):
    chip = CHIP.replace(num_tiles=capacity)
    network = network_cost([program()], chip, {"layer": vectors})
    resident, again = network.resident, network.reprogrammed
    assert again.latency_us > resident.latency_us
    assert network.is_resident == (capacity >= 6)
    assert network.operation is (resident if network.is_resident else again)
    if capacity <= 6:
        assert again.area_mm2 <= resident.area_mm2 * (1 + CLOSED_FORM_F64)
        assert again.power_mw <= resident.power_mw * (1 + CLOSED_FORM_F64)


@given(vectors=st.floats(1, 1e4), factor=st.floats(1.1, 10))
def test_more_vectors_cost_more_energy_and_less_each(vectors, factor):
    few, many = (layer_cost(program(), CHIP, n) for n in (vectors, vectors * factor))
    for name in ("resident", "reprogrammed"):
        one, more = getattr(few, name), getattr(many, name)
        assert more.energy_uj > one.energy_uj
        assert more.energy_per_mac_pj < one.energy_per_mac_pj


NEEDED_BY = {
    "p_pi_mw": {"heater_mw", "energy_uj"},
    "laser_wall_plug": {"laser_mw", "energy_uj"},
    "tia_power_mw": {"converter_mw", "energy_uj"},
    "mzi_width_um": {"area_mm2"},
    "mzi_length_um": {"area_mm2", "latency_us", "energy_uj"},
    "modulation_rate_ghz": {"converter_mw", "latency_us", "energy_uj"},
    "conversion_latency_ns": {"latency_us", "energy_uj"},
}


def unknown(cost: OperationCost) -> set[str]:
    return {name for name in COSTS if getattr(cost, name) is None}


@pytest.mark.parametrize("field", NEEDED_BY)
def test_a_figure_without_its_fields_is_unknown(field):
    network = network_cost([program()], CHIP.replace(**{field: None}), {"layer": 5})
    assert network.missing == (field,)
    for cost in (network.resident, network.reprogrammed):
        assert unknown(cost) == NEEDED_BY[field]
        assert (cost.energy_per_mac_pj is None) == ("energy_uj" in NEEDED_BY[field])


def test_resident_weights_need_no_time_to_program():
    network = network_cost([program()], CHIP.replace(program_time_us=None), {"layer": 5})
    assert unknown(network.resident) == set()
    assert unknown(network.reprogrammed) == {"latency_us", "energy_uj"}


def test_a_complete_description_misses_nothing():
    assert missing_fields(CHIP) == ()
    bare = HardwareConfig(name="bare")
    defaults = {"insertion_loss_db", "tia_noise_pa_per_sqrt_hz"}
    assert set(missing_fields(bare)) == FIGURES.keys() - defaults


def test_resolutions_are_stated_or_assumed():
    network = network_cost([program()], CHIP.replace(adc_bits=6), {"layer": 5})
    assert (network.input_bits, network.output_bits) == (8, 6)
    assert network.assumed == ("input_bits",)
    finer = network_cost([program()], CHIP.replace(adc_bits=10), {"layer": 5})
    assert finer.detection_floor_fj > network.detection_floor_fj
    assert network_cost([program()], CHIP.replace(bandwidth_ghz=None), {"layer": 5}).missing == (
        "bandwidth_ghz",
    )


def test_no_heat_without_power():
    """Electro-optic shifters hold a phase for nothing."""
    assert layer_cost(program(), CHIP.replace(p_pi_mw=0.0), 5).resident.heater_mw == 0.0


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="no entry for layer 'layer'"):
        network_cost([program()], CHIP, {"other": 1})
    with pytest.raises(ValueError, match="at least one layer"):
        network_cost([], CHIP, {})
    with pytest.raises(ValueError, match="`num_vectors` of 'layer' must be positive, got 0"):
        layer_cost(program(), CHIP, 0)
    with pytest.raises(ValueError, match="carries at most 2 modes"):
        layer_cost(program(), CHIP.replace(max_modes=2, p_pi_mw=None), 1)


def test_commands_that_are_trained_keep_no_graph():
    layer = program()
    commands = nominal_commands(layer, CHIP)
    traced = {mesh: phase.clone().requires_grad_() for mesh, phase in commands.phases.items()}
    cost = layer_cost(layer, CHIP, 1, Commands(traced, commands.scale))
    assert isinstance(cost.resident.heater_mw, float)
