"""Options written once as a dataclass: every command that names it takes them all."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from experiments.commands.option_groups import with_option_groups
from experiments.commands.training_options import TrainingOptions
from experiments.training_config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Light:
    power: Annotated[float, typer.Option("--power", min=0.0)]
    num_modes: Annotated[int, typer.Option("--modes", min=1)] = 4


seen: list[tuple[str, Light, int]] = []


@with_option_groups
def shine(
    out: Annotated[str, typer.Option("--out")],
    light: Light,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    seen.append((out, light, seed))


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer(rich_markup_mode=None)
    app.command()(shine)
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def test_fields_become_options_and_come_back_as_the_dataclass() -> None:
    seen.clear()
    assert run("--seed=7", "--modes=8", "--power=2.5", "--out=here")[0] == 0
    assert run("--out=here", "--power=1")[0] == 0
    assert seen == [
        ("here", Light(power=2.5, num_modes=8), 7),
        ("here", Light(power=1.0, num_modes=4), 0),
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((), "--power"), (("--power=-1",), "--power"), (("--power=1", "--modes=0"), "--modes")],
)
def test_limits_and_required_fields_hold(arguments: tuple[str, ...], named: str) -> None:
    seen.clear()
    status, text = run("--out=here", *arguments)
    assert status == 2 and named in text
    assert not seen


def test_options_of_one_name_are_refused() -> None:
    def twice(light: Light, num_modes: int = 1) -> None:
        pass

    with pytest.raises(ValueError, match="duplicate parameter name: 'num_modes'"):
        with_option_groups(twice)


def test_defaults_of_the_training_commands_are_those_of_the_configuration() -> None:
    """Two places name them: the options, for --help, and ``TrainConfig``, for Python."""
    options = TrainingOptions(auxiliary="")
    target = options.config().target
    assert options.config() == TrainConfig(target=target, machine=options.config().machine)
