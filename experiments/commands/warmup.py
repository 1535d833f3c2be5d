"""``lightframe warmup`` compiles kernels ahead; other commands say when they wait for that."""

from __future__ import annotations

import sys
import time
from typing import Any

_PATIENCE_S = 1.0
"""[s] of compiling before a command says that it compiles."""


def warmup() -> None:
    """Compile the kernels of all usual jobs, so that the first of them need not wait."""
    from experiments.console import console
    from experiments.warmup import warm_up

    start = time.perf_counter()
    for name in warm_up():
        console.print(f"compiling kernels for {name} ...")
    console.print(f"kernels are compiled and kept on disk ({time.perf_counter() - start:.0f} s)")


def announce_compilation() -> None:
    """Say once, on stderr, that kernels are being compiled, as soon as it takes a second."""
    from numba.core import event

    class Notice(event.Listener):
        """Measures the compilation of whole kernels; what they call is compiled within them."""

        depth, spent_s, started, is_said = 0, 0.0, 0.0, False

        def on_start(self, event: Any) -> None:
            now = time.perf_counter()
            if self.depth == 0:
                self.started = now
            self.depth += 1
            if not self.is_said and self.spent_s + now - self.started > _PATIENCE_S:
                self.is_said = True
                print(
                    "lightframe: compiling kernels, about a minute, once "
                    "(`lightframe warmup` does it ahead)",
                    file=sys.stderr,
                    flush=True,
                )

        def on_end(self, event: Any) -> None:
            self.depth -= 1
            if self.depth == 0:
                self.spent_s += time.perf_counter() - self.started

    event.register("numba:compile", Notice())
