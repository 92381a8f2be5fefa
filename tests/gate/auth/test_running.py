"""What goes on for credentials, while the site has them."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.gate.conftest import NOWHERE, gateway_of, route
from tests.site.jwt.signing import public_pem, write
from wsgate.gate.auth import running
from wsgate.settings.model import Auth, JwtAuth, Settings
from wsgate.site.build import build
from wsgate.site.jwt.credential import SignedTokens


async def test_each_runs_once_and_while_the_site_has_it(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[SignedTokens] = []
    ended: list[SignedTokens] = []

    async def run(self: SignedTokens) -> None:
        begun.append(self)
        try:
            await trio.sleep_forever()
        finally:
            ended.append(self)

    monkeypatch.setattr(SignedTokens, "run", run)
    key = write(tmp_path / "key.pem", public_pem("P256"))
    auth = Auth(jwt=JwtAuth(key=key, algorithms=("ES256",)))
    first, second = route(NOWHERE, name="a", auth=auth), route(NOWHERE, name="b", auth=auth)
    gateway = gateway_of(first, second, route(NOWHERE, name="c"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running.watch, gateway)
        await wait_all_tasks_blocked()
        assert len(begun) == 1
        other = route(NOWHERE, name="d", auth=Auth(jwt=JwtAuth(key=key, algorithms=("ES256",), issuer="x")))
        gateway.use_site(build(Settings(listeners=(), routes=(second, other)), gateway.site))
        await trio.sleep(running.LOOK * 1.5)
        assert (len(begun), ended) == (2, [])
        gateway.use_site(build(Settings(listeners=(), routes=(other,)), gateway.site))
        await trio.sleep(running.LOOK)
        assert ended == begun[:1]
        nursery.cancel_scope.cancel()
    assert ended == begun
