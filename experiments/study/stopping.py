"""When a point has enough chips: decided on the first chips in order, never on what came first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StoppingRule:
    """Stop at the smallest n >= min_chips whose first n chips say the mean well enough.

    t(0.975, n - 1) s_n / sqrt(n) <= until m_n, with mean m_n and standard deviation s_n of the
    first n chips. Later chips do not count, whether they have been evaluated or not.

    Attributes:
        until: largest half-width of the 95 % interval, as a share of the mean; None never stops.
        min_chips: fewest chips.
    """

    until: float | None
    min_chips: int

    def num_chips(self, errors: Floats) -> int | None:
        """Number of chips that are enough; None if none of the numbers so far is.

        Args:
            errors: (C,) error of each chip; NaN from the first chip on that is not evaluated, and
                infinite for a chip that gives no finite prediction.
        """
        missing = np.flatnonzero(np.isnan(errors))
        return Watch(self).extend(errors[: missing[0]] if len(missing) else errors)


class Watch:
    """The first chips of a point, taken in order, a few at a time.

    Sums are carried on, so that a chip costs the same however many came before; rounding is that of
    all at once.

    Args:
        rule: when they are enough.
    """

    def __init__(self, rule: StoppingRule) -> None:
        self._rule = rule
        self._number, self._first = 0, 0.0
        self._sums = np.zeros((2, 1))  # of errors and of their squares, both less the first error

    def extend(self, errors: Floats) -> int | None:
        """Number of chips that are enough; None if no number that has come in now is.

        Args:
            errors: (n,) of the chips that follow; infinite without a finite prediction.
        """
        rule, before = self._rule, self._number
        if rule.until is None or not len(errors):
            return None
        if before == 0:
            self._first = errors[0]
        n = np.arange(before + 1, before + len(errors) + 1)
        self._number += len(errors)
        with np.errstate(invalid="ignore", divide="ignore"):
            shifted = errors - self._first  # the sums below cancel less
            terms = np.stack([shifted, shifted**2])
            sums = np.concatenate([self._sums, terms], axis=1).cumsum(1)[:, 1:]
            self._sums = sums[:, -1:]
            if self._number < rule.min_chips:
                return None
            (total, squares), mean = sums, self._first + sums[0] / n
            variance = (squares - total**2 / n) / (n - 1)
            half_width = np.sqrt(variance.clip(0) / n) * stdtrit(n - 1, (1 + CONFIDENCE) / 2)
            is_enough = (half_width <= rule.until * mean) & (n >= rule.min_chips)
        return int(n[is_enough][0]) if is_enough.any() else None
