"""Slow, obvious dense meshes in numpy; the yardstick of the tests and nothing else.

It shares no formula with the package: every interferometer is the product of its four parts,
embedded into the identity, and the mesh is the product of these.
"""

import numpy as np
from numpy.typing import NDArray

RealArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def reference_coupler(angle: float) -> ComplexArray:
    """(2, 2) coupler [[cos, i sin], [i sin, cos]] of a splitting angle [rad]."""
    return np.array([[np.cos(angle), 1j * np.sin(angle)], [1j * np.sin(angle), np.cos(angle)]])


def reference_block(
    theta: float, phi: float, coupler_error: tuple[float, float] = (0.0, 0.0)
) -> ComplexArray:
    """(2, 2) product C(pi/4 + b) L(theta) C(pi/4 + a) L(phi), all angles in rad."""
    first, second = coupler_error
    internal = np.diag([np.exp(1j * theta), 1.0])
    external = np.diag([np.exp(1j * phi), 1.0])
    return (
        reference_coupler(np.pi / 4 + second)
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
) -> ComplexArray:
    """Transfer matrix of one mesh as a product of dense matrices.

    Args:
        mode: (M,) upper mode of each interferometer, in the order in which light meets them.
        theta: (M,) [rad] internal phases.
        phi: (M,) [rad] external phases.
        output_phase: (N,) [rad] screen behind the last column.
        coupler_error: (M, 2) [rad] deviations of the two couplers from pi/4.
        insertion_loss_db: (M,) [dB] loss of each interferometer.

    Returns:
        (N, N) complex ``T[out, in]``.
    """
    size = len(output_phase)
    total = np.eye(size, dtype=np.complex128)
    for index, top in enumerate(mode):
        first, second = (0.0, 0.0) if coupler_error is None else coupler_error[index]
        loss_db = 0.0 if insertion_loss_db is None else insertion_loss_db[index]
        embedded = np.eye(size, dtype=np.complex128)
        embedded[top : top + 2, top : top + 2] = 10 ** (-loss_db / 20) * reference_block(
            theta[index], phi[index], (first, second)
        )
        total = embedded @ total
    return np.diag(np.exp(1j * output_phase)) @ total
