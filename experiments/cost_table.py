"""What one crystal costs on a chip: power, area, latency and energy of a mapped model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from experiments.console import console, print_table
from experiments.mapped import MappedModel, dense_layers
from models.batch import GraphBatch
from models.model import CrystalModel
from photonic.cost import NetworkCost, network_cost

DIGITAL_PJ_PER_MAC = (0.3, 2.0)
"""[pJ] INT8 product on a digital chip, memory included; quoted, to compare with."""
COST_HEADER = ("cost of one crystal", "resident", "reprogrammed")


def vectors_per_layer(model: CrystalModel, batches: Sequence[GraphBatch]) -> dict[str, float]:
    """Mean number of vectors that each dense layer processes for one crystal.

    Sites or edges of all canonical bases of a crystal.

    Args:
        model: digital model.
        batches: graphs of a sample of crystals, from the model's ``batches``.

    Raises:
        ValueError: if there is no crystal.
    """
    num_crystals = sum(batch.num_crystals for batch in batches)
    if not num_crystals:
        raise ValueError("`batches` must hold at least one crystal")
    layers = dict(dense_layers(model.network))
    counts = dict.fromkeys(layers, 0)

    def counter(name: str):
        def count(module: nn.Linear, inputs: tuple[Tensor, ...]) -> None:
            counts[name] += inputs[0].numel() // module.in_features

        return count

    hooks = [layer.register_forward_pre_hook(counter(name)) for name, layer in layers.items()]
    try:
        model.standardised(batches)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: count / num_crystals for name, count in counts.items()}


def mapped_cost(mapped: MappedModel, batches: Sequence[GraphBatch]) -> NetworkCost:
    """Cost of one crystal, the mean over a sample.

    Args:
        mapped: model, programs and chip.
        batches: graphs of the sample.
    """
    vectors = vectors_per_layer(mapped.model, batches)
    return network_cost(list(mapped.programs.values()), mapped.hardware, vectors)


def cost_rows(cost: NetworkCost) -> list[tuple[str, str, str]]:
    """Name and both values of each figure; "-" where the chip states too little."""
    ways = cost.resident, cost.reprogrammed
    digital = "-".join(f"{cost.resident.num_macs * pj * 1e-6:.3g}" for pj in DIGITAL_PJ_PER_MAC)
    return [
        ("tiles on the chip", *(f"{way.num_tiles:,}" for way in ways)),
        ("phases written, times", *(f"{way.num_loads:,}" for way in ways)),
        ("heaters [W]", *(_watt(way.heater_mw) for way in ways)),
        ("lasers [W]", *(_watt(way.laser_mw) for way in ways)),
        ("modulators, converters, receivers [W]", *(_watt(way.converter_mw) for way in ways)),
        ("mean power [W]", *(_watt(way.mean_power_mw) for way in ways)),
        ("area [mm2]", *(short(way.area_mm2) for way in ways)),
        ("latency [us]", *(short(way.latency_us) for way in ways)),
        ("energy [uJ]", *(short(way.energy_uj) for way in ways)),
        ("energy per MAC [pJ]", *(short(way.energy_per_mac_pj) for way in ways)),
        ("digital INT8, 0.3-2 pJ per MAC, quoted [uJ]", digital, digital),
    ]


def cost_notes(cost: NetworkCost) -> list[str]:
    """Sentences that the table needs: what was assumed, and what is not stated."""
    bits = f"inputs of {cost.input_bits} bit, outputs of {cost.output_bits} bit"
    if cost.assumed:
        bits += f" ({' and '.join(cost.assumed)} assumed)"
    notes = [
        f"{bits}; one layer works at a time, its lasers and converters on; drivers of the "
        "heaters, memory and cooling are not counted"
    ]
    if cost.detection_floor_fj is not None:
        notes.append(f"light that a detector needs: {cost.detection_floor_fj:.3g} fJ per symbol")
    if cost.missing:
        notes.append(f"figures marked - need fields that are not stated: {', '.join(cost.missing)}")
    return notes


def print_cost(cost: NetworkCost) -> None:
    """The table of ``cost_rows`` and the notes below it."""
    num_macs = cost.resident.num_macs
    title = f"One crystal of mean size: {num_macs:,.0f} MAC in {len(cost.layers)} dense layers"
    print_table(title, COST_HEADER, cost_rows(cost))
    for note in cost_notes(cost):
        console.print(note, style="dim", soft_wrap=True)


def _watt(value_mw: float | None) -> str:
    return short(None if value_mw is None else value_mw * 1e-3)


def short(value: float | None) -> str:
    """Three digits, whole numbers from 1000 on; "-" for None."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
