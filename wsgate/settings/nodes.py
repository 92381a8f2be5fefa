"""YAML text -> a tree of nodes that know their place.

This does the work of PyYAML's ``compose()`` on PyYAML's events, because a file may be hostile or just broken:
``compose()`` recurses, so that a long row of ``[`` overflows the C stack and kills the process, and it forgets where an
alias stood. Here depth and alias expansion have limits. There is no construction of Python objects at all: a scalar
keeps its text, and ``kind`` says what YAML 1.1 would have made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.resolver import Resolver

from wsgate.settings.problem import ConfigError, Problem
from wsgate.settings.syntax import explain
from wsgate.text.error import quote

# The deepest value of the model, one of a listener's certificates, is 7 levels down.
MAX_DEPTH = 20
# A thousand routes that share one block of ten values stay far below; "billion laughs" does not.
MAX_ALIASED = 100_000

# libyaml is some 20 times faster; both give the same events.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_RESOLVER: Any = Resolver()

# YAML 1.1 §5.1, less the byte order mark, which is allowed at the start only.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

# "\\ud800" in double quotes: libyaml refuses it, the Python scanner does not.
_SURROGATE = re.compile("[\ud800-\udfff]")

_KINDS = {
    "str": "text",
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "null": "nothing",
    "timestamp": "a date",
    "merge": "a merge key",
    "value": "a default value",
}


@dataclass(slots=True, eq=False)
class Node:
    """``line`` and ``col`` count from 1. ``size`` is the number of nodes from here down, aliases expanded."""

    line: int
    col: int
    size: int = field(default=1, init=False)


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """``kind`` is YAML 1.1's name for what the text stands for: ``str``, ``bool``, ``int``, ``null``, …; ``is_plain``
    says that it stands without quotes.

    ``is_expanded``: the file has a reference to the environment in its place. ``written`` is that text of the file
    where ``text`` came from the environment: messages show it, and never ``text``.
    """

    text: str
    kind: str
    is_plain: bool
    is_expanded: bool = False
    written: str | None = None

    def __str__(self) -> str:
        if self.written is not None:
            return quote(self.written) if self.text else f"{quote(self.written)} (empty now)"
        return quote(self.text) if self.kind != "null" else "nothing"

    def expanded(self, text: str, *, is_secret: bool) -> Scalar:
        """The scalar with the environment's values in its text, read as if that stood in the file."""
        kind = _kind(text, self.is_plain)
        return Scalar(self.line, self.col, text, kind, self.is_plain, True, self.text if is_secret else None)

    @property
    def read_as(self) -> str:
        return _KINDS.get(self.kind, "something else")


@dataclass(slots=True, eq=False)
class _Collection(Node):
    items: list[Node] = field(default_factory=list, init=False)

    def append(self, node: Node) -> None:
        self.items.append(node)
        self.size += node.size


@dataclass(slots=True, eq=False)
class Sequence(_Collection):
    def __str__(self) -> str:
        return "a list"


@dataclass(slots=True, eq=False)
class Mapping(_Collection):
    def __str__(self) -> str:
        return "a mapping"

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        return zip(self.items[::2], self.items[1::2], strict=True)


def _kind(text: str, is_plain: bool) -> str:
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (is_plain, not is_plain))
    return tag.rpartition(":")[2]


class _Refused(Exception):
    def __init__(self, line: int, col: int, message: str) -> None:
        super().__init__(message)
        self.line, self.col = line, col


def compose(text: str, file: str) -> Node | None:
    """The root node of the one document in ``text``; None when there is none.

    :raises ConfigError: with one problem, when the text is not YAML or does what this module does not allow.
    """
    text = text.removeprefix("\ufeff")
    try:
        if unprintable := _UNPRINTABLE.search(text):
            before = text[: unprintable.start()]
            line, col = before.count("\n") + 1, len(before) - before.rfind("\n")
            raise _Refused(line, col, f"not valid YAML: the character U+{ord(unprintable[0]):04X} is not allowed")
        return _Composer().compose(yaml.parse(text, Loader=Loader))
    except _Refused as refused:
        problem = Problem(file, refused.line, refused.col, "", str(refused))
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None) or yaml.Mark("", 0, 0, 0, "", 0)
        why = explain(error, mark, [*text.splitlines(), ""])
        problem = Problem(file, mark.line + 1, mark.column + 1, "", f"not valid YAML: {why}")
    raise ConfigError((problem,))


class _Composer:
    def __init__(self) -> None:
        self.top = Sequence(1, 1)
        self.open: list[_Collection] = [self.top]
        self.anchors: dict[str | None, Node] = {}
        self.aliased = 0

    def compose(self, events: Iterable[Any]) -> Node | None:
        for event in events:
            line, col = event.start_mark.line + 1, event.start_mark.column + 1
            if getattr(event, "tag", None) is not None:
                raise _Refused(line, col, f"the tag {quote(event.tag)} means nothing here; remove it")
            match event:
                case yaml.DocumentStartEvent() if self.top.items:
                    raise _Refused(line, col, "a second YAML document begins here; the configuration is one document")
                case yaml.AliasEvent():
                    self.open[-1].append(self.alias(line, col, event.anchor))
                case yaml.ScalarEvent() if _SURROGATE.search(event.value):
                    raise _Refused(line, col, "not valid YAML: half of a surrogate pair is not a character")
                case yaml.ScalarEvent():
                    is_plain = event.implicit[0]
                    scalar = Scalar(line, col, event.value, _kind(event.value, is_plain), is_plain)
                    self.anchors[event.anchor] = scalar
                    self.open[-1].append(scalar)
                case yaml.SequenceStartEvent():
                    self.begin(Sequence(line, col), event.anchor)
                case yaml.MappingStartEvent():
                    self.begin(Mapping(line, col), event.anchor)
                case yaml.CollectionEndEvent():
                    done = self.open.pop()
                    self.open[-1].append(done)
        return self.top.items[0] if self.top.items else None

    def begin(self, collection: _Collection, anchor: str | None) -> None:
        if len(self.open) > MAX_DEPTH:
            raise _Refused(collection.line, collection.col, f"{collection} {len(self.open)} levels deep: no setting is")
        self.anchors[anchor] = collection
        self.open.append(collection)

    def alias(self, line: int, col: int, anchor: str | None) -> Node:
        name = quote(f"*{anchor}")
        node = self.anchors.get(anchor)
        if node is None:
            raise _Refused(line, col, f"the alias {name} has no anchor; a text that begins with * must be in quotes")
        if any(node is above for above in self.open):
            raise _Refused(line, col, f"the alias {name} stands inside of what it stands for")
        self.aliased += node.size
        if self.aliased > MAX_ALIASED:
            raise _Refused(line, col, f"the aliases up to here stand for more than {MAX_ALIASED} values")
        return node
