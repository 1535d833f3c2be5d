"""Statistics of the phases of Haar-random unitaries on a universal mesh.

What the settings of a mesh look like if its unitary is drawn uniformly: a way to sample such
unitaries without a decomposition, and a yardstick for the settings of trained layers.

Shape legend: N modes, M interferometers.
"""

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from photonic.checks import as_real_tensor, instance, whole_number
from photonic.conventions import TWO_PI
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases

_Floats = NDArray[np.float64]


def haar_ranks(layout: MeshLayout) -> NDArray[np.intp]:
    """Rank k of each interferometer, which decides the distribution of its theta.

    An interferometer of rank k splits one amplitude off a uniformly distributed vector of k + 1.
    Rectangle, column x, upper mode y: k = min(2 min(x, N - 1 - x) + 1, 2 min(y, N - 2 - y) + 2).
    Triangle: N minus the number of interferometers on the same pair of modes, k = y + 1.

    Args:
        layout: "clements" or "reck".

    Returns:
        (M,) ranks from 1 to N - 1; exactly N - k interferometers have rank k.

    Raises:
        ValueError: for another kind of mesh.

    Source: Russell et al., New J. Phys. 19, 033007 (2017).
    """
    instance("layout", layout, MeshLayout)
    n, x, y = layout.num_modes, layout.column, layout.mode
    if layout.kind == "clements":
        return np.minimum(2 * np.minimum(x, n - 1 - x) + 1, 2 * np.minimum(y, n - 2 - y) + 2)
    if layout.kind == "reck":
        return y + 1
    raise ValueError(f"Haar statistics need a clements or reck mesh, got {layout.kind!r}")


def haar_phases(
    layout: MeshLayout, *batch_shape: int, generator: np.random.Generator
) -> MeshPhases:
    """Settings whose transfer matrices are Haar-distributed.

    theta = 2 arccos(u^(1/(2 k))) with u uniform in (0, 1] and k the rank; phi and the output phases
    are uniform in [0, 2 pi). All are independent.

    Args:
        layout: "clements" or "reck".
        batch_shape: leading dimensions.
        generator: of NumPy, source of the draws; the same state gives the same bits.

    Returns:
        Settings of meshes without errors, theta in [0, pi].

    Raises:
        TypeError: if the layout or the generator is none, such as a generator of torch.
        ValueError: for another kind of mesh, or a leading dimension that is no size.

    Source: Russell et al., New J. Phys. 19, 033007 (2017).
    """
    instance("layout", layout, MeshLayout)
    instance("generator", generator, np.random.Generator)
    batch_shape = tuple(whole_number("batch_shape", size, 0) for size in batch_shape)
    sizes = (layout.num_mzis, layout.num_mzis, layout.num_modes)
    theta, phi, output_phase = (generator.random((*batch_shape, size)) for size in sizes)
    return MeshPhases(
        torch.from_numpy(haar_theta_quantile(layout, theta)),
        torch.from_numpy(TWO_PI * phi),
        torch.from_numpy(TWO_PI * output_phase),
    )


def haar_theta_density(layout: MeshLayout, theta: ArrayLike) -> _Floats:
    """Probability density of theta, k sin(theta/2) cos(theta/2)^(2 k - 1).

    Args:
        layout: "clements" or "reck".
        theta: (..., M) [rad] in [0, pi].

    Returns:
        (..., M) [1/rad] density at theta, with the rank k of each interferometer.

    Raises:
        ValueError: for another kind of mesh, or if theta does not fit it.
    """
    rank, half = haar_ranks(layout), _checked("theta", theta, layout, math.pi) / 2
    return rank * np.sin(half) * np.cos(half) ** (2 * rank - 1)


def haar_theta_cdf(layout: MeshLayout, theta: ArrayLike) -> _Floats:
    """Probability of an internal phase up to theta, 1 - cos(theta/2)^(2 k).

    The values of a Haar-random mesh are uniform in [0, 1], which makes settings of different
    positions comparable.

    Args:
        layout: "clements" or "reck".
        theta: (..., M) [rad] in [0, pi].

    Returns:
        (..., M) probabilities, ascending in theta from 0 to 1.

    Raises:
        ValueError: for another kind of mesh, or if theta does not fit it.
    """
    rank, half = haar_ranks(layout), _checked("theta", theta, layout, math.pi) / 2
    return 1 - np.cos(half) ** (2 * rank)


def haar_theta_quantile(layout: MeshLayout, probability: ArrayLike) -> _Floats:
    """Internal phase that is exceeded with probability 1 - p, 2 arccos((1 - p)^(1/(2 k))).

    Args:
        layout: "clements" or "reck".
        probability: (..., M) values p in [0, 1].

    Returns:
        (..., M) [rad] in [0, pi]; the inverse of ``haar_theta_cdf``.

    Raises:
        ValueError: for another kind of mesh, or if the probabilities do not fit it.
    """
    rank, value = haar_ranks(layout), _checked("probability", probability, layout, 1.0)
    return 2 * np.arccos((1 - value) ** (1 / (2 * rank)))


def haar_theta_mean(layout: MeshLayout) -> _Floats:
    """Mean of theta, the integral of 1 - cdf.

    mu_k = int_0^pi cos(t/2)^(2 k) dt = sqrt(pi) Gamma(k + 1/2) / Gamma(k + 1), that is pi/2,
    3 pi/8, 5 pi/16, ...

    Args:
        layout: "clements" or "reck".

    Returns:
        (M,) [rad] mean of each interferometer; about sqrt(pi/k).

    Raises:
        ValueError: for another kind of mesh.
    """
    ranks = haar_ranks(layout)
    return _means(layout.num_modes)[ranks]


def haar_theta_std(layout: MeshLayout) -> _Floats:
    """Standard deviation of theta.

    E theta^2 = int_0^pi 2 t cos(t/2)^(2 k) dt; in parts it is (2 k - 1)/(2 k) of its value at rank
    k - 1, less 2/k^2, and pi^2 at k = 0. With the mean mu_k, which has the same ratio,
    E theta^2 = mu_k (pi - sum_(j=1..k) 2/(j^2 mu_j)) and std = sqrt(E theta^2 - mu_k^2).

    Args:
        layout: "clements" or "reck".

    Returns:
        (M,) [rad] standard deviation of each interferometer; about sqrt((4 - pi)/k).

    Raises:
        ValueError: for another kind of mesh.
    """
    ranks, mean = haar_ranks(layout), _means(layout.num_modes)
    rank = np.arange(1, len(mean))
    rest = math.pi - np.append(0.0, np.cumsum(2 / (rank**2 * mean[1:])))
    return np.sqrt(mean * rest - mean**2)[ranks]


def _means(num_modes: int) -> _Floats:
    """Mean theta of the ranks 0 to N - 1; each is (2 k - 1)/(2 k) of the one before."""
    rank = np.arange(1, num_modes)
    return math.pi * np.append(1.0, np.cumprod((2 * rank - 1) / (2 * rank)))


def _checked(name: str, values: ArrayLike, layout: MeshLayout, upper: float) -> _Floats:
    array = as_real_tensor(name, values).detach().cpu().double().numpy()
    if array.ndim < 1 or array.shape[-1] != layout.num_mzis:
        raise ValueError(f"`{name}` must have shape (..., {layout.num_mzis}), got {array.shape}")
    if not ((array >= 0) & (array <= upper)).all():
        raise ValueError(f"`{name}` must lie in [0, {upper:.6g}]")
    return array
