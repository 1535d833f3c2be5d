"""The program ``lightframe`` itself and its groups: help without a command, version, summaries."""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class Group(TyperGroup):
    """Commands listed with their whole first sentence; the library would cut it at 80 columns."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names and the first sentences of the commands."""
        rows = [
            (name, command.get_short_help_str(limit=1000))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def show_help_alone(context: typer.Context) -> None:
    """Print the help of a group that is called without a command; the exit status is 0."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def program(
    context: typer.Context,
    is_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Photonic-tensor-core simulator for frame-aligned crystal networks."""
    if is_version:
        print(f"lightframe {version('lightframe')}")
        raise typer.Exit
    show_help_alone(context)


def bench(context: typer.Context) -> None:
    """Measure speed and memory."""
    show_help_alone(context)
