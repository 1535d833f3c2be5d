"""Options that several commands take, written once: a dataclass with an option per field."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one option for each field of its parameters that are dataclasses.

    Type and help of an option are those of the field, ``Annotated[int, typer.Option(...)]``. The
    options stand where the dataclass stood; the command gets an instance made of their values.

    Raises:
        ValueError: if two options have the same name.
    """
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    groups = {p.name: p.annotation for p in parameters if _is_group(p.annotation)}
    options: list[inspect.Parameter] = []
    for parameter in parameters:
        group = groups.get(parameter.name)
        options += [parameter] if group is None else _options(group)

    @functools.wraps(command)
    def flat_command(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    # What typer reads; options are given by name, so their order need not put defaults last.
    by_name = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]
    flat_command.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
    return flat_command


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _options(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
