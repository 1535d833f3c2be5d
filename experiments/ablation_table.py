"""Results of an ablation as ``results.json``, as tables in ``table.md`` and on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scipy.special import stdtr

from experiments.ablation_config import AblationConfig
from experiments.ablation_score import (
    FEWEST_PAIRS,
    HELPS,
    HURTS,
    PARTS,
    TOO_FEW,
    Change,
    VariantScore,
)
from experiments.ablation_variants import REFERENCE
from experiments.console import print_table
from experiments.crossval_score import EVERYTHING, LabelScore, PartScore
from experiments.crossval_table import RESULTS_FILE, TABLE_FILE, markdown_table, run_text
from experiments.number_text import json_text
from experiments.record import RunRecord
from photonic.files import write_atomic

Variants = Mapping[str, VariantScore]
Rows = list[list[str]]


def write_ablation(
    variants: Variants,
    config: AblationConfig,
    record: RunRecord,
    budget: dict[str, Any],
    directory: Path,
) -> None:
    """Write both files into an existing directory.

    Args:
        variants: name to errors.
        config: of the ablation.
        record: provenance.
        budget: as for ``write_scores`` of a cross-validation.
        directory: of the results.
    """
    scores = {name: asdict(variant) for name, variant in variants.items()}
    content = {"record": record.model_dump(mode="json"), "budget": budget, "variants": scores}
    write_atomic(directory / RESULTS_FILE, (json_text(content) + "\n").encode())
    write_atomic(directory / TABLE_FILE, markdown(variants, config, record, budget).encode())


def markdown(
    variants: Variants, config: AblationConfig, record: RunRecord, budget: dict[str, Any]
) -> str:
    """All tables, with seeds, budget, time and commit in the first lines."""
    seconds = sum(sum(variant.scores.seconds.values()) for variant in variants.values())
    blocks = [
        run_text(config.crossval, f"{len(variants)} variants", seconds, record, budget),
        "\n".join(f"* `{name}`: {variant.meaning}" for name, variant in variants.items()),
    ]
    for part in _parts(variants):
        title = f"Mean absolute errors, crystals: {part}; pooled over folds, mean (std) over seeds:"
        blocks += [title, markdown_table(*_errors_and_cost(variants, part))]
    if any(variant.differences for variant in variants.values()):
        blocks += [
            _explanation(config),
            f"Relative differences to `{REFERENCE}`, mean over labels; labels that it {HELPS} or "
            f"{HURTS} on all crystals:",
            markdown_table(*_relative(variants, ", ".join)),
        ]
        for part in _parts(variants):
            title = f"Differences to `{REFERENCE}`, crystals: {part}; mean (standard error):"
            blocks += [title, markdown_table(*_differences(variants, part))]
    return "\n\n".join(blocks) + "\n"


def print_ablation(variants: Variants) -> None:
    """Errors on all crystals, and a summary of the differences, as narrow as a terminal."""
    rows = _errors(variants, EVERYTHING, lambda mean, std: f"{mean:.3g}")
    names = [label.label for label in next(iter(variants.values())).scores.labels]
    title = "Mean absolute error on held-out folds, pooled, mean over seeds"
    print_table(title, ["variant", *names], [[name, *cells] for name, cells in rows.items()])
    if any(variant.differences for variant in variants.values()):
        title = f"Relative difference to {REFERENCE}, mean over labels; labels it helps or hurts"
        print_table(title, *_relative(variants, lambda labels: str(len(labels))))


def _parts(variants: Variants) -> list[str]:
    """Parts that have crystals."""
    labels = next(iter(variants.values())).scores.labels
    return [part for part in PARTS if any(_part(label, part) for label in labels)]


def _part(label: LabelScore, name: str) -> PartScore | None:
    return next((part for part in label.parts if part.part == name), None)


def _errors_and_cost(variants: Variants, part: str) -> tuple[list[str], Rows]:
    labels = next(iter(variants.values())).scores.labels
    cost = {
        name: [f"{variant.scores.parameters:,}", f"{variant.scores.seconds_per_epoch:.2f}"]
        for name, variant in variants.items()
    }
    rows = _errors(variants, part, _mean_and_std)
    return ["variant", "parameters", "s/epoch", *map(_label_text, labels)], [
        [name, *cost.get(name, ["-", "-"]), *cells] for name, cells in rows.items()
    ]


def _errors(
    variants: Variants, part: str, text: Callable[[float, float | None], str]
) -> dict[str, list[str]]:
    """Crystals, median, trees and variants: name of the row to a cell per label.

    ``text`` makes the cell of a variant from the mean and the standard deviation over seeds.
    """
    labels = next(iter(variants.values())).scores.labels
    rows = {
        "crystals": _cells(labels, part, lambda found: str(found.num_crystals)),
        "median": _cells(labels, part, lambda found: text(found.median_mae, None)),
        "trees": _cells(labels, part, lambda found: text(found.trees_mae, None)),
    }
    for name, variant in variants.items():
        rows[name] = _cells(
            variant.scores.labels, part, lambda found: text(found.network_mae, found.network_std)
        )
    return rows


def _cells(labels: Sequence[LabelScore], part: str, text: Callable[[PartScore], str]) -> list[str]:
    found = [_part(label, part) for label in labels]
    return ["-" if score is None else text(score) for score in found]


def _label_text(label: LabelScore) -> str:
    return label.label if label.unit == "1" else f"{label.label} [{label.unit}]"


def _mean_and_std(mean: float, std: float | None) -> str:
    return f"{mean:.4g}" if std is None else f"{mean:.4g} ({std:.2g})"


def _relative(variants: Variants, text: Callable[[list[str]], str]) -> tuple[list[str], Rows]:
    """Relative differences of each part, and what ``text`` makes of labels helped or hurt."""
    parts = _parts(variants)
    rows = []
    for name, variant in variants.items():
        if variant.differences:
            changes = [variant.relative_percent.get(part) for part in parts]
            cells = [_change_text(change, "+.1f", ".1f") for change in changes]
            words = [_labels_with(variant, verdict) for verdict in (HELPS, HURTS)]
            rows.append([name, *cells, *("-" if not labels else text(labels) for labels in words)])
    return ["variant", *(f"{part} [%]" for part in parts), HELPS, HURTS], rows


def _labels_with(variant: VariantScore, verdict: str) -> list[str]:
    """Labels with this verdict on all crystals."""
    changes = variant.differences[EVERYTHING]
    return [label for label, change in changes.items() if change.verdict == verdict]


def _differences(variants: Variants, part: str) -> tuple[list[str], Rows]:
    """Differences with their verdicts, with one column per label."""
    labels = next(iter(variants.values())).scores.labels
    rows = []
    for name, variant in variants.items():
        if variant.differences:
            changes = [variant.differences[part].get(label.label) for label in labels]
            cells = [
                "-" if change is None else f"{_change_text(change, '+.3g', '.1g')} {change.verdict}"
                for change in changes
            ]
            rows.append([name, *cells])
    return ["variant", *map(_label_text, labels)], rows


def _change_text(change: Change | None, mean: str, error: str) -> str:
    if change is None:
        return "-"
    if change.standard_error is None:
        return f"{change.mean:{mean}}"
    return f"{change.mean:{mean}} ({change.standard_error:{error}})"


def _explanation(config: AblationConfig) -> str:
    pairs = len(config.crossval.folds) * len(config.crossval.seeds)
    text = (
        f"Differences to `{REFERENCE}`: error of the variant less that of `{REFERENCE}` on the "
        f"same fold with the same seed, n = {pairs} pairs; in brackets the standard error. A "
        f"variant {HELPS} (less error) or {HURTS} where the mean is more than two standard errors "
        "from zero."
    )
    if pairs < FEWEST_PAIRS:
        return f"{text} There are {TOO_FEW} to say so."
    chance = 2 * stdtr(pairs - 1, -2)
    return f"{text} Where only chance acts (normal, independent pairs), {chance:.0%} of cells do."
