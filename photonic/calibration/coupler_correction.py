"""Local correction of coupler errors: new phases for a chip whose couplers were measured.

Each MZI is asked to do what its ideal counterpart does, column by column; what it does to the
phases of its outputs is passed on to the next column and in the end to the output screen. Only an
MZI whose couplers cannot reach its splitting leaves an error, of second order in the angles.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from photonic.conventions import wrap_phase
from photonic.layout import MeshColumn, MeshLayout
from photonic.mesh_state import mesh_layouts, target_phases
from photonic.mzi import BlockEntries, mzi_entries
from photonic.program import Program

# Shapes: M MZIs of a mesh, P those of a column, N modes, S = 2 M + N shifters, r attenuators.

_CLIP_EPS = 16
"""Splittings this far out of reach are rounding, in eps."""


class CorrectedPhases(NamedTuple):
    """Phases that make up for coupler errors."""

    phases: Tensor
    """(..., S) [rad] in [0, 2 pi), in flat order."""
    num_clipped: Tensor
    """(...) number of MZIs whose splitting is out of reach; 0 = the correction is exact."""


def correct_couplers(phases: Tensor, layout: MeshLayout, coupler_error: Tensor) -> CorrectedPhases:
    """Phases for which a mesh with known coupler errors does what an ideal mesh does.

    In the order of the light, with arrears p of each mode, for each MZI on modes (y, y'):

        M = M_ideal(theta, phi) diag(e^{i p[y]}, e^{i p[y']})
        theta' = 2 arcsin sqrt q,   q = (|M00|^2 - sin^2(a + b))/(cos 2a cos 2b) clipped to [0, 1]
        phi' = arg(M00 M01* R00* R01),   R = M(theta', 0; a, b)
        p[y] = arg(M00 R00* + M01 R01*),   p[y'] = arg(M10 R10* + M11 R11*) with phi' in R

    and psi' = psi + p in the end. Splittings theta/2 from |a + b| to pi/2 - |a - b| are in reach.
    Where an MZI is fully bar or fully cross, phi and arrears are interchangeable: the matrix is the
    same, the phases need not be.

    Args:
        phases: (..., S) float64 [rad] target phases, in flat order.
        layout: wiring of the mesh.
        coupler_error: (..., M, 2) [rad] measured deviations (a, b) of the couplers from pi/4.

    Returns:
        Phases in float64; without errors those of the argument modulo 2 pi.

    Raises:
        ValueError: if a shape does not fit the layout.

    Source: Bandyopadhyay, Hamerly, Englund, Optica 8, 1247 (2021).
    """
    m = layout.num_mzis
    _check("phases", phases, (2 * m + layout.num_modes,))
    _check("coupler_error", coupler_error, (m, 2))
    batch = torch.broadcast_shapes(phases.shape[:-1], coupler_error.shape[:-2])
    phases, coupler_error = phases.double(), coupler_error.double().expand(*batch, m, 2)
    corrected = phases.expand(*batch, phases.shape[-1]).clone()
    arrears = corrected.new_zeros(*batch, layout.num_modes)
    num_clipped = corrected.new_zeros(batch, dtype=torch.int64)
    for column in layout.columns():
        mzis, (upper, lower) = column.mzis, _column_modes(layout, column)
        theta, phi = corrected[..., :m][..., mzis], corrected[..., m : 2 * m][..., mzis]
        external = phi + arrears[..., upper], arrears[..., lower]
        target = _with_inputs(mzi_entries(theta, torch.zeros_like(theta)), *external)
        couplers = coupler_error[..., mzis, :]
        new_theta, is_clipped = _splitting(target[0].abs().square(), couplers)
        new_phi, above, below = _match(target, new_theta, couplers)
        corrected[..., :m][..., mzis], corrected[..., m : 2 * m][..., mzis] = new_theta, new_phi
        arrears[..., upper], arrears[..., lower] = above, below
        num_clipped += is_clipped.sum(-1)
    corrected[..., 2 * m :] += arrears
    return CorrectedPhases(wrap_phase(corrected), num_clipped)


def correct_attenuators(attenuation: Tensor, coupler_error: Tensor) -> CorrectedPhases:
    """Phases for which attenuators with known coupler errors let through a real attenuation.

    sin^2(theta/2) = (attenuation^2 - sin^2(a + b))/(cos 2a cos 2b) clipped to [0, 1], and phi
    turns M00 onto the positive real axis.

    Args:
        attenuation: (..., r) float64 amplitude factors in [0, 1].
        coupler_error: (..., r, 2) [rad] measured deviations (a, b) of the couplers from pi/4.

    Returns:
        Phases (..., 2 r), theta then phi; M00 = attenuation where it is in reach, else the nearest
        amplitude, still real and positive.

    Raises:
        ValueError: if an attenuation lies outside [0, 1] or the shapes do not fit.

    Source: derived; element M00 of ``mzi_block``.
    """
    _check("coupler_error", coupler_error, (attenuation.shape[-1], 2))
    if (attenuation < 0).any() or (attenuation > 1).any():
        raise ValueError("`attenuation` must lie in [0, 1]")
    attenuation, coupler_error = attenuation.double(), coupler_error.double()
    theta, is_clipped = _splitting(attenuation.square(), coupler_error)
    field = mzi_entries(theta, torch.zeros_like(theta), coupler_error)[0]
    phases = torch.cat((theta, -field.angle()), dim=-1)
    return CorrectedPhases(wrap_phase(phases), is_clipped.sum(-1))


def correct_program(
    program: Program, coupler_error: Mapping[str, Tensor]
) -> dict[str, CorrectedPhases]:
    """Phases of all tiles of a layer that make up for measured coupler errors.

    Args:
        program: ideal settings of a layer.
        coupler_error: by mesh "V", "sigma" and "U", (R, C, M, 2) [rad] as ``Bench.coupler_errors``
            measures them, M = r for "sigma".

    Returns:
        By mesh, phases (R, C, S) to command in place of those of the program.

    Raises:
        ValueError: if a shape does not fit.
    """
    targets, corrected = target_phases(program), {}
    for mesh, layout in mesh_layouts(program).items():
        if layout is None:
            corrected[mesh] = correct_attenuators(program.attenuation, coupler_error[mesh])
        else:
            corrected[mesh] = correct_couplers(targets[mesh], layout, coupler_error[mesh])
    return corrected


def _splitting(power: Tensor, coupler_error: Tensor) -> tuple[Tensor, Tensor]:
    """theta with |M00|^2 = power or as near as couplers allow, and whether it is out of reach."""
    a, b = coupler_error.unbind(-1)
    q = (power - (a + b).sin().square()) / ((2 * a).cos() * (2 * b).cos())
    slack = _CLIP_EPS * torch.finfo(q.dtype).eps
    is_clipped = (q < -slack) | (q > 1 + slack)
    return 2 * q.clamp(0, 1).sqrt().arcsin(), is_clipped


def _match(
    target: BlockEntries, theta: Tensor, coupler_error: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """phi of an MZI, and the phases that its upper and lower output still lack."""
    m00, m01, m10, m11 = target
    real = mzi_entries(theta, torch.zeros_like(theta), coupler_error)
    phi = (m00 * m01.conj() * real[0].conj() * real[1]).angle()
    r00, r01, r10, r11 = _with_inputs(real, phi, torch.zeros_like(phi))
    above = (m00 * r00.conj() + m01 * r01.conj()).angle()
    below = (m10 * r10.conj() + m11 * r11.conj()).angle()
    return phi, above, below


def _with_inputs(block: BlockEntries, upper: Tensor, lower: Tensor) -> BlockEntries:
    """Entries of block diag(e^{i upper}, e^{i lower})."""
    m00, m01, m10, m11 = block
    above, below = (torch.polar(torch.ones_like(phase), phase) for phase in (upper, lower))
    return m00 * above, m01 * below, m10 * above, m11 * below


def _column_modes(layout: MeshLayout, column: MeshColumn) -> tuple[Tensor, Tensor]:
    """(P,) upper and lower modes of the MZIs of a column."""
    return (
        torch.from_numpy(layout.mode[column.mzis].copy()),
        torch.from_numpy(layout.partner[column.mzis].copy()),
    )


def _check(name: str, tensor: Tensor, tail: tuple[int, ...]) -> None:
    if tuple(tensor.shape[-len(tail) :]) != tail:
        expected = ", ".join(map(str, tail))
        raise ValueError(f"`{name}` must have shape (..., {expected}), got {tuple(tensor.shape)}")
