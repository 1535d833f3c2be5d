"""Results of a cross-validation as ``results.json`` and as a table for people, ``table.md``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.crossval_config import CrossvalConfig
from experiments.crossval_score import LabelScore, Scores
from experiments.number_text import json_text
from experiments.record import RunRecord
from photonic.files import write_atomic

RESULTS_FILE = "results.json"
TABLE_FILE = "table.md"


def write_scores(
    scores: Scores,
    config: CrossvalConfig,
    record: RunRecord,
    budget: dict[str, Any],
    directory: Path,
) -> None:
    """Write both files into an existing directory.

    Args:
        scores: errors.
        config: of the cross-validation.
        record: provenance.
        budget: ``workers`` and ``wall_seconds`` of this process; a continued run has more behind
            it, the training times in the scores are complete.
        directory: of the results.
    """
    content = {"record": record.model_dump(mode="json"), "budget": budget, **asdict(scores)}
    write_atomic(directory / RESULTS_FILE, (json_text(content) + "\n").encode())
    write_atomic(directory / TABLE_FILE, markdown(scores, config, record, budget).encode())


def markdown(
    scores: Scores, config: CrossvalConfig, record: RunRecord, budget: dict[str, Any]
) -> str:
    """The tables, with seeds, budget, time and commit in the first lines."""
    parameters = f"{scores.parameters:,} parameters"
    head = run_text(config, parameters, sum(scores.seconds.values()), record, budget)
    blocks = [head, _pooled(scores), *(_by_fold(label) for label in scores.labels)]
    if scores.elsewhere is not None:
        known = scores.elsewhere.known_ids
        blocks.append(
            "Out of distribution: errors are means over the networks of all folds, and the mean "
            f"prediction is theirs. The formula of {len(known)} crystals is in the data set: "
            f"{', '.join(known)}."
        )
    return "\n\n".join(blocks) + "\n"


def run_text(
    config: CrossvalConfig, networks: str, seconds: float, record: RunRecord, budget: dict[str, Any]
) -> str:
    """First lines of a table: folds, seeds, budget, time, commit and command.

    Args:
        config: of the trainings.
        networks: a few words about what was trained.
        seconds: [s] of all trainings together.
        record: provenance.
        budget: as for ``write_scores``.
    """
    training = config.training
    trained_on = (
        "4 folds, last epoch" if training.validation == "none" else "3 folds, best validation epoch"
    )
    return (
        f"Folds {_join(config.folds)}, seeds {_join(config.seeds)}; trained on {trained_on}; "
        f"{training.epochs} epochs of batches of {training.batch_size}, {training.schedule} to "
        f"{training.max_lr:g}; {networks}; {seconds / 3600:.2f} h of training in "
        f"{budget['workers']} processes of one thread, {budget['wall_seconds'] / 3600:.2f} h in "
        f"all; commit {record.commit or 'unknown'}{' with changes' if record.is_dirty else ''}.\n"
        f"Command: `{record.command}`"
    )


def _pooled(scores: Scores) -> str:
    header = ("label", "unit", "crystals", "number", "median", "trees", "network", "std")
    header += ("mean prediction",)
    rows = [
        (
            label,
            unit,
            part.part,
            str(part.num_crystals),
            f"{part.median_mae:.4g}",
            f"{part.trees_mae:.4g}",
            f"{part.network_mae:.4g}",
            _or_dash(part.network_std),
            "-" if part.ensemble_mae is None else f"{part.ensemble_mae:.4g}",
        )
        for label, unit, part in scores.rows
    ]
    return (
        "Mean absolute errors, pooled over folds; std and mean prediction over seeds:\n\n"
        + markdown_table(header, rows)
    )


def _by_fold(label: LabelScore) -> str:
    header = ("fold", "number", "median", "trees", "network, each seed")
    rows = [
        (
            str(fold.fold),
            str(fold.num_crystals),
            f"{fold.median_mae:.4g}",
            f"{fold.trees_mae:.4g}",
            ", ".join(f"{error:.4g}" for error in fold.network_mae),
        )
        for fold in label.folds
    ]
    title = f"{label.dataset} {label.label} [{label.unit}] by fold"
    return f"{title}; std over folds {_or_dash(label.std_over_folds)}:\n\n" + markdown_table(
        header, rows
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _join(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
