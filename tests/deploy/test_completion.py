"""The completions of shells have every command and flag, as real shells complete them."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

from deploy import completion as made
from deploy.man_pages import commands, help_of
from wsgate.commands import completion

PATH = "/usr/bin:/bin"
SOURCES = {shell: completion.DIRECTORY / name for shell, name in completion.SCRIPTS.items()}


@pytest.mark.parametrize("shell", completion.SCRIPTS)
def test_the_scripts_are_what_the_parsers_give(shell: str) -> None:
    assert completion.script(shell) == made.script(shell), "run: make completions"


def bash(*words: str) -> set[str]:
    """What bash offers for the last of these words."""
    script = f'''
        . {SOURCES["bash"]}
        complete -p wsgate >&2 || exit 1
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _shtab_wsgate
        printf '%s\\n' "${{COMPREPLY[@]}}"'''
    return _output("bash", "--norc", "-c", script, "bash", "wsgate", *words)


def fish(*words: str) -> set[str]:
    script = f"source {SOURCES['fish']}; complete --do-complete 'wsgate {' '.join(words)}'"
    return {line.partition("\t")[0] for line in _output("fish", "--no-config", "-c", script)}


def _output(*command: str) -> set[str]:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20, env={"PATH": PATH})
    return set(done.stdout.splitlines())


def flags_of(*command: str) -> set[str]:
    """The long flags in the list of a command's help; not those of its usage, which may be of examples."""
    return set(re.findall(r"^  (?:-\w(?: \w+)?, )?(--[a-z0-9-]+)", help_of(*command), re.MULTILINE))


def all_commands() -> list[tuple[str, ...]]:
    return [(name,) for name in commands() if name != "recording"] + [("recording", "info"), ("recording", "convert")]


def test_bash_completes_every_command() -> None:
    assert bash("") == set(commands())
    assert bash("recording", "") == {"info", "convert"}


@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_bash_completes_every_flag(command: tuple[str, ...]) -> None:
    assert flags_of(*command)
    assert bash(*command, "--") == flags_of(*command)


def test_bash_completes_files_directories_and_words(tmp_path: Path) -> None:
    (tmp_path / "wsgate.yaml").touch()
    (tmp_path / "site").mkdir()
    assert bash("serve", f"{tmp_path}/w") == {f"{tmp_path}/wsgate.yaml"}
    assert bash("check", "--security", f"{tmp_path}/w") == {f"{tmp_path}/wsgate.yaml"}
    assert bash("tunnel", "--web", f"{tmp_path}/") == {f"{tmp_path}/site"}
    assert bash("relay", "--balance", "r") == {"round_robin", "random"}
    assert bash("completion", "") == set(completion.SCRIPTS)


@pytest.mark.needs("fish")
def test_fish_completes_commands_and_flags() -> None:
    assert fish("") >= set(commands())
    assert fish("tunnel", "--unix") >= {"--unix-listen", "--unix-listen-mode", "--unix-target"}
    assert fish("relay", "--balance", "r") == {"round_robin", "random"}


@pytest.mark.needs("zsh")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("wsgate recor\tinf\t", "wsgate recording info "),
        ("wsgate relay 8080 --bal\t", "wsgate relay 8080 --balance "),
        ("wsgate tunnel 6080 127.0.0.1:5900 --unix-listen-\t", "wsgate tunnel 6080 127.0.0.1:5900 --unix-listen-mode "),
        ("wsgate tunnel --unix-listen-\t", "wsgate tunnel --unix-listen-mode "),
        ("wsgate relay --balance le\t", "wsgate relay --balance least_sessions "),
        ("wsgate demo --listen 127.0.0.1:1 --h\t", "wsgate demo --listen 127.0.0.1:1 --help "),
    ],
)
def test_zsh_completes_what_is_typed(typed: str, completed: str, tmp_path: Path) -> None:
    """In a terminal, because zsh completes nowhere else. Its line editor has the line printed."""
    ours, its = pty.openpty()
    (tmp_path / ".zshrc").write_text(
        "PS1= ZLE_RPROMPT_INDENT=0; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -D -u\n"
        f'eval "$(cat {SOURCES["zsh"]})"\n'
        f"show() {{ print -r -- \"$BUFFER\" >{tmp_path}/line; print -r shown }}; zle -N show; bindkey '^G' show\n"
        "print -r ready\n"
    )
    environment = {"PATH": PATH, "ZDOTDIR": str(tmp_path), "HOME": str(tmp_path), "TERM": "dumb"}
    shell = subprocess.Popen(["zsh", "-i"], stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True)
    os.close(its)
    try:
        _read_until(ours, b"ready")
        os.write(ours, typed.encode() + b"\x07")
        _read_until(ours, b"shown")
        assert (tmp_path / "line").read_text().rstrip("\n") == completed
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


def _read_until(terminal: int, word: bytes) -> None:
    seen = b""
    deadline = time.monotonic() + 20
    while word not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"no {word!r} in {seen!r}"
        seen += os.read(terminal, 4096)
