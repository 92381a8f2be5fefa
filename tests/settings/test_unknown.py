import pytest

from wsgate.settings.decode import Decoder
from wsgate.settings.keys import keys_of
from wsgate.settings.model import Headers, Listener, Match, Relay, Route, Settings, ToClient, Tunnel
from wsgate.settings.nodes import compose
from wsgate.settings.unknown import guess_key


@pytest.mark.parametrize(
    ("cls", "path", "name", "cure"),
    [
        # under the wrong parent: below, above, beside
        (Route, "routes[0]", "path", "it belongs under 'match'"),
        (Route, "routes[0]", "host", "it belongs under 'match' or 'relay'"),
        (Route, "routes[0]", "subprotocol", "it belongs under 'match'"),
        (Route, "routes[0]", "to", "it belongs under 'relay' or 'tunnel'"),
        (Route, "routes[0]", "token", "it belongs under 'tunnel'"),
        (Route, "routes[0]", "allow", "it belongs under 'addresses' or 'tunnel'"),
        (Route, "routes[0]", "root", "it belongs under 'files'"),
        (Route, "routes[0]", "users", "it belongs under 'auth.basic'"),
        (Route, "routes[0]", "interval", "it belongs under 'heartbeat'"),
        (Match, "routes[2].match", "to", "it belongs under 'relay' or 'tunnel' of routes[2]"),
        (Relay, "routes[2].relay", "path", "it belongs under 'match' of routes[2]"),
        (Tunnel, "routes[2].tunnel", "origins", "it belongs to routes[2], beside 'tunnel'"),
        (Relay, "routes[2].relay", "match", "it belongs to routes[2], beside 'relay'"),
        (Relay, "routes[2].relay", "backlog", "it belongs under an item of 'listeners', at the top of the file"),
        (Relay, "routes[2].relay", "workers", "it belongs at the top of the file, beside 'routes'"),
        (Listener, "listeners[0]", "certificate", "it belongs under 'tls'"),
        (Listener, "listeners[0]", "routes", "it belongs at the top of the file, beside 'listeners'"),
        (Settings, "", "bind", "it belongs under an item of 'listeners'"),
        (Settings, "", "relay", "it belongs under an item of 'routes'"),
        (Settings, "", "level", "it belongs under 'log'"),
        # terms of other programs
        (Listener, "listeners[0]", "listen", "here it is 'bind'"),
        (Listener, "listeners[0]", "ssl", "here it is 'tls'"),
        (Settings, "", "listen", "here it is 'bind', and it belongs under an item of 'listeners'"),
        (Settings, "", "entryPoints", "here it is 'bind', and it belongs under an item of 'listeners'"),
        (Settings, "", "server", "here it is 'listeners'"),
        (Settings, "", "worker_processes", "here it is 'workers'"),
        (Route, "routes[0]", "location", "here it is 'path', and it belongs under 'match'"),
        (Route, "routes[0]", "proxy_pass", "here it is 'to', and it belongs under 'relay' or 'tunnel'"),
        (Route, "routes[0]", "rule", "here it is 'match'"),
        (Relay, "routes[0].relay", "proxy_pass", "here it is 'to'"),
        (Relay, "routes[0].relay", "backend", "here it is 'to'"),
        (Route, "routes[0]", "add_header", "here it is 'headers'"),
        (
            Headers,
            "routes[0].headers",
            "X-Frame-Options",
            "the keys here are to_backend, to_client; "
            "a header field is written under to_client, like {to_client: {set: {X-Frame-Options: DENY}}}",
        ),
        (
            ToClient,
            "routes[0].headers.to_client",
            "X-Frame-Options",
            "the keys here are set, add, remove; a header field is written under set or add",
        ),
        # slips of the keyboard
        (Route, "routes[0]", "rely", "did you mean 'relay'?"),
        (Route, "routes[0]", "timeout", "did you mean 'timeouts'?"),
        (Match, "routes[0].match", "hosts", "did you mean 'host'?"),
        (Route, "routes[0]", "Relay", "write 'relay'"),
        (Route, "routes[0]", "on-reload", "write 'on_reload'"),
        (Relay, "routes[0].relay", "to:ws://a", "write a blank behind the colon: 'to: ws://a'"),
        (Match, "routes[0].match", "zzz", "the keys here are " + ", ".join(keys_of(Match))),
    ],
)
def test_an_unknown_key_says_what_to_write(cls: type, path: str, name: str, cure: str) -> None:
    assert guess_key(name, path, keys_of(cls)).cure == cure


def test_a_key_in_the_wrong_place_is_one_fault() -> None:
    """Neither is the mapping missing that it should stand in, nor does a route without its path take everything."""
    decoder = Decoder("f", {})
    text = "listeners: [{bind: 127.0.0.1:1}]\nroutes: [{name: a, to: ws://a}, {name: b, path: /b, files: {root: /}}]\n"
    decoder.settings(compose(text, "f"))
    assert [(problem.path, problem.col) for problem in decoder.problems] == [("routes[0]", 20), ("routes[1]", 43)]
