"""What is raised for a text that does not mean what is expected of it."""

from __future__ import annotations

from typing import Self


class TextError(ValueError):
    """``str()`` is for whoever wrote the text: what is wrong with it, and what to write instead.

    problem: of one that is raised in ``text``, the same, beginning with its verb, without the subject, and with nothing
        of the text in it: for where the text may be a secret, or lie next to one
    """

    def __init__(self, problem: str, subject: str = "", cure: str = "") -> None:
        """``subject`` and ``cure`` may repeat the text."""
        said = f"{subject} {problem}" if subject else problem
        super().__init__(f"{said}: {cure}" if cure else said)
        self.problem = problem

    @classmethod
    def instead_of(cls, expected: str, text: str) -> Self:
        """For a text that is nothing like what is expected."""
        error = cls(f"is not {expected}")
        error.args = (f"expected {expected}, found {quote(text)}",)
        return error


def quote(text: str) -> str:
    """``text`` as a message shows it: quoted, on one line, printable, not endless."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
