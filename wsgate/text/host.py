"""A host: a name or an IP address.

The functions return names in lower case and addresses in their shortest form, so that equal hosts compare equal.
"""

from __future__ import annotations

import ipaddress
import re

from wsgate.text.error import TextError, quote

# RFC 1123 §2.1, and the underscore, which names in container networks have. A dot at the end means that the name is
# complete: the resolver then tries no search domains.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_MAX_NAME = 253

# A name whose last label is a number is an IPv4 address or a mistake (WHATWG URL, "ends in a number"). getaddrinfo(3)
# reads 127.1, 0x7f.1 and 2130706433 as 127.0.0.1, so they could get around rules for names.
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?", re.DOTALL)

# RFC 3986 §3.2.2: an IP literal in brackets or a registered name, then a port. HTTP has no userinfo (RFC 9110 §4.2.4).
_FIELD = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[-._~!$&'()*+;=%0-9A-Za-z]*)(:[0-9]{0,5})?")


def name_or_ipv4(text: str) -> str:
    """Returns a name or an IPv4 address in its normal form.

    Raises ``TextError`` for anything else, also for an IPv4 address that is not four decimal numbers.
    """
    if not text:
        raise TextError("is missing", "the host")
    if not text.isascii():
        raise TextError("is not ASCII: write an international name in its xn-- form", quote(text))
    if len(text) > _MAX_NAME or not _NAME.fullmatch(text):
        raise TextError("is not a host name", quote(text))
    if _ENDS_IN_A_NUMBER.fullmatch(text):
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            problem = "is not an IPv4 address: write four decimal numbers, like 127.0.0.1"
            raise TextError(problem, quote(text)) from None
    return text.lower()


def ipv6(text: str) -> str:
    """Returns an IPv6 address, which has no brackets, in its normal form.

    Raises ``TextError`` for anything else, also for a zone (RFC 4007 §11), which names an interface of this machine.
    """
    if "%" in text:
        raise TextError("has a zone: only addresses without one can be used", quote(text))
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise TextError("is not an IPv6 address", quote(text)) from None


def host(text: str) -> str:
    """Returns a name or an address in its normal form; IPv6 may have brackets. Raises ``TextError`` for anything
    else."""
    if text.startswith("[") and text.endswith("]"):
        return ipv6(text[1:-1])
    return ipv6(text) if ":" in text else name_or_ipv4(text)


def is_ip(text: str) -> bool:
    """Whether ``text`` is an IP address without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(text: str) -> bool:
    """Whether only this machine is reached by ``text``, a host without brackets."""
    return ipaddress.ip_address(text).is_loopback if is_ip(text) else text == "localhost"


def is_host_field(value: bytes) -> bool:
    """Whether ``value`` is a valid Host field: a host or nothing, with or without a port.

    The host is compared and passed on, but never resolved, so it may be any name that a URL can have (RFC 9110 §7.2).
    """
    return _FIELD.fullmatch(value) is not None
