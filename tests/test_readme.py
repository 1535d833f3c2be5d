"""README and docs are true: Python of the README runs, commands, options, names, files exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import photonic
from experiments.cli import app
from photonic.hardware import EFFECTS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


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


def commands(text: str) -> list[str]:
    """Lines that call ``lightframe``, in blocks and within sentences."""
    lines = [
        line
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
        for line in block.splitlines()
    ]
    spans = [" ".join(span.split()) for span in re.findall(r"`(lightframe [^`]*)`", text)]
    return [line for line in lines if re.match(r"(\w+=\S+ )*lightframe ", line)] + spans


def options(command: Any) -> set[str]:
    """Options of a command and of those below it."""
    own = {name for part in command.params for name in (*part.opts, *part.secondary_opts)}
    return own.union({"--help"}, *map(options, getattr(command, "commands", {}).values()))


PROGRAM = typer.main.get_command(app)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.mark.parametrize(
    "line", dict.fromkeys(line for page in PAGES for line in commands(page.read_text("utf-8")))
)
def test_commands_and_options_exist(line: str) -> None:
    words = shlex.split(line, comments=True)
    command, rest = PROGRAM, words[words.index("lightframe") + 1 :]
    while hasattr(command, "commands") and rest:  # groups of commands, such as bench
        command = command.commands[rest.pop(0)]
    assert {word for word in words if word.startswith("--")} <= options(command)


@every_page
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).is_file(), target
    for option in re.findall(r"`(--[a-z0-9-]+)", text):
        assert option in options(PROGRAM), option
    for name in re.findall(r"`photonic\.([a-zA-Z_]+)[`(]", text):
        assert hasattr(photonic, name), name


def test_limits_deny_nothing_that_exists() -> None:
    """No sentence says of a simulated effect, a remedy or a gradient that it is still missing."""
    limits = README.split("### Limits, stated")[1].split("\n## ")[0]
    existing = {*"_".join(EFFECTS).split("_"), "stuck", "wavelength", "remedies", "gradients"}
    for sentence in re.split(r"[.;:]\s|\n\* ", limits):
        if re.search(r"\b(not|no|without|yet|so far)\b", sentence):
            denied = existing & set(re.findall(r"[a-z]+", sentence.lower())) - {"drift", "random"}
            assert not denied, sentence
