"""How long a regular expression can take on a path that a stranger chose, told from the expression alone.

Python's engine goes back to its last choice whenever what follows does not fit. How long that takes goes by the number
of ways in which parts of the expression can take the same text: two inside a repetition are 2^n over n repetitions, one
repetition behind another that takes the same characters are n^2. So the ways are counted here, for the longest path
that is matched, and more than a few of each length are refused.

There is one way through a choice if the next character decides it, for then the others fail at once: "[^/]+/" has one,
".*/" as many as there are slashes. ``first`` is the characters that can come next, ``follow`` those that can come
behind. Both, and the counts, are only ever too large, so that some good expressions are refused, but no bad one passes.
(A linear-time engine would need no such rule, but would take a library that most do not need.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

MAX_LENGTH = 1024  # characters that are matched with an expression
_MAX_WAYS = 4 * MAX_LENGTH
_TOO_MANY = _MAX_WAYS + 1

# Of a path in its normal form
PATH_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/%"
_END = 1  # as a bit among those of characters
_ANY = -1

_CHARACTERS = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN)
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
_ASSERTIONS = (_constants.ASSERT, _constants.ASSERT_NOT)
_REFERENCES = (_constants.GROUPREF, _constants.GROUPREF_EXISTS)
_BEGINNINGS = (_constants.AT_BEGINNING, _constants.AT_BEGINNING_STRING)
_ENDS = (_constants.AT_END, _constants.AT_END_STRING)

_Node = tuple[Any, Any]  # of re's parser: what it is, and its parts


def danger(text: str, alphabet: str = PATH_CHARACTERS) -> str | None:
    """Why an expression could take too long on a text of these characters, and the cure; ``None`` for a good one.

    Raises ``re.error`` where it is none.
    """
    tree = _parser.parse(text)
    try:
        tried = _Expression(alphabet).ways(list(tree), 0, tree.state.flags)[1]
    except _ReferenceError:
        return "it refers back to a group, which can take very long: write out what it may be"
    if tried <= _MAX_WAYS:
        return None
    return (
        "on a path that nearly matches it would try more ways than there is time for: repeat nothing that can take the "
        r"same text in several ways, like (\w+-?)+, which is [\w-]+, and put no such parts behind each other, like "
        ".*/.*/, which is [^/]+/[^/]+/"
    )


def first_characters(text: str) -> frozenset[str] | None:
    """The characters with which what an expression matches can begin; ``None`` where it can match nothing at all, so
    that any may come."""
    tree = _parser.parse(text)
    found, nullable = _Expression(PATH_CHARACTERS).first(list(tree), tree.state.flags)
    return None if nullable else frozenset(char for bit, char in enumerate(PATH_CHARACTERS, 1) if found >> bit & 1)


def literal_beginning(text: str) -> str:
    """The characters with which all begins that an expression matches, as far as they are plain to see."""
    tree = _parser.parse(text)
    found = ""
    for kind, parts in tree:
        if kind is _constants.LITERAL and not tree.state.flags & re.IGNORECASE:
            found += chr(parts)
        elif kind is not _constants.AT or parts not in _BEGINNINGS:
            break
    return found


class _ReferenceError(Exception):
    """There is a back-reference."""


class _Expression:
    """Sets of characters are bits. ``follow`` is what can come behind a sequence of nodes."""

    def __init__(self, alphabet: str) -> None:
        self._alphabet = alphabet
        self._sets: dict[tuple[int, int], int] = {}  # of nodes that are one character

    def first(self, nodes: Sequence[_Node], flags: int) -> tuple[int, bool]:
        """What a sequence can begin with; and whether it can be empty."""
        found = 0
        for node in nodes:
            more, nullable = self._first_of_one(node, flags)
            found |= more
            if not nullable:
                return found, False
        return found, True

    def ways(self, nodes: Sequence[_Node], follow: int, flags: int) -> tuple[int, int]:
        """In how many ways a sequence can take one text; and how many are tried within, which are more only where it
        looks ahead."""
        ways = tried = 1
        for place, node in enumerate(nodes):
            behind, nullable = self.first(nodes[place + 1 :], flags)
            more, within = self._ways_of_one(node, behind | (follow if nullable else 0), flags)
            tried = max(tried, _bounded(ways * within))
            ways = _bounded(ways * more)
        return ways, max(ways, tried)

    def _first_of_one(self, node: _Node, flags: int) -> tuple[int, bool]:
        kind, parts = node
        if kind in _CHARACTERS:
            return self._characters(node, flags), False
        if kind is _constants.SUBPATTERN:
            return self.first(list(parts[3]), _flags(parts, flags))
        if kind is _constants.ATOMIC_GROUP:
            return self.first(list(parts), flags)
        if kind is _constants.BRANCH:
            found = [self.first(list(branch), flags) for branch in parts[1]]
            return _union(each for each, _ in found), any(nullable for _, nullable in found)
        if kind in _REPEATS:
            low, high, body = parts
            begin, nullable = self.first(list(body), flags)
            return (begin if high else 0), nullable or not low
        if kind is _constants.AT:
            return (_END, False) if parts in _ENDS else (0, True)
        if kind in _ASSERTIONS:  # it looks at more than the next character, wherever it is tried
            return _ANY, True
        if kind in _REFERENCES:
            raise _ReferenceError
        return 0, False  # what else there is always fails

    def _ways_of_one(self, node: _Node, follow: int, flags: int) -> tuple[int, int]:
        kind, parts = node
        if kind is _constants.SUBPATTERN:
            return self.ways(list(parts[3]), follow, _flags(parts, flags))
        if kind is _constants.ATOMIC_GROUP:
            return self.ways(list(parts), follow, flags)
        if kind is _constants.BRANCH:
            return self._ways_of_branches([list(branch) for branch in parts[1]], follow, flags)
        if kind in _REPEATS:
            return self._ways_of_repeat(parts, follow, flags)
        if kind in _ASSERTIONS:
            return 1, self.ways(list(parts[1]), 0, flags)[1]
        if kind in _REFERENCES:
            raise _ReferenceError
        return 1, 1

    def _ways_of_branches(self, branches: list[list[_Node]], follow: int, flags: int) -> tuple[int, int]:
        found = [self.ways(branch, follow, flags) for branch in branches]
        begins = [self._begin(branch, follow, flags) for branch in branches]
        one_fits = all(_differ(one, other) for place, one in enumerate(begins) for other in begins[:place])
        together = max if one_fits else sum
        return _bounded(together(ways for ways, _ in found)), _bounded(together(tried for _, tried in found))

    def _ways_of_repeat(self, parts: Any, follow: int, flags: int) -> tuple[int, int]:
        low, high, body = parts
        if not high:
            return 1, 1
        begin, nullable = self.first(list(body), flags)
        ways, tried = self.ways(list(body), follow | begin, flags)
        times = min(int(high), max(MAX_LENGTH, low))
        decided = low == high or not (nullable or begin & follow)  # by the next character
        whole = _power(ways, times) * (1 if decided else times - low + 1)
        # Where the body takes no characters, their number is no bound
        again = tried * times if tried > ways or (nullable and low) else 1
        return _bounded(whole), _bounded(whole * again)

    def _begin(self, nodes: Sequence[_Node], follow: int, flags: int) -> list[int]:
        """What the first characters can be, one after the other, as far as it is plain to see."""
        begin: list[int] = []
        for place, node in enumerate(nodes):
            if node[0] not in _CHARACTERS:
                found, nullable = self.first(nodes[place:], flags)
                return [*begin, found | (follow if nullable else 0)]
            begin.append(self._characters(node, flags))
        return [*begin, follow]

    def _characters(self, node: _Node, flags: int) -> int:
        """What one character can be, by the engine's own word."""
        key = id(node), flags
        if key not in self._sets:
            single = _compiler.compile(_parser.SubPattern(_parser.State(), [node]), flags)
            self._sets[key] = _union(1 << bit for bit, char in enumerate(self._alphabet, 1) if single.match(char))
        return self._sets[key]


def _differ(one: Sequence[int], other: Sequence[int]) -> bool:
    return any(not mine & yours for mine, yours in zip(one, other, strict=False))


def _flags(parts: Any, flags: int) -> int:
    _, added, removed, _ = parts
    return int((flags | added) & ~removed)


def _union(sets: Iterable[int]) -> int:
    found = 0
    for each in sets:
        found |= each
    return found


def _power(ways: int, times: int) -> int:
    return _TOO_MANY if ways > 1 and times > _MAX_WAYS.bit_length() else ways**times


def _bounded(number: int) -> int:
    return min(number, _TOO_MANY)
