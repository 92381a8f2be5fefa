"""Reads the names and the validity of a certificate.

The standard library verifies certificates but cannot read one from a file, so this parses the few fields of RFC 5280
§4.1 that are needed. It reads only the operator's files, and does not verify them: OpenSSL does that.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from dataclasses import dataclass

# RFC 7468 §5.1, and the older label that OpenSSL also accepts
_PEM = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----(.*?)-----END (?:X509 )?CERTIFICATE-----", re.DOTALL)

# RFC 5280 §4.1, X.690 §8: the tags of the fields that are read
_BOOLEAN, _INTEGER, _OCTETS, _OID, _UTC_TIME, _GENERALIZED_TIME = 0x01, 0x02, 0x04, 0x06, 0x17, 0x18
_SEQUENCE, _SET, _VERSION, _EXTENSIONS, _DNS_NAME = 0x30, 0x31, 0xA0, 0xA3, 0x82
_COMMON_NAME = bytes.fromhex("550403")  # 2.5.4.3
_SUBJECT_ALT_NAME = bytes.fromhex("551d11")  # 2.5.29.17
_ENCODINGS = {0x0C: "utf-8", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}  # UTF8String, UniversalString, BMPString


@dataclass(frozen=True, slots=True)
class X509:
    """A certificate. Times are seconds since the epoch.

    common_name: of the subject; empty if it has none
    dns_names: of its subjectAltName, in order
    has_alt_names: whether it has a subjectAltName of any kind
    """

    common_name: str
    dns_names: tuple[str, ...]
    has_alt_names: bool
    not_before: float
    not_after: float

    @property
    def host_names(self) -> tuple[str, ...]:
        """The host names for which it is valid, in lower case.

        The common name counts only without a subjectAltName (RFC 6125 §6.4.4).
        """
        if self.has_alt_names:
            return tuple(name.lower() for name in self.dns_names)
        return (self.common_name.lower(),) if self.common_name else ()


def read_pem(data: bytes) -> list[X509]:
    """Returns the certificates of a PEM file in order; other blocks and the text between them are skipped.

    Raises ``ValueError`` when the text between the markers of a certificate is no certificate.
    """
    found = []
    for block in _PEM.finditer(data):
        try:
            der = base64.b64decode(b"".join(block[1].split()), validate=True)
        except binascii.Error as error:
            raise ValueError(f"not base64: {error}") from None
        found.append(read_der(der))
    return found


def read_der(data: bytes) -> X509:
    """Reads one certificate in DER.

    Raises ``ValueError`` when it is none.
    """
    try:
        return _certificate(data)
    except (IndexError, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"not a certificate: {error}") from None


def _certificate(data: bytes) -> X509:
    certificate = _Reader(_Reader(data).take(_SEQUENCE))
    body = _Reader(certificate.take(_SEQUENCE))
    if body.next_is(_VERSION):
        body.take(_VERSION)
    body.take(_INTEGER)  # serialNumber
    body.take(_SEQUENCE)  # signature
    body.take(_SEQUENCE)  # issuer
    validity = _Reader(body.take(_SEQUENCE))
    not_before, not_after = _time(*validity.any()), _time(*validity.any())
    common_name = _common_name(_Reader(body.take(_SEQUENCE)))
    dns_names: list[str] | None = None
    while body.left:
        tag, value = body.any()
        if tag == _EXTENSIONS:
            dns_names = _dns_names(_Reader(_Reader(value).take(_SEQUENCE)))
    return X509(common_name, tuple(dns_names or ()), dns_names is not None, not_before, not_after)


def _common_name(subject: _Reader) -> str:
    """Returns the last common name, which is the most specific; empty if there is none."""
    found = ""
    while subject.left:
        attributes = _Reader(subject.take(_SET))
        while attributes.left:
            attribute = _Reader(attributes.take(_SEQUENCE))
            kind = attribute.take(_OID)
            tag, value = attribute.any()
            if kind == _COMMON_NAME:
                found = value.decode(_ENCODINGS.get(tag, "latin-1"))
    return found


def _dns_names(extensions: _Reader) -> list[str] | None:
    while extensions.left:
        extension = _Reader(extensions.take(_SEQUENCE))
        kind = extension.take(_OID)
        if extension.next_is(_BOOLEAN):  # critical
            extension.take(_BOOLEAN)
        value = extension.take(_OCTETS)
        if kind == _SUBJECT_ALT_NAME:
            names = []
            general = _Reader(_Reader(value).take(_SEQUENCE))
            while general.left:
                tag, name = general.any()
                if tag == _DNS_NAME:
                    names.append(name.decode("ascii"))
            return names
    return None


def _time(tag: int, value: bytes) -> float:
    """Parses a time (RFC 5280 §4.1.2.5): always in UTC and with seconds; two-digit years are 1950 to 2049."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("not a certificate: no time where its validity should be")
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC).timestamp()


class _Reader:
    """Reads DER values one after the other (X.690 §8.1, §10.1): tag, length, contents."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def next_is(self, tag: int) -> bool:
        return self.left > 0 and self._data[self._at] == tag

    def take(self, expected: int) -> bytes:
        tag, value = self.any()
        if tag != expected:
            raise ValueError(f"not a certificate: tag {tag:#04x} where {expected:#04x} should be")
        return value

    def any(self) -> tuple[int, bytes]:
        tag, size = self._data[self._at], self._data[self._at + 1]
        start = self._at + 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(self._data[start : start + digits], "big")
            start += digits
        end = start + size
        if end > len(self._data):
            raise ValueError("not a certificate: it is cut off")
        self._at = end
        return tag, self._data[start:end]
