"""``wsgate demo``: a gateway with two small services of its own behind it, and a page to try it on."""

from __future__ import annotations

import importlib.resources
import json
import socket
from functools import partial

from wsgate import app
from wsgate.demo.services import serve_echo, serve_lines
from wsgate.net.binds import bound_address
from wsgate.ops.listeners import ListenError, open_listeners
from wsgate.settings.load import loads
from wsgate.settings.model import Address, Listener, TcpAddress
from wsgate.settings.model.admin import ADMIN_PORT

_CONFIGURATION = """\
listeners:
  - bind: '{listen}'
admin: {{bind: '{admin}'}}         # the admin page; commands like `wsgate sessions` ask here, too
log: {{format: text}}
drain: {{grace: 5s}}
routes:
  - name: echo
    match: {{path: /echo}}
    relay: {{to: 'ws://{echo}'}}         # a WebSocket backend; here the demo's own echo
  - name: lines
    match: {{path: /lines}}
    tunnel: {{to: 'tcp://{lines}'}}      # a TCP service; here the demo's own line echo
  - name: page
    match: {{path: /*}}
    files: {{root: '{site}'}}
"""

# What only the demo's page needs: where its link leads, and the text that it copies
_MORE_ROUTES = """\
  - name: admin
    match: {{path: /admin}}
    redirect: {{to: 'http://{admin}/'}}
  - name: configuration
    match: {{path: /configuration}}
    respond: {{body: {configuration}}}
"""


def run(listen: TcpAddress) -> int:
    """Runs the demo until Ctrl-C. Returns the exit status."""
    anywhere = Listener(bind=TcpAddress("127.0.0.1", 0))
    echo, lines = open_listeners([anywhere, anywhere])
    admin = _open_admin()
    site = importlib.resources.files("wsgate.demo") / "site"
    configuration = _CONFIGURATION.format(
        listen=listen,
        admin=bound_address(admin),
        echo=bound_address(echo),
        lines=bound_address(lines),
        site=str(site).replace("'", "''"),
    )
    return app.serve(
        loads(_with_more_routes(configuration, bound_address(admin)), "demo.yaml"),
        ready=partial(_welcome, configuration, bound_address(admin)),
        beside=[partial(serve_echo, echo), partial(serve_lines, lines)],
        admin=admin,
    )


def _open_admin() -> socket.socket:
    """Opens the admin listener where commands look for it; where that port is taken, at one of the kernel's choice."""
    for port in (ADMIN_PORT, 0):
        try:
            (admin,) = open_listeners([Listener(bind=TcpAddress("127.0.0.1", port))])
        except ListenError:
            continue
        return admin
    raise AssertionError("the kernel has no port")


def _with_more_routes(configuration: str, admin: Address) -> str:
    # a JSON text is a YAML text, too
    more = _MORE_ROUTES.format(admin=admin, configuration=json.dumps(configuration))
    return configuration.replace("routes:\n", f"routes:\n{more}")


def _welcome(configuration: str, admin: Address, bound: list[Address]) -> None:
    url = f"http://{bound[0]}/"
    indented = "".join(f"  {line}\n" for line in configuration.splitlines())
    there = "" if str(admin).endswith(f":{ADMIN_PORT}") else f" --admin http://{admin}"
    print(
        f"""
wsgate demo: a gateway on {bound[0]}, with a WebSocket echo and a TCP line echo behind it.

  Open {url} in a browser, or try with a client of yours:

    websocat ws://{bound[0]}/echo                 a relay: text and binary come back
    websocat --binary ws://{bound[0]}/lines       a tunnel: every line comes back
    curl -i {url}echo            what a plain request gets: 426

  Open http://{admin}/ beside it: the admin page shows who is connected, through what, and how fast.
  In a terminal that is: wsgate sessions{there}

This is the configuration that it runs. Save it to a file, put your own services behind `to:`,
and start it with: wsgate serve FILE

{indented}
Every session's end is logged below. Ctrl-C drains and stops.
""",
        flush=True,
    )
