"""What is compared site by site: features under a permutation, and frames within an orbit.

Both are read from the running network by a hook on the module that makes them, so that the weights
of a chip are tested as they are used.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import spglib
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.symmetry.columns import Column, Evaluator, Floats
from experiments.symmetry.row import Comparison
from experiments.symmetry.structures import Named
from models.canonical import canonical_cell
from models.crystal import Crystal
from models.descriptions import permuted
from models.graph import CrystalGraph, GraphSettings
from models.network import SPFrameNetwork
from models.network_config import INVARIANT_FRAMES
from photonic.randomness import keyed_generator

ORBIT_SYMPREC = 1e-4
"""[Angstrom] of exact crystals."""


def permuted_sites(evaluator: Evaluator, crystals: Sequence[Named], seed: int) -> list[Comparison]:
    """Features of every site after the last layer, against those of the sites listed anew.

    Crystals in a primitive cell alone: in another cell sites have no features of their own. With
    several canonical bases the mean over them is compared.
    """
    found = []
    for named in crystals:
        graph = evaluator.graph(named.crystal)
        if graph.num_sites != named.crystal.num_sites:
            continue
        rng = keyed_generator(seed, "symmetry", "permuted sites", named.name)
        order = rng.permutation(graph.num_sites)
        other = evaluator.graph(permuted(named.crystal, order))
        spreads = []
        for column in evaluator.columns:
            before, after = (_site_features(column, g) for g in (graph, other))
            spreads.append(np.abs(after - before[order]).max() / np.abs(before).max())
        found.append(Comparison(named.name, evaluator.worst(np.array(spreads))))
    return found


def orbit_frames(evaluator: Evaluator, crystals: Sequence[Named]) -> list[Comparison]:
    """Largest difference of entries of F_INV on equivalent sites of exact crystals.

    In the first frame block; in all of them if they read features that no frame has touched.
    """
    found = []
    for named in crystals:
        graph = evaluator.graph(named.crystal)
        orbits = equivalent_sites(named.crystal, evaluator.model.graph_settings)
        spreads = []
        for column in evaluator.columns:
            with _watched(_first_frames(column.model.network)) as seen:
                column.outputs([graph])
            frames = np.concatenate([_per_graph(f, graph) for f in seen])
            spreads.append(np.abs(frames - frames[:, orbits]).max())
        found.append(Comparison(named.name, evaluator.worst(np.array(spreads))))
    return found


def why_no_orbits(network: SPFrameNetwork) -> str:
    """Why frames of equivalent sites are not compared; empty if they are."""
    frame = network.config.frame
    return "" if frame in INVARIANT_FRAMES else f"frame {frame!r} has no invariant frame blocks"


def equivalent_sites(crystal: Crystal, settings: GraphSettings) -> NDArray[np.int64]:
    """(S,) for each site of the canonical cell the first one that is equivalent to it."""
    cell = canonical_cell(
        crystal,
        symprec=settings.symprec,
        metric_tolerance=settings.metric_tolerance,
        class_tolerance=settings.class_tolerance,
    ).crystal
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        symmetry = spglib.get_symmetry(
            (cell.lattice, cell.frac_coords, cell.numbers), symprec=ORBIT_SYMPREC
        )
    return symmetry["equivalent_atoms"].astype(np.int64)


def _first_frames(network: SPFrameNetwork) -> list[nn.Module]:
    """Frame blocks whose rotations are equal on equivalent sites."""
    layers = network.layers if network.config.frame_source == "initial" else network.layers[:1]
    before = [] if network.first_frame is None else [network.first_frame]
    return [*before, *(layer.frame for layer in layers)]


def _site_features(column: Column, graph: CrystalGraph) -> Floats:
    """(S, d) features after the last layer, mean over the global frames."""
    with _watched([column.model.network.layers[-1]]) as seen:
        column.outputs([graph])
    return _per_graph(seen[0], graph).mean(axis=0)


def _per_graph(values: Tensor, graph: CrystalGraph) -> Floats:
    """(K, S, ...) values of the (K S, ...) sites of a graph in its K global frames."""
    shape = (len(graph.frames), graph.num_sites, *values.shape[1:])
    return values.to(torch.float64).numpy().reshape(shape)


@contextmanager
def _watched(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """The outputs of modules while they run, in the order in which they do; of tuples the first."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
