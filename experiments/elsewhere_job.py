"""The job behind ``lightframe elsewhere``: progress, table, output directory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from experiments.console import print_table, progress
from experiments.elsewhere import Elsewhere, predict_elsewhere, write_elsewhere
from experiments.jobs import command_line
from experiments.output import refuse_existing
from experiments.record import RunRecord
from experiments.training_info import TrainingInfo
from experiments.wbm import load_out_of_distribution
from models.checkpoint import WEIGHTS_FILE, checkpoint_bytes, load_checkpoint
from photonic.files import new_folder


def elsewhere(crystals: Path, checkpoints: Sequence[str], out: Path) -> Elsewhere:
    """Predict, print the errors and write them.

    Args:
        crystals: file of crystals with corrected formation energies.
        checkpoints: names or directories, all different.
        out: directory to create.

    Raises:
        FileExistsError: if ``out`` exists.
        ValueError: if a checkpoint is named twice or does not predict formation energies.
    """
    refuse_existing(out)
    if len(set(checkpoints)) < len(checkpoints):
        raise ValueError("a checkpoint is named twice; its weight in the mean would be double")
    data = load_out_of_distribution(crystals)
    models = {name: load_checkpoint(name) for name in checkpoints}
    with progress("Crystals from elsewhere") as advance:
        result = predict_elsewhere(models, data, advance)
    hashes = {
        name: hashlib.sha256(checkpoint_bytes(name)[WEIGHTS_FILE]).hexdigest()
        for name in checkpoints
    }
    trained = {
        name: digest
        for model in models.values()
        for name, digest in TrainingInfo.of(model).data_sha256.items()
    }
    digest = hashlib.sha256(crystals.read_bytes()).hexdigest()
    config = {"crystals": crystals.name, "checkpoint_sha256": hashes}
    record = RunRecord.capture(command_line(), config, 0, {**trained, crystals.name: digest})
    with new_folder(out) as folder:
        write_elsewhere(result, record, folder)
    _print(result)
    return result


def _print(result: Elsewhere) -> None:
    rows = [
        (
            row.name,
            f"{row.mae:.4f}",
            f"{row.aligned_mae:.4f}",
            f"{row.aligned_bias:+.4f}",
            f"{row.unknown_mae:.4f}",
        )
        for row in result.rows
    ]
    header = ("", "MAE", "aligned", "bias", f"formula not in {result.crystals.TRAINED_ON}")
    title = f"Formation energies of {len(result.shift):,} crystals from elsewhere [eV/atom]"
    print_table(title, header, rows)
