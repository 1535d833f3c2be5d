"""States of torchonn's MZIBlockLinear for all layers, in one safetensors file.

Tensors ``<layer>.<name>`` as in the state dict of a network whose modules have the names of the
layers; the metadata ``layers`` is a JSON list of the arguments that each layer is built with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from safetensors.torch import save
from torch import Tensor

from photonic.adapters.torchonn import torchonn_from_program
from photonic.adapters.torchonn_mesh import Algorithm
from photonic.export_formats.folder import NamedFile
from photonic.program import Program, check_names

STATE_FILE = "torchonn.safetensors"


def torchonn_files(
    programs: Sequence[Program],
    biases: Mapping[str, Tensor] | None = None,
    algorithm: Algorithm = "clements",
) -> Iterator[NamedFile]:
    """The one file ``torchonn.safetensors``.

    Args:
        programs: one per layer, with different names.
        biases: (out_features,) bias by name of the layer; layers without an entry have none.
        algorithm: ``decompose_alg`` of the layers of torchonn.

    Raises:
        ValueError: if names repeat, or as ``torchonn_from_program``.
    """
    check_names(programs)
    tensors: dict[str, Tensor] = {}
    layers = []
    for program in programs:
        bias = (biases or {}).get(program.name)
        state = torchonn_from_program(program, bias, algorithm=algorithm)
        tensors |= {f"{program.name}.{name}": _positive_zeros(t) for name, t in state.items()}
        arguments = {
            "in_features": program.in_features,
            "out_features": program.out_features,
            "bias": bias is not None,
            "miniblock": program.tile_shape[0],
            "decompose_alg": algorithm,
        }
        layers.append({"name": program.name} | arguments)
    yield STATE_FILE, save(tensors, {"layers": json.dumps(layers)})


def _positive_zeros(tensor: Tensor) -> Tensor:
    """The same numbers, 0.0 in place of -0.0."""
    return tensor + 0.0 if tensor.is_floating_point() else tensor
