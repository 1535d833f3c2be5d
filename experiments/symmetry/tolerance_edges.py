"""Why two descriptions of a stored crystal differ: which tolerance of its graph it sits on.

Each tolerance is made wider and narrower by growing factors. The crystal sits on the one for which
the smallest change makes the two descriptions agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from pydantic import ValidationError

from experiments.symmetry.columns import Column, Evaluator, spread
from experiments.symmetry.invariance import Case
from models.crystal import CrystalError
from models.graph import CrystalGraph, GraphSettings

TOLERANCES = ("symprec", "metric_tolerance", "class_tolerance", "tie_tolerance")
CLEARLY = 0.1
"""Share of the spread that may be left; one that falls by less was only moved."""
FACTORS = (1.01, 1.1, 2.0, 10.0, 100.0)


class Counts(NamedTuple):
    """What a graph is made of: primitive sites, global frames and edges."""

    sites: int
    bases: int
    edges: int

    @classmethod
    def of(cls, graph: CrystalGraph) -> Counts:
        """The counts of a graph."""
        return cls(graph.num_sites, len(graph.frames), graph.edge_vector.shape[0])


@dataclass(frozen=True)
class Edge:
    """A stored crystal whose prediction depends on its description.

    Attributes:
        row: test in which it did.
        structure: name of the crystal.
        spread: relative spread in float64.
        given: counts of its graph as given.
        described: counts of its graph in the other description.
        tolerance: the one that it sits on; empty if none of them alone decides.
        factor: the smallest by which that one was changed for both to agree.
        agreed: counts of both graphs then.
    """

    row: str
    structure: str
    spread: float
    given: Counts | None
    described: Counts | None
    tolerance: str
    factor: float
    agreed: Counts | None

    @property
    def text(self) -> str:
        """The finding in a few words."""
        if not self.tolerance:
            return "no tolerance alone decides"
        return f"{self.tolerance} x {self.factor:.3g}"

    @property
    def difference(self) -> str:
        """How the two graphs differ."""
        if self.given is None or self.described is None:
            return "one of them gives no graph"
        names = Counts._fields
        parts = [
            f"{name} {a} | {b}"
            for name, a, b in zip(names, self.given, self.described, strict=True)
            if a != b
        ]
        return ", ".join(parts) or "same counts"


def find_edge(evaluator: Evaluator, case: Case, tolerance: float) -> Edge:
    """The tolerance that a case which came apart sits on.

    Args:
        evaluator: of the model; float64 decides.
        case: the crystal and its description.
        tolerance: largest spread of descriptions that agree.
    """
    column = evaluator.columns[0]
    graphs = _graphs(column, case)
    apart = float("inf") if graphs is None else _spread(column, graphs)
    counts = (None, None) if graphs is None else tuple(map(Counts.of, graphs))
    edge = Edge(case.row, case.named.name, apart, *counts, "", 1.0, None)
    enough = min(tolerance, CLEARLY * apart)
    for name, factor, settings in _varied(column.model.graph_settings):
        model = replace(column.model, graph_settings=settings)
        varied = replace(column, model=model)
        graphs = _graphs(varied, case)
        if graphs is not None and _spread(varied, graphs) <= enough:
            return replace(edge, tolerance=name, factor=factor, agreed=Counts.of(graphs[0]))
    return edge


def _varied(settings: GraphSettings) -> Iterator[tuple[str, float, GraphSettings]]:
    """Each tolerance narrower and wider, small changes first."""
    for factor in FACTORS:
        for name in TOLERANCES:
            for change in (1 / factor, factor):
                value = getattr(settings, name) * change
                try:
                    changed = GraphSettings.model_validate(settings.model_dump() | {name: value})
                except ValidationError:  # out of the range of the setting
                    continue
                yield name, change, changed


def _graphs(column: Column, case: Case) -> tuple[CrystalGraph, CrystalGraph] | None:
    """Both graphs; None if one of the descriptions gives none."""
    evaluator = Evaluator((column,))
    try:
        return evaluator.graph(case.named.crystal), evaluator.graph(case.described)
    except CrystalError:
        return None


def _spread(column: Column, graphs: tuple[CrystalGraph, CrystalGraph]) -> float:
    first, second = column.outputs(graphs)
    return float(spread(first, second))
