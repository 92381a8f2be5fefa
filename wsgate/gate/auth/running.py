"""Runs what goes on for credentials while the site has them: asking for the keys of tokens."""

from __future__ import annotations

import trio

from wsgate.gate.gateway import Gateway
from wsgate.site.credential import Credential

LOOK = 1.0  # seconds until new credentials are noticed


async def watch(gateway: Gateway) -> None:
    """Runs a task for each credential of the present site, until cancelled."""
    running: dict[Credential, trio.CancelScope] = {}
    async with trio.open_nursery() as nursery:
        while True:
            now = {
                credential
                for route in gateway.site.routes
                if route.auth is not None
                for _, credential in route.auth.kinds
            }
            for credential in running.keys() - now:
                running.pop(credential).cancel()
            for credential in now - running.keys():
                running[credential] = trio.CancelScope()
                nursery.start_soon(_run, credential, running[credential])
            await trio.sleep(LOOK)


async def _run(credential: Credential, scope: trio.CancelScope) -> None:
    with scope:
        await credential.run()
