"""Writes the manual pages wsgate(1) and wsgate.yaml(5) into a directory, from the parsers and the model.

``make man`` runs it: ``python -m deploy.man_pages build/man``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from tests.docs.configuration_page import reference
from wsgate import __version__, cli

WIDTH = "78"  # of help texts: what a terminal of 80 columns shows beside the margin
TITLE = '.TH {name} {section} "" "wsgate {version}" "{manual}"\n'


def main(arguments: Sequence[str]) -> None:
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "wsgate.1").write_text(command_page())
    (directory / "wsgate.yaml.5").write_text(file_page())


def command_page() -> str:
    """wsgate(1): what ``--help`` says, of the whole and of each command."""
    whole = help_of()
    lines = [
        TITLE.format(name="WSGATE", section=1, version=__version__, manual="User commands"),
        ".SH NAME\nwsgate \\- WebSocket gateway: relays sessions, tunnels TCP services\n.SH SYNOPSIS\n.B wsgate\n",
        ".I COMMAND\n[...]\n.SH DESCRIPTION\n",
        as_it_stands(whole),
    ]
    for command in commands():
        lines.append(f".SH wsgate {escape(command)}\n{as_it_stands(help_of(command))}")
    lines.append(
        ".SH FILES\n.TP\n.I /etc/wsgate/wsgate.yaml\nThe configuration of the service, wsgate.yaml(5).\n"
        ".SH SEE ALSO\nwsgate.yaml(5), systemctl(1), journalctl(1)\n"
    )
    return "".join(lines)


def commands() -> list[str]:
    """The commands, in the order of the help."""
    return re.findall(r"^    ([a-z]+)(?: |$)", help_of().partition("COMMAND")[2], re.MULTILINE)


def help_of(*command: str) -> str:
    output = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS=WIDTH),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        cli.main([*command, "--help"])
    return output.getvalue()


def file_page() -> str:
    """wsgate.yaml(5): every key, as docs/configuration.md has it."""
    return "".join(
        [
            TITLE.format(name="WSGATE.YAML", section=5, version=__version__, manual="File formats"),
            ".SH NAME\nwsgate.yaml \\- configuration of the WebSocket gateway wsgate\n.SH DESCRIPTION\n",
            "One YAML file configures the gateway.\n.B wsgate check\n",
            "names each mistake in it with its place and its cure.\n",
            "The sections below have the keys of each mapping. The section of a mapping within others is named\n",
            "by the path to it.\n",
            *sections(reference()),
            ".SH SEE ALSO\nwsgate(1)\n",
        ]
    )


def sections(markdown: str) -> Iterator[str]:
    """The headings and tables of the page as sections and lists."""
    for line in markdown.splitlines():
        if line.startswith("## "):
            yield f".SH {escape(line.removeprefix('## '))}\n"
        elif line.startswith("| `"):
            key, value, default, what = (plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            yield f".TP\n.B {escape(key)}\n{escape(what)}\n.br\n{escape(value)}"
            yield f"; {escape(default)}\n" if default.endswith("required") else ".\n" if not default else ""
            if default and not default.endswith("required"):
                yield f"; default {escape(default)}.\n"
        elif line.startswith("The value of"):
            yield f"{escape(plain(line))}\n"


def plain(cell: str) -> str:
    """The text of a cell of Markdown: links are the names of sections, marks and escapes are gone."""
    text = re.sub(r"\[([^\]]*)\]\(#([^)]*)\)", r"\1 (\2)", cell)
    return re.sub(r"\\([^\w\s])", r"\1", text).replace("`", "").strip()


def as_it_stands(text: str) -> str:
    return f".nf\n{escape(text)}.fi\n" if text.endswith("\n") else f".nf\n{escape(text)}\n.fi\n"


def escape(text: str) -> str:
    """Text for roff: no character of it is a request (groff_man(7))."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


if __name__ == "__main__":
    main(sys.argv[1:])
