"""``wsgate completion``: the scripts with which shells complete commands and flags.

They are made from the parsers by ``make completions``, because what makes them is no part of what runs. Packages
install the same files where the shells look for them.
"""

from __future__ import annotations

from pathlib import Path

# Named as each shell wants it in its directory of completions
SCRIPTS = {"bash": "wsgate", "zsh": "_wsgate", "fish": "wsgate.fish"}

DIRECTORY = Path(__file__).parent / "completions"


def script(shell: str) -> str:
    """Returns the script for a shell of ``SCRIPTS``."""
    return (DIRECTORY / SCRIPTS[shell]).read_text("utf-8")
