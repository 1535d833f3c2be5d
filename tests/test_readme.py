"""The README is true: its Python runs, its commands and options exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from experiments.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_runs(tmp_path: Path) -> None:
    for number, code in enumerate(blocks("python")):
        script = tmp_path / f"example_{number}.py"
        script.write_text(code, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line", [line for block in blocks("") for line in block.splitlines() if "lightframe " in line]
)
def test_commands_and_options_exist(line: str) -> None:
    words = shlex.split(line, comments=True)
    command, rest = typer.main.get_command(app), words[words.index("lightframe") + 1 :]
    while hasattr(command, "commands"):  # groups of commands, such as bench
        command = command.commands[rest.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target
