from __future__ import annotations

from wsgate.site.credential import Credential


def test_one_that_reads_no_file_and_writes_no_field() -> None:
    credential = Credential()
    assert list(credential.load()) == []
    assert list(credential.writes) == []
    credential.close()
