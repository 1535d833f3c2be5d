"""Chip descriptions as a user reads them: every figure with unit, meaning and source."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from experiments.console import console
from experiments.number_text import cell_text
from photonic.hardware import EFFECTS, HardwareConfig, hardware_names, load_hardware
from photonic.hardware.cost import CostFields
from photonic.hardware.drift import DriftFields
from photonic.hardware.drive import DriveFields
from photonic.hardware.link import LinkFields
from photonic.hardware.optics import OpticsFields
from photonic.hardware.schema import hardware_schema
from photonic.hardware.size import SizeFields

_GROUPS = (SizeFields, DriveFields, OpticsFields, DriftFields, LinkFields, CostFields)
_UNITS = {
    **{unit.lower(): unit for unit in ("rad", "dB", "dBm", "um", "um2", "nm", "pm", "V", "K", "s")},
    **{unit.lower(): unit for unit in ("us", "ns", "mW", "uW", "W", "A", "nA", "pA", "fJ", "GHz")},
    **{"hz": "Hz", "hour": "h", "v2": "V^2", "v4": "V^4"},
    **{"bit": "bit", "bits": "bit", "modes": "modes", "tiles": "tiles"},
}
"""Last word of a field's name, and the unit that it stands for."""


@dataclass(frozen=True)
class Figure:
    """One stated figure or setting of a chip."""

    field: str
    """Name in the description."""
    group: str
    """What kind of figure it is."""
    value: Any
    """Number, text, switch or table, as rows."""
    unit: str
    """Unit of a number, "1" if it has none; empty for all others."""
    meaning: str
    """What the figure says."""
    source: str
    """Where it comes from; empty for settings that need no source."""


def unit_of(field: str) -> str:
    """Unit that the name of a field ends with, "1" if there is none.

    The last word is the unit, as in ``v_pi_v``; the words around "per" are a quotient, as in
    ``random_walk_rad_per_sqrt_hour``.
    """
    upper, _, lower = field.rpartition("_per_")
    if not upper:
        return _UNITS.get(field.rsplit("_", 1)[-1], "1")
    plain = lower.removeprefix("sqrt_")
    divisor = _UNITS[plain] if plain == lower else f"sqrt({_UNITS[plain]})"
    return f"{_UNITS.get(upper.rsplit('_', 1)[-1], '1')}/{divisor}"


def stated_figures(hardware: HardwareConfig) -> list[Figure]:
    """The figures that a description states, group by group; what is left out is absent.

    Figures of effects that ``ideal`` switches off are left out too.
    """
    off = {name for effect in hardware.ideal for name in EFFECTS[effect]}
    figures = []
    for group in _GROUPS:
        for name, field in group.model_fields.items():
            value = getattr(hardware, name)
            if name in off or (value == field.default and name not in hardware.sources):
                continue
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            figures.append(
                Figure(
                    field=name,
                    group=_first_line(group.__doc__ or ""),
                    value=value,
                    unit=unit_of(name) if is_number else "",
                    meaning=" ".join((field.description or "").split()),
                    source=hardware.sources.get(name, ""),
                )
            )
    return figures


def effects_on(hardware: HardwareConfig) -> list[str]:
    """Names of the effects that a description switches on."""
    return [effect for effect in EFFECTS if hardware.has(effect)]


def summary(hardware: HardwareConfig) -> str:
    """First sentence of the description."""
    return re.split(r"(?<=\.)\s+(?=[A-Z])", hardware.description, maxsplit=1)[0]


def chip_json(hardware: HardwareConfig) -> str:
    """A description with units and meanings, as JSON."""
    content = {
        "name": hardware.name,
        "description": hardware.description,
        "effects": effects_on(hardware),
        "switched_off": list(hardware.ideal),
        "figures": [asdict(figure) for figure in stated_figures(hardware)],
    }
    return json.dumps(content, indent=2)


def schema_json() -> str:
    """JSON Schema of the YAML files, as shipped in ``hardware_configs/schema.json``."""
    return json.dumps(hardware_schema(), indent=2)


def print_chips() -> None:
    """Table of the shipped descriptions."""
    table = _table("name", "mesh", "modes", "effects", "description")
    for name in hardware_names():
        hardware = load_hardware(name)
        modes = "any" if hardware.max_modes is None else str(hardware.max_modes)
        effects = ", ".join(effects_on(hardware)) or "none"
        _add_row(table, name, hardware.mesh or "any", modes, effects, summary(hardware))
    console.print("Shipped chip descriptions", style="italic")
    console.print(table)


def print_chip(hardware: HardwareConfig) -> None:
    """Tables of all stated figures of a chip, one per group."""
    console.print(f"{hardware.name}: {hardware.description}", style="italic")
    console.print(f"effects: {', '.join(effects_on(hardware)) or 'none'}")
    if hardware.ideal:
        console.print(f"switched off: {', '.join(hardware.ideal)}")
    figures = stated_figures(hardware)
    for group in dict.fromkeys(figure.group for figure in figures):
        table = _table("figure", "value", "unit", "meaning and source")
        for figure in figures:
            if figure.group == group:
                source = f"\nsource: {figure.source}" if figure.source else ""
                value = _value_text(figure.value)
                _add_row(table, figure.field, value, figure.unit, figure.meaning + source)
        console.print(f"\n{group}", style="italic")
        console.print(table)


def _table(*header: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in header:
        table.add_column(name, overflow="fold")
    return table


def _add_row(table: Table, *cells: str) -> None:
    table.add_row(*(cell_text(cell) for cell in cells))


def _value_text(value: Any) -> str:
    """A value in few characters; a measured table by its size."""
    if isinstance(value, tuple):
        return f"table of {len(value)} x {len(value[0])}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].removesuffix(".")
