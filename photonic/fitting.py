"""Settings for a given unitary by a numerical fit, for meshes without a direct decomposition.

A butterfly or a shallow rectangle reaches few of all unitaries. The fit finds settings that are
close to the target and says how close; ``decompose`` stays the way for universal meshes.

Shape legend: N modes, M interferometers, S = 2 M + N shifters.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from photonic.checks import instance, real_number, whole_number
from photonic.conventions import TWO_PI
from photonic.decomposition import decompose, nearest_unitary, unitary_candidates
from photonic.folding import fold_phases
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from photonic.quality import relative_error, trace_fidelity
from photonic.randomness import keyed_generator

_Floats = NDArray[np.float64]
_MAX_DEVIATION = 1e-10  # entry of |U^H U - 1|, as in ``decompose``


@dataclass(frozen=True, eq=False)
class Fit:
    """Settings found for a batch of targets, and how good they are."""

    phases: MeshPhases
    """Settings of batch shape (...): theta in [0, pi], phi and output_phase in [0, 2 pi)."""
    relative_error: Tensor
    """(...) E = ||T - U|| / sqrt(N) of these settings; the global phase counts."""
    trace_fidelity: Tensor
    """(...) F_tr = |tr(U^H T) / N|^2 of these settings."""
    num_evaluations: Tensor
    """(...) int64 evaluations of the mesh in the search that won; 0 without a search."""
    is_reached: Tensor
    """(...) bool, True if E is at most the tolerance asked for."""
    is_converged: Tensor
    """(...) bool, True if the search that won came to rest; False if its evaluations ran out."""


def fit_unitary(
    unitary: Tensor | ArrayLike,
    layout: MeshLayout,
    *,
    tolerance: float = 1e-10,
    restarts: int = 8,
    max_evaluations: int = 400,
    seed: int = 0,
    project: bool = False,
) -> Fit:
    """Settings for which the mesh comes close to ``unitary``.

    Minimises E^2 = ||T(theta, phi, output_phase) - U||^2 / N by the method of Levenberg and
    Marquardt. The Jacobian is exact: a phase x enters as T = A + exp(i x) B, so that
    dT/dx = i/2 (T(x) - T(x + pi)), and one batch of S + 1 meshes gives all columns.

    The search is local. Each one starts from interferometers that are Haar-random one by one;
    the best of ``restarts`` is kept, and none is started after one has reached the tolerance.
    Targets that the mesh reaches are found to rounding as a rule, not by guarantee: butterflies
    in 20 to 40 evaluations, rectangles of nearly N columns in hundreds, and some of them (one in
    ten at N = 8) not within ``max_evaluations``. For other targets the result is a local minimum.

    Where a decomposition exists (clements, reck and
    rectangular meshes of at least N columns, whose surplus columns become bars) it is taken
    instead, and is exact. Time grows as S^2 N^2 per evaluation.

    Args:
        unitary: (..., N, N) real or complex matrices; computed in complex128.
        layout: wiring of N modes, of any kind.
        tolerance: relative error E that counts as reached.
        restarts: number of searches at most, at least 1.
        max_evaluations: evaluations of the mesh in one search, at least 1.
        seed: key of the starting points; each target sees the same ones, whatever its batch.
        project: aim at the nearest unitary of each matrix, as in ``decompose``.

    Returns:
        Settings and their distance, batch shape (...), on the CPU. A target out of reach is
        reported by ``is_reached``, not raised.

    Raises:
        TypeError: if an argument is not of its kind.
        ValueError: if the shape does not fit the layout, an entry is not finite, the matrix is not
            unitary (or, with ``project``, singular), or there is nothing to try.

    Source: Moré, The Levenberg-Marquardt algorithm, Lect. Notes Math. 630, 105 (1978) (MINPACK).
    """
    restarts = whole_number("restarts", restarts, 1)
    max_evaluations = whole_number("max_evaluations", max_evaluations, 1)
    seed, tolerance = whole_number("seed", seed), real_number("tolerance", tolerance, 0.0)
    targets = _checked_targets(unitary, layout, project)
    batch_shape = targets.shape[:-2]
    if layout.is_universal or (layout.kind == "rectangular" and layout.depth >= layout.num_modes):
        phases = _decomposed(targets, layout)
        num_evaluations = torch.zeros(batch_shape, dtype=torch.int64)
        is_converged = torch.ones(batch_shape, dtype=torch.bool)
    else:
        searches = [
            _best_search(target, layout, tolerance, restarts, max_evaluations, seed)
            for target in targets.reshape(-1, *targets.shape[-2:])
        ]
        settings = torch.tensor(np.array([search.settings for search in searches]))
        settings = settings.reshape(*batch_shape, 2 * layout.num_mzis + layout.num_modes)
        phases = fold_phases(layout, MeshPhases(*_split(settings, layout)))
        num_evaluations, is_converged = (
            torch.tensor(values, dtype=dtype).reshape(batch_shape)
            for values, dtype in (
                ([search.num_evaluations for search in searches], torch.int64),
                ([search.is_converged for search in searches], torch.bool),
            )
        )
    realised = transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)
    error = relative_error(targets, realised)
    return Fit(
        phases=phases,
        relative_error=error,
        trace_fidelity=trace_fidelity(targets, realised),
        num_evaluations=num_evaluations,
        is_reached=error <= tolerance,
        is_converged=is_converged,
    )


def random_phases(
    layout: MeshLayout, *batch_shape: int, generator: np.random.Generator
) -> MeshPhases:
    """Settings whose interferometers are Haar-random one by one, for any kind of mesh.

    theta = 2 arccos(sqrt(u)) with u uniform in [0, 1); phi and the output phases are uniform in
    [0, 2 pi). The transfer matrix is not Haar-random; see ``haar_phases`` for that.

    Args:
        layout: wiring.
        batch_shape: leading dimensions.
        generator: source of the draws; the same state gives the same bits.

    Returns:
        Settings of batch shape ``batch_shape``, theta in [0, pi].
    """
    sizes = (layout.num_mzis, layout.num_mzis, layout.num_modes)
    draws = (torch.from_numpy(generator.random((*batch_shape, size))) for size in sizes)
    theta, phi, output_phase = draws
    return MeshPhases(2 * theta.sqrt().arccos(), TWO_PI * phi, TWO_PI * output_phase)


@dataclass(frozen=True)
class _Search:
    """End of one search."""

    settings: _Floats  # (S,) [rad] theta, phi, output screen
    error: float
    num_evaluations: int
    is_converged: bool


def _best_search(
    target: Tensor,
    layout: MeshLayout,
    tolerance: float,
    restarts: int,
    max_evaluations: int,
    seed: int,
) -> _Search:
    """The closest of several searches, the first that reaches the tolerance if one does."""
    searches: list[_Search] = []
    for restart in range(restarts):
        start = random_phases(layout, generator=keyed_generator(seed, "fit_unitary", restart))
        joined = torch.cat((start.theta, start.phi, start.output_phase)).numpy()
        searches.append(_search(target, layout, joined, max_evaluations))
        if searches[-1].error <= tolerance:
            break
    return min(searches, key=lambda search: search.error)


def _search(target: Tensor, layout: MeshLayout, start: _Floats, max_evaluations: int) -> _Search:
    half_turns = math.pi * torch.eye(len(start), dtype=torch.float64)
    norm = math.sqrt(layout.num_modes)

    def matrices(settings: Tensor) -> Tensor:
        return transfer_matrix(layout, *_split(settings, layout)) / norm

    def residuals(settings: _Floats) -> _Floats:
        difference = matrices(torch.from_numpy(settings)) - target / norm
        return torch.view_as_real(difference).flatten().numpy()

    def jacobian(settings: _Floats) -> _Floats:
        given = torch.from_numpy(settings)
        realised = matrices(torch.cat((given[None], given + half_turns)))
        derivative = 0.5j * (realised[0] - realised[1:])
        return torch.view_as_real(derivative.resolve_conj()).flatten(1).T.numpy()

    # Below eps MINPACK would refuse a tolerance; at eps it stops where progress is rounding.
    stop = np.finfo(np.float64).eps
    found = scipy.optimize.least_squares(
        residuals,
        start,
        jacobian,
        method="lm",
        ftol=stop,
        xtol=stop,
        gtol=stop,
        max_nfev=max_evaluations,
    )
    return _Search(found.x, float(np.linalg.norm(found.fun)), found.nfev, found.status > 0)


def _split(settings: Tensor, layout: MeshLayout) -> tuple[Tensor, Tensor, Tensor]:
    """(..., S) settings as theta, phi and output phases."""
    sizes = (layout.num_mzis, layout.num_mzis, layout.num_modes)
    theta, phi, output_phase = settings.split(sizes, dim=-1)
    return theta, phi, output_phase


def _checked_targets(unitary: Tensor | ArrayLike, layout: MeshLayout, project: bool) -> Tensor:
    """(..., N, N) complex128 targets on the CPU."""
    instance("layout", layout, MeshLayout)
    matrices = unitary_candidates(unitary, layout)
    targets = torch.from_numpy(nearest_unitary(matrices) if project else matrices)
    deviations = (targets.mH @ targets - torch.eye(layout.num_modes)).abs()
    if (deviations > _MAX_DEVIATION).any():
        raise ValueError(
            f"`unitary` must be unitary: |U^H U - 1| reaches {deviations.max():.2e}, above "
            f"{_MAX_DEVIATION:.1e}; `project=True` takes the nearest unitary"
        )
    return targets


def _decomposed(targets: Tensor, layout: MeshLayout) -> MeshPhases:
    """Exact settings of a universal mesh, bars in the columns beyond N of a rectangular one."""
    if layout.is_universal:
        return decompose(targets, layout)
    core = decompose(targets, MeshLayout.clements(layout.num_modes))
    surplus = (*core.batch_shape, layout.num_mzis - core.num_mzis)
    bars = torch.full(surplus, math.pi, dtype=torch.float64)
    return MeshPhases(
        torch.cat((core.theta, bars), -1), torch.cat((core.phi, bars), -1), core.output_phase
    )
