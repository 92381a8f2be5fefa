import ipaddress
import os
from typing import Any

import pytest

from wsgate.settings import meaning, model
from wsgate.settings.decode import Decoder
from wsgate.settings.draft import Broken, Draft
from wsgate.settings.model import (
    BackendTls,
    Certificate,
    ClientAuth,
    Defaults,
    Drain,
    Files,
    Heartbeat,
    Limits,
    Listener,
    ListenerRedirect,
    Log,
    LogAccess,
    LogFormat,
    LogLevel,
    Match,
    Network,
    OnReload,
    PathKind,
    PathPattern,
    Pings,
    ProxyProtocol,
    Relay,
    RelayBackend,
    Route,
    RouteLimits,
    Settings,
    Target,
    TcpAddress,
    TextFrames,
    Timeouts,
    Tls,
    TlsVersion,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.settings.nodes import compose
from wsgate.settings.problem import ConfigError
from wsgate.site.build import build

EVERYTHING = """
log: {format: text, level: error}
drain: {delay: 1s, spread: 0s, grace: 0s, code: 1012}
workers: auto
limits: {sessions: 10, handshakes: 2}
trusted_proxies: [10.0.0.0/8, unix]
routes:
  - name: a
    on_reload: drain
    match: {host: A.example, path: /a/*, subprotocol: v1}
    heartbeat: {timeout: 1s}
    timeouts: {connect: 1s, idle: off, write: off}
    limits: {message: off}
    relay:
      to: "wss://a/x"
      validate_text: false
      pings: answer
      tls: {ca: ca, server_name: A, certificate: c, key: k, password_file: p, verify: false}
  - name: b
    match: {host: [b.example, "*.b.example"], path: "~/b", subprotocol: [v1, v2]}
    heartbeat: off
    tunnel: {to: [tls://b:1, unix:/b], subprotocols: mqtt, text: accept, tls: {server_name: "::1"}}
  - name: c
    timeouts: {handshake: 2s, connect: 3s, idle: 6s, write: 7s, close: 4s, lifetime: 5s}
    limits: {}
    files: {root: c/../d}
defaults:
  heartbeat: {interval: 9s}
  timeouts: {handshake: 7s, idle: 1h, close: 8s, lifetime: 2h}
  limits: {message: 1KiB}
listeners:
  - bind: "[::1]:0"
    proxy_protocol: {from: 127.0.0.1}
    tls: {certificate: c, key: k, password_file: p, min_version: TLSv1.3, client_ca: /ca, client_auth: optional}
  - {bind: unix:/l, mode: 0660, backlog: 1, redirect: https, tls: off, proxy_protocol: off}
  - bind: 127.0.0.1
    tls: {certificates: [{certificate: c, key: k, password_file: p}, {certificate: d}], ciphers: "A:!B"}
"""

RELAY = Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("x", 80), None)),))


def decode(text: str, file: str = "/etc/wsgate/wsgate.yaml") -> tuple[Settings, Decoder]:
    decoder = Decoder(file, {})
    return decoder.settings(compose(text, file)), decoder


def faults(text: str) -> list[str]:
    return [str(problem) for problem in decode(text, "f")[1].problems]


def routes(text: str) -> str:
    """A right file around the routes."""
    return f"listeners: [{{bind: 127.0.0.1:1}}]\nroutes:\n{text}"


def test_every_field_of_the_model_can_be_set() -> None:
    settings, decoder = decode(EVERYTHING)
    assert decoder.problems == []
    assert decoder.files == {"/ca", *(f"/etc/wsgate/{name}" for name in ("ca", "c", "k", "p", "d"))}
    pair: dict[str, Any] = {"certificate": "/etc/wsgate/c", "key": "/etc/wsgate/k", "password_file": "/etc/wsgate/p"}
    assert settings == Settings(
        listeners=(
            Listener(
                bind=TcpAddress("::1", 0),
                proxy_protocol=ProxyProtocol(from_=(Network(ipaddress.ip_network("127.0.0.1/32")),)),
                tls=Tls(**pair, min_version=TlsVersion.TLS13, client_ca="/ca", client_auth=ClientAuth.OPTIONAL),
            ),
            Listener(bind=UnixAddress("/l"), mode=0o660, backlog=1, redirect=ListenerRedirect.HTTPS),
            Listener(
                bind=TcpAddress("127.0.0.1", 443),
                tls=Tls(certificates=(Certificate(**pair), Certificate(certificate="/etc/wsgate/d")), ciphers="A:!B"),
            ),
        ),
        routes=(
            Route(
                name="a",
                on_reload=OnReload.DRAIN,
                match=Match(host=("a.example",), path=PathPattern(PathKind.PREFIX, "/a/"), subprotocol=("v1",)),
                heartbeat=Heartbeat(interval=9.0, timeout=1.0),
                timeouts=Timeouts(handshake=7.0, connect=1.0, idle=None, write=None, close=8.0, lifetime=7200.0),
                limits=RouteLimits(message=None),
                action=Relay(
                    to=(RelayBackend(url=WebSocketUrl(TcpAddress("a", 443), "/x", tls=True)),),
                    tls=BackendTls(**pair, ca="/etc/wsgate/ca", server_name="a", verify=False),
                    pings=Pings.ANSWER,
                    validate_text=False,
                ),
            ),
            Route(
                name="b",
                match=Match(
                    host=("b.example", "*.b.example"), path=PathPattern(PathKind.REGEX, "/b"), subprotocol=("v1", "v2")
                ),
                heartbeat=None,
                timeouts=Timeouts(handshake=7.0, idle=3600.0, close=8.0, lifetime=7200.0),
                limits=RouteLimits(message=1024),
                action=Tunnel(
                    to=(Target(TcpAddress("b", 1), tls=True), Target(UnixAddress("/b"))),
                    tls=BackendTls(server_name="::1"),
                    subprotocols=("mqtt",),
                    text=TextFrames.ACCEPT,
                ),
            ),
            Route(
                name="c",
                match=Match(),
                heartbeat=Heartbeat(interval=9.0),
                timeouts=Timeouts(handshake=2.0, connect=3.0, idle=6.0, write=7.0, close=4.0, lifetime=5.0),
                limits=RouteLimits(message=1024),
                action=Files(root="/etc/wsgate/d"),
            ),
        ),
        defaults=Defaults(
            heartbeat=Heartbeat(interval=9.0),
            timeouts=Timeouts(handshake=7.0, idle=3600.0, close=8.0, lifetime=7200.0),
            limits=RouteLimits(message=1024),
        ),
        trusted_proxies=(Network(ipaddress.ip_network("10.0.0.0/8")), Network(None)),
        workers=0,
        limits=Limits(sessions=10, handshakes=2),
        drain=Drain(delay=1.0, spread=0.0, grace=0.0, code=1012),
        log=Log(format=LogFormat.TEXT, level=LogLevel.ERROR),
    )


ACCESS = """
listeners: [{bind: 127.0.0.1:1, tls: {certificate: c, plaintext: true}}]
exit_when_idle: 1m
routes:
  - name: a
    match: {websocket: true}
    origins: [https://A.example:443, "null"]
    auth:
      basic: {users: "ann:{PLAIN}a", file: users, realm: desks}
      client_certificate: {names: [ann, bob]}
    errors: close
    tunnel:
      to: tcp://x:1
      allow: 10.0.0.0/8:22
      deny: [unix:/run/, "*"]
      proxy_protocol: v1
      strict: true
      record: {directory: recordings, max_size: 1MiB}
  - name: b
    auth: off
    tunnel:
      token: {from: [path, cookie:c], file: tokens, scheme: tls, timeout: 1s, revoke: true}
      record: off
  - {name: c, tunnel: {token: {from: host, directory: targets}}}
  - {name: d, tunnel: {token: {from: host, jwt: {key: k, algorithms: ES256, audience: a, issuer: i}}}}
  - {name: e, tunnel: {token: {from: host, jwt: {jwks: j}}}}
  - name: f
    tunnel:
      token:
        from: host
        redis: {address: x:1, database: 2, user: u, password_file: p, prefix: "v:", tls: {verify: false}}
  - {name: g, tunnel: {token: {from: host, url: "https://x/{token}", url_tls: {server_name: y}}}}
  - {name: h, tunnel: {token: {from: host, python: {call: "m.n:o.p", source: s}}}}
  - {name: i, tunnel: {target: {from: header:X, scheme: tls}}}
  - name: j
    files:
      root: d
      index: [a.html, b.html]
      listing: true
      precompressed: false
      cache_control: max-age=60
      headers: {X-A: b, X-Number: 1, X-Yes: yes, X-Empty: ""}
"""


def test_every_field_of_access_can_be_set() -> None:
    settings, decoder = decode(ACCESS)
    assert decoder.problems == []
    host = (model.Place(model.PlaceKind.HOST),)

    def tunnel(**token: Any) -> Tunnel:
        return Tunnel(token=model.Token(from_=host, **token))

    assert settings == Settings(
        listeners=(Listener(bind=TcpAddress("127.0.0.1", 1), tls=Tls(certificate="/etc/wsgate/c", plaintext=True)),),
        exit_when_idle=60.0,
        routes=(
            Route(
                name="a",
                match=Match(websocket=True),
                origins=("https://a.example", "null"),
                auth=model.Auth(
                    basic=model.Basic(users=("ann:{PLAIN}a",), file="/etc/wsgate/users", realm="desks"),
                    client_certificate=model.ClientCertificateAuth(names=("ann", "bob")),
                ),
                errors=model.Errors.CLOSE,
                action=Tunnel(
                    to=(Target(TcpAddress("x", 1)),),
                    allow=(model.TargetRule(ipaddress.ip_network("10.0.0.0/8"), 22, 22),),
                    deny=(model.TargetRule(UnixAddress("/run/")), model.TargetRule(None)),
                    proxy_protocol=model.ProxyVersion.V1,
                    strict=True,
                    record=model.Record(directory="/etc/wsgate/recordings", max_size=1 << 20),
                ),
            ),
            Route(
                name="b",
                action=Tunnel(
                    token=model.Token(
                        from_=(model.Place(model.PlaceKind.PATH), model.Place(model.PlaceKind.COOKIE, "c")),
                        file="/etc/wsgate/tokens",
                        scheme=model.Scheme.TLS,
                        timeout=1.0,
                        revoke=True,
                    )
                ),
            ),
            Route(name="c", action=tunnel(directory="/etc/wsgate/targets")),
            Route(
                name="d",
                action=tunnel(jwt=model.Jwt(key="/etc/wsgate/k", algorithms=("ES256",), audience="a", issuer="i")),
            ),
            Route(name="e", action=tunnel(jwt=model.Jwt(jwks="/etc/wsgate/j"))),
            Route(
                name="f",
                action=tunnel(
                    redis=model.Redis(
                        address=TcpAddress("x", 1),
                        database=2,
                        user="u",
                        password_file="/etc/wsgate/p",
                        prefix="v:",
                        tls=BackendTls(verify=False),
                    )
                ),
            ),
            Route(
                name="g",
                action=tunnel(
                    url=model.TokenUrl(True, TcpAddress("x", 443), "/{token}"), url_tls=BackendTls(server_name="y")
                ),
            ),
            Route(name="h", action=tunnel(python=model.Lookup(call=model.EntryPoint("m.n", "o.p"), source="s"))),
            Route(
                name="i",
                action=Tunnel(
                    target=model.ClientTarget(
                        from_=(model.Place(model.PlaceKind.HEADER, "x"),), scheme=model.Scheme.TLS
                    )
                ),
            ),
            Route(
                name="j",
                action=Files(
                    root="/etc/wsgate/d",
                    index=("a.html", "b.html"),
                    listing=True,
                    precompressed=False,
                    cache_control="max-age=60",
                    # the text as it stands in the file
                    headers=(("X-A", "b"), ("X-Number", "1"), ("X-Yes", "yes"), ("X-Empty", "")),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ("[a:secret, a:secret]", "[1]: this is there already, at routes[0].auth.basic.users[0]"),
        ('"a:secret, b:secret"', ": this is one text: write a list in brackets, like [a, b]"),
        ("[secret]", "[0]: this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password"),
        ("12:34:56", ": without quotes YAML takes this for a number: write the quotes"),
        ("{a: secret}", ": expected user:hash, found a mapping"),
    ],
)
def test_what_is_secret_is_in_no_message(users: str, message: str) -> None:
    (said,) = faults(routes(f"  - {{name: a, auth: {{basic: {{users: {users}}}}}, relay: {{to: ws://x}}}}"))
    assert said.partition("routes[0].auth.basic.users")[2] == message


def test_a_field_has_its_place_and_its_name_once() -> None:
    fields = "{X-A: b, x-a: c, X-B: d}"
    settings, decoder = decode(routes(f"  - {{name: a, files: {{root: d, headers: {fields}}}}}"), "f")
    assert [str(problem) for problem in decoder.problems] == [
        "f:3:50: routes[0].files.headers: duplicate field 'x-a': line 3 has it already"
    ]
    assert decoder.places.by_path["routes[0].files.headers.X-B"] == (3, 63)
    action: Any = settings.routes[0].action
    assert [field for field in action.headers if not isinstance(field, Broken)] == [("X-A", "b"), ("X-B", "d")]


def test_what_is_left_out_has_the_models_defaults() -> None:
    settings, decoder = decode(routes("  - {name: a, relay: {to: ws://x}}"))
    assert decoder.problems == []
    assert settings == Settings(
        listeners=(Listener(bind=TcpAddress("127.0.0.1", 1)),), routes=(Route(name="a", action=RELAY),)
    )


def test_defaults_may_be_given_in_part() -> None:
    settings, _ = decode(routes("  - {name: a, relay: {to: ws://x}}\ndefaults: {timeouts: {connect: 1s}}"))
    assert settings.defaults == Defaults(timeouts=Timeouts(connect=1.0))
    assert settings.routes[0].timeouts == Timeouts(connect=1.0)
    assert settings.routes[0].limits == RouteLimits()


def test_an_absolute_directory_stays() -> None:
    settings, _ = decode(routes("  - {name: a, files: {root: /srv}}"))
    assert settings.routes[0].action == Files(root="/srv")


def test_a_relative_directory_begins_at_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    monkeypatch.chdir(tmp_path)
    settings, _ = decode(routes("  - {name: a, files: {root: site}}"), "conf/wsgate.yaml")
    assert settings.routes[0].action == Files(root=os.path.join(tmp_path, "conf", "site"))


def test_places_are_kept_beside_the_model() -> None:
    _, decoder = decode(EVERYTHING)
    assert decoder.places.by_path[""] == (2, 1)
    assert decoder.places.by_path["routes[0].relay.to"] == (15, 11)
    assert decoder.places.by_path["routes[1].tunnel.to[1]"] == (22, 30)
    assert decoder.places.by_path["listeners[0].proxy_protocol.from"] == (33, 28)
    assert decoder.places.by_path["listeners[1].bind"] == (35, 12)


def test_a_fault_leaves_a_broken_value_and_the_rest_intact() -> None:
    settings, decoder = decode(routes("  - {name: a, limits: {message: 1}, timeouts: 5s, relay: {to: ws://x}}"))
    (route,) = settings.routes
    assert isinstance(route.limits.message, Broken)
    assert isinstance(route.timeouts, Broken)
    assert (route.name, route.action) == ("a", RELAY)
    assert [problem.path for problem in decoder.problems] == ["routes[0].limits.message", "routes[0].timeouts"]


def test_broken_defaults_are_reported_once() -> None:
    text = "  - {name: a, relay: {to: ws://x}}\ndefaults: {timeouts: 5s, limits: {message: 1}}"
    assert faults(routes(text)) == [
        "f:4:22: defaults.timeouts: expected a mapping with the keys handshake, connect, idle, write, response, close, "
        "lifetime, found '5s'; write it like {idle: 5s}",
        "f:4:44: defaults.limits.message: 1 has no unit: write 1B, or use KiB, MiB or GiB",
    ]


HEARTBEATS = """
  - {name: a, relay: {to: ws://x}}
  - {name: b, heartbeat: {interval: 5s}, relay: {to: ws://x}}
  - {name: c, heartbeat: {}, relay: {to: ws://x}}
  - {name: d, heartbeat: 'off', relay: {to: ws://x}}
"""


@pytest.mark.parametrize(
    ("defaults", "heartbeats"),
    [
        ("{}", [Heartbeat(), Heartbeat(interval=5.0), Heartbeat(), None]),
        ("{heartbeat: off}", [None, Heartbeat(interval=5.0), Heartbeat(), None]),
        (
            "{heartbeat: {interval: 1s, timeout: 2s}}",
            [
                Heartbeat(interval=1.0, timeout=2.0),
                Heartbeat(interval=5.0, timeout=2.0),
                Heartbeat(interval=1.0, timeout=2.0),
                None,
            ],
        ),
    ],
)
def test_a_route_starts_from_the_heartbeat_of_defaults(defaults: str, heartbeats: list[Heartbeat | None]) -> None:
    settings, decoder = decode(routes(HEARTBEATS) + f"defaults: {defaults}\n")
    assert decoder.problems == []
    assert [route.heartbeat for route in settings.routes] == heartbeats


def test_off_as_a_word() -> None:
    settings, decoder = decode(routes("\n  - {name: a, respond: 404}\n") + "log: {access: off}\n")
    assert decoder.problems == []
    assert settings.log.access is LogAccess.OFF


def test_a_mapping_that_can_be_off_says_so() -> None:
    text = "  - {name: a, heartbeat: 5s, timeouts: off, relay: {to: ws://x}}"
    assert faults(routes(text)) == [
        "f:3:26: routes[0].heartbeat: expected off or a mapping with the keys interval, timeout, found '5s'; "
        "write it like {interval: 5s}",
        "f:3:40: routes[0].timeouts: expected a mapping with the keys handshake, connect, idle, write, response, "
        "close, lifetime, found 'off'",
    ]


def test_keys_that_are_python_keywords() -> None:
    text = "listeners: [{bind: 'x:1', proxy_protocol: {from_: unix}}]\nroutes: [{name: a, relay: {to: ws://x}}]"
    assert faults(text) == ["f:1:44: listeners[0].proxy_protocol: unknown key 'from_'; did you mean 'from'?"]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("routes[0].name", (3, 12)),
        ("routes[0].limits.message", (3, 5)),
        ("routes[0].relay.tls.certificates[1].key", (3, 22)),
        ("routes[1]", (3, 3)),
        ("drain.grace", (1, 1)),
    ],
)
def test_a_fault_with_what_is_left_out_stands_at_what_is_around_it(path: str, place: tuple[int, int]) -> None:
    _, decoder = decode(routes("  - {name: a, relay: {to: ws://x}}"))
    decoder.fault(path, "wrong")
    (problem,) = decoder.problems
    assert (problem.path, problem.line, problem.col) == (path, *place)


def test_off_is_for_what_can_be_off() -> None:
    text = "  - {name: a, match: {path: off}, timeouts: {connect: off}, limits: {message: 'off'}, relay: {to: ws://x}}"
    assert faults(routes(text)) == [
        "f:3:29: routes[0].match.path: 'off' does not begin with / or ~: write '/off' for this path alone, "
        "or '/off/*' for all below it",
        "f:3:55: routes[0].timeouts.connect: cannot be off: expected a duration like 500ms, 20s, 5m or 1h",
    ]


def test_a_misspelt_required_key_is_one_fault() -> None:
    assert faults(routes("  - {nane: a, relay: {to: ws://x}}")) == [
        "f:3:6: routes[0]: unknown key 'nane'; did you mean 'name'?"
    ]


def test_a_misspelt_action_is_one_fault() -> None:
    assert faults(routes("  - {name: a, relai: {to: ws://x}}")) == [
        "f:3:15: routes[0]: unknown key 'relai'; did you mean 'relay'?"
    ]


def test_a_misspelt_second_action_does_not_hide_the_first() -> None:
    settings, decoder = decode(routes("  - {name: a, relay: {to: ws://x}, tunel: {to: tcp://x:1}}"), "f")
    assert settings.routes[0].action == RELAY
    assert [str(p) for p in decoder.problems] == ["f:3:36: routes[0]: unknown key 'tunel'; did you mean 'tunnel'?"]


def test_an_empty_document_says_what_is_needed() -> None:
    assert faults("") == ["f:1:1: the file is empty: it needs listeners and routes"]


def expanded(text: str, **environment: str) -> tuple[Settings, Decoder]:
    decoder = Decoder("f", environment)
    return decoder.settings(compose(text, "f")), decoder


def test_values_from_the_environment_are_as_if_they_stood_there() -> None:
    environment = {
        **{"HOST": "App.internal", "PORT": "9000", "OFF": "off", "NO": "no", "TRUE": "true", "N": "4", "S": "7s"},
        **{"NAME": "12", "ROOT": "site", "VALUE": "x: [y]", "CRED": "ann:$2y$05$abc", "SIZE": "1MiB"},
    }
    text = """\
workers: ${N}
limits: {sessions: "${N}"}
exit_when_idle: ${OFF}
listeners: [{bind: "127.0.0.1:${PORT}", tls: "${NO}"}, {bind: "127.0.0.${N}:${HTTP:-8080}"}]
routes:
- name: ${NAME}
  match: {path: "/${NAME}/*", websocket: "${TRUE}"}
  heartbeat: ${OFF}
  timeouts: {connect: "${S}", idle: "${OFF}"}
  limits: {message: "${SIZE}"}
  auth: {basic: {users: "${CRED}"}}
  relay: {to: ["ws://${HOST}:${PORT}/${NAME}"], validate_text: "${TRUE}"}
- name: ${UNSET:-site}
  files: {root: "${ROOT}/${NAME}", index: [a, "${ROOT}"], headers: {X-A: "${VALUE}", X-B: "${NONE:-}"}}
"""
    settings, decoder = expanded(text, **environment)
    assert decoder.problems == []
    assert (settings.workers, settings.limits.sessions, settings.exit_when_idle) == (4, 4, None)
    assert [listener.bind for listener in settings.listeners] == [
        TcpAddress("127.0.0.1", 9000),
        TcpAddress("127.0.0.4", 8080),
    ]
    chat, site = settings.routes
    assert chat == Route(
        name="12",
        match=Match(path=PathPattern(PathKind.PREFIX, "/12/"), websocket=True),
        heartbeat=None,
        timeouts=Timeouts(connect=7.0, idle=None),
        limits=RouteLimits(message=1 << 20),
        auth=chat.auth,
        action=Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("app.internal", 9000), "/12")),), validate_text=True),
    )
    assert chat.auth is not None
    assert chat.auth.basic == model.Basic(users=("ann:$2y$05$abc",))
    assert site.name == "site"
    assert site.action == Files(
        root=os.path.abspath("site/12"), index=("a", "site"), headers=(("X-A", "x: [y]"), ("X-B", ""))
    )
    assert decoder.from_environment["listeners[1].bind"] == "127.0.0.${N}:${HTTP:-8080}"
    assert decoder.from_environment["routes[0].relay.to[0]"] == "ws://${HOST}:${PORT}/${NAME}"
    assert "routes[1].name" not in decoder.from_environment  # a default is the file's own


SECRET = "Hunter2"


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ('relay: {to: "${S}"}', "relay.to: with the environment's value, '${S}' does not fit here: expected ws://"),
        ('relay: {to: ["ws://a", "ws://${S}/ "]}', "relay.to[1]: with the environment's value, 'ws://${S}/ ' does not"),
        ('relay: {to: "ws://${S}", pings: "${S}"}', "relay.pings: with the environment's value, '${S}' does not fit"),
        ('relay: "${S}"', "relay: expected a mapping with the keys"),
        ('match: "${S}"', "match: expected a mapping"),
        ("tunnel: {to: tcp://a:1, strict: '${S}'}", "expected true or false"),
        ("auth: {basic: {users: '${S}'}}", "auth.basic.users: with the environment's value, ${S} does not fit here"),
        ("timeouts: {connect: '${S}'}", "expected a duration"),
        ("timeouts: '${S}'", "timeouts: expected a mapping"),
        ("limits: {message: '1${S}'}", "expected a size"),
        ("files: {root: /, headers: {X-A: '${S}\u0100'}}", "files.headers: '${S}\u0100' is not the value of a header"),
        ("match: {host: ['${S}', '${S}']}", "match.host[1]: '${S}' is there already, at routes[0].match.host[0]"),
        ("match: {subprotocol: '${S}, ${S}'}", "match.subprotocol: '${S}, ${S}' is one text: write a list"),
        ("name: '${S}}'", "with the environment's value, '${S}}' does not fit here: expected a route name"),
        ("match: {path: '${S}'}", "match.path: with the environment's value, '${S}' does not fit here"),
    ],
)
def test_no_message_has_a_value_of_the_environment(route: str, message: str) -> None:
    _, decoder = expanded(routes(f"- {route}\n"), S=SECRET)
    said = "\n".join(map(str, decoder.problems))
    assert message in said
    assert SECRET.lower() not in said.lower()


def test_build_faults_mask_environment_values() -> None:
    text = routes(
        "- {name: '${S}', match: {path: '/${S}'}, files: {root: '/nowhere/${S}'}}\n"
        "- {name: '${S}', tunnel: {token: {from: host, python: {call: '${S}.m:f'}}}}\n"
    )
    settings, decoder = expanded(text, S=SECRET)
    meaning.check(settings, decoder.fault, decoder.warn, decoder.places)
    with pytest.raises(ConfigError):
        build(Draft(settings, decoder.places, decoder.problems))
    decoder.warn("routes", f"has {SECRET}")
    assert sorted(problem.message for problem in decoder.problems) == [
        "routes[0] has the name ${S} already: rename one of them",
        "the directory '/nowhere/${S}' does not exist",
        "there is no module ${S}.m:f: install it, or put its directory on PYTHONPATH",
    ]
    assert [warning.message for warning in decoder.warnings] == ["has ${S}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "workers: ${W}",
            "f:1:10: workers: W is not set in the environment: set it, or write a default, ${W:-default}",
        ),
        ("workers: ${E}", "f:1:10: workers: expected auto or a number, found '${E}' (empty now)"),
        (
            "workers: $W",
            "f:1:10: workers: '$W' does not fit here; a value of the environment is written with braces: ${W}",
        ),
    ],
)
def test_a_reference_that_is_wrong(text: str, message: str) -> None:
    _, decoder = expanded(f"{text}\n{routes('- {name: a, relay: {to: ws://a}}')}", E="")
    assert [str(problem) for problem in decoder.problems] == [message]


@pytest.mark.parametrize("word", ["off", "Off", "OFF", "false", "False", "FALSE", "no", "No", "NO", '"false"'])
def test_what_yaml_1_1_takes_for_off_is_off(word: str) -> None:
    text = f"exit_when_idle: {word}\nlimits: {{sessions: {word}}}\ndefaults: {{heartbeat: {word}}}\n" + routes(
        f"- {{name: a, timeouts: {{idle: {word}}}, limits: {{message: {word}}}, relay: {{to: ws://a}}}}"
    )
    settings, decoder = decode(text)
    assert decoder.problems == []
    (route,) = settings.routes
    assert (settings.exit_when_idle, settings.limits.sessions, settings.defaults.heartbeat) == (None, None, None)
    assert (route.heartbeat, route.timeouts.idle, route.limits.message) == (None, None, None)


@pytest.mark.parametrize(
    "written",
    [
        "ws://x:1",
        "{url: ws://x:1}",
        "[ws://x:1]",
        "[{url: 'ws://x:1', weight: 1, backup: false, sessions: off}]",
    ],
)
def test_a_value_alone_stands_for_its_mapping(written: str) -> None:
    decoder = Decoder("f.yaml", {})
    text = f"{{listeners: [{{bind: '127.0.0.1:1'}}], routes: [{{name: a, relay: {{to: {written}, balance: random}}}}]}}"
    settings = decoder.settings(compose(text, "f.yaml"))
    assert decoder.problems == []
    (route,) = settings.routes
    assert route.action == Relay(
        to=(RelayBackend(url=WebSocketUrl(TcpAddress("x", 1), None)),),
        balance=model.Balance(policy=model.Policy.RANDOM),
    )
