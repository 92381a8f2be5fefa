"""Gets one certificate by ACME (RFC 8555), with the library of certbot's authors. It blocks: call it in a thread.

The store is a directory that several gateways may share:

  account-*.pem          the key of the account, one for each CA
  certificates/HOST.pem  key and certificate chain in one file, so that they are replaced together
  challenges/TOKEN       the answer to a challenge, which every gateway of the store serves (``site.acme``)
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
from collections.abc import Iterator
from typing import Any

import josepy.errors
import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

from wsgate import __version__
from wsgate.ops.acme_errors import AcmeError, LockedError
from wsgate.settings.model import Acme

REQUEST_TIME = 30  # seconds for one request to the CA
ORDER_TIME = 120  # seconds in which the CA must check the challenges and sign

_NONCE_TRIES = 8

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")  # RFC 8555 §8.3


def obtain(acme: Acme) -> None:
    """Orders a certificate and puts it into the store.

    Raises ``AcmeError`` when that fails, ``LockedError`` when another gateway is at it.
    """
    try:
        os.makedirs(acme.challenges, mode=0o700, exist_ok=True)
        os.makedirs(os.path.dirname(acme.file), mode=0o700, exist_ok=True)
        with _locked(f"{acme.store}/lock"):
            _order(acme)
    except OSError as error:  # requests' own errors are among them
        raise AcmeError(_explain_os_error(acme, error)) from error
    except errors.ValidationError as error:
        raise AcmeError(_explain_validation(error)) from error
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


def _order(acme: Acme) -> None:
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
    deadline = datetime.datetime.now() + datetime.timedelta(seconds=ORDER_TIME)  # naive, as the library wants it
    with contextlib.ExitStack() as answers:
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                challenge = _http_challenge(authorization.body)
                response, text = challenge.response_and_validation(account)
                answers.enter_context(_answering(acme, challenge.chall.encode("token"), text))
                ca.answer_challenge(challenge, response)
        done = ca.poll_and_finalize(order, deadline)
    _write(acme.file, _pem(key) + done.fullchain_pem.encode())


def _register(ca: client.ClientV2, acme: Acme) -> None:
    """Makes the account, or finds it by its key."""
    try:
        ca.new_account(messages.NewRegistration.from_data(email=acme.email, terms_of_service_agreed=True))
    except errors.ConflictError as error:
        ca.net.account = messages.RegistrationResource(uri=error.location, body=messages.Registration())


def _http_challenge(authorization: messages.Authorization) -> messages.ChallengeBody:
    for challenge in authorization.challenges:
        if isinstance(challenge.chall, challenges.HTTP01):
            return challenge
    raise AcmeError(f"the CA offers no check over HTTP for {authorization.identifier.value}")


@contextlib.contextmanager
def _answering(acme: Acme, token: str, text: str) -> Iterator[None]:
    """Has the gateways serve the answer to a challenge."""
    if not _TOKEN.fullmatch(token):  # it is the CA's, and becomes the name of a file
        raise AcmeError("the CA sends a challenge with a malformed token")
    file = f"{acme.challenges}/{token}"
    _write(file, text.encode())
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


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
        _write(file, _pem(key))
    except ValueError as error:
        raise AcmeError(f"the file {file!r} is no key of an account: remove it, for a new account") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AcmeError(f"the file {file!r} is no key of an account: remove it, for a new account")
    return JWKEC(key=ComparableECKey(key))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


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


def _explain_validation(error: errors.ValidationError) -> str:
    """Says for each name what the CA has met."""
    found = []
    for authorization in error.failed_authzrs:
        for challenge in authorization.body.challenges:
            if challenge.error is not None:
                found.append(f"{authorization.body.identifier.value}: {challenge.error.detail}")
    cure = "the name must lead to this gateway's plain listener at port 80"
    return f"the CA could not check {'; '.join(found)}; {cure}"
