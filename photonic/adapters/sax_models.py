"""Netlists of SAX need models; these keep the sign of i and the angles of ``conventions.py``.

This file is also written beside exported netlists, so it imports nothing of the project and its
packages only when asked for models.
"""

import math
from collections.abc import Callable
from typing import Any


def models() -> dict[str, Callable[..., dict[tuple[str, str], Any]]]:
    """SAX models of the components of ``to_netlist``.

    Returns:
        ``phase_shifter(phase)``: exp(i phase) from in0 to out0; ``coupler(splitting_angle,
        insertion_loss_db)``: 10^(-insertion_loss_db / 20) C(splitting_angle) from in0, in1 to out0,
        out1. Both are reciprocal and without reflection.
    """
    import jax.numpy as jnp
    import sax

    def phase_shifter(phase: float = 0.0) -> dict[tuple[str, str], Any]:
        return sax.reciprocal({("in0", "out0"): jnp.exp(1j * phase)})

    def coupler(
        splitting_angle: float = math.pi / 4, insertion_loss_db: float = 0.0
    ) -> dict[tuple[str, str], Any]:
        amplitude = 10 ** (-insertion_loss_db / 20)
        bar = amplitude * jnp.cos(splitting_angle) + 0j
        cross = 1j * amplitude * jnp.sin(splitting_angle)
        return sax.reciprocal(
            {
                ("in0", "out0"): bar,
                ("in0", "out1"): cross,
                ("in1", "out0"): cross,
                ("in1", "out1"): bar,
            }
        )

    return {"phase_shifter": phase_shifter, "coupler": coupler}
