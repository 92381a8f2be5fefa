"""Writes a configuration as YAML in the style of a handwritten one."""

from __future__ import annotations

from typing import Any

import yaml

Keys = dict[str, Any]


class PlainWord(str):
    """A text that is written without quotes although YAML 1.1 reads it as another type: ``off``, ``0660``."""


def word(text: str) -> str:
    """Returns a value that the configuration has without quotes."""
    return PlainWord(text) if text == "off" or text.isdecimal() else text


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)  # lists are indented under their key

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = all(_is_short(value) for _, value in node.value)
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = all(_is_short(value) for value in node.value)
        return node

    def ignore_aliases(self, data: Any) -> bool:
        return True  # no aliases: a value that occurs twice is written twice


def _is_short(value: yaml.Node) -> bool:
    """Whether a value may be written on a line with others; with a colon it would need quotes there."""
    return isinstance(value, yaml.ScalarNode) and ":" not in value.value


def _represent_plain(dumper: yaml.SafeDumper, word: PlainWord) -> yaml.ScalarNode:
    kind = "int" if word.isdigit() else "bool"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", str(word))


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_str(text.replace("${", "$${"))  # the text of a flag is no reference to the environment


_Dumper.add_representer(PlainWord, _represent_plain)
_Dumper.add_representer(str, _represent_text)


def write(settings: Keys) -> str:
    """Returns the text of a configuration."""
    no_breaks = 1 << 20  # characters: a line is never broken inside a value
    return str(yaml.dump(settings, Dumper=_Dumper, sort_keys=False, width=no_breaks, allow_unicode=True))
