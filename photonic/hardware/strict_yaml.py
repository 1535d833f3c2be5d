"""YAML as chip descriptions use it: one table of fields, nothing that hides or repeats a value."""

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

_TAG = "tag:yaml.org,2002:"
_NUMBERS = {
    f"{_TAG}int": re.compile(r"[-+]?(0|[1-9][0-9]*)$", re.ASCII),
    f"{_TAG}float": re.compile(
        r"([-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
        re.ASCII,
    ),
}
"""Numbers are plain decimals, 1e-3 and 1.0e6 among them. What else YAML 1.1 takes for a number
stays text, since it means another one: 010 (8), 0x10, 1_000 and 1:30 (90)."""
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml parses ten times as fast as Python; installations without it do the same slowly."""
MAX_NODES = 500_000
"""Values, lists and tables of a text: some seconds of work."""
MAX_DEPTH = 50
"""Lists and tables inside each other."""
MAX_SCALAR = 100
"""Characters of a number, date or switch; a longer one could take minutes to become a number."""


class StrictYamlError(ValueError):
    """Text that is not a table of fields; the message has no file name."""


def read_table(text: str) -> dict[Any, Any]:
    """The table that a YAML text holds.

    Beyond safe YAML, a key is text and may occur once in its table, and neither aliases of lists
    and tables nor merge keys are allowed: both can hide what a file says, or make it grow without
    bound. Numbers of values and their nesting are bounded.

    Raises:
        StrictYamlError: in one line that names the line of the text.
    """
    try:
        table = _Builder().build(text)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StrictYamlError(f"not valid YAML{where}: {reason}") from error
    if not isinstance(table, dict):
        raise StrictYamlError("must be a table of fields")
    return table


class _StrictLoader(SafeConstructor, Resolver):
    """Which scalars are numbers, dates, switches or text."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (the library's own name and kind)
        first: [(tag, _NUMBERS.get(tag, pattern)) for tag, pattern in resolvers]
        for first, resolvers in Resolver.yaml_implicit_resolvers.items()
    }

    def __init__(self) -> None:
        SafeConstructor.__init__(self)
        Resolver.__init__(self)

    def scalar(self, event: yaml.ScalarEvent, is_key: bool) -> Any:
        """The value of a scalar.

        Raises:
            ConstructorError: for what its tag does not allow, and for a key that is not text.
        """
        value, tag = event.value, event.tag
        if tag is None or tag == "!":
            tag = self.resolve(yaml.ScalarNode, value, event.implicit)
        if tag == f"{_TAG}str":
            return value
        if is_key:
            is_merge = tag == f"{_TAG}merge"
            raise _problem(
                event, "merge key <<" if is_merge else f"the key {value[:40]!r} is no text"
            )
        if len(value) > MAX_SCALAR:
            raise _problem(event, f"a number or word of more than {MAX_SCALAR} characters")
        node = yaml.ScalarNode(tag, value, event.start_mark, event.end_mark)
        try:
            return self.construct_document(node)
        except yaml.YAMLError:
            raise
        except Exception:  # constructors raise whatever they meet: KeyError for !!bool x
            kind = tag.rpartition(":")[2][:40]
            raise _problem(event, f"{value[:40]!r} is no value of the kind {kind}") from None


class _Builder:
    """Builds lists and tables from the events of a parser, without recursion."""

    def __init__(self) -> None:
        self._scalars = _StrictLoader()
        self._anchors: dict[str, Any] = {}
        self._open: list[Any] = []
        self._keys: list[str | None] = []
        """Of the open tables, the key whose value is still to come."""
        self._root: Any = None

    def build(self, text: str) -> Any:
        """The value of the only document of a text."""
        num_nodes = num_documents = 0
        for event in yaml.parse(text, Loader=_PARSER):
            if isinstance(event, yaml.NodeEvent):
                num_nodes += 1
                if num_nodes > MAX_NODES:
                    raise _problem(event, f"more than {MAX_NODES:,} values")
                self._take(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._open.pop()
                self._keys.pop()
            elif isinstance(event, yaml.DocumentStartEvent):
                num_documents += 1
                if num_documents > 1:
                    raise _problem(event, "another document")
        return self._root

    def _take(self, event: yaml.NodeEvent) -> None:
        is_key = bool(self._open) and isinstance(self._open[-1], dict) and self._keys[-1] is None
        value = self._value(event, is_key)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        if not self._open:
            self._root = value
        elif is_key:
            if not isinstance(value, str):
                raise _problem(event, "a key that is no text")
            if value in self._open[-1]:
                raise _problem(event, f"{value!r} occurs twice")
            self._keys[-1] = value
        elif isinstance(self._open[-1], dict):
            self._open[-1][self._keys[-1]] = value
            self._keys[-1] = None
        else:
            self._open[-1].append(value)
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append(value)
            self._keys.append(None)
            if len(self._open) > MAX_DEPTH:
                raise _problem(event, f"more than {MAX_DEPTH} lists and tables inside each other")

    def _value(self, event: yaml.NodeEvent, is_key: bool) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalars.scalar(event, is_key)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _problem(event, f"undefined alias *{event.anchor}")
            if isinstance(self._anchors[event.anchor], list | dict):
                raise _problem(event, f"alias *{event.anchor} of a list or table")
            return self._anchors[event.anchor]
        is_table = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _TAG + ("map" if is_table else "seq")):
            raise _problem(event, f"a list or table with the tag {event.tag[:40]!r}")
        return {} if is_table else []


def _problem(event: yaml.Event, text: str) -> ConstructorError:
    return ConstructorError(None, None, text, event.start_mark)
