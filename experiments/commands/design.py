"""``lightframe design``: choose mesh, tile and order of singular values for a chip."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Checkpoint, Limit, Out, Seed


def design(
    out: Out,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    hardware: Annotated[str, typer.Option(help="Chip name or YAML file.")] = "soi_lab_good",
    tiles: Annotated[str, typer.Option(help="Modes per tile.")] = "4,8,12,16,32,64",
    meshes: Annotated[str, typer.Option(help="Wirings: clements, reck.")] = "clements,reck",
    orders: Annotated[
        str,
        typer.Option(help="Of the singular values: descending, ascending, centred, random."),
    ] = "descending,ascending,centred,random",
    chips: Annotated[int, typer.Option(min=1, help="Chips drawn for every design.")] = 4,
    crystals: Limit = 64,
    trials: Annotated[
        int | None,
        typer.Option(min=2, help="Designs to evaluate; default: all up to 48, else 48."),
    ] = None,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Evaluate all designs, however many.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Search mesh, tile size and order of singular values for error, power, area and latency."""
    from dataclasses import asdict

    from experiments.console import console, progress
    from experiments.design import MAX_EXHAUSTIVE, DesignStudy, print_designs
    from experiments.design_space import DesignSpace
    from experiments.jobs import command_line, held_out_crystals
    from experiments.output import refuse_existing
    from experiments.record import RunRecord
    from models.checkpoint import load_checkpoint
    from photonic import load_hardware
    from photonic.layout import UNIVERSAL_KINDS
    from photonic.singular_order import SINGULAR_ORDERS

    refuse_existing(out)
    chip = load_hardware(hardware)
    space = DesignSpace(
        _choices("--meshes", meshes, UNIVERSAL_KINDS),
        _tiles(tiles),
        _choices("--orders", orders, SINGULAR_ORDERS),
    ).on(chip)
    if exhaustive:
        trials = None
    elif trials is None and len(space.designs()) > MAX_EXHAUSTIVE:
        trials = MAX_EXHAUSTIVE
    model = load_checkpoint(checkpoint)
    held_out = held_out_crystals(model, crystals)
    config = {
        "checkpoint": checkpoint,
        "hardware": chip.model_dump(mode="json"),
        "num_chips": chips,
        "num_crystals": held_out.num_crystals,
        "num_trials": trials,
        **asdict(space),
    }
    record = RunRecord.capture(command_line(), config, seed, held_out.data_sha256)
    study = DesignStudy(model, chip, held_out, space, chips, seed, trials)
    with progress("Designs", study.num_evaluations) as advance:
        path, results = study.run(out, record, advance)
    print_designs(results, study.objectives, held_out.label, chip)
    console.print(f"all designs and figure: {path}")


def _choices(option: str, text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Distinct words of a comma-separated list, in the order given."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in known:
            raise ValueError(f"{option} takes {', '.join(known)}, got {word!r}")
    return words


def _tiles(text: str) -> tuple[int, ...]:
    """Distinct numbers of modes, ascending."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not (word.isdecimal() and 1 <= int(word) <= 1024):
            raise ValueError(f"--tiles takes numbers of modes, 1 to 1024, got {word!r}")
    return tuple(sorted(set(map(int, words))))
