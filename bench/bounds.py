"""What each row must reach, and what it aims at, in one table; a row that is not here only informs.

The numbers are ratios of one run, or KB. ``rows`` says of what, and against what.
"""

from __future__ import annotations

# A row's name: at least, and aim
BOUNDS: dict[str, tuple[float, float | None]] = {
    # CPU per message, against the better of tuned nginx and tuned HAProxy
    "relay-64": (1.05, 1.0),
    "relay-4k": (1.05, 1.0),
    "relay-64k": (0.9, 0.9),
    "relay-1m": (1.1, 1.0),
    "relay-64-16": (1.05, 1.0),
    "relay-64-1": (1.3, 1.0),
    "tls-64": (1.1, 1.0),
    "tls-64k": (1.05, 1.0),
    # the same, against binary messages
    "text-64": (1.3, 1.1),
    "text-4k": (1.3, 1.1),
    # CPU per message, against HAProxy in TCP mode
    "tunnel-tcp": (1.15, 1.0),
    # messages and bytes per second, against websockify: more is better
    "tunnel-64": (4, 6),
    "tunnel-64k": (3.5, 6),
    "tunnel-1m": (5, 10),
    # without the compiled kernel: CPU per message against peers in C, messages per second against websockify.
    # 64 B cannot be had at a peer's price there; its bound is for what makes it dearer.
    "python-64": (1.75, 1.05),
    "python-64k": (1.0, 0.9),
    "python-tunnel": (4, 6),
    # CPU per message with what the route or the gateway does beside, against without
    "observed": (1.03, 1.01),
    "limits": (1.03, 1.01),
    # CPU per message, against ws; KB against those of a session without compression: 1 KiB above 3.3
    "deflate-1k": (1.0, 0.5),
    "deflate-64k": (1.0, 0.5),
    "idle-deflate": (1.3, 1.0),
    # CPU per session, against nginx
    "sessions": (5, 3),
    "sessions-tls": (2, 1.5),
    # CPU per request, against nginx: 1/12 and 1/6 of its requests per second
    "http": (12, 6),
    # p99 of messages beside requests, against quiet: 1.7 to 1.8 if sessions had no turns between the steps of requests
    "http-beside": (1.6, 1.4),
    # KB; for tunnels against websockify
    "idle-1000": (6, 4.5),
    "idle-8000": (6, 4.5),
    "idle-tls": (20, 16),
    "idle-tunnel": (1 / 300, 1 / 600),
    # CPU per message, against 64 of 64
    "open-8000": (1.3, 1.1),
    # what it costs that the caches hold none of a session, over 64 of 64, against nginx's in the same rounds
    "turns-8000": (1.0, None),
    # p99, against nginx
    "storm": (5, 2),
    # messages per second of the generator without a proxy
    "self-test": (300_000, None),
}
