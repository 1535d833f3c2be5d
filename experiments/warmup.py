"""Machine code of the usual jobs, compiled ahead of them.

numba compiles a kernel when it is first called with arguments of certain types, and keeps the
machine code on disk. So everything here is a job like a user's, as small as it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

CHECKPOINT = "refractive_index"
"""Any will do: the kernels do not know the sizes of a network."""


def warm_up() -> Iterator[str]:
    """Do every usual job once, at its smallest; yields the name of each that is about to start.

    Covers graphs, predictions, training on the processor, mapping, and chips of all shipped
    descriptions with gradients: what the commands call, in the precisions that they use.
    """
    jobs: dict[str, Callable[[], None]] = {
        "graphs and predictions": _predict,
        "training steps": _train,
        "mappings": _map,
        "chips": _realise,
        "gradients of chips": _differentiate,
    }
    for name, job in jobs.items():
        yield name
        job()


def _graphs() -> tuple[Any, list[Any]]:
    """The shipped model, and graphs of simple crystals with more edges than plain torch takes."""
    from models.checkpoint import load_checkpoint
    from models.edge_ops.paths import WORTHWHILE
    from models.prototypes import prototypes

    model = load_checkpoint(CHECKPOINT)
    known = len(model.network.element_features)
    crystals = [c for c in prototypes().values() if c.numbers.max() < known]
    graphs = [model.graph(crystal) for crystal in crystals]
    num_edges = sum(graph.edge_index.shape[1] for graph in graphs)
    return model, graphs * (WORTHWHILE // num_edges + 1)


def _predict() -> None:
    model, graphs = _graphs()
    model.standardised(list(model.batches(graphs)))


def _train() -> None:
    model, graphs = _graphs()
    model.network.train().requires_grad_(True)
    for batch in model.batches(graphs):
        model.network(batch).sum().backward()


def _map() -> None:
    from photonic import map_linear

    for mesh in ("clements", "reck"):
        map_linear(torch.ones(4, 4), mesh, tile=4, name="warmup")


def _realise() -> None:
    from photonic import Chip, hardware_names, load_hardware, map_linear, realise

    for name in hardware_names():
        hardware = load_hardware(name)
        program = map_linear(torch.ones(4, 4), hardware.mesh or "clements", 4, "warmup")
        chip = Chip(hardware, 0, 0)
        for dtype in (torch.float32, torch.float64):
            realise(program, chip, dtype=dtype)


def _differentiate() -> None:
    from photonic import MeshLayout, transfer_matrix

    layout = MeshLayout("clements", 4)
    for dtype in (torch.float32, torch.float64):
        sizes = (layout.num_mzis, layout.num_mzis, layout.num_modes)
        settings = [torch.ones(1, size, dtype=dtype, requires_grad=True) for size in sizes]
        transfer_matrix(layout, *settings).abs().sum().backward()
