"""Sums over neighbours, the part of the network between its matrix products.

On the CPU compiled loops run; everywhere else, under ``torch.func`` transforms and for predictions
with few edges plain torch.
"""

from models.edge_ops.edges import Edges, SharedEdges

__all__ = ["Edges", "SharedEdges"]
