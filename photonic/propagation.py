"""Light through a mesh: the public calls.

Shape legend: N modes, M interferometers, R fields per mesh, B meshes, S = 2 M + N shifters.
"""

import torch
from torch import Tensor

from photonic.arguments import batch_shapes, flattened, given
from photonic.backends import Backend, choose
from photonic.layout import MeshLayout


def transfer_matrix(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
    stuck_phase: Tensor | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """Transfer matrix of a mesh.

    T = diag(exp(i output_phase)) K_{C-1} ... K_1 K_0, where K_x holds the blocks g M of column x,
    M = ``mzi_block(theta, phi, coupler_error, arm_loss_db)`` and g = 10^(-insertion_loss_db / 20).

    All leading dimensions broadcast. ``theta`` decides dtype and device; the rest is cast to it.
    NumPy arrays are taken as tensors. A phase that is not finite gives NaN wherever its light
    arrives.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (..., M) [rad] internal phases, float32 or float64.
        phi: (..., M) [rad] external phases.
        output_phase: (..., N) [rad] screen after the last column.
        coupler_error: (..., M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (..., M) [dB] loss of each interferometer, on both its arms.
        arm_loss_db: (..., M, 3, 2) [dB] loss of the upper and the lower arm, before the first
            coupler, between the couplers and behind the second one.
        stuck_phase: (..., 2 M + N) [rad] phases at which shifters are stuck whatever they are set
            to, in the order theta, phi, output; NaN where a shifter works.
        backend: how to compute; None chooses (``photonic.backends``).

    Returns:
        (..., N, N) complex64 or complex128 ``T[..., out, in]``, unitary without loss; singular
        values at most 1 with loss.

    Raises:
        TypeError: if theta is neither float32 nor float64, or an argument is not real.
        ValueError: if a last dimension does not fit the layout, the batches do not broadcast or a
            loss is negative.
    """
    settings = given(
        theta=theta,
        phi=phi,
        output_phase=output_phase,
        coupler_error=coupler_error,
        insertion_loss_db=insertion_loss_db,
        arm_loss_db=arm_loss_db,
        stuck_phase=stuck_phase,
    )
    _, batch_shape = batch_shapes(layout, settings)
    columns = choose(settings["theta"], backend)(layout, **flattened(settings, batch_shape))
    return columns.reshape(*batch_shape, layout.num_modes, layout.num_modes)


def apply(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
    stuck_phase: Tensor | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """Fields behind a mesh, without forming its transfer matrix.

    Row by row ``fields @ T.transpose(-1, -2)`` with T = ``transfer_matrix(...)`` of the same
    arguments; cheaper than T for fewer than N fields per mesh.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (..., M) [rad] internal phases, float32 or float64.
        phi: (..., M) [rad] external phases.
        output_phase: (..., N) [rad] screen after the last column.
        fields: (..., R, N) real or complex input amplitudes.
        coupler_error: (..., M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (..., M) [dB] loss of each interferometer, on both its arms.
        arm_loss_db: (..., M, 3, 2) [dB] loss of each section and arm, as in ``transfer_matrix``.
        stuck_phase: (..., 2 M + N) [rad] phases of stuck shifters, as in ``transfer_matrix``.
        backend: how to compute; None chooses (``photonic.backends``).

    Returns:
        (..., R, N) complex64 or complex128 output amplitudes; leading dimensions broadcast.

    Raises:
        TypeError: if theta is neither float32 nor float64, or a setting is not real.
        ValueError: if a shape does not fit the layout, the batches do not broadcast or a loss is
            negative.
    """
    settings = given(
        theta=theta,
        phi=phi,
        output_phase=output_phase,
        coupler_error=coupler_error,
        insertion_loss_db=insertion_loss_db,
        arm_loss_db=arm_loss_db,
        stuck_phase=stuck_phase,
        fields=fields,
    )
    batches, batch_shape = batch_shapes(layout, settings)
    fields = settings["fields"]
    rows = (*batch_shape, *fields.shape[-2:])
    if not any(map(len, (batch for name, batch in batches.items() if name != "fields"))):
        # One mesh for all fields: its coefficients are computed once.
        settings["fields"], batch_shape = fields.flatten(0, -2), torch.Size([])
    columns = choose(settings["theta"], backend)(layout, **flattened(settings, batch_shape))
    return columns.transpose(-1, -2).reshape(rows)
