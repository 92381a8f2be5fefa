"""What takes another machine than the files in invalid/, which have the rest."""

from collections.abc import Sequence
from typing import Any

import pytest

from wsgate.settings.draft import Broken
from wsgate.settings.meaning_auth import check_access
from wsgate.settings.model import (
    Auth,
    Basic,
    ClientCertificateAuth,
    ClientTarget,
    Errors,
    Files,
    Listener,
    Place,
    PlaceKind,
    Relay,
    RelayBackend,
    Route,
    TcpAddress,
    Tls,
    Token,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)

BROKEN: Any = Broken()
RELAY = Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("x", 80), None)),))
PLAIN = Listener(bind=UnixAddress("/a"))
BCRYPT = "ann:$2y$05$" + "a" * 53
NO_BCRYPT = "a bcrypt hash needs bcrypt, not installed here: pip install 'wsgate[basic]'"


def warnings(**route: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    given = ["r.origins"] if "origins" in route else []
    whole = Route(name="a", **({"action": RELAY} | route))
    check_access(
        whole, (PLAIN,), "r", lambda path, message: None, lambda path, message: found.append((path, message)), given
    )
    return found


def token_from(kind: PlaceKind) -> Tunnel:
    return Tunnel(token=Token(from_=(Place(PlaceKind.QUERY, "t"), Place(kind, "t")), file="tokens"))


CURE = "write origins: same-host, or name the pages, or write origins: any"


def test_a_warning_of_pages_that_use_their_visitors_cookies() -> None:
    words = "any web page may open WebSockets here with"
    assert warnings() == [("r", f"{words} its visitor's cookies: {CURE}")]
    in_cookie = ("r", f"{words} the token in its visitor's cookie: {CURE}")
    assert warnings(action=token_from(PlaceKind.COOKIE)) == [in_cookie]
    named = Tunnel(target=ClientTarget(from_=(Place(PlaceKind.COOKIE, "t"),)))
    assert warnings(action=named) == [in_cookie]


@pytest.mark.parametrize(
    "route",
    [
        {"origins": ("same-host",)},
        {"origins": ("any",)},
        {"origins": ("https://a",)},
        {"origins": BROKEN},
        {"auth": Auth(basic=Basic())},
        {"action": token_from(PlaceKind.HEADER)},
        {"action": Tunnel(token=BROKEN)},
        {"action": Files(root="/")},
        {"action": BROKEN},
    ],
)
def test_no_warning_where_pages_are_named_or_no_cookie_counts(route: dict[str, Any]) -> None:
    assert warnings(**route) == []


def test_any_stands_alone() -> None:
    assert faults(given=["r.origins", "r.origins[0]", "r.origins[1]"], origins=("https://a", "any")) == [
        ("r.origins[1]", "any lets every page in: remove it, or the others")
    ]


def faults(
    auth: Any = None, listeners: Sequence[Any] = (PLAIN,), given: Sequence[str] = (), **route: Any
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    whole = Route(name="a", auth=auth, **({"action": RELAY} | route))
    check_access(
        whole,
        listeners,
        "r",
        lambda path, message: found.append((path, message)),
        lambda path, message: pytest.fail(f"{path}: {message}"),
        given,
    )
    return found


def certificates(**keys: Any) -> Listener:
    return Listener(bind=UnixAddress("/a"), tls=Tls(**keys))


def basic(*users: Any, file: Any = None) -> Auth:
    return Auth(basic=Basic(users=users, file=file))


@pytest.mark.parametrize(
    "listeners",
    [
        [PLAIN, certificates(client_ca="/ca")],
        # what is Broken may have been meant to ask
        [PLAIN, BROKEN],
        [PLAIN, Listener(bind=UnixAddress("/a"), tls=BROKEN)],
        [certificates(client_ca=BROKEN)],
    ],
)
def test_certificates_are_asked_for_by_a_listener(listeners: list[Any]) -> None:
    assert faults(Auth(client_certificate=ClientCertificateAuth()), listeners) == []


@pytest.mark.parametrize("listeners", [[PLAIN], [PLAIN, certificates(certificate="/a")]])
def test_certificates_that_nobody_asks_for_are_a_fault(listeners: list[Any]) -> None:
    assert faults(Auth(client_certificate=ClientCertificateAuth(names=("a",))), listeners) == [
        (
            "r.auth.client_certificate",
            "no client can pass, no listener asks for certificates: name the CAs that sign them with client_ca, "
            "under tls of a listener",
        )
    ]


def test_the_default_of_errors_is_no_fault_on_files() -> None:
    files = Files(root="/")
    assert faults(action=files) == []
    assert [path for path, _ in faults(action=files, errors=Errors.STATUS, given=("r.errors",))] == ["r.errors"]
    assert faults(errors=Errors.CLOSE, origins=("null",), given=("r.errors", "r.origins")) == []


@pytest.mark.parametrize("users", [("ann:{PLAIN}a", "ann:{PLAIN}a"), ("ann:{PLAIN}a", "Ann:{PLAIN}a")])
def test_the_same_line_again_is_noted_by_the_first_pass_alone(users: tuple[str, ...]) -> None:
    assert faults(basic(*users)) == []


@pytest.mark.parametrize(
    "auth",
    [
        BROKEN,
        Auth(basic=BROKEN),
        Auth(client_certificate=BROKEN),
        Auth(basic=Basic(users=BROKEN)),
        Auth(basic=Basic(file=BROKEN)),
        basic(BROKEN, "ann:{PLAIN}a"),
    ],
)
def test_broken_parts_are_passed_over(auth: Any) -> None:
    assert faults(auth) == []
    assert faults(auth, action=BROKEN, given=("r.errors",)) == []
