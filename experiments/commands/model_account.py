"""Which model made a result: the account of it that records keep."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.checkpoint import WEIGHTS_FILE, checkpoint_bytes

if TYPE_CHECKING:
    from experiments.mapped import MappedModel


def account_of_checkpoint(name: str | Path) -> dict[str, Any]:
    """Name of a checkpoint and hash of its weights."""
    return {"checkpoint": str(name), "weights_sha256": _weights_hash(name)}


def account_of_mapped(directory: Path, mapped: MappedModel, num_chips: int) -> dict[str, Any]:
    """A mapped model, the chip that it is mapped for, how many are drawn, and its weights' hash."""
    from experiments.mapped import CHECKPOINT_DIR

    return {
        "mapped": str(directory),
        "hardware": mapped.hardware.model_dump(mode="json"),
        "chips": num_chips,
        "weights_sha256": _weights_hash(directory / CHECKPOINT_DIR),
    }


def _weights_hash(name: str | Path) -> str:
    return hashlib.sha256(checkpoint_bytes(name)[WEIGHTS_FILE]).hexdigest()
