"""Matrix of a netlist of ``photonic.adapters.sax`` without SAX."""

import numpy as np
import torch
from torch import Tensor

from photonic.adapters.sax import Netlist


def propagate(netlist: Netlist, num_modes: int) -> Tensor:
    """Matrix of a netlist without reflections, instance by instance from the input."""
    fields = {}
    for mode in range(num_modes):
        fields[netlist["ports"][f"in_{mode}"]] = np.eye(num_modes, dtype=complex)[mode]
    for name, instance in netlist["instances"].items():
        settings = instance["settings"]
        if instance["component"] == "phase_shifter":
            block = np.exp(1j * np.array([[settings["phase"]]]))
        else:
            x = settings["splitting_angle"]
            amplitude = 10 ** (-settings.get("insertion_loss_db", 0) / 20)
            block = amplitude * np.array([[np.cos(x), 1j * np.sin(x)], [1j * np.sin(x), np.cos(x)]])
        inputs = np.stack([fields.pop(f"{name},in{port}") for port in range(len(block))])
        for port, output in enumerate(block @ inputs):
            end = f"{name},out{port}"
            fields[netlist["connections"].get(end, end)] = output
    outputs = [fields.pop(netlist["ports"][f"out_{mode}"]) for mode in range(num_modes)]
    assert not fields
    return torch.from_numpy(np.stack(outputs))
