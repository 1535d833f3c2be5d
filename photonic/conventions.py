"""The fixed conventions of the package, and the three conversions that carry them.

1. Field exp(+i beta z): a longer or hotter path multiplies the field by exp(+i phi), phi > 0.
2. ``out = U @ in`` with ``U[out_mode, in_mode]``. Batches are rows of shape (..., N):
   ``y = x @ U.transpose(-1, -2)``, without conjugation.
3. Modes are counted from 0 at the top, columns from 0 at the input; column 0 acts first.
4. Coupler C(x) = [[cos x, i sin x], [i sin x, cos x]], 50:50 at pi/4; an error adds to the angle.
5. MZI M(theta, phi) = C(pi/4 + b) L(theta) C(pi/4 + a) L(phi) with L(x) = diag(exp(i x), 1).
   Light meets phi (external), coupler a, theta (internal), coupler b; both shifters are on the
   upper arm. theta = 0 is cross, theta = pi is bar.
6. A screen of output phases diag(exp(i psi)) follows the last column: N^2 shifters in all.
7. Losses are positive, in dB of power: power factor 10^(-dB/10), amplitude factor 10^(-dB/20).
8. Ideal settings lie in theta: [0, pi], phi and psi: [0, 2 pi). Commanded phases may exceed
   2 pi; wrapping is an explicit step.
9. Units: rad, um (nm for wavelengths), V, mA, mW, ns (s for drift), K, dB. A name carries its
   unit as a suffix unless it is in rad or um.
10. Decomposition and reference compute in float64/complex128, propagation in the caller's dtype.

This module holds no physics beyond the conversions; the interferometer itself is in ``mzi.py``.
"""

import math

import torch
from torch import Tensor

from photonic.checks import as_real_tensor

TWO_PI = 2.0 * math.pi


def wrap_phase(phase: Tensor) -> Tensor:
    """Phase reduced to one turn.

    phase mod 2 pi. The remainder of a tiny negative phase rounds to 2 pi itself; it becomes 0.

    Args:
        phase: (...) real [rad].

    Returns:
        (...) [rad], at least 0 and below 2 pi in the dtype of ``phase``; its gradient is 1.
    """
    wrapped = torch.remainder(as_real_tensor("phase", phase), TWO_PI)
    return wrapped - (wrapped >= TWO_PI).to(wrapped.dtype) * TWO_PI


def db_to_amplitude(loss_db: Tensor) -> Tensor:
    """Factor of the field amplitude, 10^(-loss_db / 20).

    Args:
        loss_db: (...) [dB] loss of power, positive; a negative one is a gain, which meshes refuse.

    Returns:
        (...) factor; its square is ``db_to_power(loss_db)``.
    """
    return torch.exp(as_real_tensor("loss_db", loss_db) * (-math.log(10.0) / 20.0))


def db_to_power(loss_db: Tensor) -> Tensor:
    """Factor of the power, 10^(-loss_db / 10).

    Args:
        loss_db: (...) [dB] loss of power, positive; a negative one is a gain, which meshes refuse.

    Returns:
        (...) factor; losses in series add in dB.
    """
    return torch.exp(as_real_tensor("loss_db", loss_db) * (-math.log(10.0) / 10.0))
