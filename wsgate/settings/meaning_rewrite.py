"""The second pass, meaning: what backends of a relay are asked for, and what of a path would be lost on the way."""

from __future__ import annotations

import re
from typing import Any

from wsgate.settings.draft import is_whole
from wsgate.settings.faults import ReportFault, ReportWarning, check_choice
from wsgate.settings.groups import check_names, group_number, groups_of
from wsgate.settings.model import Match, PathKind, PathPattern, Relay, Rewrite
from wsgate.text.regexes import is_literal, matches_to_the_end
from wsgate.text.template import names

_WAYS = ("strip", "replace", "to")
_OF_EVERY_ROUTE = ("path", "rest")


def check_rewrite(route: Any, path: str, fault: ReportFault, warn: ReportWarning) -> None:
    """Reports what is wrong with the rewriting of the relay at ``path``, and what it would lose."""
    relay = route.action
    if not isinstance(route.match, Match) or not is_whole(route.match):
        return
    pattern = route.match.path
    if relay.rewrite is None:
        _warn_of_base(relay, pattern, path, warn)
        return
    rewrite, path = relay.rewrite, f"{path}.rewrite"
    if not isinstance(rewrite, Rewrite) or not is_whole(rewrite):
        return
    check_choice(rewrite, _WAYS, path, fault)
    if sum(getattr(rewrite, way) is not None for way in _WAYS) != 1:
        return
    if rewrite.to is not None:
        _check_to(rewrite.to, pattern, f"{path}.to", fault, warn)
        return
    key, prefix = ("strip", rewrite.strip) if rewrite.replace is None else ("replace.prefix", rewrite.replace.prefix)
    if pattern is not None and prefix and not _may_begin(pattern, prefix):
        fault(f"{path}.{key}", f"no path of this route begins with {prefix}, all are {pattern}: write one that does")


def _may_begin(pattern: PathPattern, prefix: str) -> bool:
    """Whether a path that the pattern matches can begin with the prefix."""
    if pattern.kind is PathKind.REGEX:
        return True
    below = f"{prefix}/"
    return f"{pattern.text}/".startswith(below) or (pattern.kind is PathKind.PREFIX and below.startswith(pattern.text))


def _warn_of_base(relay: Relay, pattern: PathPattern | None, path: str, warn: ReportWarning) -> None:
    """A path in ``to`` stands in place of what the pattern matches, which an expression matches in many ways."""
    if pattern is None or pattern.kind is not PathKind.REGEX or not is_whole(relay.to) or is_literal(pattern.text):
        return
    base = next((backend.url.path for backend in relay.to if backend.url.path is not None), None)
    if base is None:
        return
    groups = groups_of(pattern)
    part = f"{{to: '/{{{groups[0]}}}'}}" if groups else "{to: '/{1}'}, with a group in the expression"
    warn(
        f"{path}.to",
        f"{base} stands in place of what {pattern} matches, which the backend does not see: to pass a part of it on, "
        f"write rewrite: {part}, which stands behind {base}; for the whole path {{to: '{{path}}'}}, for none {{to: /}}",
    )


def _check_to(to: str, pattern: PathPattern | None, path: str, fault: ReportFault, warn: ReportWarning) -> None:
    used = names(to)
    groups = groups_of(pattern)
    if not check_names(to, pattern, _OF_EVERY_ROUTE, path, fault):
        return
    if any(name in _OF_EVERY_ROUTE for name in used) or pattern is None or pattern.kind is PathKind.EXACT:
        return
    passed_on = {group_number(name, groups) for name in used}
    if pattern.kind is PathKind.PREFIX:
        cure = f"write {{rest}} where it belongs, or the path as '~{re.escape(pattern.text)}.*' if it is not needed"
        warn(path, f"what follows {pattern.text} is not passed on: {cure}")
    elif not matches_to_the_end(pattern.text):
        cure = "end the expression with $, or with (.*) and use that group"
        warn(path, f"the expression may match only the beginning of a path, and the rest is not passed on: {cure}")
    elif unused := [name for number, name in enumerate(groups, 1) if number not in passed_on]:
        cure = f"write {{{unused[0]}}}, or (?:…) in the expression if it is not needed"
        warn(path, f"what the group {unused[0]} matches is not passed on: {cure}")
