"""A configuration file -> Settings, or every problem of the file at once.

Text becomes nodes (``nodes``), nodes become the model (``decode``: shape), the model is checked (``meaning``).
"""

from __future__ import annotations

from collections.abc import Callable

from wsgate.settings.decode import Decoder
from wsgate.settings.meaning import check
from wsgate.settings.model import Settings
from wsgate.settings.nodes import compose
from wsgate.settings.problem import ConfigError, Problem

__all__ = ["ConfigError", "Problem", "load", "loads"]

# A route takes some 200 bytes. What is larger than this is another kind of file, or a device without an end.
_MAX_BYTES = 16 << 20

# Is told of each warning, in file order, also when the file is refused.
Warn = Callable[[Problem], object]


def load(path: str, warn: Warn | None = None) -> Settings:
    """The settings in the file at ``path``. Relative paths in the file are relative to its directory.

    :raises ConfigError: if the file cannot be read or anything in it is wrong.
    """
    return loads(_read(path), path, warn)


def loads(text: str, name: str, warn: Warn | None = None) -> Settings:
    """The settings in ``text``. ``name`` is the file's: problems show it, relative paths begin at its directory.

    :raises ConfigError: if anything in the text is wrong.
    """
    decoder = Decoder(name)
    settings = decoder.settings(compose(text, name))
    check(settings, decoder.fault, decoder.warn, decoder.places)
    if warn is not None:
        for warning in _in_order(decoder.warnings):
            warn(warning)
    if decoder.problems:
        raise ConfigError(_in_order(decoder.problems))
    assert isinstance(settings, Settings)
    return settings


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.place))


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        # ValueError: a zero byte in the path.
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError((Problem(path, 0, 0, "", f"cannot read the file: {reason}"),)) from None
    if len(data) > _MAX_BYTES:
        raise ConfigError((Problem(path, 0, 0, "", f"larger than {_MAX_BYTES >> 20}MiB: not a configuration file"),))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, col = before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        problem = Problem(path, line, col, "", f"not UTF-8: the byte 0x{data[error.start]:02x}; save the file as UTF-8")
        raise ConfigError((problem,)) from None
