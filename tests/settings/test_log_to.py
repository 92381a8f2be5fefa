from __future__ import annotations

import pytest

from wsgate.settings.log_to import log_to
from wsgate.text.error import TextError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("stderr", "stderr"),
        ("stdout", "stdout"),
        ("journald", "journald"),
        ("file:/var/log/wsgate.log", "file:/var/log/wsgate.log"),
        ("syslog", "syslog:/dev/log"),
        ("syslog:/run/log", "syslog:/run/log"),
        ("syslog:unix:/run/log", "syslog:/run/log"),
        ("syslog:udp://log.test", "syslog:udp://log.test:514"),
        ("syslog:tcp://[::1]", "syslog:tcp://[::1]:601"),
        ("syslog:tcp://10.0.0.1:6514", "syslog:tcp://10.0.0.1:6514"),
    ],
)
def test_where_the_log_may_go(text: str, shown: str) -> None:
    assert str(log_to(text)) == shown
    assert log_to(shown) == log_to(text)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("/var/log/wsgate.log", "write file:/var/log/wsgate.log"),
        ("file:wsgate.log", "write file:/wsgate.log"),
        ("file:/var/log/", "is no file"),
        ("file:", "expected stderr"),
        ("journal", "expected stderr"),
        ("syslog:10.0.0.1:514", "write syslog:udp://10.0.0.1:514 or"),
        ("syslog:tls://log.test", "write syslog:udp://log.test or"),
        ("syslog:udp://log.test:0", "is not a port"),
    ],
)
def test_what_is_wrong_has_its_cure(text: str, cure: str) -> None:
    with pytest.raises(TextError, match=cure):
        log_to(text)
