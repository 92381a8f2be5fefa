"""``wsgate tunnel``: a gateway with one tunnel, started by websockify's command line."""

from __future__ import annotations

import os
from collections.abc import Sequence

from wsgate.commands.line import reachable, run_line
from wsgate.settings.model import Address, Files, Settings, TcpAddress, Tunnel
from wsgate.websockify.flags import Flags, parse
from wsgate.websockify.translate import to_yaml

# The flag from which a value of the configuration came, by the end of its path
_FLAG_OF = (
    (r"\.bind$", "[HOST:]PORT"),
    (r"\.mode$", "--unix-listen-mode"),
    (r"\.tls\.certificate$", "--cert"),
    (r"\.tls\.key$", "--key"),
    (r"\.tls\.password_file$", "--key-password-file"),
    (r"\.tls\.ciphers$", "--ssl-ciphers"),
    (r"\.tls\.client_ca$", "--cafile"),
    (r"\.tunnel\.to\b", "target"),
    (r"\.redis\.password_file$", "--token-password-file"),
    (r"\.token\.python\b", "--token-plugin"),
    (r"\.token\b", "--token-source"),
    (r"\.record\b", "--record"),
    (r"\.(auth|origins)\b", "--auth-source"),
    (r"\.files\.root$", "--web"),
    (r"\.heartbeat\b", "--heartbeat"),
    (r"^exit_when_idle$", "--idle-timeout"),
    (r"^limits\.sessions_per_address$", "--sessions-per-address"),
)


def run(arguments: Sequence[str]) -> int:
    """Runs the tunnel of a command line, or shows its configuration. Returns the exit status."""
    return run_line(arguments, "wsgate tunnel", _FLAG_OF, parse, to_yaml, announcement)


def announcement(flags: Flags, settings: Settings, bound: Address) -> str:
    """Returns a text that says where the tunnel listens, where it leads, and what to open in a browser."""
    (listener,) = settings.listeners
    secure = "s" if listener.tls is not None else ""
    here = str(bound) if not isinstance(bound, TcpAddress) else f"ws{secure}://{reachable(bound)}/"
    text = f"{here} leads to {_destination(settings)}"
    files = next((route.action for route in settings.routes if isinstance(route.action, Files)), None)
    if files is None or not isinstance(bound, TcpAddress):
        return text
    page = f"http{secure}://{reachable(bound)}/"
    if os.path.exists(os.path.join(files.root, "vnc.html")):
        page += "vnc.html"
        if flags.token_plugin is not None and not flags.host_token:
            page += "?path=websockify%3Ftoken%3DTOKEN"
    return f"{text}; open {page}"


def _destination(settings: Settings) -> str:
    tunnel = settings.routes[0].action
    assert isinstance(tunnel, Tunnel)
    return str(tunnel.to[0]) if tunnel.to else "the target of its token"
