"""The course of the learning rate, as a share of its peak."""

from __future__ import annotations

import math

from experiments.training_config import Schedule

LAST_SHARE = 4e-6
"""Share of the peak in the last step."""


def rate_share(schedule: Schedule, step: int, num_steps: int) -> float:
    """Share of the largest learning rate at a step, 0 to 1.

    Args:
        schedule: course.
        step: number of the step, from 0 on.
        num_steps: of the whole run.
    """
    return one_cycle(step, num_steps) if schedule == "one_cycle" else cosine(step, num_steps)


def one_cycle(step: int, num_steps: int, warm_share: float = 0.3) -> float:
    """Share of the largest learning rate at a step: cosine from 1/25 up to 1, then down to 4e-6."""
    position = step / max(num_steps - 1, 1)
    if position < warm_share:
        return _between(1 / 25, 1.0, position / warm_share)
    return _between(1.0, LAST_SHARE, (position - warm_share) / (1 - warm_share))


def cosine(step: int, num_steps: int, warm_share: float = 0.05) -> float:
    """Share of the largest learning rate at a step: a line up to 1, then a cosine to 4e-6.

    Source: SPFrame (arXiv 2505.15315), schedule "cosine with 5 % warm-up".
    """
    warm_steps = math.ceil(warm_share * num_steps)
    if step < warm_steps:
        return (step + 1) / (warm_steps + 1)
    return _between(1.0, LAST_SHARE, (step - warm_steps) / max(num_steps - 1 - warm_steps, 1))


def _between(low: float, high: float, phase: float) -> float:
    """Half a cosine from ``low`` at phase 0 to ``high`` at phase 1."""
    return high + (low - high) * (1 + math.cos(math.pi * phase)) / 2
