"""The second pass: checks which keys of TLS fit together. Their files are checked where they are loaded."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from wsgate.settings.draft import is_whole
from wsgate.settings.faults import ReportFault
from wsgate.settings.model import Acme, AcmeChallenge, BackendTls, Certificate, ClientAuth, Relay, Tls, Tunnel
from wsgate.text.host import is_ip

_NONE = "there is no certificate: name its file with certificate"


def check_listeners_tls(listeners: list[tuple[int, Any]], fault: ReportFault, given: Container[str]) -> None:
    """Checks the TLS of listeners."""
    for index, listener in listeners:
        if not isinstance(listener.tls, Tls):
            continue
        path = f"listeners[{index}].tls"
        auth = f"{path}.client_auth"
        # Even if it is the default: a listener with "required" must not accept every client.
        if auth in given and is_whole(listener.tls.client_auth) and listener.tls.client_ca is None:
            fault(auth, "there is no client_ca to check certificates with: name its file")
        _check_plaintext(listener.tls, path, fault)
        if is_whole(listener.tls):
            _check_certificates(listener.tls, path, fault)
            if listener.tls.acme is not None:
                _check_acme(listener.tls.acme, [other for _, other in listeners], f"{path}.acme", fault)


def check_routes_tls(routes: list[tuple[int, Any]], fault: ReportFault, given: Container[str]) -> None:
    """Checks the TLS of relays and tunnels to their backends."""
    for index, route in routes:
        if not isinstance(route.action, Relay | Tunnel):
            continue
        tls, to = route.action.tls, route.action.to
        key, scheme = ("relay", "wss://") if isinstance(route.action, Relay) else ("tunnel", "tls://")
        path = f"routes[{index}].{key}.tls"
        if not is_whole(tls):
            continue
        # a target that a token or a client names may use TLS
        may_change = isinstance(route.action, Relay) and route.action.to_file is not None
        if to and not may_change and is_whole(to) and path in given and not any(target.tls for target in to):
            cure = f"write {scheme} there, or remove it"
            fault(path, f"it would do nothing, no address in to begins with {scheme}: {cure}")
        else:
            check_backend_tls(tls, path, fault)


def check_backend_tls(tls: BackendTls, path: str, fault: ReportFault) -> None:
    """Checks TLS with the gateway as the client."""
    if tls.certificate is None:
        _check_strays(tls, path, fault)
    if tls.ca is not None and not tls.verify:
        fault(f"{path}.ca", "with verify: false nothing is checked against it: remove one of them")


def _check_plaintext(tls: Tls, path: str, fault: ReportFault) -> None:
    required = isinstance(tls.client_ca, str) and tls.client_auth is ClientAuth.REQUIRED
    if tls.plaintext is True and required:
        message = "who comes without TLS shows no certificate: remove plaintext, or write client_auth: optional"
        fault(f"{path}.plaintext", message)


def _check_certificates(tls: Tls, path: str, fault: ReportFault) -> None:
    if tls.acme is not None:
        if tls.certificate is not None or tls.certificates:
            fault(
                f"{path}.acme", "certificates of your own stand beside it: remove them, or give them another listener"
            )
    elif tls.certificate is None and not tls.certificates:
        fault(path, f"{_NONE}, or several with certificates, or get one with acme")
    elif tls.certificate is not None and tls.certificates:
        fault(f"{path}.certificates", "certificate stands beside it: move that one into this list, to the top")
    if tls.certificate is None:
        _check_strays(tls, path, fault)
    for index, certificate in enumerate(tls.certificates):
        if certificate.certificate is None:
            fault(f"{path}.certificates[{index}]", _NONE)


def _check_acme(acme: Acme, listeners: Sequence[Any], path: str, fault: ReportFault) -> None:
    if not acme.directory.tls:
        fault(f"{path}.directory", "the account's key and its orders go there: write https://")
    for index, host in enumerate(acme.hosts):
        if is_ip(host):
            fault(f"{path}.hosts[{index}]", "a CA gives certificates to names: write the name that clients ask for")
    if acme.challenge is AcmeChallenge.HTTP and not any(getattr(each, "tls", True) is None for each in listeners):
        message = "the CA asks at port 80, and no listener speaks plain HTTP: add one with bind: 0.0.0.0:80"
        fault(f"{path}.challenge", f"{message} (it may have redirect: https), or write tls-alpn-01")


def _check_strays(certificate: Certificate, path: str, fault: ReportFault) -> None:
    for key in ("key", "password_file"):
        if getattr(certificate, key) is not None:
            fault(f"{path}.{key}", "there is no certificate that it belongs to: name its file with certificate")
