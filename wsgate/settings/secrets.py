"""What of a configuration is secret, and how it is shown without that.

A key whose whole value is a secret says so itself (``setting(…, secret=True)``). ``MASKS`` has the types of values of
which a part is a secret. Whatever else is a text is shown without passwords and tokens in URLs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from wsgate.settings import model

MASK = "***"
NO_SUCH_FILE = (
    "there is no such file, and what is written is not shown, because it may be the secret itself: write the path of a "
    "file that has it"
)

# What is written like the path of a file. A secret may have a slash, too, but hardly such a form
_LIKE_PATH = re.compile(
    r"(?:\.{0,2}/)?(?:[\w.@-]+/)*[\w.@-]+\.(?:pem|key|crt|cer|der|p8|pub|txt|passw(?:or)?d|secret|token|jwks?|json|htpasswd|users|keys)"
    r"|\.{0,2}(?:/[\w.@-]+)+/?|\.{1,2}|/"
)

# Parts of names of header fields, query parameters and the like whose values prove who somebody is, or may
_NAMES = re.compile("(?i)pass|pwd|secret|token|auth|key|cred|cookie|session|sid$|sig|jwt|bearer|^code$")
_SCHEMES = re.compile(r"(?i)(?:basic|bearer|digest|token|apikey)\s+\S")  # RFC 9110 §11.4
_USERINFO = re.compile(r"(?<=://)[^\s/?#@]*@")
_PARAMETER = re.compile(r"(?<=[?&;])([^\s?&;=#]+)=([^\s&;#]*)")
_REFERENCE = re.compile(r"\$?\{\w+\}")  # to what a request has, or to the environment


def is_secret_name(name: str) -> bool:
    """Whether a field or parameter of this name may have a secret for its value."""
    return _NAMES.search(name) is not None


def is_like_path(text: str) -> bool:
    """Whether the value of a key for the path of a secret file is written like one. Any other may be the secret."""
    return _LIKE_PATH.fullmatch(text) is not None


def mask_text(text: str) -> str:
    """Returns a text without the users, passwords and tokens of the URLs in it."""
    if "://" not in text and "=" not in text:
        return text
    return _mask_parameters(_USERINFO.sub(f"{MASK}@", text), is_secret_name)


def mask_field(name: str, value: str) -> str:
    """Returns the value of a field or parameter, masked if it may be a secret."""
    return MASK if is_secret_name(name) or _SCHEMES.match(value) else mask_text(value)


def _mask_credential(text: str) -> str:
    user, colon, _ = text.partition(":")
    return f"{user}:{MASK}" if colon else MASK


def _mask_every_parameter(text: str) -> str:
    """A service knows the gateway by a parameter of any name."""
    return _mask_parameters(text, lambda name: True)


def _mask_parameters(text: str, is_secret: Callable[[str], bool]) -> str:
    def masked(found: re.Match[str]) -> str:
        name, value = found.groups()
        return f"{name}={MASK}" if is_secret(name) and not _REFERENCE.fullmatch(value) else found[0]

    return _PARAMETER.sub(masked, text)


# By the type of the value, as it is written; a type that is not here has ``mask_text``
MASKS: Mapping[Any, Callable[[str], str]] = {
    model.Credential: _mask_credential,
    model.HttpUrl: _mask_every_parameter,
    model.KeySet: _mask_every_parameter,
    model.TokenUrl: _mask_every_parameter,
}
