"""A leg that is a byte stream."""

from __future__ import annotations

from wsgate.relay.leg import Leg
from wsgate.relay.states import INPUT_EOF, OPEN, SEALED, advance
from wsgate.wire.close import Close


class TcpLeg(Leg):
    """The connection to a TCP service. FIN takes the place of a Close."""

    __slots__ = ()

    def close(self, close: Close) -> None:
        if self.output is OPEN:
            self.output = advance(self.output, SEALED)

    def request_close(self, close: Close) -> None:
        """Does nothing: TCP has no message for it. FIN follows when the other side has answered."""

    def finish(self) -> bool:
        if self.output_over:
            self._shut_down()
        return self.output_over and self.input is INPUT_EOF
