"""YAML as chip descriptions use it: one table of fields, nothing that hides or repeats a value."""

import re
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_NUMBERS = {
    _INT: re.compile(r"[-+]?(0|[1-9][0-9]*)$", re.ASCII),
    _FLOAT: re.compile(
        r"([-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
        re.ASCII,
    ),
}
"""Numbers are plain decimals, 1e-3 and 1.0e6 among them. What else YAML 1.1 takes for a number
stays text, since it means another one: 010 (8), 0x10, 1_000 and 1:30 (90)."""
_MERGE_TAG = "tag:yaml.org,2002:merge"


class StrictYamlError(ValueError):
    """Text that is not a table of fields; the message has no file name."""


def read_table(text: str) -> dict[Any, Any]:
    """The table that a YAML text holds.

    Beyond safe YAML, a key may occur once in its table, and neither aliases of lists and tables nor
    merge keys are allowed: both can hide what a file says, or make it grow without bound.

    Raises:
        StrictYamlError: in one line that names the line of the text.
    """
    try:
        loader = _StrictLoader(text)
        try:
            table = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StrictYamlError(f"not valid YAML{where}: {reason}") from error
    if not isinstance(table, dict):
        raise StrictYamlError("must be a table of fields")
    return table


class _StrictLoader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            target = self.anchors.get(event.anchor)
            if isinstance(target, yaml.CollectionNode):
                problem = f"alias *{event.anchor} of a list or table"
                raise ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == _MERGE_TAG:
                raise ConstructorError(None, None, "merge key <<", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                name = self.construct_object(key)
                if name in seen:
                    raise ConstructorError(None, None, f"{name!r} occurs twice", key.start_mark)
                seen.add(name)
        return super().construct_mapping(node, deep)


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, _NUMBERS.get(tag, pattern)) for tag, pattern in resolvers]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
