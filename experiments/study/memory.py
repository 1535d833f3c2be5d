"""Memory of a process that evaluates blocks of chips, and the largest block that fits into it."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from dask.utils import format_bytes, parse_bytes

from experiments.study.evaluate import Task, evaluate_block
from experiments.study.inputs import Source, load_inputs
from experiments.study.points import Point

MOST_CHIPS = 64
"""Largest block that memory alone may choose: a block is what a killed worker loses."""
_MORE_CHIPS = 8
"""Further chips of the block that shows what a chip adds."""
_SMALLEST_BYTES = 1_000_000
_STATUS = Path("/proc/self/status")
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class MemoryNeed:
    """What a process takes that evaluates blocks of chips.

    Attributes:
        fixed_bytes: at its peak with one chip: program, graphs, and activations of one batch.
        chip_bytes: more for every further chip of a block: weights, outputs and predictions.
    """

    fixed_bytes: int
    chip_bytes: int

    def with_block(self, block: int) -> int:
        """Bytes at the peak with blocks of so many chips."""
        return self.fixed_bytes + (block - 1) * self.chip_bytes

    def largest_block(self, limit_bytes: int, most: int) -> int:
        """Chips of the largest block that stays within a limit, ``most`` at most.

        Raises:
            ValueError: if not even one chip does.
        """
        spare = limit_bytes - self.fixed_bytes
        if spare < 0:
            raise ValueError(
                f"--memory {format_bytes(limit_bytes)} is too little: a process that evaluates one "
                f"chip on these crystals takes {format_bytes(self.fixed_bytes)}"
            )
        return min(most, 1 + spare // self.chip_bytes) if self.chip_bytes else most


def measure_need(source: Source, point: Point, seed: int) -> MemoryNeed:
    """The need of a process like this one, which evaluates one chip and then a block to find out.

    What a chip of a block adds is the larger of what is counted (weights, outputs, commands) and
    what the block was seen to take: between weights that stay, freed memory is left in pieces.

    Args:
        source: of the inputs.
        point: a setting.
        seed: of the draws of chips.

    Raises:
        ValueError: if the chip cannot be evaluated.
    """
    predictions = evaluate_block(source, point, seed, Task(0, 0, 1))
    fixed = peak_bytes()
    evaluate_block(source, point, seed, Task(0, 0, 1 + _MORE_CHIPS))
    seen = (peak_bytes() - fixed) // _MORE_CHIPS
    mapped = load_inputs(source).mapped
    model = mapped.model
    weights = sum(p.nbytes for p in model.network.parameters())
    if point.recipe is not None:  # the commands of every chip of a block are kept together
        programs = mapped.programs.values()
        weights += sum(t.nbytes for program in programs for t in program.to_tensors().values())
    if point.hardware.has_link_noise:  # such a chip has a network of its own, buffers included
        weights += sum(b.nbytes for b in model.network.buffers()) + weights
    outputs = predictions.size * len(model.labels) * 2 * model.dtype.itemsize  # parts, then joined
    return MemoryNeed(fixed, max(seen, weights + outputs + 2 * predictions.nbytes))


def peak_bytes() -> int:
    """Largest resident memory that this process has had.

    On Linux from its status file: the books of ``getrusage`` hold the size of the process that
    started it as well.
    """
    try:
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def parse_memory(text: str) -> int:
    """Bytes of a size such as 4GB, 512MiB or 2e9.

    Raises:
        ValueError: if it is no size, or less than a megabyte.
    """
    try:
        size = int(parse_bytes(text))
    except (ValueError, OverflowError):
        raise ValueError(f"--memory takes a size such as 4GB or 512MiB, got {text!r}") from None
    if size < _SMALLEST_BYTES:
        raise ValueError(f"--memory takes at least a megabyte, got {text!r}")
    return size
