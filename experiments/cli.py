"""The command line ``lightframe``: map a trained model onto meshes, sweep noise, export phases."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from experiments.allocator import keep_freed_memory
from experiments.commands.ablation import ablation
from experiments.commands.bench_graphs import bench_graphs
from experiments.commands.bench_inference import bench_inference
from experiments.commands.bench_scheduler import bench_scheduler
from experiments.commands.bench_sweep import bench_sweep
from experiments.commands.bench_training import bench_training
from experiments.commands.calibrate import calibrate
from experiments.commands.chips import chips_app
from experiments.commands.compare import compare
from experiments.commands.crossval import crossval
from experiments.commands.design import design
from experiments.commands.diff import diff
from experiments.commands.draw import draw
from experiments.commands.drift import drift
from experiments.commands.elsewhere import elsewhere
from experiments.commands.export import export
from experiments.commands.finetune import finetune
from experiments.commands.import_chip import import_chip
from experiments.commands.map import map_command
from experiments.commands.options import (
    DEFAULT_CHECKPOINT,
    Checkpoint,
    Mapped,
    Out,
)
from experiments.commands.predict import predict
from experiments.commands.presets import presets
from experiments.commands.program import Group, bench, program
from experiments.commands.results import results
from experiments.commands.robustness import robustness
from experiments.commands.sweep import sweep
from experiments.commands.symmetry import symmetry
from experiments.commands.train import train
from experiments.commands.verify import verify
from experiments.commands.warmup import announce_compilation, warmup
from experiments.signals import stop_text, stoppable

app = typer.Typer(
    name="lightframe",
    cls=Group,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Markup would take units in brackets for styles and leave them out.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)

bench_app = typer.Typer(cls=Group)
bench_app.command("graphs")(bench_graphs)
bench_app.command("inference")(bench_inference)
bench_app.command("scheduler")(bench_scheduler)
bench_app.command("sweep")(bench_sweep)
bench_app.command("training")(bench_training)
app.callback(invoke_without_command=True)(program)
bench_app.callback(invoke_without_command=True)(bench)
app.add_typer(bench_app, name="bench")
app.add_typer(chips_app, name="chips")
app.command("map")(map_command)
app.command()(calibrate)
app.command()(compare)
app.command()(drift)
app.command()(draw)
app.command()(finetune)
app.command()(design)
app.command()(predict)
app.command()(presets)
app.command()(results)
app.command()(robustness)
app.command()(sweep)
app.command()(symmetry)
app.command()(train)
app.command()(crossval)
app.command()(elsewhere)
app.command()(ablation)
app.command()(export)
app.command()(verify)
app.command()(warmup)
app.command()(diff)
app.command("import")(import_chip)


@app.command()
def demo(
    out: Annotated[
        Path | None, typer.Option("--out", help="Directory to create; default: runs/demo, -2, ...")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer chips, values and crystals.")
    ] = False,
) -> None:
    """Run the main job on the shipped checkpoint: map, sweep noise, drift, export, verify."""
    from experiments.demo import run_demo

    run_demo(out, is_quick=quick)


@app.command()
def evaluate(
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    label: Annotated[list[str] | None, typer.Option(help="Label; repeat for several.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the table as JSON.")] = None,
) -> None:
    """Errors of a checkpoint on its held-out fold, beside the median and the trees."""
    from experiments import jobs

    jobs.evaluate(checkpoint, tuple(label) if label else None, out)


@app.command()
def sensitivity(
    mapped: Mapped,
    out: Out,
    phase_std: Annotated[
        float, typer.Option(min=0.0, help="Phase noise [rad] at which slopes are taken.")
    ] = 0.0,
) -> None:
    """Rank layers and interferometers by what phase noise does to the weights (exact, no draws)."""
    from experiments import jobs
    from experiments.console import console

    jobs.sensitivity(mapped, phase_std, out)
    console.print(f"slopes of layers and interferometers: {out}")


@bench_app.command("core")
def bench_core(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to create; default: runs/bench-core, -2, ..."),
    ] = None,
    threads: Annotated[str, typer.Option(help="Numbers of threads, by commas.")] = "1,2",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes and turns.")] = False,
) -> None:
    """Time the mesh engine against sgemm, torch and peers; write JSON and a plot."""
    from experiments import jobs
    from experiments.sweep import parse_numbers

    counts = parse_numbers(threads)
    if not all(count == int(count) >= 1 for count in counts):
        raise ValueError(f"--threads takes whole numbers from 1 on, got {threads!r}")
    jobs.bench_core(out, tuple(map(int, counts)), is_quick=quick)


_SHORT = 400
"""Characters of a message that is shown as it is."""
_INTERRUPTED = 130
"""Status of a stopped command; releases of typer return it, raise Abort, or both."""


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit status 2."""
    keep_freed_memory()
    if len(sys.argv) > 1 and not {"--help", "-h", "warmup"} & set(sys.argv):
        announce_compilation()
    with stoppable() as stop:
        try:
            status = app(prog_name="lightframe", standalone_mode=False)
            sys.stdout.flush()  # a full disk is told here, not by the interpreter at its end
        except (typer.Abort, KeyboardInterrupt):
            status = _INTERRUPTED
        except Exception as error:
            # Libraries turn the exception of a signal into others, above all while they load.
            if not stop.number:
                _refuse(error)
            status = _INTERRUPTED
    if status == _INTERRUPTED:
        number = stop.number or signal.SIGINT
        print(stop_text(number), file=sys.stderr)
        status = 128 + number
    raise SystemExit(status if isinstance(status, int) else 0)


def _refuse(error: Exception) -> NoReturn:
    """End with one line about a user's mistake; others are ours and keep their traceback."""
    if os.environ.get("LIGHTFRAME_TRACEBACK") or not _is_users(error):
        raise error
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    print(f"lightframe: error: {_shown(text)}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # nothing takes what is left to print, and the interpreter must not try again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
    raise SystemExit(2)


def _shown(text: str) -> str:
    """One printable line of bounded length, whatever the files and words of the user hold."""
    line = " ".join(text.split())
    if line.isprintable() and len(line) < _SHORT:
        return line
    from models.printable import one_line  # a second of imports, for rare messages

    return one_line(text)


def _is_users(error: Exception) -> bool:
    """True for what input can cause: bad values, files, sizes, or words of the command line.

    Usage errors of the command-line library are known by their ``format_message``; its classes
    have no public name that all supported releases share.
    """
    causes = (ValueError, OSError, ArithmeticError, MemoryError, RecursionError)
    return isinstance(error, causes) or hasattr(error, "format_message")


if __name__ == "__main__":
    main()
