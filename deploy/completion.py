"""Makes the completions of shells from the parsers: ``make completions`` writes them where wsgate keeps them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import shtab

from wsgate import cli
from wsgate.commands import completion, operate, relay_flags, tap, top, top_orders
from wsgate.settings.model import Policy
from wsgate.websockify import flags

# What a flag takes, by the metavar of its help
_COMPLETED = {"FILE": shtab.FILE, "OUT": shtab.FILE, "DIR": shtab.DIRECTORY}
_CHOICES = {"POLICY": [policy.value for policy in Policy], "COLUMN": list(top_orders.BY_COLUMN)}


def main() -> None:
    for shell, name in completion.SCRIPTS.items():
        (completion.DIRECTORY / name).write_text(script(shell))


def script(shell: str) -> str:
    """Returns the script for a shell."""
    text = shtab.complete(whole_parser(), shell) + "\n"
    # `(*)::` is a single argument for _arguments of zsh; any number is `*:`
    return text.replace('"(*)::', '"*:') if shell == "zsh" else text


def whole_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands, with the flags of those that parse them themselves."""
    whole = cli.parser()
    commands = _commands(whole)
    # the dictionary is the parser's own
    commands |= {"relay": relay_flags.parser(), "tunnel": flags.parser(), "top": top.parser(), "tap": tap.parser()}
    commands |= _commands(operate.parser())
    for name, text in _help_texts(whole):
        commands[name].description = text  # one line, which a shell shows beside the name
    for parser in _all_parsers(whole):
        for action in parser._actions:
            _fit(action)
    return whole


def _fit(action: argparse.Action) -> None:
    """Says what the argument's value may be, where a shell can complete it."""
    name = str(action.metavar)
    if name in _COMPLETED:
        action.complete = _COMPLETED[name]  # type: ignore[attr-defined]
    elif name in _CHOICES:
        action.choices = _CHOICES[name]
    elif not action.option_strings and not action.choices:
        action.complete = {"zsh": "( )"}  # type: ignore[attr-defined]  # nothing: else zsh completes no flag in front of it
        if action.help is argparse.SUPPRESS:
            action.help = name
    if action.metavar:
        action.metavar = name.replace(":", "\\:")  # zsh would read what follows as a command


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Returns the parsers of the subcommands by name, as the parser itself keeps them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands: dict[str, argparse.ArgumentParser] = action._name_parser_map
            return commands
    return {}


def _help_texts(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from ((str(choice.dest), choice.help or "") for choice in action._get_subactions())


def _all_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for command in _commands(parser).values():
        yield from _all_parsers(command)


if __name__ == "__main__":
    main()
