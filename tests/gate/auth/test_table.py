from __future__ import annotations

from wsgate.gate.auth.table import CHECKS
from wsgate.settings.model import AUTH_KINDS


def test_each_kind_of_the_settings_can_be_checked() -> None:
    assert tuple(CHECKS) == AUTH_KINDS
