"""``wsgate demo``: a gateway with two small services of its own behind it, and a page to try it on."""

from __future__ import annotations

import importlib.resources
from functools import partial

from wsgate import app
from wsgate.demo.services import serve_echo, serve_lines
from wsgate.ops.listeners import bound_address, open_listeners
from wsgate.settings.load import loads
from wsgate.settings.model import Address, Listener, TcpAddress

_CONFIGURATION = """\
listeners:
  - bind: '{listen}'
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


def run(listen: TcpAddress) -> int:
    """Runs the demo until Ctrl-C. Returns the exit status."""
    anywhere = Listener(bind=TcpAddress("127.0.0.1", 0))
    echo, lines = open_listeners([anywhere, anywhere])
    site = importlib.resources.files("wsgate.demo") / "site"
    configuration = _CONFIGURATION.format(
        listen=listen, echo=bound_address(echo), lines=bound_address(lines), site=str(site).replace("'", "''")
    )
    return app.serve(
        loads(configuration, "demo.yaml"),
        ready=partial(_welcome, configuration),
        beside=[partial(serve_echo, echo), partial(serve_lines, lines)],
    )


def _welcome(configuration: str, bound: list[Address]) -> None:
    url = f"http://{bound[0]}/"
    indented = "".join(f"  {line}\n" for line in configuration.splitlines())
    print(
        f"""
wsgate demo: a gateway on {bound[0]}, with a WebSocket echo and a TCP line echo behind it.

  Open {url} in a browser, or try with a client of yours:

    websocat ws://{bound[0]}/echo                 a relay: text and binary come back
    websocat --binary ws://{bound[0]}/lines       a tunnel: every line comes back
    curl -i {url}echo            what a plain request gets: 426

This is the configuration that it runs. Save it to a file, put your own services behind `to:`,
and start it with: wsgate serve FILE

{indented}
Every session's end is logged below. Ctrl-C drains and stops.
""",
        flush=True,
    )
