"""Measures of how well a realised matrix meets its target; none is called just fidelity.

Shape legend: N modes. ``relative_error`` and ``matrix_distance`` see the global phase, which is not
removed; the three fidelities are blind to it. All raise TypeError or ValueError for what is not a
pair of matrices of one size.
"""

from torch import Tensor

from photonic.checks import as_tensor


def trace_fidelity(target: Tensor, realised: Tensor) -> Tensor:
    """F_tr = |tr(U^H U~) / N|^2; sees phases and loss.

    Args:
        target: (..., N, N) unitary U.
        realised: (..., N, N) matrix U~.

    Returns:
        (...) real, 1 for equal unitaries.

    Source: Fang et al., Opt. Express 27, 14009 (2019).
    """
    target, realised = _pair(target, realised, is_square=True)
    return (_overlap(target, realised) / target.shape[-1]).abs().square()


def normalised_fidelity(target: Tensor, realised: Tensor) -> Tensor:
    """F_norm = |tr(U^H U~)|^2 / (N tr(U~^H U~)); blind to a uniform loss.

    Args:
        target: (..., N, N) unitary U.
        realised: (..., N, N) matrix U~, not zero.

    Returns:
        (...) real, at most 1.

    Source: Clements et al., Optica 3, 1460 (2016).
    """
    target, realised = _pair(target, realised, is_square=True)
    power = realised.abs().square().sum(dim=(-2, -1))
    return _overlap(target, realised).abs().square() / (target.shape[-1] * power)


def amplitude_fidelity(target: Tensor, realised: Tensor) -> Tensor:
    """F_amp = (1/N) sum_ij |U_ij| |U~_ij|; blind to phases at input and output.

    Args:
        target: (..., N, N) unitary U.
        realised: (..., N, N) matrix U~.

    Returns:
        (...) real, 1 for equal unitaries. It flatters a chip: 1 does not mean the same matrix.

    Source: Taballione et al., arXiv:2203.01801 (2023).
    """
    target, realised = _pair(target, realised, is_square=True)
    return (target.abs() * realised.abs()).sum(dim=(-2, -1)) / target.shape[-1]


def relative_error(target: Tensor, realised: Tensor) -> Tensor:
    """E = ||W~ - W|| / ||W||, the relative error of any matrix.

    For a unitary ||U|| = sqrt(N), so that E = ||U~ - U|| / sqrt(N).

    Args:
        target: (..., M, N) matrix W, not zero.
        realised: (..., M, N) matrix W~.

    Returns:
        (...) real, 0 for equal matrices; the global phase counts.

    Source: Bandyopadhyay et al., Optica 8, 1247 (2021), for a unitary.
    """
    target, realised = _pair(target, realised)
    return _norm(realised - target) / _norm(target)


def matrix_distance(target: Tensor, realised: Tensor) -> Tensor:
    """||W~ - W||^2 / ||W||^2, the square of ``relative_error``.

    Args:
        target: (..., M, N) matrix W, not zero.
        realised: (..., M, N) matrix W~.

    Returns:
        (...) real, 0 for equal matrices.

    Source: Gu et al., L2ight, NeurIPS (2021); their code divides by the realised norm.
    """
    return relative_error(target, realised).square()


def _pair(target: Tensor, realised: Tensor, *, is_square: bool = False) -> tuple[Tensor, Tensor]:
    """Both matrices, checked; others would broadcast to a number without meaning.

    Raises:
        TypeError: if one does not hold numbers.
        ValueError: if the target is no matrix, not square where it must be, or of another size.
    """
    target, realised = as_tensor("target", target), as_tensor("realised", realised)
    shape = tuple(target.shape[-2:])
    if len(shape) < 2 or (is_square and shape[0] != shape[1]):
        expected = "(..., N, N)" if is_square else "(..., M, N)"
        raise ValueError(f"`target` must have shape {expected}, got {tuple(target.shape)}")
    if tuple(realised.shape[-2:]) != shape:
        found = tuple(realised.shape)
        raise ValueError(f"`realised` must be {shape[0]} x {shape[1]} as `target`, got {found}")
    return target, realised


def _overlap(target: Tensor, realised: Tensor) -> Tensor:
    """tr(U^H U~)."""
    return (target.conj() * realised).sum(dim=(-2, -1))


def _norm(matrix: Tensor) -> Tensor:
    """Frobenius norm."""
    return matrix.abs().square().sum(dim=(-2, -1)).sqrt()
