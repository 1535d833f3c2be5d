"""Meshes as netlists of SAX, and the models that give them their matrix.

A netlist is a plain dictionary of instances, connections and ports that YAML can hold. SAX brings
couplers of its own, whose parameter is a power; ``models`` keeps the sign of i and the angles of
``conventions.py``.

Source: flaport/sax 0.18.2, saxtypes/netlist.py.
"""

import math
from typing import Any

from torch import Tensor

from photonic.adapters.sax_models import models
from photonic.adapters.single_mesh import single_mesh
from photonic.layout import MeshLayout

__all__ = ["Netlist", "models", "to_netlist"]

Netlist = dict[str, Any]
"""Keys ``instances``, ``connections`` and ``ports``; strings, floats and dictionaries below."""


class _Wiring:
    """A netlist that grows from the input to the output."""

    def __init__(self, num_modes: int) -> None:
        self.netlist: Netlist = {"instances": {}, "connections": {}, "ports": {}}
        self._ends: list[str | None] = [None] * num_modes

    def add(
        self, name: str, component: str, modes: tuple[int, ...], settings: dict[str, float]
    ) -> None:
        """Append an instance whose ports in0, in1, ... follow the modes in the given order."""
        self.netlist["instances"][name] = {"component": component, "settings": settings}
        for port, mode in enumerate(modes):
            end = self._ends[mode]
            if end is None:
                self.netlist["ports"][f"in_{mode}"] = f"{name},in{port}"
            else:
                self.netlist["connections"][end] = f"{name},in{port}"
            self._ends[mode] = f"{name},out{port}"

    def close(self) -> Netlist:
        """The netlist, with the loose ends as output ports and the ports by number."""
        inputs = {f"in_{mode}": self.netlist["ports"][f"in_{mode}"] for mode in self._modes}
        outputs = {f"out_{mode}": self._ends[mode] for mode in self._modes}
        return self.netlist | {"ports": inputs | outputs}

    @property
    def _modes(self) -> range:
        return range(len(self._ends))


def to_netlist(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
) -> Netlist:
    """SAX netlist of a mesh.

    The interferometer in column c with the upper mode m is made of ``c<c>_m<m>_phi``,
    ``c<c>_m<m>_coupler_a``, ``c<c>_m<m>_theta`` and ``c<c>_m<m>_coupler_b``; the screen of
    ``output_m<m>``. Its loss is written on coupler_b.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (M,) [rad] internal phases.
        phi: (M,) [rad] external phases.
        output_phase: (N,) [rad] screen after the last column.
        coupler_error: (M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (M,) [dB] loss of each interferometer, on both its arms.

    Returns:
        Netlist of ports in_0 .. in_<N-1> and out_0 .. out_<N-1>, which ``sax.circuit`` solves with
        ``models()``: S[in_k, out_j] = ``transfer_matrix(...)[j, k]`` of the same arguments.

    Raises:
        ValueError: if a shape does not fit the layout.
    """
    settings = single_mesh(layout, theta, phi, output_phase, coupler_error, insertion_loss_db)
    splitting = (math.pi / 4 + settings.coupler_error).tolist()
    loss_db = settings.insertion_loss_db.tolist()
    wiring = _Wiring(layout.num_modes)
    sites = zip(
        *(part.tolist() for part in (layout.column, layout.mode, layout.partner)), strict=True
    )
    for k, (column, upper, lower) in enumerate(sites):
        name = f"c{column}_m{upper}"
        first = {"splitting_angle": splitting[k][0]}
        second = {"splitting_angle": splitting[k][1]}
        if loss_db[k] > 0:
            second["insertion_loss_db"] = loss_db[k]
        wiring.add(f"{name}_phi", "phase_shifter", (upper,), {"phase": float(settings.phi[k])})
        wiring.add(f"{name}_coupler_a", "coupler", (upper, lower), first)
        wiring.add(f"{name}_theta", "phase_shifter", (upper,), {"phase": float(settings.theta[k])})
        wiring.add(f"{name}_coupler_b", "coupler", (upper, lower), second)
    for mode, phase in enumerate(settings.output_phase.tolist()):
        wiring.add(f"output_m{mode}", "phase_shifter", (mode,), {"phase": phase})
    return wiring.close()
