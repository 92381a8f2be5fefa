"""Reads the ids and the memory of a process and its children from /proc."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


def parent_of(stat: str) -> int:
    """The parent in a line of /proc/PID/stat. The second field is the program's name, which may hold anything."""
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def family(root: int, parents: Iterable[tuple[int, int]]) -> list[int]:
    """``root`` and all below it, of ``(pid, parent)`` pairs."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents:
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:  # grows as it goes
        found.extend(children.get(pid, ()))
    return found


def tree(root: int) -> list[int]:
    """The living processes of ``root`` and its descendants."""
    parents = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parents.append((int(entry.name), parent_of((entry / "stat").read_text())))
            except (OSError, ValueError):
                continue  # it has ended meanwhile
    return family(root, parents)


def pss_kib(rollup: str) -> int:
    """Returns Pss from /proc/PID/smaps_rollup, in which shared memory counts by its share. Its "kB" are KiB."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError("smaps_rollup has no Pss")


def memory(pids: Iterable[int]) -> int:
    """Returns the bytes of memory that processes use together (PSS)."""
    return sum(pss_kib((PROC / str(pid) / "smaps_rollup").read_text()) for pid in pids) * 1024
