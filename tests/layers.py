"""The arrows between modules, read from the import statements. The rules between packages are in the tables below;
within one, too, no module imports itself by way of others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# From top to bottom: a module imports what stands below it, or beside it in the same package.
LAYERS = (
    *("__main__", "cli", "demo", "websockify", "recording", "commands", "app"),
    *("ops", "gate", "site", "relay", "net", "disk", "events", "wire", "settings", "text"),
)

# Only these read, check or describe the configuration. All others get it as plain data, from settings.model; site/ also
# reports in the draft what is wrong on this machine, and reads files of backends, which are a part of it.
READERS_OF_SETTINGS = ("__main__", "cli", "demo", "websockify", "commands", "app", "ops")
NOTES_FAULTS = ("site",)
NOTED_IN = ("wsgate.settings.backend_file", "wsgate.settings.draft", "wsgate.settings.problem")

# wire/ turns bytes into meaning and back, text/ texts; tasks, descriptors and clocks are their callers'.
PURE = ("wire", "text")
BANNED_IN_PURE = frozenset(
    {"anyio", "asyncio", "multiprocessing", "select", "selectors", "signal", "sniffio", "socket", "ssl", "subprocess"}
    | {"threading", "time", "trio"}
)

# settings/ judges what the operator wrote, not this machine: what is named there is loaded by site/.
BANNED_IN_SETTINGS = frozenset({"importlib", "pkgutil", "socket", "ssl", "subprocess", "threading", "trio"})
# Only this module reads the configuration file; no other in settings/ opens or checks a file.
READS_THE_FILE = "wsgate.settings.text"
FILE_CALLS = re.compile(
    r"(builtins\.|io\.)?open|os\.(access|listdir|l?stat|open|readlink|scandir|walk)"
    r"|os\.path\.(exists|get\w+|is(dir|file|link|mount)|lexists|realpath|same\w+)|(pathlib\.)?Path"
)


def violations(package: Path) -> list[str]:
    """What the package's modules import against the rules, each as ``file:line: why``."""
    modules = {_module_name(package, file): file for file in sorted(package.rglob("*.py"))}
    return [
        f"{file.relative_to(package.parent)}:{line}: {problem}"
        for module, file in modules.items()
        for line, problem in _check(module, file, modules)
    ]


def circles(package: Path) -> list[list[str]]:
    """The groups of modules that import each other, straight or by way of others, in functions too. Each is sorted."""
    modules = {_module_name(package, file): file for file in sorted(package.rglob("*.py"))}
    reached = {module: _direct(module, file, modules) for module, file in modules.items()}
    for middle in modules:  # Warshall's algorithm: what is reached by way of this one, too
        for found in reached.values():
            if middle in found:
                found |= reached[middle]
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in modules
        if module in reached[module]
    }
    return [list(group) for group in sorted(groups)]


def _direct(module: str, file: Path, modules: dict[str, Path]) -> set[str]:
    """The package's modules that one imports itself."""
    here = module if file.name == "__init__.py" else module.rpartition(".")[0]
    imported = {name for _, name in _imports(ast.parse(file.read_text(), filename=str(file)), here, modules)}
    return {name for name in imported if name in modules}


def _module_name(package: Path, file: Path) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _layer(module: str) -> str:
    """``wire`` for ``wsgate.wire.frames``; empty for the root, which has the version and nothing else."""
    return module.partition(".")[2].partition(".")[0]


def _check(module: str, file: Path, modules: dict[str, Path]) -> Iterator[tuple[int, str]]:
    tree = ast.parse(file.read_text(), filename=str(file))
    layer = _layer(module)
    if layer and layer not in LAYERS:
        yield 1, f"{layer} has no place among the layers: {' -> '.join(LAYERS)}"
        return
    here = module if file.name == "__init__.py" else module.rpartition(".")[0]
    root = module.partition(".")[0]
    for line, imported in _imports(tree, here, modules):
        top = imported.partition(".")[0]
        if top == root:
            if problem := _arrow(layer, imported):
                yield line, problem
        elif layer in PURE and top in BANNED_IN_PURE:
            yield line, f"{layer} imports {imported}: it knows no task, no descriptor and no clock"
        elif layer == "settings" and top in BANNED_IN_SETTINGS:
            yield line, f"settings imports {imported}: what is on this machine is looked at in site/"
    if layer in PURE:
        for node in ast.walk(tree):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                yield node.lineno, f"{layer} waits: it is sans-I/O"
    if layer == "settings" and module != READS_THE_FILE:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and FILE_CALLS.fullmatch(call := ast.unparse(node.func)):
                yield node.lineno, f"settings calls {call}: what is on this machine is looked at in site/"


def _arrow(layer: str, imported: str) -> str | None:
    """Why this layer may not import that module, if so."""
    target = _layer(imported)
    if not target or target == layer:
        return None
    if not layer:
        return f"the package's root imports {imported}: it is imported by all"
    if target in LAYERS and LAYERS.index(target) < LAYERS.index(layer):
        return f"{layer} imports {imported}, which is above it"
    if layer in NOTES_FAULTS and imported in NOTED_IN:
        return None
    if target == "settings" and not imported.endswith(".settings.model") and layer not in READERS_OF_SETTINGS:
        return (
            f"{layer} imports {imported}: below ops, settings are the plain data of settings.model, imported from there"
        )
    return None


def _imports(tree: ast.Module, here: str, modules: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """Every module that is imported, in functions and under TYPE_CHECKING too, by its absolute name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = here.split(".")[: len(here.split(".")) - node.level + 1]
                base = ".".join([*package, base] if base else package)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield node.lineno, name if name in modules else base
