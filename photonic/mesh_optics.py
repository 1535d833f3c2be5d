"""Light through the meshes and attenuators of a tile that are in a given state."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from photonic.conventions import db_to_amplitude
from photonic.layout import MeshLayout
from photonic.propagation import transfer_matrix

# Shapes: M MZIs of a mesh, N modes, S = 2 M + N shifters, r attenuators.


class MeshState(NamedTuple):
    """What the light meets in a mesh or in the attenuators."""

    phase: Tensor
    """(..., S) [rad] phases, in flat order."""
    coupler_error: Tensor | None = None
    """(..., M, 2) [rad] coupler angle errors (a, b); None = 50:50."""
    insertion_loss_db: Tensor | None = None
    """(..., M) [dB] loss of each MZI; None = lossless."""
    arm_loss_db: Tensor | None = None
    """(..., M, 3, 2) [dB] loss of arm sections; None = lossless."""


def mesh_matrix(layout: MeshLayout, state: MeshState, dtype: torch.dtype) -> Tensor:
    """Transfer matrix of a mesh in a given state.

    Args:
        layout: wiring of the mesh.
        state: phases and errors, (..., S) and so on.
        dtype: real dtype of the propagation.

    Returns:
        (..., N, N) complex, ``[out, in]``; unitary without loss.
    """
    m = layout.num_mzis
    phase, coupler_error, insertion_loss_db, arm_loss_db = (
        None if part is None else part.to(dtype) for part in state
    )
    return transfer_matrix(
        layout,
        phase[..., :m],
        phase[..., m : 2 * m],
        phase[..., 2 * m :],
        coupler_error=coupler_error,
        insertion_loss_db=insertion_loss_db,
        arm_loss_db=arm_loss_db,
    )


def attenuator_field(state: MeshState) -> Tensor:
    """Field that each attenuator, an MZI used from bar to bar, lets through.

    g e^{i (phi + theta/2)} (i sin(theta/2) cos(a - b) - cos(theta/2) sin(a + b)) with
    g = 10^(-insertion_loss_db/20); with losses of its arms, g1 g3 e^{i phi} (cos A cos B g2
    e^{i theta} - sin A sin B g2') for A = pi/4 + a, B = pi/4 + b and the amplitudes g1, g2, g3 of
    the upper and g2' of the lower arm.

    Args:
        state: phases (..., 2 r), theta then phi, and errors.

    Returns:
        (..., r) complex128; the real attenuation for ideal settings.

    Source: derived; element M00 of ``mzi_block``.
    """
    theta, phi = state.phase.chunk(2, dim=-1)
    a, b = (0.0, 0.0) if state.coupler_error is None else state.coupler_error.unbind(-1)
    a, b = torch.as_tensor(a, dtype=theta.dtype), torch.as_tensor(b, dtype=theta.dtype)
    if state.arm_loss_db is None:
        bar = torch.complex(
            -(theta / 2).cos() * (a + b).sin(), (theta / 2).sin() * (a - b).cos()
        ) * _unit(phi + theta / 2)
    else:
        g = db_to_amplitude(state.arm_loss_db)
        upper = (a + math.pi / 4).cos() * (b + math.pi / 4).cos() * g[..., 1, 0] * _unit(theta)
        lower = (a + math.pi / 4).sin() * (b + math.pi / 4).sin() * g[..., 1, 1]
        bar = g[..., 0, 0] * g[..., 2, 0] * _unit(phi) * (upper - lower)
    if state.insertion_loss_db is not None:
        bar = bar * db_to_amplitude(state.insertion_loss_db)
    return bar


def _unit(phase: Tensor) -> Tensor:
    return torch.complex(phase.cos(), phase.sin())
