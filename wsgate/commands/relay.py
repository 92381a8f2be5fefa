"""``wsgate relay``: a gateway with one relay, started by one line."""

from __future__ import annotations

from collections.abc import Sequence

from wsgate.commands.line import reachable, run_line
from wsgate.commands.relay_flags import RelayFlags, parse
from wsgate.commands.relay_yaml import to_yaml
from wsgate.settings.model import Address, Files, PathKind, Relay, Settings, TcpAddress

# The flag from which a value of the configuration came, by the end of its path
_FLAG_OF = (
    (r"\.bind$", "[HOST:]PORT"),
    (r"^listeners\[0\]\.tls\.password_file$", "--key-password-file"),
    (r"^listeners\[0\]\.tls\.key$", "--key"),
    (r"^listeners\[0\]\.tls\b", "--cert"),
    (r"^trusted_proxies\b", "--trusted-proxies"),
    (r"^limits\.sessions_per_address$", "--sessions-per-address"),
    (r"^workers$", "--workers"),
    (r"\.match\.path$", "--path"),
    (r"\.origins\b", "--origins"),
    (r"\.heartbeat\b", "--heartbeat"),
    (r"\.timeouts\.idle$", "--idle"),
    (r"\.limits\.message$", "--message-size"),
    (r"\.relay\.to\b", "URL"),
    (r"\.relay\.balance\.hash$", "--hash"),
    (r"\.relay\.balance\b", "--balance"),
    (r"\.relay\.host$", "--host"),
    (r"\.relay\.tls\.server_name$", "--server-name"),
    (r"\.relay\.tls\b", "--ca"),
    (r"\.files\.root$", "--web"),
)


def run(arguments: Sequence[str]) -> int:
    """Runs the relay of a command line, or shows its configuration. Returns the exit status."""
    return run_line(arguments, "wsgate relay", _FLAG_OF, parse, to_yaml, announcement)


def announcement(flags: RelayFlags, settings: Settings, bound: Address) -> str:
    """Returns a text that says where the relay listens, where it leads, and what to open in a browser."""
    (listener,) = settings.listeners
    route = settings.routes[0]
    assert isinstance(route.action, Relay)
    pattern = route.match.path
    path = "/" if pattern is None or pattern.kind is PathKind.REGEX else pattern.text
    secure = "s" if listener.tls is not None else ""
    leads = " or ".join(str(backend) for backend in route.action.to)
    if not isinstance(bound, TcpAddress):
        return f"{bound} leads to {leads}"
    text = f"ws{secure}://{reachable(bound)}{path} leads to {leads}"
    has_page = any(isinstance(other.action, Files) for other in settings.routes)
    return f"{text}; open http{secure}://{reachable(bound)}/" if has_page else text
