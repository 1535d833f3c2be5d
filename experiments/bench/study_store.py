"""What the store of a study costs for each of its tasks: time, files and bytes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from experiments.study.evaluate import Task
from experiments.study.reader import open_study
from experiments.study.store import STORE, StudyStore


@dataclass(frozen=True)
class StoreCost:
    """Cost of a store that has been filled.

    Attributes:
        chunks: tasks in it.
        write_s: [s] wall time of all writes.
        write_cpu_s: [s] processor time of the process in that time.
        inodes: files and directories that the tasks added.
        stored: [bytes] in the files that they added.
        allocated: [bytes] that files and directories take on the disk.
        open_s: [s] to open the results without reading them.
        resume_s: [s] to check all chunks and find out which tasks are done.
    """

    chunks: int
    write_s: float
    write_cpu_s: float
    inodes: int
    stored: int
    allocated: int
    open_s: float
    resume_s: float


def measure_store(store: StudyStore, crystals: int, chunks: int) -> StoreCost:
    """Fill an empty store with random predictions and weight errors, open it, read what is done.

    Args:
        store: has at least so many tasks.
        crystals: of an evaluation.
        chunks: tasks to write.

    Raises:
        OSError: if it cannot be written.
    """
    directory = store.path.parent
    before = _disk_usage(store.path)
    num_points, num_chips = store.errors.shape
    predictions = np.random.default_rng(0).normal(size=(store.block, crystals + 1))
    firsts = range(0, num_chips, store.block)
    tasks = [Task(p, c, c + store.block) for p in range(num_points) for c in firsts][:chunks]
    wall, processor = time.perf_counter(), time.process_time()
    for task in tasks:
        store.write(task, predictions)
    write_s, write_cpu_s = time.perf_counter() - wall, time.process_time() - processor
    inodes, stored, allocated = (
        after - start for start, after in zip(before, _disk_usage(store.path), strict=True)
    )
    start = time.perf_counter()
    open_study(directory).close()
    opened = time.perf_counter()
    again = StudyStore(directory)
    again.repair(xr.Dataset)
    done = ~np.isnan(again.errors)
    resume_s = time.perf_counter() - opened
    if done.sum() != len(tasks) * store.block:
        raise OSError(f"{directory / STORE} lost chunks")
    return StoreCost(
        len(tasks), write_s, write_cpu_s, inodes, stored, allocated, opened - start, resume_s
    )


def _disk_usage(path: Path) -> tuple[int, int, int]:
    """Inodes, bytes in files, and bytes on the disk (multiples of 512) below a directory."""
    inodes = stored = allocated = 0
    for folder, _, names in os.walk(path):
        for name in (".", *names):
            status = os.lstat(os.path.join(folder, name))
            inodes += 1
            stored += 0 if name == "." else status.st_size
            allocated += 512 * status.st_blocks
    return inodes, stored, allocated
