"""What is tried, by name: each makes one input from a source of randomness, tries it, and raises where it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import configurations, deflate, heads, origins, paths, redirects, rewrites, sources

Target = Callable[[Random], None]

# What is compiled, against its twins in Python
NATIVE: dict[str, Target] = {}
try:
    from . import frames
except ImportError as error:
    NOT_COMPILED = str(error)
else:
    NOT_COMPILED = ""
    NATIVE = {each.__name__: each for each in (frames.walks, frames.masks, frames.fast_turns, frames.frame_readers)}

TARGETS: dict[str, Target] = NATIVE | {
    each.__name__: each
    for each in (
        *(heads.requests, heads.answers, heads.proxies, origins.origins, configurations.configurations, paths.paths),
        *(sources.values, sources.lines, sources.fetches, sources.replies, sources.tokens),
        *(redirects.redirects, rewrites.rewrites, deflate.codecs, deflate.flows),
    )
}


def play(name: str, seed: str, number: int) -> None:
    """One round; the same for the same arguments, on every machine."""
    TARGETS[name](Random(f"{name}/{seed}/{number}"))
