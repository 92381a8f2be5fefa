"""The fixtures of the gate, for questions to a running one."""

from tests.gate.conftest import backend, start_gate

__all__ = ["backend", "start_gate"]
