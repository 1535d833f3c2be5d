"""Noise sweeps: one figure of the chip description varied, everything else as described."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.chips_run import ChipSetting
from experiments.results import Axis
from photonic import HardwareConfig


@dataclass(frozen=True)
class NoiseKind:
    """A figure of the chip description that can be swept.

    Attributes:
        field: name in ``HardwareConfig``.
        axis: how it is labelled.
        is_integer: whether the field takes whole numbers.
    """

    field: str
    axis: Axis
    is_integer: bool = False


NOISE_KINDS = {
    "phase": NoiseKind("phase_noise_rad", Axis("phase_noise", "rad", "Static phase error")),
    "bias": NoiseKind("bias_residual_rad", Axis("bias", "rad", "Residual phase bias")),
    "gamma": NoiseKind("gamma_spread", Axis("gamma_spread", "1", "Spread of drive coefficients")),
    "crosstalk": NoiseKind("crosstalk", Axis("crosstalk", "1", "Nearest-neighbour crosstalk")),
    "coupler": NoiseKind("coupler_sigma_rad", Axis("coupler_error", "rad", "Coupler angle error")),
    "loss": NoiseKind(
        "insertion_loss_db",
        Axis("insertion_loss", "dB", "Insertion loss per MZI, mean gain restored"),
    ),
    "bits": NoiseKind("dac_bits", Axis("dac_bits", "bit", "Resolution of the drive"), True),
}


def parse_noise(text: str) -> tuple[NoiseKind, list[float]]:
    """Kind and values of ``"phase=0,0.01,0.1"``.

    Raises:
        ValueError: if the kind is unknown or a value is no finite number.
    """
    name, equals, values = text.partition("=")
    if not equals:
        raise ValueError(f"noise is written kind=value,value (phase=0,0.01), got {text!r}")
    if name not in NOISE_KINDS:
        near = difflib.get_close_matches(name, NOISE_KINDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown noise {name!r}{hint} (known: {', '.join(NOISE_KINDS)})")
    return NOISE_KINDS[name], parse_numbers(values)


def parse_numbers(text: str) -> list[float]:
    """Finite, distinct numbers of a comma-separated list, ascending.

    Raises:
        ValueError: if an entry is no finite number.
    """
    numbers = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            raise ValueError(f"{part.strip()!r} in {text!r} is not a number") from None
        if not math.isfinite(number):
            raise ValueError(f"{part.strip()!r} in {text!r} is not finite")
        numbers.append(number)
    return sorted(set(numbers))


def sweep_settings(
    hardware: HardwareConfig, kind: NoiseKind, values: Sequence[float]
) -> list[ChipSetting]:
    """One setting per value of the swept figure.

    Raises:
        HardwareError: if a value is outside the range of the figure.
        ValueError: if a whole number is needed.
    """
    settings = []
    for value in values:
        if kind.is_integer and not value.is_integer():
            raise ValueError(f"{kind.field} takes whole numbers, got {value}")
        figure = int(value) if kind.is_integer else value
        settings.append(ChipSetting(value, hardware.replace(**{kind.field: figure})))
    return settings
