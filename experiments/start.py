"""The start of the command line: signals are answered before anything slow is imported."""

from __future__ import annotations

from experiments import signals


def main() -> None:
    """Run the command line; signals are answered from the first import to the end."""
    signals.answer(signals.end)
    from experiments.cli import main as run

    run()
