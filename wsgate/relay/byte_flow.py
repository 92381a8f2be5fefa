"""A session of bytes on both sides, whatever they mean: behind an upgrade to another protocol than WebSocket."""

from __future__ import annotations

from wsgate.relay.closing import Cause, End
from wsgate.relay.flow import Flow, MakeFlows
from wsgate.relay.states import Output
from wsgate.relay.tcp_leg import TcpLeg
from wsgate.wire.close import Close


class ByteLeg(TcpLeg):
    """A side of such a session. Nobody could be asked to end it, so its FIN is sent at once."""

    __slots__ = ()

    def request_close(self, close: Close) -> None:
        self.close(close)


class ByteFlow(Flow):
    """Bytes as they come."""

    __slots__ = ()

    @property
    def messages(self) -> int:
        return 0

    def move(self, start: int, end: int) -> None:
        self.last_moved = self.pump.now
        self.sink.write(self.pump.view[start:end])

    def _end_of_file(self) -> End:
        if self.source.output is Output.BROKEN:  # the kernel reports a reset once, and a write has got it
            return End(Cause.GONE, detail="connection lost: it was reset")
        return End(Cause.FINISHED)


def pass_bytes(client: ByteLeg, backend: ByteLeg) -> MakeFlows:
    """Makes the flows of a session that is bytes on both sides."""
    return lambda owner: (
        ByteFlow(owner, client.pump, client, backend),
        ByteFlow(owner, client.pump, backend, client),
    )
