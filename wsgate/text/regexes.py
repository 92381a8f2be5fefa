"""Finds regular expressions that could take very long on a path that a client chose.

Python's engine backtracks: when the rest does not match, it returns to its last choice and tries the next one. The time
depends on the number of ways in which the expression can match the same text. Two ways inside a repetition give 2^n
ways for n repetitions. Two repetitions in a row that match the same characters give n^2. This file counts the ways for
the longest path that is matched, and refuses expressions with more than a few for each character of it.

A choice has only one way if the next character decides it, because the other ways fail at once: "[^/]+/" has one way,
".*/" has one for each slash. ``first`` is the set of characters that can come next, ``follow`` the set of those that
can come after that. Sets and counts may be too large, never too small: some good expressions are refused, but no bad
one is accepted. (An engine with linear time would need no such check, but would be one more dependency.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

MAX_LENGTH = 1024  # characters that are matched with an expression
_MAX_WAYS = 4 * MAX_LENGTH
_TOO_MANY = _MAX_WAYS + 1

# The characters of a path in its normal form
PATH_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/%"
_END = 1  # the end of the text, as a bit in a set of characters
_ANY = -1

_CHARACTERS = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN)
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
_ASSERTIONS = (_constants.ASSERT, _constants.ASSERT_NOT)
_REFERENCES = (_constants.GROUPREF, _constants.GROUPREF_EXISTS)
_BEGINNINGS = (_constants.AT_BEGINNING, _constants.AT_BEGINNING_STRING)
_ENDS = (_constants.AT_END, _constants.AT_END_STRING)

_Node = tuple[Any, Any]  # of re's parser: the kind and the parts


def why_too_slow(text: str, alphabet: str = PATH_CHARACTERS) -> str | None:
    """Returns why an expression could take too long, with the cure; ``None`` for a good one.

    alphabet: the characters of the texts that are matched

    Raises ``re.error`` when ``text`` is no regular expression.
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
    """Returns the characters with which a match can begin; ``None`` if the expression can match the empty text."""
    tree = _parser.parse(text)
    found, nullable = _Expression(PATH_CHARACTERS).first(list(tree), tree.state.flags)
    return None if nullable else frozenset(char for bit, char in enumerate(PATH_CHARACTERS, 1) if found >> bit & 1)


def literal_beginning(text: str) -> str:
    """Returns the literal text with which every match begins, as far as the expression shows it directly."""
    tree = _parser.parse(text)
    found = ""
    for kind, parts in tree:
        if kind is _constants.LITERAL and not tree.state.flags & re.IGNORECASE:
            found += chr(parts)
        elif kind is not _constants.AT or parts not in _BEGINNINGS:
            break
    return found


def is_literal(text: str) -> bool:
    """Whether an expression matches one text only, and shows it directly."""
    tree = _parser.parse(text)
    literal = not tree.state.flags & re.IGNORECASE
    return literal and all(kind in (_constants.LITERAL, _constants.AT) for kind, _ in tree)


def matches_to_the_end(text: str) -> bool:
    """Whether every match reaches the end of the path, as far as the expression shows it directly."""
    return _reaches_end(list(_parser.parse(text)))


def _reaches_end(nodes: Sequence[_Node]) -> bool:
    if not nodes:
        return False
    kind, parts = nodes[-1]
    if kind is _constants.SUBPATTERN:
        return _reaches_end(list(parts[3]))
    if kind is _constants.BRANCH:
        return all(_reaches_end(list(branch)) for branch in parts[1])
    if kind is _constants.MAX_REPEAT:
        _, high, body = parts
        return high is _constants.MAXREPEAT and [node for node, _ in body] == [_constants.ANY]
    return kind is _constants.AT and parts in _ENDS


class _ReferenceError(Exception):
    """The expression has a back-reference."""


class _Expression:
    """Counts the ways of an expression over an alphabet.

    A set of characters is an int with one bit for each. ``follow`` is the set that can come after a sequence of nodes.
    """

    def __init__(self, alphabet: str) -> None:
        self._alphabet = alphabet
        self._sets: dict[tuple[int, int], int] = {}  # by node, for nodes that match one character

    def first(self, nodes: Sequence[_Node], flags: int) -> tuple[int, bool]:
        """Returns the set with which a sequence can begin, and whether the sequence can be empty."""
        found = 0
        for node in nodes:
            more, nullable = self._first_of_one(node, flags)
            found |= more
            if not nullable:
                return found, False
        return found, True

    def ways(self, nodes: Sequence[_Node], follow: int, flags: int) -> tuple[int, int]:
        """Returns in how many ways a sequence can match a text, and how many ways are tried.

        The two differ only for look-ahead and look-behind.
        """
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
        if kind in _ASSERTIONS:  # they depend on more than the next character
            return _ANY, True
        if kind in _REFERENCES:
            raise _ReferenceError
        return 0, False  # the only other kind always fails

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
        # If the body can match the empty text, the length of the text is no bound
        again = tried * times if tried > ways or (nullable and low) else 1
        return _bounded(whole), _bounded(whole * again)

    def _begin(self, nodes: Sequence[_Node], follow: int, flags: int) -> list[int]:
        """Returns the sets of the first, second, … character, as far as the nodes show them directly."""
        begin: list[int] = []
        for place, node in enumerate(nodes):
            if node[0] not in _CHARACTERS:
                found, nullable = self.first(nodes[place:], flags)
                return [*begin, found | (follow if nullable else 0)]
            begin.append(self._characters(node, flags))
        return [*begin, follow]

    def _characters(self, node: _Node, flags: int) -> int:
        """Returns the set of a node that matches one character, by trying each character with the engine."""
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
