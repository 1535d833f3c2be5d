"""Slow, obvious dense meshes in numpy; the yardstick of the tests and nothing else.

It shares no formula with the package: every interferometer is the product of its four parts,
embedded into the identity, and the mesh is the product of these.
"""

import numpy as np
from numpy.typing import NDArray

RealArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
_LOSSLESS = np.zeros((3, 2))


def reference_coupler(angle: float) -> ComplexArray:
    """(2, 2) coupler [[cos, i sin], [i sin, cos]] of a splitting angle [rad]."""
    return np.array([[np.cos(angle), 1j * np.sin(angle)], [1j * np.sin(angle), np.cos(angle)]])


def reference_block(
    theta: float,
    phi: float,
    coupler_error: tuple[float, float] = (0.0, 0.0),
    arm_loss_db: RealArray = _LOSSLESS,
) -> ComplexArray:
    """(2, 2) product G_3 C(pi/4 + b) G_2 L(theta) C(pi/4 + a) G_1 L(phi), all angles in rad.

    G_s = diag(10^(-arm_loss_db[s] / 20)), the losses of the upper and lower arm.
    """
    first, second = coupler_error
    before, between, behind = (np.diag(10 ** (-loss / 20)) for loss in arm_loss_db)
    internal = between @ np.diag([np.exp(1j * theta), 1.0])
    external = before @ np.diag([np.exp(1j * phi), 1.0])
    return (
        behind
        @ reference_coupler(np.pi / 4 + second)
        @ internal
        @ reference_coupler(np.pi / 4 + first)
        @ external
    )


def reference_mesh(
    mode: NDArray[np.intp],
    theta: RealArray,
    phi: RealArray,
    output_phase: RealArray,
    coupler_error: RealArray | None = None,
    insertion_loss_db: RealArray | None = None,
    arm_loss_db: RealArray | None = None,
    partner: NDArray[np.intp] | None = None,
) -> ComplexArray:
    """Transfer matrix of one mesh as a product of dense matrices.

    Args:
        mode: (M,) upper mode of each interferometer, in the order in which light meets them.
        theta: (M,) [rad] internal phases.
        phi: (M,) [rad] external phases.
        output_phase: (N,) [rad] screen behind the last column.
        coupler_error: (M, 2) [rad] deviations of the two couplers from pi/4.
        insertion_loss_db: (M,) [dB] loss of each interferometer.
        arm_loss_db: (M, 3, 2) [dB] loss of the upper and lower arm before the first coupler,
            between the couplers and behind the second one.
        partner: (M,) lower mode of each interferometer; None for the mode below the upper one.

    Returns:
        (N, N) complex ``T[out, in]``.
    """
    size = len(output_phase)
    total = np.eye(size, dtype=np.complex128)
    for index, top in enumerate(mode):
        first, second = (0.0, 0.0) if coupler_error is None else coupler_error[index]
        loss_db = 0.0 if insertion_loss_db is None else insertion_loss_db[index]
        arms = np.zeros((3, 2)) if arm_loss_db is None else arm_loss_db[index]
        bottom = top + 1 if partner is None else partner[index]
        embedded = np.eye(size, dtype=np.complex128)
        embedded[np.ix_([top, bottom], [top, bottom])] = 10 ** (-loss_db / 20) * reference_block(
            theta[index], phi[index], (first, second), arms
        )
        total = embedded @ total
    return np.diag(np.exp(1j * output_phase)) @ total
