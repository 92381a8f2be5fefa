"""Translates flags to a configuration in the style of a handwritten one."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shlex
import socket

from wsgate.commands.line import UsageError
from wsgate.commands.yaml_text import Keys, PlainWord, word, write
from wsgate.websockify.flags import Flags
from wsgate.websockify.plugins import auth_keys, bracketed, token_keys

_DEFAULT_CERT = "self.pem"
_DEFAULT_MODE = "600"
_HEAD = "# What a `wsgate tunnel` command line stands for. Run it with: wsgate serve FILE"
_TLS_VERSIONS = {"tlsv1_2": "TLSv1.2", "tlsv1_3": "TLSv1.3"}


def to_yaml(flags: Flags) -> str:
    """Returns the text of the configuration. Raises ``UsageError`` when it cannot express the flags."""
    settings: Keys = {"listeners": [_listener(flags)]}
    if flags.sessions_per_address is not None:
        settings["limits"] = {"sessions_per_address": word(flags.sessions_per_address)}
    log: Keys = {"format": "text"}
    if flags.verbose:
        log["level"] = "debug"
    settings["log"] = log
    if flags.idle_timeout:
        settings["exit_when_idle"] = f"{flags.idle_timeout}s"
    settings["routes"] = _routes(flags)
    head = _HEAD
    if flags.log_file is not None:
        head += f" 2>>{shlex.quote(os.path.abspath(flags.log_file))}"
    return f"{head}\n{write(settings)}"


# -- listeners ---------------------------------------------------------------------------------------------------------


def _listener(flags: Flags) -> Keys:
    if flags.unix_listen is not None:
        listener: Keys = {"bind": f"unix:{os.path.abspath(flags.unix_listen)}", "mode": _mode(flags)}
    else:
        assert flags.listen is not None
        listener = {"bind": _bind(flags.listen, ipv6=flags.prefer_ipv6)}
    if tls := _tls(flags):
        listener["tls"] = tls
    return listener


def _mode(flags: Flags) -> str:
    try:
        mode = int(flags.unix_listen_mode or _DEFAULT_MODE, 8)
    except ValueError:
        raise UsageError(f"--unix-listen-mode: {flags.unix_listen_mode!r} is not octal: write 0660, say") from None
    return PlainWord(f"0{mode:03o}")


def _bind(text: str, *, ipv6: bool) -> str:
    """Returns the address on which websockify would listen: only IPv4, with -6 IPv6, and with [::] both."""
    host, port = _host_and_port(text) if ":" in text else ("", text)
    _check_port(port, "[HOST:]PORT")
    return f"{bracketed(_resolve(host, ipv6=ipv6))}:{int(port)}"


def _resolve(host: str, *, ipv6: bool) -> str:
    """Returns the address of a name that websockify would choose; the name itself if it does not resolve now."""
    if not host:
        return "::" if ipv6 else "0.0.0.0"
    if _is_ip(host):
        return host
    with contextlib.suppress(OSError):
        families = {family: where[0] for family, _, _, _, where in socket.getaddrinfo(host, 0)}
        for family in (socket.AF_INET6, socket.AF_INET) if ipv6 else (socket.AF_INET, socket.AF_INET6):
            if family in families:
                return str(families[family])
    return host


def _tls(flags: Flags) -> Keys | None:
    certificate = flags.cert or (_DEFAULT_CERT if os.path.exists(_DEFAULT_CERT) else None)
    if certificate is None:
        # websockify goes on without TLS then, whatever the flags say
        without = {
            "--ssl-only": flags.ssl_only,
            "--key": flags.key,
            "--key-password-file": flags.key_password_file,
            "--ssl-ciphers": flags.ssl_ciphers,
            "--ssl-version": flags.ssl_version != "default",
            "--verify-client": flags.verify_client,
        }
        for flag, given in without.items():
            if given:
                raise UsageError(f"{flag} needs --cert FILE, or a {_DEFAULT_CERT} in this directory")
        return None
    tls: Keys = {"certificate": os.path.abspath(certificate)}
    if flags.key is not None:
        tls["key"] = os.path.abspath(flags.key)
    if flags.key_password_file is not None:
        tls["password_file"] = os.path.abspath(flags.key_password_file)
    if flags.ssl_version == "tlsv1_1":
        raise UsageError("--ssl-version tlsv1_1: TLS 1.1 is not spoken any more (RFC 8996): use tlsv1_2")
    if flags.ssl_version != "default":
        tls["min_version"] = _TLS_VERSIONS[flags.ssl_version]
    if flags.ssl_ciphers is not None:
        tls["ciphers"] = flags.ssl_ciphers
    if flags.verify_client:
        if flags.cafile is None:
            raise UsageError("--verify-client needs --cafile FILE: the CA that signs your clients' certificates")
        tls["client_ca"] = os.path.abspath(flags.cafile)
    elif not flags.ssl_only:
        # not with --verify-client: clients without TLS would be admitted without a certificate
        tls["plaintext"] = True
    return tls


# -- routes ------------------------------------------------------------------------------------------------------------


def _routes(flags: Flags) -> list[Keys]:
    auth = auth_keys(flags)
    route: Keys = {"name": "tunnel"}
    if flags.web is not None:
        route["match"] = {"websocket": True}
    route.update(auth)
    route["errors"] = "close"
    if flags.heartbeat == 0:
        route["heartbeat"] = PlainWord("off")
    elif flags.heartbeat is not None:
        route["heartbeat"] = {"interval": f"{flags.heartbeat}s"}
    route["tunnel"] = _tunnel(flags)
    if flags.web is None:
        return [route]
    files: Keys = {"name": "web", **(auth if flags.web_auth else {}), "files": {"root": os.path.abspath(flags.web)}}
    return [route, files]


def _tunnel(flags: Flags) -> Keys:
    if flags.token_plugin is not None:
        tunnel: Keys = {"token": token_keys(flags)}
        if flags.ssl_target:
            tunnel["token"]["scheme"] = "tls"
    elif flags.token_password_file is not None:
        raise UsageError("--token-password-file is for --token-plugin TokenRedis")
    elif flags.unix_target is not None:
        tunnel = {"to": f"unix:{os.path.abspath(flags.unix_target)}"}
    else:
        assert flags.target is not None
        tunnel = {"to": _target(flags.target, tls=flags.ssl_target)}
    if flags.record is not None:
        tunnel["record"] = {"directory": os.path.dirname(os.path.abspath(flags.record))}
    return tunnel


def _target(text: str, *, tls: bool) -> str:
    if text.startswith(("tcp://", "tls://", "unix:")):
        if tls:
            raise UsageError(f"--ssl-target: {text!r} says itself what is spoken to it: write HOST:PORT")
        return text
    if ":" not in text:
        example = f"localhost:{text}" if text.isdigit() else f"{text}:5900"
        raise UsageError(f"the target {text!r} is not HOST:PORT: write {example}, say")
    host, port = _host_and_port(text)
    _check_port(port, f"the target {text!r}")
    # without a host it is this machine, for getaddrinfo(3) and for websockify
    return f"{'tls' if tls else 'tcp'}://{bracketed(host or 'localhost')}:{int(port)}"


def _host_and_port(text: str) -> tuple[str, str]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), port


def _check_port(port: str, what: str) -> None:
    if not re.fullmatch("[0-9]{1,5}", port):
        raise UsageError(f"{what}: {port!r} is not a port")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
