"""Graphs as a variant of the network is to see them: which global frames its vectors are given in.

Outputs are averaged over the frames of a graph (one at random in training), so that all that
variants need beyond the canonical bases is another list of frames.

=================== ============================================================================
variant             frames
=================== ============================================================================
most                as built: one per inequivalent canonical basis
gs_local, even      each frame F and -F: the crystal and its mirror image
identity (control)  the identity alone, so that raw vectors go in
pca_fa (control)    principal axes of the lattice with all four proper choices of signs
=================== ============================================================================

``gs_local`` needs the mirror image because the global axes that stand in for its undefined vectors
do not change sign with the vectors, and bases that only an improper operation connects count as
one.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from models.canonical import canonical_cell
from models.crystal import Crystal
from models.frames import pca_frame
from models.graph import CrystalGraph, GraphSettings, basis_vectors, build_graph
from models.network_config import NetworkConfig

PROPER_SIGNS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=np.float64)
"""Signs (s1, s2, s1 s2) of three axes that keep them right-handed."""


def network_graph(crystal: Crystal, settings: GraphSettings, config: NetworkConfig) -> CrystalGraph:
    """The graph of a crystal for a network.

    Raises:
        CrystalError: as ``build_graph``.

    Warns:
        SymmetryWarning: as ``build_graph``.
    """
    graph = build_graph(crystal, settings)
    if config.frame == "pca_fa":
        graph = dataclasses.replace(graph, frames=_sign_frames(crystal, settings))
    return seen_by(graph, config)


def seen_by(graph: CrystalGraph, config: NetworkConfig) -> CrystalGraph:
    """A graph from ``build_graph`` for a network; ``pca_fa`` needs ``network_graph``."""
    frames = graph.frames
    if config.frame == "identity":
        frames = np.eye(3)[None]
    if config.frame == "gs_local" or config.components == "even":
        frames = np.concatenate([frames, -frames])
    return graph if frames is graph.frames else dataclasses.replace(graph, frames=frames)


def _sign_frames(crystal: Crystal, settings: GraphSettings) -> NDArray[np.float64]:
    """(4 K, 3, 3) principal axes of each canonical basis in all signs, defined or not.

    Equal eigenvalues are left to rounding on purpose: it is what the control shows.
    """
    cell = canonical_cell(
        crystal,
        symprec=settings.symprec,
        metric_tolerance=settings.metric_tolerance,
        class_tolerance=settings.class_tolerance,
    )
    axes, _ = pca_frame(basis_vectors(cell))
    return (PROPER_SIGNS[None, :, :, None] * axes[:, None]).reshape(-1, 3, 3)
