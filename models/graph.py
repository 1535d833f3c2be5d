"""The periodic graph of a crystal in its canonical cell, with vectors in the global frame.

Edges are directed, receiver i <- sender j. Each (i, j, image) occurs once; all neighbours at the
distance of the k-th one are kept, so that the graph follows the symmetry of the crystal and does
not depend on the cell it was built from.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from vesin import NeighborList

from models.canonical import CanonicalCell, canonical_cell
from models.crystal import Crystal, CrystalError
from models.frames import qr_frame

MIN_DISTANCE = 0.5  # Angstrom; the closest pair in the shipped data is 0.75 Angstrom apart


class SymmetryWarning(UserWarning):
    """The symmetry search failed for a structure."""


class GraphSettings(BaseModel):
    """How a crystal becomes a graph; stored in every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_neighbours: int = Field(default=25, ge=1, le=200)
    """k: every site receives from its k nearest neighbours and all that tie with the last."""
    tie_tolerance: float = Field(default=5e-3, gt=0, le=0.1)
    """[Angstrom] distances closer than this tie; 5e-3 for stored data, 1e-6 for exact cells."""
    symprec: float = Field(default=1e-2, gt=0, le=0.5)
    """[Angstrom] tolerance of the symmetry search."""
    metric_tolerance: float = Field(default=1e-3, gt=0, le=0.1)
    """Relative tolerance for equally good lattice bases."""
    class_tolerance: float = Field(default=1e-4, gt=0, le=0.1)
    """[Angstrom] tolerance of the operations that make two of these bases equivalent."""


@dataclass(frozen=True, eq=False)
class CrystalGraph:
    """A crystal ready for the network.

    Attributes:
        numbers: (S,) atomic numbers of the sites of the canonical cell.
        edge_index: (2, E) receiver i and sender j, sorted by receiver.
        edge_vector: (E, 3) [Angstrom] r_j + shift @ lattice - r_i in the crystal's orientation.
        frames: (K, 3, 3) global frames, one per inequivalent canonical basis; axes as rows.
    """

    numbers: NDArray[np.int64]
    edge_index: NDArray[np.int64]
    edge_vector: NDArray[np.float64]
    frames: NDArray[np.float64]

    @property
    def num_sites(self) -> int:
        """Number of sites S in the canonical cell."""
        return self.numbers.size

    def canonical_vectors(self, frame: int) -> NDArray[np.float64]:
        """(E, 3) [Angstrom] edge vectors in the global frame number ``frame``."""
        return self.edge_vector @ self.frames[frame].T


def build_graph(crystal: Crystal, settings: GraphSettings) -> CrystalGraph:
    """The graph of a crystal, the same for every description of it.

    Distances, cells and symmetry have tolerances; a crystal at the edge of one (sites displaced
    from a symmetric place by just ``symprec``) may still be seen in two ways.

    Raises:
        CrystalError: if two atoms are nearer than 0.5 Angstrom, or the lattice cannot be reduced.

    Warns:
        SymmetryWarning: if the search for a primitive cell failed and the cell was used as given.
    """
    check_distances(crystal)
    cell = canonical_cell(
        crystal,
        symprec=settings.symprec,
        metric_tolerance=settings.metric_tolerance,
        class_tolerance=settings.class_tolerance,
    )
    if not cell.is_primitive_certain:
        warnings.warn(
            "no primitive cell was found; the prediction may depend on the choice of the cell",
            SymmetryWarning,
            stacklevel=2,
        )
    edge_index, edge_vector = nearest_edges(
        cell.crystal, settings.num_neighbours, settings.tie_tolerance
    )
    return CrystalGraph(cell.crystal.numbers, edge_index, edge_vector, global_frames(cell))


def global_frames(cell: CanonicalCell) -> NDArray[np.float64]:
    """(K, 3, 3) the lattice frame in each canonical basis; axes as rows."""
    columns = cell.crystal.lattice.T @ cell.bases
    return qr_frame(np.swapaxes(columns, -1, -2))


def check_distances(crystal: Crystal) -> None:
    """Refuse a structure in which atoms sit on top of each other.

    Raises:
        CrystalError: naming the two sites and their distance.
    """
    pairs, _, lengths = neighbours_within(crystal, MIN_DISTANCE)
    if lengths.size:
        closest = int(np.argmin(lengths))
        i, j = pairs[:, closest]
        raise CrystalError(
            f"sites {i} and {j} are {lengths[closest]:.3f} Angstrom apart "
            f"(at least {MIN_DISTANCE} expected)"
        )


def neighbours_within(
    crystal: Crystal, cutoff: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """All directed pairs within ``cutoff`` [Angstrom], images included.

    Returns:
        (2, E) receiver and sender, (E, 3) [Angstrom] vectors, (E,) [Angstrom] lengths.
    """
    finder = NeighborList(cutoff=cutoff, full_list=True)
    receiver, sender, vector, length = finder.compute(
        points=crystal.cart_coords, box=crystal.lattice, periodic=True, quantities="ijDd"
    )
    return np.stack([receiver, sender]).astype(np.int64), vector, length


def nearest_edges(
    crystal: Crystal, num_neighbours: int, tie_tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Edges from the k nearest neighbours of every site and all that tie with the k-th.

    Keeps every pair with length <= D_k + tie_tolerance, D_k the k-th smallest of the receiver.

    Returns:
        (2, E) receiver and sender, sorted by receiver, then length; (E, 3) [Angstrom] vectors.
    """
    num_sites = crystal.num_sites
    density = num_sites / crystal.volume
    cutoff = 1.3 * (3 * (num_neighbours + 1) / (4 * np.pi * density)) ** (1 / 3)
    while True:
        pairs, vectors, lengths = neighbours_within(crystal, cutoff)
        inside = lengths <= cutoff - tie_tolerance
        degrees = np.bincount(pairs[0][inside], minlength=num_sites)
        if degrees.min() >= num_neighbours:
            break
        cutoff *= 1.25
    order = np.lexsort((lengths, pairs[0]))
    pairs, vectors, lengths = pairs[:, order], vectors[order], lengths[order]
    starts = np.searchsorted(pairs[0], np.arange(num_sites))
    shell = lengths[starts + num_neighbours - 1]
    kept = lengths <= shell[pairs[0]] + tie_tolerance
    return pairs[:, kept], vectors[kept]
