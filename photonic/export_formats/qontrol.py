"""Command scripts and 16-bit codes for drivers of Qontrol, and the reader of a script.

A script is ASCII, one command per line, sent to one serial port at 115200 baud, 8N1. A command is
``<name><channel>=<value>``: first ``VMAX<channel>=<V>`` and ``IMAX<channel>=<mA>`` of all channels,
then ``I<channel>=<mA>`` where the law of the heater is stated in its current or only a current is
known, else ``V<channel>=<V>``. The device answers
``OK`` or ``E<error>:<channel>``; wait for it before the next line.

The binary protocol carries 16-bit values, which the vendor's own library cuts off:
int(value/full 65535). ``codes.csv`` gives the nearest code and a value that this library turns into
just that code. No command limits a power: powers are checked here alone.

Source: takeqontrol/api, qontrol.py 1.1.1: format in ``issue_command``, names in CMD_CODES, full
scales in DEVICE_PROPERTIES, truncation in ``set_value``. Not verified on a device: how its firmware
rounds decimals, and whether limits survive a restart (NVM is in CMD_CODES, its use is not stated).
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from photonic.export_formats.drive_table import REPORT_EVERY, DriveTable
from photonic.export_formats.folder import NamedFile
from photonic.export_formats.qontrol_chain import QontrolChain, QontrolModule

CODES_FILE = "codes.csv"
CODES_COLUMNS = (
    *("shifter", "module", "channel", "chain", "chain_channel"),
    *("quantity", "unit", "value", "code", "value_to_send"),
)
LARGEST_CODE = 2**16 - 1
_DIGITS = 5
"""Decimals of a script; a step of 16 bits is 1.8e-4 V or more."""

_COMMAND = re.compile(r"(VMAX|IMAX|V|I)(0|[1-9][0-9]{0,5})=([0-9]{1,6}(?:\.[0-9]{1,12})?)")


@dataclass(frozen=True)
class QontrolSetting:
    """What a script does to one channel of its chain."""

    quantity: str
    """V or I."""
    value: float
    """[V] or [mA] setting."""
    max_v: float
    """[V] limit of the voltage."""
    max_ma: float
    """[mA] limit of the current."""


def qontrol_files(
    table: DriveTable,
    chains: Sequence[QontrolChain] = (),
    *,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[NamedFile]:
    """A script ``<chain>.qontrol.txt`` per serial port, and ``codes.csv`` for all.

    A limit that the table does not know is the full scale of the module.

    Args:
        table: settings of all channels.
        chains: modules of each serial port; without any, each module is a Q8iv on its own port.
        on_step: called with the shifters that are done and their number.

    Raises:
        ValueError: if a module is on no chain or on two, has no such channel, a shifter has neither
            voltage nor current, or a setting exceeds the full scale; the message names the shifter.
    """
    chains = chains or _separate_chains(table)
    places = _places(chains)
    settings: dict[str, dict[int, QontrolSetting]] = {chain.name: {} for chain in chains}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CODES_COLUMNS)
    for count, row in enumerate(table.order, 1):
        chain, first, module = _located(table, row, places)
        setting, full = _setting(table, row, module)
        number = first + table.channel[row]
        settings[chain.name][number] = setting
        unit = "V" if setting.quantity == "V" else "mA"
        code = nearest_code(setting.value, full)
        place = [table.shifter[row], module.name, table.channel[row], chain.name, number]
        sent = value_to_send(code, full)
        writer.writerow([*place, setting.quantity, unit, setting.value, code, sent])
        if count % REPORT_EVERY == 0:
            on_step(count, len(table.order))
    for name, found in settings.items():
        yield f"{name}.qontrol.txt", _script(found).encode("ascii")
    yield CODES_FILE, text.getvalue().encode()


def nearest_code(value: float, full_scale: float) -> int:
    """Code round(value/full_scale 65535) of a value from 0 to full_scale."""
    return round(value / full_scale * LARGEST_CODE)


def value_to_send(code: int, full_scale: float) -> float:
    """A value that int(value/full_scale 65535) turns into this code.

    (code + 1/2)/65535 full_scale, the middle of what is cut off to the code, or full_scale: code
    65535 has no more room. k/65535 full_scale itself loses a count for one code in eight.
    """
    return min((code + 0.5) / LARGEST_CODE * full_scale, full_scale)


def read_script(text: str, chain: QontrolChain) -> dict[int, QontrolSetting]:
    """Settings by channel of the chain, from a script that ``qontrol_files`` wrote.

    Args:
        text: the script.
        chain: modules that it is for.

    Returns:
        In the order of the channels.

    Raises:
        ValueError: for a line that is no such command, a channel that the chain does not have, a
            command that is given twice, a setting without its limits before it, or one above them.
    """
    found: dict[int, dict[str, float]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        command = _COMMAND.fullmatch(line)
        if command is None:
            raise ValueError(f"line {number} is not a command of a script: {line[:40]!r}")
        name, channel, value = command[1], int(command[2]), float(command[3])
        if channel >= chain.num_channels:
            raise ValueError(f"line {number}: chain {chain.name} has no channel {channel}")
        known = found.setdefault(channel, {})
        if name in known or (name in "VI" and not known.keys() == {"VMAX", "IMAX"}):
            raise ValueError(f"line {number}: {name}{channel} is twice or before its limits")
        known[name] = value
    settings = {}
    for channel, known in sorted(found.items()):
        quantity = next((name for name in "VI" if name in known), None)
        if quantity is None:
            raise ValueError(f"channel {channel} has limits, but no setting")
        if known[quantity] > known[f"{quantity}MAX"]:
            raise ValueError(f"channel {channel} is set above its limit {quantity}MAX")
        settings[channel] = QontrolSetting(quantity, known[quantity], known["VMAX"], known["IMAX"])
    return settings


def _separate_chains(table: DriveTable) -> tuple[QontrolChain, ...]:
    return tuple(
        QontrolChain(name=name, modules=(QontrolModule(name=name),))
        for name in sorted(set(table.module))
    )


def _places(
    chains: Sequence[QontrolChain],
) -> dict[str, tuple[QontrolChain, int, QontrolModule]]:
    """Module name to its chain, its first channel there and the module."""
    places: dict[str, tuple[QontrolChain, int, QontrolModule]] = {}
    if len({chain.name for chain in chains}) < len(chains):
        raise ValueError("two chains have the same name")
    for chain in chains:
        first = 0
        for module in chain.modules:
            if module.name in places:
                raise ValueError(f"module {module.name} is on two chains")
            places[module.name] = (chain, first, module)
            first += module.num_channels
    return places


def _located(
    table: DriveTable, row: int, places: dict[str, tuple[QontrolChain, int, QontrolModule]]
) -> tuple[QontrolChain, int, QontrolModule]:
    name, channel, shifter = table.module[row], table.channel[row], table.shifter[row]
    if name not in places:
        raise ValueError(f"shifter {shifter}: module {name} is on no chain")
    module = places[name][2]
    if channel >= module.num_channels:
        raise ValueError(
            f"shifter {shifter}: a {module.kind} has channels 0 to {module.num_channels - 1}, "
            f"there is no {channel}"
        )
    return places[name]


def _setting(table: DriveTable, row: int, module: QontrolModule) -> tuple[QontrolSetting, float]:
    """Setting of a row, and the full scale of its quantity."""
    volts, amperes = float(table.drive_v[row]), float(table.drive_ma[row])
    if math.isnan(volts) and math.isnan(amperes):
        raise ValueError(f"shifter {table.shifter[row]} has neither a voltage nor a current")
    is_current = bool(table.is_current[row]) or math.isnan(volts)
    for value, full, unit in ((volts, module.full_v, "V"), (amperes, module.full_ma, "mA")):
        if value > full:
            raise ValueError(
                f"shifter {table.shifter[row]} needs {value:.6g} {unit}, "
                f"a {module.kind} gives at most {full:.6g} {unit}"
            )
    max_v = _limit(float(table.limit_v[row]), module.full_v)
    max_ma = _limit(float(table.limit_ma[row]), module.full_ma)
    if is_current:
        return QontrolSetting("I", amperes, max_v, max_ma), module.full_ma
    return QontrolSetting("V", volts, max_v, max_ma), module.full_v


def _limit(limit: float, full_scale: float) -> float:
    return full_scale if math.isnan(limit) else min(limit, full_scale)


def _script(settings: dict[int, QontrolSetting]) -> str:
    """Limits of all channels, then their settings."""
    lines = []
    for channel, setting in sorted(settings.items()):
        lines.append(f"VMAX{channel}={setting.max_v:.{_DIGITS}f}")
        lines.append(f"IMAX{channel}={setting.max_ma:.{_DIGITS}f}")
    for channel, setting in sorted(settings.items()):
        lines.append(f"{setting.quantity}{channel}={setting.value:.{_DIGITS}f}")
    return "".join(f"{line}\n" for line in lines)
