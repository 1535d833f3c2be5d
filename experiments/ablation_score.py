"""Errors of variants, and their differences to the reference on the same folds and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from experiments.ablation_variants import REFERENCE, VARIANTS
from experiments.crossval_score import ACTIVE, EVERYTHING, IDLE, LabelScore, Scores

PARTS = (EVERYTHING, ACTIVE, IDLE)
"""Crystals that tables tell apart."""
FEWEST_PAIRS = 3
"""With fewer pairs of trainings nothing is said about a difference."""
HELPS, HURTS, NO_DIFFERENCE, TOO_FEW = "helps", "hurts", "no difference", "not enough seeds"

Pairs = dict[tuple[int, int], float]
"""(fold, number of the seed) to a value."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Difference of an error to that of the reference, over pairs of one fold and seed each."""

    num_pairs: int
    mean: float
    standard_error: float | None
    """Sample standard deviation over the square root of the number of pairs; None for one pair."""
    verdict: str
    """"helps" or "hurts" if the mean is more than two standard errors below or above zero."""


@dataclass(frozen=True, kw_only=True)
class VariantScore:
    """Errors of one variant."""

    meaning: str
    scores: Scores
    """As of a cross-validation of this variant alone."""
    differences: dict[str, dict[str, Change]]
    """Part to label to the difference to the reference, in the unit of the label."""
    relative_percent: dict[str, Change]
    """Part to the relative difference [%], mean over labels."""


def variant_score(name: str, scores: Mapping[str, Scores]) -> VariantScore:
    """One variant beside the reference; no differences without one, or of itself.

    Args:
        name: of the variant.
        scores: name to errors on the same folds and seeds.
    """
    ours = scores[name]
    differences: dict[str, dict[str, Change]] = {}
    relative: dict[str, Change] = {}
    if name != REFERENCE and REFERENCE in scores:
        for part in PARTS:
            pairs = [
                (label.label, _pairs(label, part), _pairs(reference, part))
                for label, reference in zip(ours.labels, scores[REFERENCE].labels, strict=True)
            ]
            pairs = [row for row in pairs if row[1]]
            if pairs:
                differences[part] = {
                    label: change(own[key] - other[key] for key in own)
                    for label, own, other in pairs
                }
                relative[part] = change(_relative(pairs))
    return VariantScore(
        meaning=VARIANTS[name].meaning,
        scores=ours,
        differences=differences,
        relative_percent=relative,
    )


def change(values: Iterable[float]) -> Change:
    """Mean, standard error and verdict of differences, error of a variant less the reference's."""
    differences = np.array(list(values))
    mean, count = float(differences.mean()), differences.size
    error = float(differences.std(ddof=1) / np.sqrt(count)) if count > 1 else None
    if error is None or count < FEWEST_PAIRS:
        verdict = TOO_FEW
    elif abs(mean) > 2 * error:
        verdict = HELPS if mean < 0 else HURTS
    else:
        verdict = NO_DIFFERENCE
    return Change(num_pairs=count, mean=mean, standard_error=error, verdict=verdict)


def _pairs(label: LabelScore, part: str) -> Pairs:
    return {
        (fold.fold, number): error
        for fold in label.folds
        for number, error in enumerate(fold.network_mae_of_parts.get(part, ()))
    }


def _relative(pairs: Iterable[tuple[str, Pairs, Pairs]]) -> list[float]:
    """100 (error / error of the reference - 1) [%] of each pair, mean over labels."""
    by_key: dict[tuple[int, int], list[float]] = {}
    for _, own, other in pairs:
        for key in own:
            by_key.setdefault(key, []).append(100 * (own[key] / other[key] - 1))
    return [float(np.mean(values)) for values in by_key.values()]
