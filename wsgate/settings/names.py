"""Names, paths and other short texts, and the words true and false.

Every parser takes the text of one value. It raises ``TextError`` when the text is wrong.
"""

from __future__ import annotations

import re

from wsgate.text.error import TextError, quote
from wsgate.text.subprotocol import is_subprotocol
from wsgate.text.url import is_path

NAME_CHARS = "[A-Za-z0-9._-]+"


def boolean(text: str) -> bool:
    if text not in ("true", "false"):
        word = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
        cure = word.get(text.lower())
        raise TextError(f"expected true or false, found {quote(text)}" + (f": write {cure}" if cure else ""))
    return text == "true"


_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


def switch(text: str) -> bool:
    """Parses on or off. YAML 1.1's other words for them are read, too, since tools that speak it write them."""
    if text not in _SWITCH:
        raise TextError(f"expected on or off, found {quote(text)}")
    return _SWITCH[text]


def route_name(text: str) -> str:
    if not re.fullmatch(NAME_CHARS, text):
        raise TextError(f"{quote(text)} is not a route name: use letters, digits, '.', '_' and '-'")
    return text


def subprotocol(text: str) -> str:
    if not is_subprotocol(text.encode(errors="surrogatepass")):
        if "," in text:
            raise TextError(f"{quote(text)} has a comma in it: write a list in brackets, like [a, b]")
        raise TextError(f"{quote(text)} is not a subprotocol: no quotes, line breaks or blanks around it")
    return text


def directory(text: str) -> str:
    if not text or "\0" in text:
        raise TextError(f"expected a directory, found {quote(text)}")
    return text


def file_path(text: str) -> str:
    if not text or "\0" in text:
        raise TextError(f"expected a file, found {quote(text)}")
    return text


def secret_file(text: str) -> str:
    if "\n" in text or "-----BEGIN" in text:  # PEM
        raise TextError("expected a file, found what may be the secret itself: write it into a file, and its path here")
    return file_path(text)


def file_name(text: str) -> str:
    if not text or "/" in text or "\0" in text or text in (".", ".."):
        raise TextError(f"{quote(text)} is not the name of a file: write one without a slash, like index.html")
    return text


def url_path(text: str) -> str:
    if not is_path(text):
        raise TextError(f"{quote(text)} is not a URL path: write one like /healthz, without a query")
    return text


def ciphers(text: str) -> str:
    if not re.fullmatch("[!-~]+", text):
        raise TextError(f"{quote(text)} is not a list of ciphers: write their names with ':' between them")
    return text


def free_text(text: str) -> str:
    if not text or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise TextError("expected a text in one line" if text else "the text is empty: write one, or remove the key")
    return text
