from __future__ import annotations

import dataclasses

import pytest

from wsgate.wire.close import CloseCode
from wsgate.wire.fault import Fault


def test_a_fault_is_a_value() -> None:
    fault = Fault(CloseCode.TOO_BIG, "message over the limit of 10 bytes")
    assert fault == Fault(1009, "message over the limit of 10 bytes")
    assert not isinstance(fault, Exception)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fault.code = 1002  # type: ignore[misc]
