"""Against ``cryptography``, which reads the same certificates."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ssl
import textwrap
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.pki import days, shared
from wsgate.net.tls.x509 import X509, read_der, read_pem

LEAF = shared().issue_cert("one.test", "*.two.test", "192.0.2.7", "someone@three.test", common_name="a name")
PEM = LEAF.cert_chain_pems[0].bytes()
DER = x509.load_pem_x509_certificate(PEM).public_bytes(serialization.Encoding.DER)


def make(
    subject: list[x509.NameAttribute[Any]],
    alternatives: list[x509.GeneralName] | None = None,
    *,
    critical: bool = False,
    begin: datetime.datetime = datetime.datetime(2020, 1, 2, 3, 4, 5),
    end: datetime.datetime = datetime.datetime(2049, 12, 31, 23, 59, 59),
) -> X509:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(subject)
    builder = (
        x509.CertificateBuilder(name, name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if alternatives is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical)
    return read_der(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def common_name(text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, text)


def test_what_is_read() -> None:
    oracle = x509.load_der_x509_certificate(DER)
    assert read_der(DER) == X509(
        "a name",
        ("one.test", "*.two.test"),
        True,
        oracle.not_valid_before_utc.timestamp(),
        oracle.not_valid_after_utc.timestamp(),
    )


def test_times_of_both_kinds() -> None:
    """Up to 2049 as UTCTime, with two digits of the year, from 2050 as GeneralizedTime (RFC 5280 §4.1.2.5)."""
    utc = datetime.UTC
    early = make([], begin=datetime.datetime(1950, 1, 1), end=datetime.datetime(2049, 12, 31, 23, 59, 59))
    assert early.not_before == datetime.datetime(1950, 1, 1, tzinfo=utc).timestamp()
    assert early.not_after == datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=utc).timestamp()
    late = make([], begin=datetime.datetime(2050, 1, 1), end=datetime.datetime(9999, 12, 31, 23, 59, 59))
    assert late.not_before == datetime.datetime(2050, 1, 1, tzinfo=utc).timestamp()
    assert late.not_after == datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=utc).timestamp()


@pytest.mark.parametrize("critical", [False, True])
def test_the_common_name_counts_only_without_alternative_names(critical: bool) -> None:
    subject = [common_name("Common.test")]
    assert make(subject).host_names == ("common.test",)
    assert make([]).host_names == ()
    names = [x509.DNSName("One.test"), x509.DNSName("*.two.test"), x509.RFC822Name("x@three.test")]
    assert make(subject, [*names], critical=critical).host_names == ("one.test", "*.two.test")
    assert make(subject, [x509.RFC822Name("x@three.test")], critical=critical).host_names == ()


def test_the_last_common_name_of_several_in_any_encoding() -> None:
    for kind in (_ASN1Type.UTF8String, _ASN1Type.BMPString, _ASN1Type.UniversalString):
        attribute = x509.NameAttribute(NameOID.COMMON_NAME, "grüße", _type=kind)
        found = make([common_name("first"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x"), attribute])
        assert found.common_name == "grüße"


def test_a_chain_in_its_order_and_what_stands_between() -> None:
    ca = shared().cert_pem.bytes()
    key = LEAF.private_key_pem.bytes()
    found = read_pem(b"Bag Attributes\n\n" + PEM + key + b"\ntext\r\n" + ca.replace(b"\n", b"\r\n"))
    assert [certificate.common_name for certificate in found] == ["a name", ""]
    assert found[0] == read_der(DER)
    assert read_pem(PEM.replace(b"BEGIN CERT", b"BEGIN X509 CERT").replace(b"END CERT", b"END X509 CERT"))


def test_nothing_is_no_fault() -> None:
    assert read_pem(b"") == []
    assert read_pem(LEAF.private_key_pem.bytes()) == []
    assert read_pem(PEM[:-20]) == []


def armour(der: bytes) -> bytes:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (PEM.replace(b"M", b"!"), "not base64"),
        (armour(b""), "not a certificate"),
        (armour(b"hello world"), "not a certificate"),
        (armour(DER[:100]), "cut off"),
        (armour(b"\x30\x80\x00\x00"), "not a certificate"),
        (armour(DER.replace(b"\x17\x0d000101", b"\x16\x0d000101")), "no time where its validity should be"),
    ],
)
def test_what_is_no_certificate(pem: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_pem(pem)


def test_version_1_is_not_written_down() -> None:
    """RFC 5280 §4.1.2.1: it is the default. Old CAs are of version 1."""
    body = x509.load_der_x509_certificate(DER).tbs_certificate_bytes
    version = b"\xa0\x03\x02\x01\x02"
    assert body[4 : 4 + len(version)] == version
    older = b"\x30\x82" + (len(body) - 4 - len(version)).to_bytes(2, "big") + body[4 + len(version) :]
    assert read_der(b"\x30\x82" + len(older).to_bytes(2, "big") + older) == read_der(DER)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="certificate"):
        read_der(data)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_any_damage_is_read_or_refused(at: int, value: int) -> None:
    damaged = bytearray(DER)
    damaged[at] = value
    with contextlib.suppress(ValueError):
        assert isinstance(read_der(bytes(damaged)), X509)


def test_every_ca_of_this_machine_is_read() -> None:
    """Certificates of all ages and origins, if the machine has them; OpenSSL reads them too."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    data = bundle.read_bytes() if bundle.exists() else shared().cert_pem.bytes()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=data.decode("ascii"))
    oracles: list[dict[str, Any]] = context.get_ca_certs()
    assert {describe(oracle) for oracle in oracles} <= {
        (certificate.common_name, certificate.not_before, certificate.not_after) for certificate in read_pem(data)
    }
    assert oracles


def describe(oracle: dict[str, Any]) -> tuple[str, float, float]:
    names = [value for attributes in oracle["subject"] for kind, value in attributes if kind == "commonName"]
    begin, end = (float(ssl.cert_time_to_seconds(oracle[key])) for key in ("notBefore", "notAfter"))
    return names[-1] if names else "", begin, end


def test_a_long_life() -> None:
    leaf = trustme.CA().issue_cert("x.test", not_after=days(100))
    (found,) = read_pem(leaf.cert_chain_pems[0].bytes())
    assert abs(found.not_after - days(100).timestamp()) < 60
