"""What every source of this machine's own files has from its base."""

from __future__ import annotations

import pytest
import trio

from wsgate.settings.model import Target, TcpAddress
from wsgate.site.tokens.source import Local, NoTarget, SourceError, tls_client
from wsgate.site.tokens.values import Targets

TARGETS = (Target(TcpAddress("h", 1)),)


class Known(Local):
    def find(self, token: str) -> Targets | None:
        if token == "broken":
            raise SourceError("the file is gone")
        if token == "refused":
            raise NoTarget("it is over")
        return TARGETS if token == "desk" else None


async def test_which_of_many_lead_nowhere() -> None:
    source = Known()
    assert await source.look_up("desk") == TARGETS
    assert await source.missing(["desk", "refused", "unknown"]) == {"refused", "unknown"}
    source.close()


async def test_a_source_that_cannot_tell_takes_no_token_for_missing() -> None:
    with pytest.raises(SourceError, match="the file is gone"):
        await Known().missing(["desk", "broken"])


async def test_without_a_context_there_is_no_tls() -> None:
    assert await tls_client(None, "h", trio.CapacityLimiter(1)) is None
