"""The content of a file of ``to_file``: the backends of a relay, as an orchestrator writes them.

Either each line has a backend, with what ``to`` may have beside its URL, or the file is a list of YAML or JSON, in the
form of ``to``. Both become the same nodes, so that the same values are valid, and faults have the same words.

    # comment
    ws://10.0.0.7:9000
    ws://10.0.0.8:9000 weight=2 sessions=500
    ws://10.0.0.9:9000 drain
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

from wsgate.settings.decode import Decoder
from wsgate.settings.model import RelayBackend
from wsgate.settings.nodes import Mapping, Node, Sequence, compose, plain_scalar
from wsgate.settings.places import Places
from wsgate.settings.problem import ConfigError, Problem

MAX_BACKENDS = 1000
_WORD = re.compile(r"\S+")
_RELAY = "routes[0].relay"
_PATH = f"{_RELAY}.to"  # where the same list stands in a configuration; for guesses at what a wrong key means
_ITEM = re.compile(r"at (routes\[0\]\.relay\.to\[[0-9]+\])")


def read_backends(data: bytes, file: str) -> tuple[RelayBackend, ...] | None:
    """Returns the backends in a file; ``None`` if there is nothing in it, or nothing but comments.

    data: its content
    file: its name, for problems

    Raises ``ConfigError`` with all faults of the file.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError((Problem(file, line, 1, "", "this line is not UTF-8"),)) from None
    root = _root(text, file)
    if root is None:
        return None
    if not isinstance(root, Sequence):
        message = f"expected a list, found {root}: write '- ' before each backend, or a backend alone in each line"
        raise ConfigError((Problem(file, root.line, root.col, "", message),))
    if len(root.items) > MAX_BACKENDS:
        message = f"there are {len(root.items)} backends: a file may have {MAX_BACKENDS}"
        raise ConfigError((Problem(file, 1, 1, "", message),))
    if not root.items:
        return ()
    decoder = Decoder(file, os.environ)
    found = decoder.items(RelayBackend, root, _PATH)
    if decoder.problems:
        raise ConfigError(tuple(_here(problem, decoder.places) for problem in decoder.problems))
    assert isinstance(found, tuple)
    return found


def _here(problem: Problem, places: Places) -> Problem:
    """Returns the problem in the words of this file, which has no ``routes[0].relay.to``."""
    message = _ITEM.sub(lambda found: f"in line {places.find(found[1])[0]}", problem.message)
    return replace(problem, path="", message=message.replace(_RELAY, "relay"))


def _root(text: str, file: str) -> Node | None:
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), None)
    if first is None:
        return None
    if first.startswith(("-", "[", "{")):  # no URL begins so
        return compose(text, file)
    return _by_line(text)


def _by_line(text: str) -> Sequence:
    root = Sequence(1, 1)
    for number, line in enumerate(text.splitlines(), 1):
        backend = Mapping(number, 1)
        for word in _WORD.finditer(line):
            if word[0].startswith("#"):
                break
            column = word.start() + 1
            name, _, value = word[0].partition("=") if backend.items else ("url", "", word[0])
            backend.append(plain_scalar(number, column, name))
            backend.append(plain_scalar(number, column, value or "true"))
        if backend.items:
            root.append(backend)
    return root
