"""Channel-to-volts table for analogue outputs under NI-DAQmx, and its reader.

A physical channel is named ``<device>/ao<number>``, in a CompactDAQ ``cDAQ1Mod1/ao0``; the limits
of a row are the ``min_val`` and ``max_val`` that ``ao_channels.add_ao_voltage_chan`` takes. These
outputs are voltages: a heater whose law is stated in its current is refused, unless the caller says
that the voltage over its resistance will do.

Source: NI-DAQmx, physical channel syntax; nidaqmx-python, AOChannelCollection.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable

import numpy as np

from photonic.export_formats.drive_table import REPORT_EVERY, DriveTable
from photonic.export_formats.folder import NamedFile

TABLE_FILE = "channels.csv"
TABLE_COLUMNS = ("physical_channel", "volts", "min_v", "max_v", "shifter")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?")
_CHANNEL = re.compile(r"[A-Za-z0-9_-]{1,64}/ao(0|[1-9][0-9]{0,5})")


def nidaqmx_files(
    table: DriveTable,
    range_v: tuple[float, float] = (0.0, 10.0),
    *,
    is_current_converted: bool = False,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> list[NamedFile]:
    """The one file ``channels.csv``, sorted by module and channel.

    Args:
        table: settings of all channels; modules are the devices of NI-DAQmx.
        range_v: [V] lowest and highest output of the converters; a lower limit in the table
            takes its place.
        is_current_converted: drive heaters whose law is stated in a current by the voltage that
            follows from their resistance, which their calibration did not measure.
        on_step: called with the shifters that are done and their number.

    Raises:
        ValueError: if a shifter has no voltage or one outside the range, or has a law of the
            current that is not to be converted; the message names it.
    """
    low, high = (float(bound) + 0.0 for bound in range_v)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`range_v` must be two rising voltages, got {range_v}")
    if table.is_current.any() and not is_current_converted:
        first = table.shifter[int(np.argmax(table.is_current))]
        raise ValueError(
            f"shifter {first} is calibrated in mA, and these outputs are voltages: calibrate it in "
            f"V, or convert currents to V by `resistance_ohm` "
            f"({int(table.is_current.sum())} shifters in mA)"
        )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TABLE_COLUMNS)
    for number, row in enumerate(table.order, 1):
        volts, limit = float(table.drive_v[row]), float(table.limit_v[row])
        if not low <= volts <= high:
            found = "no voltage" if math.isnan(volts) else f"{volts:.6g} V"
            raise ValueError(
                f"shifter {table.shifter[row]} has {found}, the outputs give {low:g} to {high:g} V"
            )
        top = high if math.isnan(limit) else min(high, limit)
        name = f"{table.module[row]}/ao{table.channel[row]}"
        writer.writerow([name, volts, low, top, table.shifter[row]])
        if number % REPORT_EVERY == 0:
            on_step(number, len(table.order))
    return [(TABLE_FILE, text.getvalue().encode())]


def read_channel_table(text: str) -> dict[str, float]:
    """Volts by physical channel, from a table that ``nidaqmx_files`` wrote.

    Raises:
        ValueError: naming the first line that has other columns, is no physical channel, occurs
            twice or is out of its range.
    """
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    volts: dict[str, float] = {}
    try:
        if tuple(next(rows, ())) != TABLE_COLUMNS:
            raise ValueError(f"the columns must be {','.join(TABLE_COLUMNS)}")
        for number, row in enumerate(rows, 2):
            is_row = len(row) == len(TABLE_COLUMNS) and _CHANNEL.fullmatch(row[0])
            if not is_row or not all(map(_NUMBER.fullmatch, row[1:4])):
                raise ValueError(f"line {number} is not a channel with its volts")
            value, low, high = map(float, row[1:4])
            if row[0] in volts or not low <= value <= high:
                raise ValueError(f"line {number}: {row[0]} is twice or out of its range")
            volts[row[0]] = value
    except csv.Error as error:
        raise ValueError(f"the table is not CSV ({error})") from None
    return volts
