"""When a point has enough chips: decided on the first chips in order, never on what came first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

CONFIDENCE = 0.95


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

    def num_chips(self, errors: NDArray[np.float64], since: int = 0) -> int | None:
        """Number of chips that are enough; None if none of the numbers so far is.

        Args:
            errors: (C,) error of each chip; NaN from the first chip on that is not evaluated, and
                infinite for a chip that gives no finite prediction.
            since: numbers up to this one are known not to be enough.
        """
        missing = np.flatnonzero(np.isnan(errors))
        known = errors[: missing[0]] if len(missing) else errors
        if self.until is None or len(known) < self.min_chips:
            return None
        n = np.arange(since + 1, len(known) + 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shifted = known - known[0]  # the sums below cancel less
            total = np.cumsum(shifted)[since:]  # from the first chip on, whatever is asked
            variance = (np.cumsum(shifted**2)[since:] - total**2 / n) / (n - 1)
            mean = known[0] + total / n
            half_width = np.sqrt(variance.clip(0) / n) * student.ppf((1 + CONFIDENCE) / 2, n - 1)
            is_enough = (half_width <= self.until * mean) & (n >= self.min_chips)
        return int(n[is_enough][0]) if is_enough.any() else None
