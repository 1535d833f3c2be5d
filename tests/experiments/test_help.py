"""Help without a command, the version, and every unit in the help of an option."""

import importlib.metadata
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from experiments.cli import app
from experiments.console import console, print_table, progress
from tests.experiments.test_cli import lightframe, succeeds


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Words after ``lightframe`` and command, of groups too."""
    yield path, command
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, *path, name)


COMMANDS = dict(commands(typer.main.get_command(app)))


def letters(text: str) -> str:
    """Text without the blanks and lines of a terminal."""
    return "".join(text.split())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_every_word_of_every_option(path, tmp_path):
    command = COMMANDS[path]
    shown = letters(succeeds(*path, "--help", cwd=tmp_path))
    assert letters(command.help.split("\n\n")[0]) in shown
    assert letters(f"Usage: lightframe {' '.join(path)}") in shown
    for parameter in command.params:
        if parameter.help and not parameter.hidden:
            assert letters(parameter.help) in shown, parameter.name
    assert shown == letters(succeeds(*path, "-h", cwd=tmp_path))


def test_there_are_units_that_a_style_would_swallow():
    """The comparison above means something: options of several commands have units in brackets."""
    helps = [p.help or "" for command in COMMANDS.values() for p in command.params]
    assert {"[rad]", "[1]"} <= set(re.findall(r"\[[^]]+\]", " ".join(helps)))


@pytest.mark.parametrize("path", [path for path in COMMANDS if hasattr(COMMANDS[path], "commands")])
def test_a_group_alone_shows_its_help_or_its_list(path, tmp_path):
    alone = succeeds(*path, cwd=tmp_path)
    if path != ("chips",):
        assert alone == succeeds(*path, "--help", cwd=tmp_path)


def test_summaries_of_commands_are_not_cut(tmp_path):
    shown = letters(succeeds(cwd=tmp_path))
    for name, command in COMMANDS[()].commands.items():
        assert letters(f"{name} {command.get_short_help_str(1000)}") in shown


def test_version(tmp_path):
    expected = f"lightframe {importlib.metadata.version('lightframe')}\n"
    assert succeeds("--version", cwd=tmp_path) == expected
    assert lightframe("--versions", cwd=tmp_path).status == 2


@pytest.mark.parametrize("text", ["[rad]", "[/]", "[bold]mp-1[/bold]", "x:100:y", ":bug:", "\\[a]"])
def test_printed_text_is_no_markup(text, monkeypatch):
    """Units, ids of crystals and file names in tables, lines and progress bars."""
    monkeypatch.setattr(console, "_width", 200)
    with console.capture() as captured:
        print_table(f"title {text}", ["id", f"head {text}"], [(f"row {text}", f"cell {text}")])
        console.print(f"line {text}")
        with progress(f"bar {text}", 1) as advance:
            advance()
    for part in ("title", "head", "row", "cell", "line"):
        assert f"{part} {text}" in captured.get()
