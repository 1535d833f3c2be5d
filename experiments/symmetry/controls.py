"""Models broken in one known way each: proof that the rows of the table can fail.

Every control alters the graphs of crystals and leaves the network as it is. Its spread is that of
the same transformation under which the unbroken model is compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.symmetry.columns import Evaluator, Floats, Where, spread
from experiments.symmetry.invariance import TRANSFORMATIONS, Transformation
from experiments.symmetry.row import Comparison, Row
from models.canonical import CanonicalCell, canonical_cell, right_handed
from models.crystal import Crystal
from models.descriptions import supercell
from models.frames import qr_frame
from models.graph import CrystalGraph, GraphSettings, nearest_edges
from models.network import SPFrameNetwork
from models.prototypes import prototypes
from photonic.randomness import keyed_generator

Builder = Callable[[Crystal, Evaluator], CrystalGraph]
NUM_DRAWS = 6
VISIBLE: dict[Where, float] = {"float64": 1e-8, "chip": 1e-8}
"""A wrong frame must change outputs by more."""
DOUBLED: dict[Where, float] = {"float64": 1e-3, "chip": 1e-3}
"""Doubled edges must."""
OVER_CORRECT = 1e4
"""Factor by which the first control must exceed the unbroken model."""


@dataclass(frozen=True)
class Control:
    """One broken model.

    Attributes:
        name: what is broken, and under which transformation it shows.
        build: the broken graph of a crystal.
        transform: of the crystal.
        structures: prototypes, each of which must show it.
        bound: kind of column to the spread that must be exceeded; float32 is too coarse to judge.
        min_ratio: factor by which the unbroken model must be exceeded.
        needs_global_frame: True if only networks that feel the global frame can show it.
        prepare: what is done to the crystal before either graph is made.
    """

    name: str
    build: Builder
    transform: Transformation
    structures: tuple[str, ...]
    bound: Mapping[Where, float]
    min_ratio: float = 0.0
    needs_global_frame: bool = True
    prepare: Callable[[Crystal, GraphSettings], Crystal] = lambda crystal, _: crystal


def with_identity_frame(crystal: Crystal, evaluator: Evaluator) -> CrystalGraph:
    """No global frame: frames turn vectors of the crystal as it happens to lie."""
    return dataclasses.replace(evaluator.graph(crystal), frames=np.eye(3)[None])


def with_cartesian_signs(crystal: Crystal, evaluator: Evaluator) -> CrystalGraph:
    """Principal axes of the lattice, the first Cartesian component made positive, as published."""
    cell = _canonical(crystal, evaluator.model.graph_settings)
    columns = cell.crystal.lattice.T @ cell.bases[0]
    centred = columns - columns.mean(axis=1, keepdims=True)
    axes = np.linalg.eigh(centred @ centred.T)[1].T[[2, 1]]
    first, second = (axis * np.sign(axis[np.abs(axis) > 1e-6][0]) for axis in axes)
    frame = np.stack([first, second, np.cross(first, second)])
    return dataclasses.replace(evaluator.graph(crystal), frames=frame[None])


def with_doubled_self_images(crystal: Crystal, evaluator: Evaluator) -> CrystalGraph:
    """Edges of a site to its own images twice, in the cell as it is given."""
    graph = raw_graph(crystal, evaluator)
    is_self = graph.edge_index[0] == graph.edge_index[1]
    index = np.concatenate([graph.edge_index, graph.edge_index[:, is_self]], axis=1)
    vectors = np.concatenate([graph.edge_vector, graph.edge_vector[is_self]])
    return CrystalGraph(graph.numbers, index, vectors, graph.frames)


def with_first_vector_flipped(crystal: Crystal, evaluator: Evaluator) -> CrystalGraph:
    """A left-handed cell repaired by negating its first vector alone, seen from the frame.

    Canonical vectors of a mirror image become diag(-1, 1, 1) c in place of -c.
    """
    graph = evaluator.graph(crystal)
    if np.linalg.det(crystal.lattice) > 0:
        return graph
    return dataclasses.replace(graph, frames=np.diag([1.0, -1.0, -1.0]) @ graph.frames)


def raw_graph(crystal: Crystal, evaluator: Evaluator) -> CrystalGraph:
    """Graph and QR frame of the cell as it is given: neither primitive nor reduced."""
    given = right_handed(crystal)
    settings = evaluator.model.graph_settings
    index, vectors = nearest_edges(given, settings.num_neighbours, settings.tie_tolerance)
    return CrystalGraph(given.numbers, index, vectors, qr_frame(given.lattice[None]))


def _canonical(crystal: Crystal, settings: GraphSettings) -> CanonicalCell:
    return canonical_cell(
        crystal,
        symprec=settings.symprec,
        metric_tolerance=settings.metric_tolerance,
        class_tolerance=settings.class_tolerance,
    )


def _double(crystal: Crystal, _: np.random.Generator) -> Crystal:
    return supercell(crystal, (2, 1, 1))


CONTROLS = (
    Control(
        "identity as global frame, rotation",
        with_identity_frame,
        TRANSFORMATIONS["rotation"],
        ("wurtzite", "rutile", "quartz", "triclinic"),
        VISIBLE,
        min_ratio=OVER_CORRECT,
    ),
    Control(
        "self-images doubled, supercell 2x1x1",
        with_doubled_self_images,
        _double,
        ("triclinic", "wurtzite", "rocksalt"),
        DOUBLED,
        needs_global_frame=False,
        prepare=lambda crystal, settings: _canonical(crystal, settings).crystal,
    ),
    Control(
        "PCA with Cartesian signs, rotation",
        with_cartesian_signs,
        TRANSFORMATIONS["rotation"],
        ("triclinic", "scheelite"),
        VISIBLE,
    ),
    Control(
        "first vector flipped, reflection",
        with_first_vector_flipped,
        TRANSFORMATIONS["reflection"],
        ("triclinic",),  # on scheelite and ilmenite the mean over both bases hides it
        VISIBLE,
    ),
    Control(
        "raw cell, cell choice",
        raw_graph,
        TRANSFORMATIONS["cell choice"],
        ("wurtzite", "rutile", "quartz", "triclinic"),
        VISIBLE,
    ),
)


def run_control(control: Control, evaluator: Evaluator, max_number: int, seed: int) -> Row:
    """The broken and the unbroken model on the structures of a control.

    Args:
        control: what is broken.
        evaluator: of the model.
        max_number: highest atomic number that the model knows; other structures are left out.
        seed: of the transformations; the largest of six draws counts.
    """
    reason = why_skipped(control, evaluator.model.network)
    crystals = {
        name: control.prepare(prototypes()[name], evaluator.model.graph_settings)
        for name in control.structures
        if prototypes()[name].numbers.max() <= max_number
    }
    if reason or not crystals:
        reason = reason or "the model does not know the elements of the structures"
        return Row(control.name, "exact", is_control=True, skipped=reason)
    broken, correct = [], []
    for name, crystal in crystals.items():
        rng = keyed_generator(seed, "symmetry", control.name, name)
        described = [control.transform(crystal, rng) for _ in range(NUM_DRAWS)]
        broken.append(
            Comparison(name, evaluator.worst(_spread(control.build, crystal, described, evaluator)))
        )
        correct.append(_spread(_unbroken, crystal, described, evaluator))
    passing = evaluator.worst(np.max(correct, axis=0))
    bound = {where: b for where, b in control.bound.items() if where in evaluator.wheres}
    return Row(
        control.name,
        "exact",
        bound,
        broken,
        is_control=True,
        passing=passing,
        min_ratio=control.min_ratio,
    )


def why_skipped(control: Control, network: SPFrameNetwork) -> str:
    """Why a network cannot show a control; empty if it can."""
    config = network.config
    if not control.needs_global_frame or config.components != "none":
        return ""
    if config.frame in ("none", "global"):
        return f"frame {config.frame!r} does not feel the global frame"
    if config.frame == "gs_local":
        return "frame 'gs_local' takes its directions from the crystal, not from the global frame"
    return ""


def _unbroken(crystal: Crystal, evaluator: Evaluator) -> CrystalGraph:
    return evaluator.graph(crystal)


def _spread(
    build: Builder, crystal: Crystal, described: Sequence[Crystal], evaluator: Evaluator
) -> Floats:
    """(C,) largest spread over the descriptions in C columns."""
    outputs = evaluator.outputs([build(c, evaluator) for c in (crystal, *described)])
    return spread(outputs[:, :1], outputs[:, 1:]).max(axis=1)


def raw_supercells(evaluator: Evaluator, names: Sequence[str]) -> list[Comparison]:
    """Supercells along the axes without primitive reduction: the graph itself does not see them."""
    found = []
    for name in names:
        crystal = prototypes()[name]
        described = [supercell(crystal, counts) for counts in ((2, 1, 1), (1, 1, 2), (2, 2, 2))]
        found.append(
            Comparison(name, evaluator.worst(_spread(raw_graph, crystal, described, evaluator)))
        )
    return found
