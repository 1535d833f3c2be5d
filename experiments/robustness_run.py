"""The job behind ``lightframe robustness``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from experiments.chips_run import ChipStudy
from experiments.console import progress
from experiments.jobs import command_line, held_out_crystals
from experiments.mapped import load_mapped
from experiments.output import OutputDirectory, refuse_existing
from experiments.record import RunRecord
from experiments.robustness import REMEDY, chosen_rows, markdown_table, robustness_settings
from photonic import HardwareConfig
from photonic.files import write_atomic

TABLE_FILE = "robustness.md"


def run_robustness(
    directory: Path,
    trained: Path | None,
    *,
    num_chips: int,
    seed: int,
    out: Path,
    hardware: HardwareConfig | None = None,
    mapping_epochs: int = 1,
    is_quick: bool = False,
    names: Sequence[str] = (),
    limit: int | None = None,
) -> xr.Dataset:
    """Evaluate every remedy on the same chips and write the table.

    Every finished (remedy, chip) is kept at once; the same call continues a killed run.

    Args:
        directory: mapped model.
        trained: mapped model of a fine-tuned checkpoint; None leaves its rows out.
        num_chips: chips per row.
        seed: of the draws.
        out: directory to create.
        hardware: chip description instead of the one that was mapped for.
        mapping_epochs: epochs of the descent on a chip.
        is_quick: leave out rows that measure every chip.
        names: rows to evaluate; none takes all.
        limit: use only the first crystals of the test fold.

    Raises:
        FileExistsError: if ``out`` exists.
        ValueError: if a mapped model cannot be used.
    """
    refuse_existing(out)
    mapped = load_mapped(directory)
    tuned = None if trained is None else load_mapped(trained)
    base = mapped.hardware if hardware is None else hardware
    held_out = held_out_crystals(mapped.model, limit)
    rows = [row for row in chosen_rows(names) if not (is_quick and row.reads_chip)]
    config = {
        "rows": [row.name for row in rows],
        "mapping_epochs": mapping_epochs,
        "num_chips": num_chips,
        "num_crystals": held_out.num_crystals,
        "hardware": base.model_dump(mode="json"),
        "mapped": mapped.record.model_dump(mode="json"),
        "trained": None if tuned is None else tuned.record.model_dump(mode="json"),
    }
    record = RunRecord.capture(command_line(), config, seed, held_out.data_sha256)
    settings = robustness_settings(mapped, base, tuned, rows, mapping_epochs=mapping_epochs)
    study = ChipStudy(mapped, held_out, REMEDY, settings, num_chips, seed)
    with OutputDirectory(out, record.key) as output:
        with progress("Remedies x chips", study.num_evaluations) as advance:
            results = study.fill(output, record, advance)
        write_atomic(output.partial / TABLE_FILE, markdown_table(results).encode())
        output.finish()
    return results
