"""Power, area, latency and energy of programs on a chip, from the figures of its components.

One layer works at a time. The heaters of all tiles on the chip stay on; lasers, modulators,
receivers and converters are on for the layer at work. Every tile has its own laser, a modulator and
DAC per input, a balanced pair of photodiodes with amplifier and ADC per output, and partial sums of
tiles are added digitally, as in ``tensor_core``. Not counted: drivers of the heaters, reference
light of the receivers, digital logic, memory, cooling.
"""

from photonic.cost.area import tile_area_um2
from photonic.cost.converters import adc_power_mw, dac_power_mw, modulator_power_mw
from photonic.cost.detection import detection_floor_fj, shot_floor_fj, thermal_floor_fj
from photonic.cost.heater import heater_power_mw
from photonic.cost.laser import laser_power_mw, path_loss_db
from photonic.cost.network import LayerCost, NetworkCost, layer_cost, network_cost
from photonic.cost.operation import OperationCost
from photonic.cost.tile import NEEDED_FIELDS, TileCost, is_known, missing_fields, tile_cost
from photonic.cost.timing import flight_time_ps, num_loads, working_time_us

__all__ = [
    "NEEDED_FIELDS",
    "LayerCost",
    "NetworkCost",
    "OperationCost",
    "TileCost",
    "adc_power_mw",
    "dac_power_mw",
    "detection_floor_fj",
    "flight_time_ps",
    "heater_power_mw",
    "is_known",
    "laser_power_mw",
    "layer_cost",
    "missing_fields",
    "modulator_power_mw",
    "network_cost",
    "num_loads",
    "path_loss_db",
    "shot_floor_fj",
    "thermal_floor_fj",
    "tile_area_um2",
    "tile_cost",
    "working_time_us",
]
