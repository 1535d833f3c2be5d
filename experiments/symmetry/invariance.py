"""Predictions of crystals described anew, against those of the crystals as given."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.symmetry.columns import Evaluator, Floats, spread
from experiments.symmetry.row import Comparison
from experiments.symmetry.structures import Named
from models.crystal import Crystal, CrystalError
from models.descriptions import (
    displaced,
    image_shifted,
    permuted,
    random_rotation,
    random_unimodular,
    recelled,
    reflected,
    rotated,
    supercell,
    translated,
)
from models.graph import CrystalGraph
from photonic.randomness import keyed_generator

Transformation = Callable[[Crystal, np.random.Generator], Crystal]
CHUNK = 256
"""Pairs of graphs that are in memory at a time."""
SMALL_STEP = 1e-4
"""[Angstrom] displacement of every site, for the smoothness of predictions."""


def _rotation(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    return rotated(crystal, random_rotation(rng))


def _new_cell(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    return recelled(crystal, random_unimodular(rng))


def _permutation(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    return permuted(crystal, rng.permutation(crystal.num_sites))


def _translation(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    return translated(crystal, rng.uniform(-1, 1, 3))


def _image_shift(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    return image_shifted(crystal, rng.integers(-3, 4, (crystal.num_sites, 3)))


def _all_at_once(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    crystal = _new_cell(supercell(crystal, (1, 2, 1)), rng)
    return reflected(_permutation(_translation(crystal, rng), rng), rng)


def described_anew(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """Other site order, orientation and cell."""
    return _new_cell(_rotation(_permutation(crystal, rng), rng), rng)


def small_step(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """Another crystal nearby: every site moved by 1e-4 Angstrom."""
    return displaced(crystal, SMALL_STEP, rng)


TRANSFORMATIONS: dict[str, Transformation] = {
    "rotation": _rotation,
    "translation": _translation,
    "image shift": _image_shift,
    "permutation": _permutation,
    "cell choice": _new_cell,
    "supercell 2x1x1": lambda crystal, _: supercell(crystal, (2, 1, 1)),
    "supercell 1x1x2": lambda crystal, _: supercell(crystal, (1, 1, 2)),
    "supercell 2x2x2": lambda crystal, _: supercell(crystal, (2, 2, 2)),
    "supercell, then new cell": lambda crystal, rng: _new_cell(supercell(crystal, (2, 1, 1)), rng),
    "reflection": reflected,
    "all at once": _all_at_once,
}
DETERMINISTIC = frozenset({"supercell 2x1x1", "supercell 1x1x2", "supercell 2x2x2"})
"""Transformations that one draw of says all about."""


@dataclass(frozen=True)
class Case:
    """A crystal and another description of it.

    Attributes:
        row: name of the test.
        named: crystal as given.
        described: the same, or nearly the same, crystal.
    """

    row: str
    named: Named
    described: Crystal


def cases(
    row: str, transform: Transformation, crystals: Iterable[Named], num_draws: int, seed: int
) -> Iterator[Case]:
    """Every crystal described anew ``num_draws`` times; draws depend on row, name and seed."""
    for named in crystals:
        for draw in range(num_draws):
            rng = keyed_generator(seed, "symmetry", row, named.name, draw)
            yield Case(row, named, transform(named.crystal, rng))


def compare(
    evaluator: Evaluator,
    pairs: Iterable[Case],
    known: dict[str, Floats],
    on_case: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Case, Comparison]]:
    """The spread of each case, chunk by chunk; a description that gives no graph is infinite.

    Args:
        evaluator: of the model.
        pairs: crystals and their descriptions.
        known: name to (C, num_labels) outputs of crystals as given; grows.
        on_case: called after each graph.
    """
    iterator = iter(pairs)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        fresh = {c.named.name: c.named for c in chunk if c.named.name not in known}
        if fresh:
            outputs = evaluator.outputs([evaluator.graph(n.crystal) for n in fresh.values()])
            known |= dict(zip(fresh, np.moveaxis(outputs, 1, 0), strict=True))
        graphs, notes = _graphs(evaluator, chunk, on_case)
        after = iter(np.moveaxis(evaluator.outputs(graphs), 1, 0) if graphs else ())
        for case, note in zip(chunk, notes, strict=True):
            before = known[case.named.name]
            found = np.full(len(before), np.inf) if note else spread(before, next(after))
            yield case, Comparison(case.named.name, evaluator.worst(found), note)


def _graphs(
    evaluator: Evaluator, chunk: Sequence[Case], on_case: Callable[[], None]
) -> tuple[list[CrystalGraph], list[str]]:
    """Graphs of all descriptions that give one; for each description, why it gives none."""
    graphs, notes = [], []
    for case in chunk:
        try:
            graphs.append(evaluator.graph(case.described))
            notes.append("")
        except CrystalError as error:
            notes.append(str(error))
        on_case()
    return graphs, notes


def alone_and_together(evaluator: Evaluator, crystals: Sequence[Named]) -> list[Comparison]:
    """Every crystal alone against the same crystal in a batch of all."""
    graphs = [evaluator.graph(named.crystal) for named in crystals]
    together = evaluator.outputs(graphs)
    found = []
    for index, (named, graph) in enumerate(zip(crystals, graphs, strict=True)):
        alone = evaluator.outputs([graph])[:, 0]
        found.append(Comparison(named.name, evaluator.worst(spread(together[:, index], alone))))
    return found


def chips_against_digital(evaluator: Evaluator, crystals: Sequence[Named]) -> list[Comparison]:
    """How far the chips of an evaluator are from its digital model."""
    outputs = evaluator.outputs([evaluator.graph(named.crystal) for named in crystals])
    chips = [i for i, column in enumerate(evaluator.columns) if column.where == "chip"]
    worst = spread(outputs[:1], outputs)[chips].max(axis=0)
    return [Comparison(n.name, {"chip": float(w)}) for n, w in zip(crystals, worst, strict=True)]
