"""The token of the admin listener, from its file."""

from __future__ import annotations

from wsgate.text.error import TextError
from wsgate.text.file import explain, read_file

_MAX_BYTES = 4096


class AdminTokenError(Exception):
    """The file cannot be used; the message says why, and what to do."""


def load_admin_token(file: str) -> bytes:
    """Returns the token: the file's first line. It may wait for a disk: call it in a thread.

    Raises ``AdminTokenError`` when there is none.
    """
    try:
        token = read_file(file, _MAX_BYTES).split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise AdminTokenError(explain(file, error)) from None
    except TextError as error:
        raise AdminTokenError(str(error)) from None
    if not token or not all(
        0x21 <= byte <= 0x7E for byte in token
    ):  # nobody could send it in Authorization (RFC 6750 §2.1)
        raise AdminTokenError(f"the first line of {file!r} is no token: write visible ASCII without spaces there")
    return token
