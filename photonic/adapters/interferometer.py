"""Meshes as lists of beam splitters T(t, f), the form of the package interferometer.

T(t, f) = [[exp(i f) cos t, -sin t], [exp(i f) sin t, cos t]] and the MZI M(theta, phi) differ by
exp(i t), a phase on two modes and not on all of them: a conversion carries a vector of phases along
the mesh and leaves it in the output phases.

The package numbers modes from 1. Its ``square_decomposition`` yields the Clements mesh of
``MeshLayout``; its ``triangle_decomposition`` yields a triangle with the long side at the bottom,
so give it the matrix turned upside down and take ``flipped()`` of the list.

Source: Clements et al., Optica 3, 1460 (2016), eq. 1; clementsw/interferometer 1.1.2.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from photonic.adapters.single_mesh import FloatArray, single_mesh
from photonic.conventions import wrap_phase
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases

if TYPE_CHECKING:
    from interferometer import Interferometer


@dataclass(frozen=True, eq=False)
class BeamsplitterList:
    """Beam splitters T(t, f) in the order in which light meets them, and the output phases.

    U = diag(exp(i output_phase)) T_{M-1} ... T_0, where T_k acts on the modes ``modes[k]``, its
    first row and column on ``modes[k, 0]``, be that the upper or the lower one.

    Raises:
        ValueError: if the shapes do not belong together or a pair is not two of the N modes.
    """

    modes: NDArray[np.intp]
    """(M, 2) first and second mode of each beam splitter, counted from 0."""
    angle: FloatArray
    """(M,) [rad] t; 0 is bar, pi/2 is cross."""
    phase: FloatArray
    """(M,) [rad] f, on the first mode, before the beam splitter."""
    output_phase: FloatArray
    """(N,) [rad] phases after the last beam splitter."""

    def __post_init__(self) -> None:
        size = len(self.modes)
        for name, shape in {"modes": (size, 2), "angle": (size,), "phase": (size,)}.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"`{name}` must have shape {shape}, got {found}")
        is_mode = (self.modes >= 0) & (self.modes < self.num_modes)
        if not is_mode.all() or (self.modes[:, 0] == self.modes[:, 1]).any():
            raise ValueError(f"`modes` must be pairs of different modes below {self.num_modes}")

    @property
    def num_modes(self) -> int:
        """Number N of waveguides."""
        return len(self.output_phase)

    def flipped(self) -> "BeamsplitterList":
        """The mesh turned upside down, of the matrix ``U[::-1, ::-1]``: y becomes N - 1 - y."""
        modes = self.num_modes - 1 - self.modes
        return BeamsplitterList(modes, self.angle, self.phase, self.output_phase[::-1].copy())


def phases_to_beamsplitters(layout: MeshLayout, phases: MeshPhases) -> BeamsplitterList:
    """Beam splitters that perform the same unitary as a mesh.

    M(theta, phi) = exp(-i t) T(t, phi + pi) with t = (pi - theta)/2. With the phase vector p, 0 at
    the input: f = phi + pi + p[y] - p[y'], then p[y] = p[y'] = p[y'] - t; output phases psi + p.

    Args:
        layout: wiring of N modes.
        phases: settings of a single mesh.

    Returns:
        One beam splitter per interferometer, in its order, the upper mode first; angle in
        [0, pi/2] for theta in [0, pi], phase and output_phase in [0, 2 pi).

    Raises:
        ValueError: if the phases are not those of a single mesh of this layout.
    """
    settings = single_mesh(layout, phases.theta, phases.phi, phases.output_phase)
    modes = np.stack((layout.mode, layout.partner), axis=-1)
    angle = (math.pi - settings.theta) / 2
    phase = np.empty_like(angle)
    arrears = np.zeros(layout.num_modes)
    for k, (upper, lower) in enumerate(modes):
        phase[k] = settings.phi[k] + math.pi + arrears[upper] - arrears[lower]
        arrears[[upper, lower]] = arrears[lower] - angle[k]
    return BeamsplitterList(modes, angle, _wrap(phase), _wrap(settings.output_phase + arrears))


def beamsplitters_to_phases(beamsplitters: BeamsplitterList, layout: MeshLayout) -> MeshPhases:
    """Settings with which a mesh performs the same unitary as a list of beam splitters.

    T(t, f) = exp(i t) M(pi - 2 t, f - pi). With the phase vector p, 0 at the input:
    phi = f - pi + p[y] - p[y'], then p[y] = p[y'] = t + p[y']; output_phase = output phases + p.
    With its first mode below, T swaps rows and columns: phi = -f + p[y] - p[y'], then
    p[y'] = t + f + p[y'], p[y] = p[y'] + pi.

    Args:
        beamsplitters: list in any order in which light can meet them.
        layout: wiring that the list must have.

    Returns:
        theta = pi - 2 t, in [0, pi] for t in [0, pi/2]; phi and output_phase in [0, 2 pi).

    Raises:
        ValueError: if the list is not an arrangement of this layout.
    """
    num_modes = beamsplitters.num_modes
    if num_modes != layout.num_modes:
        raise ValueError(f"`beamsplitters` must have {layout.num_modes} modes, got {num_modes}")
    place = _places(beamsplitters.modes, layout)
    phi = np.empty(layout.num_mzis)
    arrears = np.zeros(num_modes)
    splitters = zip(beamsplitters.modes, beamsplitters.angle, beamsplitters.phase, strict=True)
    for k, ((first, second), t, f) in zip(place, splitters, strict=True):
        if first < second:
            phi[k] = f - math.pi + arrears[first] - arrears[second]
            arrears[[first, second]] = t + arrears[second]
        else:
            phi[k] = -f + arrears[second] - arrears[first]
            arrears[first] += t + f
            arrears[second] = arrears[first] + math.pi
    theta = np.empty(layout.num_mzis)
    theta[place] = math.pi - 2 * beamsplitters.angle
    parts = theta, _wrap(phi), _wrap(beamsplitters.output_phase + arrears)
    return MeshPhases(*map(torch.from_numpy, parts))


def to_interferometer(beamsplitters: BeamsplitterList) -> "Interferometer":
    """Object of the package interferometer with these beam splitters, modes counted from 1.

    Raises:
        ValueError: if none touches the last mode: the package counts modes by beam splitters.
    """
    from interferometer import Beamsplitter, Interferometer

    last = beamsplitters.num_modes - 1
    if beamsplitters.modes.max(initial=-1) != last:
        raise ValueError(f"`beamsplitters` must have one on the last mode, {last}")
    result = Interferometer()
    parts = (*(beamsplitters.modes.T + 1), beamsplitters.angle, beamsplitters.phase)
    for part in zip(*(values.tolist() for values in parts), strict=True):
        result.add_BS(Beamsplitter(*part))
    result.output_phases = beamsplitters.output_phase.tolist()
    return result


def from_interferometer(interferometer: "Interferometer") -> BeamsplitterList:
    """Beam splitters of an object of the package; output phases that it does not name are 0.

    Raises:
        ValueError: if a beam splitter does not couple two modes, counted from 1.
    """
    splitters = interferometer.BS_list
    modes = np.array([(s.mode1, s.mode2) for s in splitters], dtype=np.intp).reshape(-1, 2) - 1
    named = np.array(interferometer.output_phases, dtype=np.float64)
    output_phase = np.pad(named, (0, max(0, modes.max(initial=-1) + 1 - len(named))))
    angles = np.array([(s.theta, s.phi) for s in splitters], dtype=np.float64).reshape(-1, 2)
    return BeamsplitterList(modes, *angles.T, output_phase)


def _places(modes: NDArray[np.intp], layout: MeshLayout) -> NDArray[np.intp]:
    """(M,) interferometer of the layout that each beam splitter is."""
    # Two orders are one arrangement if, pushed to the input, they have the same pairs per column.
    sites = np.stack((layout.mode, layout.partner), axis=-1)
    index = {site: k for k, site in enumerate(_pushed(sites, layout.num_modes))}
    found = _pushed(np.sort(modes), layout.num_modes)
    surplus = [site for site in found if site not in index]
    if surplus or len(found) != len(index):
        raise ValueError(
            f"`beamsplitters` must be a {layout.kind} mesh of {len(index)} interferometers, got "
            f"{len(found)}, of which {len(surplus)} without a place: (column, modes) {surplus[:3]}"
        )
    return np.array([index[site] for site in found], dtype=np.intp)


def _pushed(pairs: NDArray[np.intp], num_modes: int) -> list[tuple[int, int, int]]:
    """First free column, upper and lower mode of each pair."""
    depth = [0] * num_modes
    sites = []
    for upper, lower in pairs.tolist():
        column = max(depth[upper], depth[lower])
        depth[upper] = depth[lower] = column + 1
        sites.append((column, upper, lower))
    return sites


def _wrap(phase: FloatArray) -> FloatArray:
    return wrap_phase(torch.from_numpy(phase)).numpy()
