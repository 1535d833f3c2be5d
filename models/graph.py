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

from models.canonical import CanonicalCell, canonical_cell
from models.crystal import MIN_DISTANCE, Crystal, CrystalError, check_room
from models.frames import LatticeFrame, lattice_frames
from models.neighbours import nearest_edges, nearest_neighbours, neighbours_within

__all__ = [
    "CrystalGraph",
    "GraphSettings",
    "SymmetryWarning",
    "build_graph",
    "check_distances",
    "global_frames",
    "nearest_edges",
    "neighbours_within",
]


class SymmetryWarning(UserWarning):
    """A structure has translations that fit alone but not together."""


class GraphSettings(BaseModel):
    """How a crystal becomes a graph; stored in every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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
    lattice_frame: LatticeFrame = "qr"
    """Global frame of a basis: QR, polar decomposition or principal axes of its vectors."""


@dataclass(frozen=True, eq=False)
class CrystalGraph:
    """A crystal ready for the network.

    Attributes:
        numbers: (S,) atomic numbers of the sites of the canonical cell.
        edge_index: (2, E) receiver i and sender j, sorted by receiver.
        edge_vector: (E, 3) [Angstrom] r_j + shift @ lattice - r_i in the crystal's orientation.
        frames: (K, 3, 3) global frames, one per inequivalent canonical basis; axes as rows.
        has_frame_fallback: True if principal axes were asked for but are not defined, so that the
            frames are QR frames.
    """

    numbers: NDArray[np.int64]
    edge_index: NDArray[np.int64]
    edge_vector: NDArray[np.float64]
    frames: NDArray[np.float64]
    has_frame_fallback: bool = False

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
        TypeError: if an argument is not of its class.
        CrystalError: if two atoms are nearer than 0.5 Angstrom, or the lattice cannot be reduced.

    Warns:
        SymmetryWarning: if sites are displaced by about ``symprec`` from those of a smaller cell.
    """
    for name, value, kind in (
        ("crystal", crystal, Crystal),
        ("settings", settings, GraphSettings),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"`{name}` must be a {kind.__name__}, got {type(value).__name__}")
    cell = canonical_cell(
        crystal,
        symprec=settings.symprec,
        metric_tolerance=settings.metric_tolerance,
        class_tolerance=settings.class_tolerance,
    )
    edge_index, edge_vector, lengths = nearest_neighbours(
        cell.crystal, settings.num_neighbours, settings.tie_tolerance
    )
    # Copies of a site that were averaged have moved by up to the tolerance of the symmetry.
    if lengths.min() < MIN_DISTANCE + 2 * settings.symprec:
        check_distances(crystal)
    if not cell.is_primitive_certain:
        warnings.warn(
            "no primitive cell was found that all sites agree with; the prediction may depend on "
            "the choice of the cell",
            SymmetryWarning,
            stacklevel=2,
        )
    frames, has_fallback = lattice_frames(basis_vectors(cell), settings.lattice_frame)
    return CrystalGraph(cell.crystal.numbers, edge_index, edge_vector, frames, has_fallback)


def basis_vectors(cell: CanonicalCell) -> NDArray[np.float64]:
    """(K, 3, 3) [Angstrom] lattice vectors of each canonical basis as rows."""
    return np.swapaxes(cell.bases, -1, -2) @ cell.crystal.lattice


def global_frames(cell: CanonicalCell, kind: LatticeFrame = "qr") -> NDArray[np.float64]:
    """(K, 3, 3) the lattice frame in each canonical basis; axes as rows."""
    return lattice_frames(basis_vectors(cell), kind)[0]


def check_distances(crystal: Crystal) -> None:
    """Refuse a structure in which atoms sit on top of each other.

    Raises:
        CrystalError: naming the two sites and their distance; as ``check_room``.
    """
    check_room(crystal)
    pairs, _, lengths = neighbours_within(crystal, MIN_DISTANCE)
    if lengths.size:
        closest = int(np.argmin(lengths))
        i, j = pairs[:, closest]
        raise CrystalError(
            f"sites {i} and {j} are {lengths[closest]:.3f} Angstrom apart "
            f"(at least {MIN_DISTANCE} expected)"
        )
