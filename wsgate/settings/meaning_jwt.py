"""The second pass: checks what signed tokens must be, for the clients of a route."""

from __future__ import annotations

from collections.abc import Container

from wsgate.settings.draft import is_whole
from wsgate.settings.faults import ReportFault, ReportWarning, check_choice, is_there, items
from wsgate.settings.meaning_tls import check_backend_tls
from wsgate.settings.model import HttpUrl, JwtAuth
from wsgate.text.error import TextError
from wsgate.text.host import is_loopback
from wsgate.text.jwt import HMAC, mixes_secrets, signature_algorithm


def check_jwt(jwt: JwtAuth, path: str, fault: ReportFault, warn: ReportWarning, given: Container[str]) -> None:
    """Checks ``auth.jwt`` at ``path``; warns if it admits probably more than is meant."""
    check_choice(jwt, ("key", "jwks"), path, fault)
    check_algorithms(jwt.algorithms, f"{path}.algorithms", fault)
    names = [name for _, name in items(jwt.algorithms) if isinstance(name, str)]
    if mixes_secrets(names):
        message = "whoever has the public key could sign with it as the secret: write HS… alone, or without it"
        fault(f"{path}.algorithms", f"{', '.join(names)} are for secrets and for public keys: {message}")
    elif isinstance(jwt.jwks, HttpUrl) and any(name in HMAC for name in names):
        message = "is for secrets, and whoever knows this URL has its keys: name the file of the secret with key"
        fault(f"{path}.algorithms", f"{names[0]} {message}")
    _check_url(jwt, path, fault, given)
    if isinstance(jwt.jwks, HttpUrl) and not jwt.jwks.tls and not is_loopback(jwt.jwks.address.host):
        warn(f"{path}.jwks", "without TLS everybody on the way can put keys of their own there: write https://")
    if is_there(jwt.jwks) and jwt.jwks is not None and jwt.audience == ():
        warn(path, "tokens that the same issuer makes for other services are taken, too: write audience")


def check_algorithms(algorithms: object, path: str, fault: ReportFault) -> None:
    """Checks a list of signature algorithms, which may be ``Broken``."""
    for index, name in items(algorithms):
        try:
            if isinstance(name, str):
                signature_algorithm(name)
        except TextError as error:
            fault(f"{path}[{index}]", str(error))


def _check_url(jwt: JwtAuth, path: str, fault: ReportFault, given: Container[str]) -> None:
    if not is_there(jwt.jwks):
        return
    for key in ("refresh", "timeout"):
        if f"{path}.{key}" in given and not isinstance(jwt.jwks, HttpUrl):
            fault(f"{path}.{key}", "it would do nothing, a file is read when it changes: remove it")
    below = f"{path}.jwks_tls"
    if below in given and not (isinstance(jwt.jwks, HttpUrl) and jwt.jwks.tls):
        fault(below, "it would do nothing, there is no jwks with https://: write one, or remove it")
    elif is_whole(jwt.jwks_tls):
        check_backend_tls(jwt.jwks_tls, below, fault)
