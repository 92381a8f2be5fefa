"""Merges what several workers answer about the same backends and routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Plain = dict[str, Any]


def merge_backends(answers: Iterable[Plain]) -> list[Plain]:
    """Returns each backend once: its sessions are those of all workers, and it is as bad as the worst finds it."""
    merged: dict[tuple[str, str], Plain] = {}
    for answer in answers:
        for each in answer["backends"]:
            known = merged.get((each["route"], each["backend"]))
            if known is None:
                merged[each["route"], each["backend"]] = dict(each)
                continue
            known["sessions"] += each["sessions"]
            known["failures"] = max(known["failures"], each["failures"])
            known["healthy"] = known["healthy"] and each["healthy"]
            known["ejected"] = known["ejected"] or each["ejected"]
            known["draining"] = known["draining"] or each["draining"]
    return list(merged.values())


def merge_routes(answers: Iterable[Plain]) -> list[Plain]:
    """Returns each route once, with the sessions of all workers."""
    merged: dict[str, Plain] = {}
    for answer in answers:
        for each in answer["routes"]:
            if each["route"] in merged:
                known = merged[each["route"]]
                known["sessions"] += each["sessions"]
                known["draining"] = known["draining"] or each["draining"]
            else:
                merged[each["route"]] = dict(each)
    return list(merged.values())
