"""What the start of a cross-validation and of an ablation have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from experiments.crossval_config import CrossvalConfig
from experiments.jobs import command_line
from experiments.output import OutputDirectory, refuse_existing
from experiments.record import RunRecord
from models.datasets import Dataset, load_dataset


@dataclass(frozen=True)
class CrossvalJob:
    """An output directory, begun or continued, with what belongs to it.

    Attributes:
        datasets: data sets of the labels, by name.
        record: provenance.
        output: where results go.
    """

    datasets: dict[str, Dataset]
    record: RunRecord
    output: OutputDirectory


@contextmanager
def begin(config: BaseModel, crossval: CrossvalConfig, out: Path) -> Iterator[CrossvalJob]:
    """Begin a job, or continue a killed one; it is held until the end of the ``with``.

    Args:
        config: all that decides the results; a directory begun with another one is refused.
        crossval: labels and seeds.
        out: directory to create.

    Raises:
        FileExistsError: if ``out`` exists, or an unfinished run with another configuration does,
            or another process writes it.
    """
    refuse_existing(out)
    names = dict.fromkeys(spec.dataset for spec in crossval.training.label_specs)
    datasets = {name: load_dataset(name) for name in names}
    record = RunRecord.capture(
        command_line(),
        config.model_dump(mode="json"),
        crossval.seeds[0],
        {name: dataset.sha256 for name, dataset in datasets.items()},
    )
    with OutputDirectory(out, record.key) as output:
        yield CrossvalJob(datasets, record, output)
