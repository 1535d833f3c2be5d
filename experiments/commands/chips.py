"""Commands ``lightframe chips``: list and show chip descriptions, print their schema."""

from typing import Annotated

import typer

from experiments.commands.program import Group

chips_app = typer.Typer(cls=Group)


@chips_app.callback(invoke_without_command=True)
def chips(context: typer.Context) -> None:
    """List the shipped chip descriptions; show one of them, or print the schema of their files."""
    if context.invoked_subcommand is None:
        from experiments.chips import print_chips

        print_chips()


@chips_app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Chip name or YAML file.")],
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Print every figure of a chip with unit, meaning and source."""
    from experiments.chips import chip_json, print_chip
    from photonic.hardware import load_hardware

    hardware = load_hardware(name)
    if is_json:
        print(chip_json(hardware))
    else:
        print_chip(hardware)


@chips_app.command()
def schema() -> None:
    """Print the JSON Schema of chip descriptions."""
    from experiments.chips import schema_json

    print(schema_json())
