"""YAML text -> a tree of nodes with their lines and columns.

It replaces PyYAML's ``compose()``, which recurses, so that many ``[`` in a row overflow the C stack and kill the
process, and which does not keep the place of an alias. Here depth and alias expansion have limits. No Python objects
are constructed: a scalar keeps its text, and ``kind`` says what YAML 1.1 would make of it.
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

# The deepest value of the model, in a listener's certificate, has 7 levels.
MAX_DEPTH = 20
# A thousand routes that share one block of ten values are far below it; a "billion laughs" attack is not.
MAX_ALIASED = 100_000

# libyaml is about 20 times faster; both give the same events.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_RESOLVER: Any = Resolver()

# YAML 1.1 §5.1, without the byte order mark, which is allowed only at the start.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

# "\\ud800" in double quotes: libyaml rejects it, the Python scanner does not.
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
    """A node of the tree.

    line, col: from 1
    size: the number of nodes in this subtree, with aliases expanded
    """

    line: int
    col: int
    size: int = field(default=1, init=False)


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """A scalar.

    text: with references to the environment replaced if ``is_expanded``
    kind: the type that YAML 1.1 gives it: ``str``, ``bool``, ``int``, ``null``, …
    is_plain: it has no quotes
    is_expanded: the file has a reference to the environment
    written: the text of the file, if ``text`` has a value of the environment; messages show it instead of ``text``
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
        """Returns the scalar with another text, of the kind that this text would have in the file."""
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


def plain_scalar(line: int, col: int, text: str) -> Scalar:
    """Returns the scalar that this text is without quotes."""
    return Scalar(line, col, text, _kind(text, True), True)


def _kind(text: str, is_plain: bool) -> str:
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (is_plain, not is_plain))
    return tag.rpartition(":")[2]


class _Refused(Exception):
    def __init__(self, line: int, col: int, message: str) -> None:
        super().__init__(message)
        self.line, self.col = line, col


def compose(text: str, file: str) -> Node | None:
    """Returns the root node of the document in ``text``; ``None`` if there is none.

    Raises ``ConfigError`` with one problem when the text is no YAML, or exceeds the limits of this module.
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
