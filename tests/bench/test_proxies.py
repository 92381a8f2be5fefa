from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from bench import proxies
from bench.configs import Ends
from bench.measure import Cores, Plan, measure
from bench.processes import NotStarted
from bench.proxies import PROXIES, certificate, missing
from bench.rows import ROWS

ENDS = Ends(port=8001, backend=9001)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(proxies, "find", lambda program: None)
    certificate.cache_clear()
    yield
    certificate.cache_clear()


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("proxy", "why_not"),
    [
        ("nginx 64k", "not installed (apt-get install nginx-light)"),
        ("haproxy tcp", "not installed (apt-get install haproxy)"),
        ("websockify", "not installed (make -C bench peers)"),
        ("ws", "not installed (apt-get install nodejs npm; npm ci, in tests/e2e/node)"),
    ],
)
def test_a_missing_peer_says_how_to_get_it(proxy: str, why_not: str) -> None:
    assert missing(proxy) == why_not


@pytest.mark.usefixtures("nothing_installed")
def test_a_row_without_its_first_case_is_not_run() -> None:
    row = next(row for row in ROWS if row.name == "idle-tunnel")
    backwards = type(row)(row.name, row.title, row.cases[::-1], row.goal)
    plan = Plan(1.0, 0.1, 1, Cores(0, 1, frozenset({0, 1})))
    measured = measure(backwards, plan, 0, {"tcp-echo": 9}, lambda text: pytest.fail(text))
    assert measured.why_not == {"websockify": "not installed (make -C bench peers)"}
    assert measured.samples == {}


@pytest.mark.usefixtures("nothing_installed")
def test_without_openssl_there_is_no_certificate() -> None:
    with pytest.raises(NotStarted, match=r"\(apt-get install openssl\)"):
        certificate()


@pytest.mark.needs("openssl")
def test_a_certificate_and_its_key_are_made_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "BUILD", tmp_path)
    certificate.cache_clear()
    file = certificate()
    certificate.cache_clear()
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [file]
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(file)
    with open(file, "rb") as pem:
        assert x509.load_pem_x509_certificate(pem.read()).public_key().curve.name == "secp256r1"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(PROXIES))
def test_a_command_names_the_file_that_it_wrote(tmp_path: Path, name: str) -> None:
    words = PROXIES[name].command(tmp_path, ENDS)
    written = [str(path) for path in tmp_path.iterdir()]
    assert all(path in words for path in written)
    assert written or words[1:] == ["127.0.0.1:8001", "127.0.0.1:9001"] or "8001" in words


def test_without_its_module_ws_is_missing_though_node_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "MODULES", tmp_path)
    assert missing("ws") is not None
