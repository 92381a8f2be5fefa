from pathlib import Path

import pytest

from tests.pki import Authority
from wsgate.net.tls.pem_files import PemFiles, stamp_of
from wsgate.net.tls.x509 import read_pem


def test_a_file_is_read_and_parsed_once(authority: Authority) -> None:
    pem = PemFiles()
    data = Path(authority.file).read_bytes()
    assert pem.read(authority.file) == data
    assert pem.read(authority.file) is pem.read(authority.file)
    assert pem.certificates(authority.file) == read_pem(data)
    assert pem.certificates(authority.file) is pem.certificates(authority.file)


def test_a_file_that_changed_is_read_again(authority: Authority) -> None:
    pem = PemFiles()
    file = authority.issue("one.test").certificate
    assert pem.certificates(file)[0].dns_names == ("one.test",)
    assert authority.issue("another.test").certificate == file
    assert pem.certificates(file)[0].dns_names == ("another.test",)


@pytest.mark.parametrize(
    ("text", "error"),
    [(None, "does not exist"), ("-----BEGIN CERTIFICATE-----x-----END CERTIFICATE-----", "not base64")],
)
def test_what_cannot_be_read_is_an_error_each_time(tmp_path: Path, text: str | None, error: str) -> None:
    file = tmp_path / "it"
    if text is not None:
        file.write_text(text)
    pem = PemFiles()
    for _ in range(2):
        with pytest.raises(ValueError, match=error):
            pem.certificates(str(file))


def test_the_stamp_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "it"
    missing = stamp_of(str(file))
    file.touch()
    assert stamp_of(str(file)) != missing
    assert stamp_of(str(file)) == stamp_of(str(file))
