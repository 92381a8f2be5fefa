"""Variables in the values of header fields: ``{user}`` stands for a part of the request.

``${NAME}``, a value of the environment, is no variable, nor are other braces: a value may hold JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wsgate.text.error import TextError, quote

VARIABLES = ("address", "host", "request_id", "route", "subject", "user")

_VARIABLE = re.compile(r"(?<!\$)\{([a-z_]+)\}")
# In a value: all but visible ASCII, the sign of the encoding itself, and blanks at an end
_ODD = re.compile(r"[^ -$&-~]|\A | \Z")

# What other programs write for them
_OTHERS = {
    **dict.fromkeys(("$proxy_add_x_forwarded_for", "$remote_addr", "$binary_remote_addr", "%[src]"), "address"),
    **dict.fromkeys(("{http.request.remote.host}", "%DOWNSTREAM_REMOTE_ADDRESS"), "address"),
    **dict.fromkeys(("$host", "$http_host", "%[req.hdr(host)]", "{http.request.host}"), "host"),
    **dict.fromkeys(("$request_id", "%[unique-id]", "{http.request.uuid}", "%STREAM_ID%"), "request_id"),
    **dict.fromkeys(("$ssl_client_s_dn", "%[ssl_c_s_dn", "{http.request.tls.client.subject}"), "subject"),
    **dict.fromkeys(("$remote_user", "{http.auth.user.id}"), "user"),
}


def check_variables(text: str) -> None:
    """Raises ``TextError`` when a text has a variable that is not there, or one as another program writes it."""
    for name in variables_in(text):
        if name not in VARIABLES:
            known = ", ".join(f"{{{each}}}" for each in VARIABLES)
            raise TextError(f"{quote(text)}: {{{name}}} is none of {known}")
    for other, ours in _OTHERS.items():
        if other in text:
            raise TextError(f"{quote(text)} has {other}: here it is {{{ours}}}")


def variables_in(text: str) -> list[str]:
    """Returns the names of the variables in a text."""
    return _VARIABLE.findall(text)


def with_values(text: str, value_of: Callable[[str], str]) -> str:
    """Returns the text with the values of its variables, without blanks at its ends.

    value_of: returns the value of a variable, of any characters; empty if there is none
    """
    return _VARIABLE.sub(lambda found: encoded(value_of(found[1])), text).strip(" \t")


def encoded(value: str) -> str:
    """Returns a value as a header field can hold it: visible ASCII, and blanks between.

    Everything else is percent-encoded in UTF-8, and so is ``%``: different values stay different.
    """
    return _ODD.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass")), value)
