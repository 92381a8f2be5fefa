"""Gets one certificate by ACME (RFC 8555), with the library of certbot's authors. It blocks: call it in a thread.

The store is a directory that several gateways may share:

  account-*.pem          the key of the account, one for each CA
  certificates/HOST.pem  key and certificate chain in one file, so that they are replaced together
  challenges/TOKEN       the answer to an HTTP-01 challenge, which every gateway of the store serves (``site.acme``)
  tls-challenges/HOST.pem  key and certificate for a TLS-ALPN-01 challenge, which every gateway of the store shows
                         (``ops.acme_challenges``)
  lock                   is held by the gateway that orders

Files are written beside their place and moved there, with mode 0600.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import josepy.errors
import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC
from josepy.util import ComparableECKey

from wsgate import __version__
from wsgate.net.tls.self_signed import pem_of_key, self_signed
from wsgate.ops.acme_errors import AcmeError, LockedError
from wsgate.settings.model import Acme, AcmeChallenge

REQUEST_TIME = 30  # seconds for one request to the CA
ORDER_TIME = 120  # seconds in which the CA must check the challenges and sign
SPREAD_TIME = 3.0  # seconds until every gateway of the store has seen that a TLS-ALPN-01 challenge is pending

_NONCE_TRIES = 8

_ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # RFC 8737 §6.1
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")  # RFC 8555 §8.3


def obtain(acme: Acme, kind: AcmeChallenge) -> None:
    """Orders a certificate and puts it into the store.

    kind: of the challenges, HTTP-01 or TLS-ALPN-01

    Raises ``AcmeError`` when that fails, ``LockedError`` when another gateway is at it.
    """
    try:
        for directory in (acme.challenges, acme.tls_challenges, os.path.dirname(acme.file)):
            os.makedirs(directory, mode=0o700, exist_ok=True)
        with _locked(f"{acme.store}/lock"):
            _remove_old_answers(acme)
            _order(acme, kind)
    except OSError as error:  # requests' own errors are among them
        raise AcmeError(_explain_os_error(acme, error)) from error
    except errors.ValidationError as error:
        raise AcmeError(_explain_validation(error, kind)) from error
    except errors.TimeoutError as error:
        raise AcmeError(f"the CA did not finish the order within {ORDER_TIME} s") from error
    except (errors.Error, messages.Error, josepy.errors.Error) as error:
        raise AcmeError(f"the CA answers: {error}") from error


class _Network(client.ClientNetwork):
    """Asks again with a fresh nonce as often as the CA refuses one (RFC 8555 §6.5); the library does so only once."""

    def post(self, *arguments: Any, **options: Any) -> requests.Response:
        for _ in range(_NONCE_TRIES - 1):
            try:
                return super().post(*arguments, **options)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*arguments, **options)


def _order(acme: Acme, kind: AcmeChallenge) -> None:
    account = _account_key(acme)
    net = _Network(
        account,
        alg=ES256,
        verify_ssl=True if acme.ca is None else acme.ca,  # type: ignore[arg-type]  # requests takes a path, too
        timeout=REQUEST_TIME,
        user_agent=f"wsgate/{__version__}",
    )
    ca = client.ClientV2(client.ClientV2.get_directory(str(acme.directory), net), net)
    _register(ca, acme)
    key = ec.generate_private_key(ec.SECP256R1())
    order = ca.new_order(_request(key, acme))
    with contextlib.ExitStack() as answers:
        asked = []
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                challenge = _challenge(authorization.body, kind)
                file, answer = _answer(acme, authorization.body, challenge.chall, account)
                answers.enter_context(_answering(file, answer))
                asked.append((challenge, challenge.response(account)))
        if asked and kind is AcmeChallenge.TLS_ALPN:
            time.sleep(SPREAD_TIME)
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=ORDER_TIME)  # naive, as the library wants it
        for challenge, response in asked:
            ca.answer_challenge(challenge, response)
        done = ca.poll_and_finalize(order, deadline)
    _write(acme.file, pem_of_key(key) + done.fullchain_pem.encode())


def _register(ca: client.ClientV2, acme: Acme) -> None:
    """Makes the account, or finds it by its key."""
    try:
        ca.new_account(messages.NewRegistration.from_data(email=acme.email, terms_of_service_agreed=True))
    except errors.ConflictError as error:
        ca.net.account = messages.RegistrationResource(uri=error.location, body=messages.Registration())


@challenges.ChallengeResponse.register
class _TlsAlpnResponse(challenges.KeyAuthorizationChallengeResponse):
    typ = "tls-alpn-01"


@challenges.Challenge.register
class _TlsAlpn(challenges.KeyAuthorizationChallenge):
    """The library knows this kind no more."""

    response_cls = _TlsAlpnResponse
    typ = response_cls.typ

    def validation(self, account_key: JWK, **_: object) -> bytes:
        """Returns what the certificate must have (RFC 8737 §3)."""
        return hashlib.sha256(self.key_authorization(account_key).encode()).digest()


_KINDS = {AcmeChallenge.HTTP: challenges.HTTP01, AcmeChallenge.TLS_ALPN: _TlsAlpn}


def _challenge(authorization: messages.Authorization, kind: AcmeChallenge) -> messages.ChallengeBody:
    for challenge in authorization.challenges:
        if isinstance(challenge.chall, _KINDS[kind]):
            return challenge
    raise AcmeError(f"the CA offers no check by {kind.value} for {authorization.identifier.value}")


def _answer(
    acme: Acme,
    authorization: messages.Authorization,
    challenge: challenges.KeyAuthorizationChallenge,
    account: JWKEC,
) -> tuple[str, bytes]:
    """Returns the file that has the gateways answer a challenge, and its content."""
    answer = challenge.validation(account)
    if isinstance(challenge, _TlsAlpn):
        host = authorization.identifier.value.lower()
        if host not in {each.lower() for each in acme.hosts}:  # it is the CA's, and becomes the name of a file
            raise AcmeError("the CA wants to check a name that was not asked for")
        return f"{acme.tls_challenges}/{host}.pem", challenge_certificate(host, answer)
    token = challenge.encode("token")
    if not _TOKEN.fullmatch(token):  # it is the CA's, too
        raise AcmeError("the CA sends a challenge with a malformed token")
    return f"{acme.challenges}/{token}", answer.encode()


def challenge_certificate(host: str, digest: bytes) -> bytes:
    """Returns a key and a self-signed certificate, PEM, for a TLS-ALPN-01 challenge (RFC 8737 §3).

    digest: SHA-256 of the key authorization
    """
    identifier = x509.UnrecognizedExtension(_ACME_IDENTIFIER, b"\x04" + len(digest).to_bytes(1) + digest)
    return self_signed("wsgate answers a challenge", [host], 1, identifier)


@contextlib.contextmanager
def _answering(file: str, answer: bytes) -> Iterator[None]:
    """Has the gateways of the store answer a challenge."""
    _write(file, answer)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


def _remove_old_answers(acme: Acme) -> None:
    """Removes what a gateway that was killed has left. Whoever calls it holds the store's lock."""
    for directory in (acme.challenges, acme.tls_challenges):
        for entry in os.scandir(directory):
            os.unlink(entry)


def _request(key: ec.EllipticCurvePrivateKey, acme: Acme) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(host.lower()) for host in acme.hosts])
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _account_key(acme: Acme) -> JWKEC:
    """Returns the key of the account at this CA; makes one if there is none."""
    name = hashlib.sha256(str(acme.directory).encode()).hexdigest()[:16]
    file = f"{acme.store}/account-{name}.pem"
    try:
        with open(file, "rb") as present:
            key = serialization.load_pem_private_key(present.read(), None)
    except FileNotFoundError:
        key = ec.generate_private_key(ec.SECP256R1())
        _write(file, pem_of_key(key))
    except ValueError as error:
        raise AcmeError(f"the file {file!r} is no key of an account: remove it, for a new account") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AcmeError(f"the file {file!r} is no key of an account: remove it, for a new account")
    return JWKEC(key=ComparableECKey(key))


def _write(file: str, data: bytes) -> None:
    """Replaces a file in one step. It has mode 0600."""
    fd, beside = tempfile.mkstemp(dir=os.path.dirname(file), prefix=".new-")
    try:
        with open(fd, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(beside, file)
    except BaseException:
        os.unlink(beside)
        raise


@contextlib.contextmanager
def _locked(file: str) -> Iterator[None]:
    """Holds the store's lock, which ends with the process that holds it."""
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError("another gateway of the store orders a certificate") from None
        yield
    finally:
        os.close(fd)


def _explain_os_error(acme: Acme, error: OSError) -> str:
    url = acme.directory.shown
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {url} is not accepted: name its CA with ca, if it is one of your own"
    if isinstance(error, requests.exceptions.Timeout):
        return f"{url} did not answer within {REQUEST_TIME} s"
    if isinstance(error, requests.exceptions.RequestException):
        return f"{url} cannot be reached"
    return f"the store {acme.store!r} cannot be used: {error.strerror}"


def _explain_validation(error: errors.ValidationError, kind: AcmeChallenge) -> str:
    """Says for each name what the CA has met."""
    found = []
    for authorization in error.failed_authzrs:
        for challenge in authorization.body.challenges:
            if challenge.error is not None:
                found.append(f"{authorization.body.identifier.value}: {challenge.error.detail}")
    where = "plain listener at port 80" if kind is AcmeChallenge.HTTP else "TLS listener at port 443"
    cure = f"the name must lead to this gateway's {where}"
    return f"the CA could not check {'; '.join(found)}; {cure}"
