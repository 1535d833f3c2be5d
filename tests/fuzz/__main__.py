"""``python -m tests.fuzz``: thousands of hostile inputs, counted; exit status 1 if any offends."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.fuzz.driver import Corpus, fuzz, summary
from tests.fuzz.workers import Result


def main() -> None:
    """Run, report, and keep what offends."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="number of inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0, help="seed of all changes")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--offenders", type=Path, default=Path("runs/fuzz"), help="kept inputs")
    arguments = parser.parse_args()
    start = time.monotonic()
    corpus = Corpus(arguments.seed)
    seen = 0

    def show(result: Result) -> None:
        nonlocal seen
        seen += 1
        if result.outcome not in ("read", "refused"):
            subject, _ = corpus.input(result.number)
            last = (result.detail.strip().splitlines() or [""])[-1]
            print(f"{result.outcome}: {subject.name}, input {result.number}: {last[:200]}")
        elif result.seconds > 5:
            print(f"slow: input {result.number}: {result.seconds:.1f} s")
        if seen % 1000 == 0:
            print(f"{seen:,} of {arguments.inputs:,}, {time.monotonic() - start:.0f} s", flush=True)

    numbers = range(arguments.first, arguments.first + arguments.inputs)
    counts = fuzz(corpus, numbers, arguments.workers, arguments.offenders, show)
    print(summary(counts))
    sys.exit(counts.total() != counts["read"] + counts["refused"])


if __name__ == "__main__":
    main()
