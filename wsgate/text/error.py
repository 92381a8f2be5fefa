"""The error for a text that is not valid."""

from __future__ import annotations

from typing import Self


class TextError(ValueError):
    """A text is not valid. ``str()`` says what is wrong and what to write instead.

    problem: what is wrong, beginning with a verb and without anything of the text, so that it may be shown even if the
        text is a secret
    """

    def __init__(self, problem: str, subject: str = "", cure: str = "") -> None:
        """``subject`` is put in front of ``problem``, ``cure`` behind it; both may repeat the text."""
        said = f"{subject} {problem}" if subject else problem
        super().__init__(f"{said}: {cure}" if cure else said)
        self.problem = problem

    @classmethod
    def instead_of(cls, expected: str, text: str) -> Self:
        """Returns an error for a text that is far from the expected form."""
        error = cls(f"is not {expected}")
        error.args = (f"expected {expected}, found {quote(text)}",)
        return error


def quote(text: str) -> str:
    """Returns ``text`` for a message: quoted, on one line, printable, at most 80 characters."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
