"""The first pass over a configuration: nodes -> model. It finds every fault of a single value.

The model's type hints and the table of scalars control it. A wrong value is reported as a problem and replaced by a
``Broken``, so that the rest is decoded and the second pass can still compare the valid values. A model with a
``Broken`` never leaves this package, because every ``Broken`` comes with a problem.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable
from typing import Any

from wsgate.settings.access import header_name, parameter_name, tested_field
from wsgate.settings.changes import backend_field, changed_value, client_field, variable_meant
from wsgate.settings.cures import (
    LIKE_OFF,
    OFF,
    ON,
    explain,
    is_hidden,
    list_meant,
    listed,
    mapping_meant,
    secret_key,
    show_node,
)
from wsgate.settings.draft import Broken, Draft
from wsgate.settings.environment import Environment, expand, without_braces
from wsgate.settings.fixed import answer_field_name
from wsgate.settings.keys import ConfigKey, item_type, keys_of, scalar_type, short_key, text_type
from wsgate.settings.model import (
    PAIRS,
    AnswerField,
    BackendField,
    ClaimField,
    ClaimValue,
    ClientField,
    Defaults,
    HeaderField,
    MatchField,
    QueryField,
    Settings,
)
from wsgate.settings.names import free_text
from wsgate.settings.nodes import Mapping, Node, Scalar, Sequence
from wsgate.settings.places import Places
from wsgate.settings.problem import Problem
from wsgate.settings.scalar_type import ScalarType
from wsgate.settings.secrets import NO_SUCH_FILE, is_like_path
from wsgate.settings.unknown import guess_key
from wsgate.text import file as text_file
from wsgate.text.error import TextError, quote
from wsgate.text.field import field_value

_PAIR_NAMES = {
    HeaderField: header_name,
    AnswerField: answer_field_name,
    MatchField: tested_field,
    QueryField: parameter_name,
    BackendField: backend_field,
    ClientField: client_field,
    ClaimValue: free_text,
    ClaimField: backend_field,
}
_PAIR_VALUES: dict[Any, Callable[[str], str]] = {
    QueryField: str,
    BackendField: changed_value,
    ClientField: changed_value,
    ClaimValue: free_text,
    ClaimField: free_text,
}
# Those whose names are no header fields: what they look like
_OTHER_PAIRS: dict[Any, str] = {
    QueryField: "parameters, like {v: 2}",
    ClaimValue: "claims, like {role: admin}",
}


class Decoder:
    """Decodes one file.

    problems: the faults
    warnings: for values that are valid but probably not meant
    places: line and column of each value by its path
    from_environment: the text of the file for each value from the environment, by its path
    files: the files and directories that are named
    """

    def __init__(self, file: str, environment: Environment) -> None:
        self.from_environment: dict[str, str] = {}
        self.files: set[str] = set()
        self._environment = environment
        self.places = Places(file)
        self._mask = self.places.mask
        self.directory = os.path.dirname(os.path.abspath(file))
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        # The values of Settings.defaults by class; they replace the defaults of the class.
        self._starts: dict[type, Any] = {}

    def draft(self, root: Node | None) -> Draft:
        """The document, as far as it can be decoded."""
        return Draft(self.settings(root), self.places, self.problems, self.warnings, self.from_environment, self.files)

    def settings(self, root: Node | None) -> Any:
        """Decodes the document to ``Settings``, or to ``Broken``."""
        if root is None:
            required = " and ".join(key.name for key in keys_of(Settings).values() if key.required)
            return self.fault("", f"the file is empty: it needs {required}", (1, 1))
        return self._mapping(Settings, root, "")

    def items(self, item: type, node: Node, path: str) -> Any:
        """Decodes a list at ``path`` to a tuple of ``item``, or to ``Broken``."""
        return self._items(item, False, node, path)

    def fault(self, path: str, message: str, place: tuple[int, int] | None = None) -> Broken:
        """Reports a problem with the value at ``path``.

        place: line and column, if not those of the value; a missing value has those of the mapping or list around it
        """
        self.problems.append(self.places.problem(path, message, place))
        return Broken()

    def warn(self, path: str, message: str) -> None:
        """Reports that the value at ``path`` is valid, but probably not meant. The message says what to write
        instead."""
        self.warnings.append(self.places.problem(path, message, is_warning=True))

    def _expanded(self, node: Scalar, path: str) -> Scalar | Broken:
        """Returns the scalar with its references to the environment replaced."""
        try:
            expansion = expand(node.text, self._environment)
        except TextError as error:
            return self.fault(path, str(error))
        if expansion.text == node.text and not expansion.values:
            return node
        for reference, value in expansion.values.items():
            self._mask.hide([value], reference)
        if expansion.values:
            self.from_environment[path] = node.text
            self._mask.hide([expansion.text], node.text)
        return node.expanded(expansion.text, is_secret=bool(expansion.values))

    def _value(self, key: ConfigKey, node: Node, path: str) -> Any:
        self.places.by_path[path] = (node.line, node.col)
        if isinstance(node, Scalar) and item_type(key.type) is None and not node.is_expanded:
            expanded = self._expanded(node, path)
            if isinstance(expanded, Broken):
                return expanded
            node = expanded
        if (scalar := scalar_type(key.type)) is not None:
            return self._scalar(scalar, key.optional, node, path)
        if (item := item_type(key.type)) is not None:
            if item in PAIRS:
                return self._fields(node, path, item)
            return self._items(item, key.required, node, path)
        if key.optional and isinstance(node, Scalar) and node.text in OFF:
            return None
        return self._mapping(key.type, node, path, "off or a mapping" if key.optional else "a mapping")

    def _scalar(self, scalar: ScalarType, optional: bool, node: Node, path: str) -> Any:
        if scalar.null_is_meant and isinstance(node, Scalar) and node.kind == "null" and node.text.lower() == "null":
            return self.fault(path, 'without quotes YAML takes null for no value at all: write "null" in quotes')
        expected = f"{scalar.expected}, or off" if optional and scalar.can_be_off else scalar.expected
        if not isinstance(node, Scalar) or node.kind == "null":
            return self.fault(path, f"expected {expected}, found {node}")
        if node.text in OFF and scalar.can_be_off:
            return None if optional else self.fault(path, f"cannot be off: expected {scalar.expected}")
        if optional and scalar.can_be_off and LIKE_OFF.fullmatch(node.text):
            return self.fault(path, f"{node}: for none, write off")
        try:
            value = scalar.parse(node.text)
        except TextError as error:
            return self.fault(path, explain(error, scalar, node))
        if node.is_expanded:
            self._hide(value, node)
        elif node.kind not in scalar.kinds:
            if node.kind == "str":
                return self.fault(path, f"expected {scalar.expected} without quotes, found {node} in quotes")
            shown = show_node(node, scalar)
            return self.fault(path, f"without quotes YAML takes {shown} for {node.read_as}: write the quotes")
        self._warn_of_dollar(scalar, node, path)
        if not scalar.is_path or not isinstance(value, str):  # a URL
            return value
        absolute = os.path.normpath(os.path.join(self.directory, value))
        if scalar.names_secret and node.written is None and not is_like_path(value):
            for number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                self._mask.replace(text_file.explain(absolute, OSError(number, os.strerror(number))), NO_SUCH_FILE)
        self._hide(absolute, node)
        self.files.add(absolute)
        return absolute

    def _warn_of_dollar(self, scalar: ScalarType, node: Scalar, path: str) -> None:
        # Passwords, their hashes and the end of a regular expression have a $.
        if scalar.is_secret or node.is_expanded or node.text.startswith("~"):
            return
        if advice := without_braces(node.text, self._environment):
            self.warn(path, advice)

    def _hide(self, value: Any, node: Scalar) -> None:
        """Hides a value of the environment in all messages, in each form that the model has of it."""
        if node.written is None:
            return
        if isinstance(value, str):
            self._mask.hide([value], node.written)
        elif dataclasses.is_dataclass(value):  # an address, say
            self._mask.hide([str(value)], node.written)
            for field in dataclasses.fields(value):
                self._hide(getattr(value, field.name), node)

    def _fields(self, node: Node, path: str, kind: Any) -> Any:
        """Decodes header fields, parameters of a query or claims: a mapping with any names as keys -> pairs."""
        is_header = kind not in _OTHER_PAIRS
        if not isinstance(node, Mapping):
            like = _OTHER_PAIRS.get(kind, "header fields, like {X-Frame-Options: DENY}")
            return self.fault(path, f"expected {like}, found {node}")
        if not node.items:
            return self.fault(path, "it is empty: write at least one field, or leave the key out")
        fields: list[Any] = []
        lines: dict[str, int] = {}
        for name_node, value_node in node.pairs():
            place = (name_node.line, name_node.col)
            if not isinstance(name_node, Scalar) or not isinstance(value_node, Scalar) or value_node.kind == "null":
                fields.append(self.fault(path, f"expected name: value, found {name_node}: {value_node}", place))
                continue
            name = name_node.text
            same = name.lower() if is_header else name
            if (line := lines.get(same)) is not None:
                fields.append(self.fault(path, f"duplicate field {quote(name)}: line {line} has it already", place))
                continue
            lines[same] = name_node.line
            self.places.by_path[f"{path}.{name}"] = (value_node.line, value_node.col)
            if kind in (BackendField, ClientField) and (cure := variable_meant(value_node.text, self._environment)):
                fields.append(self.fault(f"{path}.{name}", cure))
                continue
            value = self._expanded(value_node, f"{path}.{name}")
            if value is value_node and (advice := without_braces(value_node.text, self._environment)):
                self.warn(f"{path}.{name}", advice)
            try:
                text = "" if isinstance(value, Broken) else _PAIR_VALUES.get(kind, field_value)(value.text)
                fields.append((_PAIR_NAMES[kind](name), text))
            except TextError as error:
                fields.append(self.fault(path, str(error), place))
        return tuple(fields)

    def _items(self, item: Any, required: bool, node: Node, path: str) -> Any:
        scalar, short = text_type(item), short_key(item)
        key = ConfigKey("", "", item, False, "", None)
        if isinstance(node, Sequence):
            if not node.items:
                cure = "write at least one item" + ("" if required else ", or leave the key out")
                return self.fault(path, f"the list is empty: {cure}")
            values = [self._value(key, element, f"{path}[{index}]") for index, element in enumerate(node.items)]
            first: dict[Any, int] = {}
            for index, value in enumerate(values):
                same = value if short is None or isinstance(value, Broken) else getattr(value, short)
                if scalar is not None and first.setdefault(same, index) != index:
                    shown = same if isinstance(node.items[index], Mapping) else show_node(node.items[index], scalar)
                    self.fault(f"{path}[{index}]", f"{shown} is there already, at {path}[{first[same]}]")
            return tuple(values)
        if scalar is not None and (short is None or isinstance(node, Scalar | Mapping)):
            if isinstance(node, Scalar) and ", " in node.text:
                return self.fault(path, f"{show_node(node, scalar)} is one text: write a list in brackets, like [a, b]")
            # A list of one item may be written as the item.
            return (self._value(key, node, path),)
        return self.fault(path, f"expected a list, found {node}: {list_meant(item, node)}")

    def _mapping(self, cls: type, node: Node, path: str, expected: str = "a mapping") -> Any:
        self.places.by_path[path] = (node.line, node.col)
        keys = keys_of(cls)
        short = short_key(cls)
        if short is not None and isinstance(node, Scalar):
            return self._short(cls, keys[short], node, path)
        if not isinstance(node, Mapping):
            if short is not None and (scalar := text_type(cls)) is not None:
                keys_meant = f"{scalar.expected}, or a mapping with the keys {listed(keys)}"
                return self.fault(path, f"expected {keys_meant}, found {node}")
            if expected != "a mapping" and isinstance(node, Scalar) and node.text.lower() in ON:
                cure = f"write a mapping with the keys {listed(keys)}, leave it out for the default, or write off"
                return self.fault(path, f"{node} says nothing of how: {cure}")
            if expected != "a mapping" and isinstance(node, Scalar) and LIKE_OFF.fullmatch(node.text):
                return self.fault(path, f"{node}: for none, write off")
            if isinstance(node, Scalar) and ":" in node.text and (secret := secret_key(cls)):
                return self.fault(path, f"expected {expected} with the keys {listed(keys)}: write it under {secret}")
            cure = mapping_meant(cls, node)
            shown = "a text, which may be a secret" if is_hidden(cls, node) else node
            return self.fault(path, f"expected {expected} with the keys {listed(keys)}, found {shown}{cure}")
        given, meant = self._given(keys, node, path)
        values: dict[str, Any] = {}
        # The defaults are decoded first, wherever they are in the file, because the routes need them.
        for name in sorted(given, key=lambda name: keys[name].type is not Defaults):
            key = keys[name]
            value = self._value(key, given[name], f"{path}.{name}" if path else name)
            values[key.attribute] = value
            if isinstance(value, Defaults):
                starts = ((key.type, getattr(value, key.attribute)) for key in keys_of(Defaults).values())
                self._starts = {cls_: start for cls_, start in starts if not isinstance(start, Broken)}
        for key in keys.values():
            if key.attribute not in values and not key.choice:
                values[key.attribute] = self._left_out(cls, key, path, key.name in meant)
        self._choose(keys, given, meant, values, path)
        return cls(**values)

    def _short(self, cls: type, key: ConfigKey, node: Scalar, path: str) -> Any:
        """A value alone, for the mapping that has it under ``key`` and nothing else."""
        value = self._value(key, node, path)
        if isinstance(value, Broken):
            return value
        others = [each for each in keys_of(cls).values() if each is not key]
        return cls(
            **{each.attribute: self._left_out(cls, each, path, False) for each in others}, **{key.attribute: value}
        )

    def _given(self, keys: dict[str, ConfigKey], node: Mapping, path: str) -> tuple[dict[str, Node], set[str]]:
        """Returns the values by known key, and the known keys that the unknown ones were probably meant to be."""
        given: dict[str, Node] = {}
        meant: set[str] = set()
        lines: dict[str, int] = {}
        for key_node, value in node.pairs():
            place = (key_node.line, key_node.col)
            if not isinstance(key_node, Scalar):
                self.fault(path, f"expected one of the keys {listed(keys)}, found {key_node}", place)
                continue
            name = key_node.text
            if name in lines:
                self.fault(path, f"duplicate key {quote(name)}: line {lines[name]} has it already", place)
                continue
            lines[name] = key_node.line
            if name in keys:
                given[name] = value
            elif name == "<<":
                meant.update(keys)
                self.fault(
                    path, "merge keys (<<) are not supported: write the keys out, or put them under defaults", place
                )
            else:
                guess = guess_key(name, path, keys)
                meant |= guess.keys
                self.fault(path, f"unknown key {quote(name)}; {guess.cure}", place)
        return given, meant

    def _left_out(self, cls: type, key: ConfigKey, path: str, meant: bool) -> Any:
        if meant:
            # The key is probably misspelt, which is reported already: do not report it as missing, use no default.
            return Broken()
        if key.required:
            return self.fault(path, f"the key {quote(key.name)} is missing: {key.doc}")
        start = None if getattr(cls, "IS_WHOLE", False) else self._starts.get(cls)
        return self._starts.get(key.type, key.default) if start is None else getattr(start, key.attribute)

    def _choose(
        self, keys: dict[str, ConfigKey], given: dict[str, Node], meant: set[str], values: dict[str, Any], path: str
    ) -> None:
        options = [key for key in keys.values() if key.choice]
        chosen = [key.name for key in options if key.name in given]
        for key in options:
            if not chosen and key.name in meant:
                values[key.attribute] = Broken()
        names = listed(key.name for key in options)
        if len(chosen) > 1:
            self.fault(path, f"has {' and '.join(chosen)}: write exactly one of {names}")
        elif options and options[0].attribute not in values:
            values[options[0].attribute] = self.fault(path, f"has none of {names}: write exactly one of them")
