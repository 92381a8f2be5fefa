"""Configurations as newcomers write them: like those of other programs, and with texts that YAML 1.1 reads differently.

Each row has the text, the place of the fault, and the message that says what to write instead.
"""

import pytest

from wsgate.settings.load import ConfigError, loads

LISTENER = "listeners:\n  - bind: 127.0.0.1:8080\n"
ROUTE = "routes:\n  - name: chat\n    match:\n      path: /chat\n    relay:\n      to: ws://127.0.0.1:9000\n"


def bind(text: str) -> str:
    return f"listeners:\n  - bind: {text}\n{ROUTE}"


def match(text: str) -> str:
    return LISTENER + ROUTE.replace("path: /chat", text)


def action(text: str) -> str:
    return LISTENER + ROUTE.replace("relay:\n      to: ws://127.0.0.1:9000", text)


def more(text: str) -> str:
    """A route with another key."""
    return LISTENER + ROUTE + f"    {text}\n"


ROWS = [
    (bind("80"), "2:11", "write 127.0.0.1:80 or 0.0.0.0:80"),
    (bind("'*:80'"), "2:11", "write 0.0.0.0:80 or '[::]:80' for all of them"),
    (bind("*:80"), "2:12", "write 0.0.0.0:80 or '[::]:80' for all of them"),
    (bind("'*'"), "2:11", "write 0.0.0.0 or '[::]' for all of them"),
    (bind("'::'"), "2:11", "write '[::]', or with a port '[::]:8080'"),
    (bind(":8080"), "2:11", "write 0.0.0.0:8080 or '[::]:8080' for all of them"),
    (bind("$PORT"), "2:11", "a value of the environment is written with braces: ${PORT}"),
    (bind("0.0.0.0:$PORT"), "2:11", "a value of the environment is written with braces: ${PORT}"),
    (bind("0.0.0.0:${UNSET}"), "2:11", "set it, or write a default, ${UNSET:-default}"),
    (bind("${PORT"), "2:11", "write ${NAME} or ${NAME:-default}, or $${ for a literal ${"),
    (bind("0.0.0.0:80;"), "2:11", "write '0.0.0.0:80'"),
    (bind("0.0.0.0:80 ssl"), "2:11", "write 80, and nothing behind it"),
    (bind("http://0.0.0.0:80"), "2:11", "leave http:// out, write host:port"),
    (bind('"8080:80"'), "2:11", "write 0.0.0.0:80"),
    (bind("0.0.0.0:99999"), "2:11", "'99999' is not a port: a port is a number from 0 to 65535"),
    (bind("[::]:80"), "2:12", "must be in quotes, like '[::]:8080'"),
    (bind("true"), "2:11", "write the quotes"),
    (bind(""), "2:10", "expected host:port, '[v6]:port' or unix:/path, found nothing"),
    (bind("unix:app.sock"), "2:11", "write unix:/app.sock"),
    (bind("/run/app.sock"), "2:11", "write unix:/run/app.sock"),
    (
        match("path: chat"),
        "6:13",
        "begin with / or ~: write '/chat' for this path alone, or '/chat/*' for all below it",
    ),
    (
        match("path: chat/"),
        "6:13",
        "begin with / or ~: write '/chat' for this path alone, or '/chat/*' for all below it",
    ),
    (match("path: '^/chat/.*$'"), "6:13", "write '~^/chat/.*$'"),
    (match("path: '/chat/**'"), "6:13", "write '/chat/*'"),
    (match("path: '/chat*'"), "6:13", "write '/chat' for this path alone, '/chat/*' for all below it, or '~^/chat'"),
    (match("path: /chat/.*"), "6:13", "write '/chat/*'"),
    (match("path: '~ ^/x'"), "6:13", "write '~^/x'"),
    (match("path: ~*^/x"), "6:13", "write '~(?i)^/x'"),
    (match("path: '~* ^/x'"), "6:13", "write '~(?i)^/x'"),
    (match("path: '= /chat'"), "6:13", "write '/chat'"),
    (match("path: '^~ /chat/'"), "6:13", "write '/chat/*'"),
    (match("path: Path(`/chat`)"), "6:13", "write '/chat'"),
    (match("path: PathPrefix(`/chat`)"), "6:13", "write '/chat/*'"),
    (match("path: /chat/{id}"), "6:13", "write '~^/chat/[^/]+$'"),
    (match("path: ws://example.com/chat"), "6:13", "write '/chat', and the host under host"),
    (match("path: /chat?v=1"), "6:13", "write '/chat'"),
    (match("path: '*'"), "6:13", "leave path out, or write /* for every path"),
    (match("{path: ~/x[0-9]+}"), "6:17", "must be in quotes: '~/x[0-9]+'"),
    (
        match("path: '~^/x[0-9'"),
        "6:13",
        "'^/x[0-9' is not a regular expression: unterminated character set at character 4",
    ),
    (match("{path: /${UNSET}}"), "6:16", "must be in quotes: '/${UNSET}'"),
    (match("uri: /chat"), "6:7", "here it is 'path'"),
    (match("prefix: /chat"), "6:7", "here it is 'path'"),
    (match("path:/chat"), "6:7", "write a blank behind the colon: 'path: /chat'"),
    (match("host: https://example.com"), "6:13", "leave https:// out, write the host alone"),
    (match("host: example.com:443"), "6:13", "write the host alone, it is matched on every port"),
    (match("host: .example.com"), "6:13", "write '*.example.com', and for the host itself example.com beside it"),
    (match("host: '~^chat'"), "6:13", "write '*.example.com'"),
    (match("host: '*'"), "6:13", "leave the key out to take every host"),
    (match("hosts: example.com"), "6:7", "did you mean 'host'?"),
    (match("to: ws://127.0.0.1:9000"), "6:7", "it belongs under 'relay' or 'tunnel' of routes[0]"),
    (match('"path": " /chat"'), "6:15", "write '/chat'"),
    (action("relay: {to: 127.0.0.1:9000}"), "7:17", "write ws://127.0.0.1:9000"),
    (action("relay: {to: http://127.0.0.1:9000}"), "7:17", "write ws://127.0.0.1:9000"),
    (action("relay: {to: https://app/x}"), "7:17", "write wss://app/x"),
    (action("relay: {to: 9000}"), "7:17", "write ws://127.0.0.1:9000"),
    (action("relay: {to: ws://127.0.0.1:$PORT}"), "7:17", "a value of the environment is written with braces: ${PORT}"),
    (action("relay: {to: tcp://127.0.0.1:5900}"), "7:17", "put it under tunnel, a relay leads to ws://host:port"),
    (action("relay: {to: ws://127.0.0.1:9000;}"), "7:17", "write 'ws://127.0.0.1:9000'"),
    (action("relay: {url: ws://127.0.0.1:9000}"), "7:13", "here it is 'to'"),
    (action("relay: {to:ws://127.0.0.1:9000}"), "7:13", "write a blank behind the colon: 'to: ws://127.0.0.1:9000'"),
    (action("relay: {to: []}"), "7:17", "write at least one item"),
    (action("rely: {to: ws://127.0.0.1:9000}"), "7:5", "did you mean 'relay'?"),
    (action("relay: ws://127.0.0.1:9000"), "7:12", "write {to: ws://127.0.0.1:9000}"),
    (action("to: ws://127.0.0.1:9000"), "7:5", "it belongs under 'relay' or 'tunnel'"),
    (action("proxy_pass: http://127.0.0.1:9000"), "7:5", "here it is 'to', and it belongs under 'relay' or 'tunnel'"),
    (
        action("proxy_pass http://127.0.0.1:9000;"),
        "8:1",
        "write a key, a colon, a blank and the value, like 'proxy_pass: …'",
    ),
    (action("server: ws://127.0.0.1:9000"), "7:5", "here it is 'to', and it belongs under 'relay' or 'tunnel'"),
    (action("tunnel: 127.0.0.1:5900"), "7:13", "write it like {to: tcp://127.0.0.1:5900}"),
    (action("tunnel: {to: 127.0.0.1:5900}"), "7:18", "write tcp://127.0.0.1:5900"),
    (action("tunnel: {to: ws://127.0.0.1:9000}"), "7:18", "put it under relay, a tunnel leads to tcp://host:port"),
    (
        action("tunnel: {to: tcp://127.0.0.1:5900}\n    limits: {message: 1MiB}"),
        "8:23",
        "remove it, or limit frames with frame",
    ),
    (action("redirect: https"), "7:15", "write redirect: https on the plain listener"),
    (action("redirect: https://app$request_uri"), "7:15", "here it is {path}{query}"),
    (action("redirect: {url: /new, status: 301}"), "7:16", "here it is 'to'"),
    (action("redirect: {to: /new, permanent: true}"), "7:26", "here it is 'status'"),
    (action("redirect: {to: /new, status: permanent}"), "7:34", "expected 301 or 308 (for ever)"),
    (action("return: 301 https://app"), "7:5", "here it is 'redirect'"),
    (action("static_response: ok"), "7:5", "here it is 'respond'"),
    (action("respond: {code: 204}"), "7:15", "here it is 'status'"),
    (action("respond: ok"), "7:14", "expected a status from 200 to 599"),
    (action("files: {root: ., try_files: /index.html}"), "7:22", "here it is 'fallback'"),
    (action("files: {root: ., fallback: index.html}"), "7:32", "write '/index.html'"),
    (more("origins: ['*']"), "9:15", "write any, which lets every page in"),
    (more("origins: *"), "9:15", "write any"),
    (more("origins: ['*.example.com']"), "9:15", "write one like https://*.example.com, or any to let every page in"),
    (more("origins: [null]"), "9:15", 'write "null" in quotes'),
    (more("origins: []"), "9:14", "write at least one item, or leave the key out"),
    (more("origins: [example.com]"), "9:15", "write https://example.com"),
    (more("origins: [https://example.com/]"), "9:15", "write https://example.com"),
    (
        more('origins: ["~^https://x"]'),
        "9:15",
        "write each origin out, or same-host for pages of the host that is asked for",
    ),
    (more("origins: true"), "9:14", "write any, which lets every page in"),
    (more("origins: \"'self'\""), "9:14", "write same-host"),
    (more("origins: [ws://example.com]"), "9:15", "write http://example.com"),
    (more("heartbeat: true"), "9:16", "write a mapping with the keys interval, timeo"),
    (more("heartbeat: 30"), "9:16", "write it like {interval: 30s}"),
    (more("heartbeat: 30s"), "9:16", "write it like {interval: 30s}"),
    (more("heartbeat: 0"), "9:16", "for none, write off"),
    (more("heartbeat: {every: 30s}"), "9:17", "here it is 'interval'"),
    (more("timeouts: {idle: 0}"), "9:22", "for none, write off"),
    (more("timeouts: {idle: 60}"), "9:22", "write 60s or 60ms"),
    (more("timeouts: {idle: 5min}"), "9:22", "write 5m"),
    (more("timeouts: {idle: never}"), "9:22", "for none, write off"),
    (more("timeouts: {connect: off}"), "9:25", "cannot be off: expected a duration like 500ms, 20s, 5m or 1h"),
    (more("timeouts: {read: 60s}"), "9:16", "here it is 'idle'"),
    (more("timeouts: 60s"), "9:15", "write it like {idle: 60s}"),
    (more("timeout: {idle: 60s}"), "9:5", "did you mean 'timeouts'?"),
    (more("limits: {message: 1m}"), "9:23", "write 1MiB"),
    (more("limits: {message: unlimited}"), "9:23", "for none, write off"),
    (more("limits: {mesage: 1MiB}"), "9:14", "did you mean 'message'?"),
    (more("limits: {handshakes: 10}"), "9:14", "it belongs under 'limits', at the top of the file"),
    (more("auth: basic"), "9:11", "write a mapping, like {basic: …}"),
    (more("auth: {basic: /etc/htpasswd}"), "9:19", "write it like {file: /etc/htpasswd}"),
    (more("auth: {basic: 'ann:sesame'}"), "9:19", "write it under users"),
    (more("origins: same_host"), "9:14", "write same-host"),
    (bind("[::]"), "2:12", "must be in quotes, like '[::]:8080'"),
    (more("auth: {satisfy: any, basic: {users: 'a:{PLAIN}b'}}"), "9:12", "here it is 'require'"),
    (more("auth: {apikey: keys}"), "9:12", "here it is 'api_keys'"),
    (more("auth_basic: realm"), "9:5", "here it is 'basic', and it belongs under 'auth'"),
    (more("errors: closed"), "9:13", "did you mean 'close'?"),
    (more("path: /chat"), "9:5", "it belongs under 'match'"),
    (more("name: other"), "9:5", "duplicate key 'name': line 4 has it already"),
    (
        "listeners: {bind: 127.0.0.1:80}\n" + ROUTE,
        "1:12",
        "expected a list, found a mapping: put its braces in brackets, like [{bind: …}]",
    ),
    ("listeners:\n  bind: 127.0.0.1:80\n" + ROUTE, "2:3", "write '- ' before its first key, '- bind: ', "),
    ("listeners: 127.0.0.1:80\n" + ROUTE, "1:12", "begin each item with '- '; write {bind: 127.0.0.1:80}"),
    ("listeners:\n" + ROUTE, "1:11", "write at least one item below it, which begins with '- bind: '"),
    ("listeners: []\n" + ROUTE, "1:12", "write at least one item"),
    ("listen: 80\n" + ROUTE, "1:1", "here it is 'bind', and it belongs under an item of 'listeners'"),
    ("bind: 127.0.0.1:80\n" + ROUTE, "1:1", "it belongs under an item of 'listeners'"),
    ("Listeners:\n  - bind: 127.0.0.1:80\n" + ROUTE, "1:1", "write 'listeners'"),
    ("listeners:\n  - {host: 0.0.0.0, port: 80}\n" + ROUTE, "2:6", "here it is 'bind'"),
    (LISTENER + "routes: []\n", "3:9", "write at least one item"),
    (LISTENER + "routes:\n", "3:8", "write at least one item below it, which begins with '- name: '"),
    (
        LISTENER + "routes:\n  chat:\n    match: {path: /chat}\n",
        "4:3",
        "write what is under 'chat' as an item of it, which begins with '- name: '",
    ),
    (LISTENER + "routes:\n  name: chat\n", "4:3", "write '- ' before its first key, '- name: ', "),
    (
        LISTENER + "routes: {chat: {}}\n",
        "3:9",
        "write what is under 'chat' as an item of it, which begins with '- name: '",
    ),
    (LISTENER + "routes:\n  - chat\n", "4:5", "write {name: chat}"),
    (LISTENER + "routes:\n\t- name: chat\n", "4:1", "not valid YAML: YAML is indented with spaces; this is a tab"),
    (LISTENER + "routes:\n  - name: no\n    relay: {to: ws://a}\n", "4:11", "write the quotes"),
    (LISTENER + "routes:\n  - name: 1\n    relay: {to: ws://a}\n", "4:11", "write the quotes"),
    (
        LISTENER + "routes:\n  - name: a\n    match: path: /x\n",
        "5:16",
        "ext; look at the indentation, and put a text with ': ' in it in quotes",
    ),
    (LISTENER + ROUTE + "log: debug\n", "9:6", "write it like {level: debug}"),
    (LISTENER + ROUTE + "log_level: debug\n", "9:1", "here it is 'level', and it belongs under 'log'"),
    (LISTENER + ROUTE + "workers: 0\n", "9:10", "expected auto or a number from 1 to 1024, found '0'"),
    (LISTENER + ROUTE + "---\n", "9:1", "a second YAML document begins here; the configuration is one document"),
    (LISTENER + ROUTE + ROUTE, "9:1", "duplicate key 'routes': line 3 has it already"),
    (
        'services:\n  wsgate:\n    ports: ["80:80"]\n',
        "1:1",
        "defaults, trusted_proxies, request_id, workers, limits, drain, exit_when_idle, log, admin, tracing",
    ),
    (
        "http:\n  routers: {}\n",
        "1:1",
        "defaults, trusted_proxies, request_id, workers, limits, drain, exit_when_idle, log, admin, tracing",
    ),
    (
        "frontend ws\n  bind *:80\n",
        "1:1",
        "ers, limits, drain, exit_when_idle, log, admin, tracing, found 'frontend ws bind *:80'",
    ),
    ("", "1:1", "the file is empty: it needs listeners and routes"),
]


@pytest.mark.parametrize(("text", "place", "cure"), ROWS)
def test_what_newcomers_write_gets_its_place_and_its_cure(
    text: str, place: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNSET", raising=False)
    monkeypatch.setenv("PORT", "9001")
    with pytest.raises(ConfigError) as caught:
        loads(text, "f")
    first = caught.value.problems[0]
    assert f"{first.line}:{first.col}" == place
    assert cure in first.message


@pytest.mark.parametrize("off", ["off", "false", "no", "'off'", "False"])
def test_off_in_yamls_other_words(off: str) -> None:
    assert loads(more(f"heartbeat: {off}"), "f").routes[0].heartbeat is None


def warnings(text: str) -> list[str]:
    told: list[str] = []
    loads(text, "f", lambda problem: told.append(str(problem)))
    return [line for line in told if "braces" in line]


def test_a_name_without_braces_is_warned_of_where_it_is_taken() -> None:
    (line,) = warnings(match("path: /$TENANT"))
    cure = "$TENANT is taken as it stands; a value of the environment is written with braces: ${TENANT}"
    assert line == f"f:6:13: warning: routes[0].match.path: {cure}"
    (line,) = warnings(action("files: {root: ., headers: {X-Where: a $REGION}}"))
    assert line.endswith("${REGION}")


def test_a_dollar_that_is_usual_is_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/root")
    assert warnings(match("path: ~^/x$|^/y$HOME")) == []  # an expression
    assert warnings(match("path: /$metadata")) == []
    assert warnings(match("path: /${TENANT:-a}")) == []
    assert warnings(more("auth: {basic: {users: ['ann:{PLAIN}a$HOME']}}")) == []


@pytest.mark.parametrize(
    "text",
    [
        action("relay: {to: 'http://ann:sesame@app'}"),
        action("relay: {to: 'ws://ann:sesame$x@app'}"),
        action("redirect: {to: 'https://ann:sesame@app'}"),
        action("redirect: {to: 'https://ann:sesame$host{x}@app'}"),
        action("redirect: {to: 'https://ann:sesame@app;'}"),
        action("relay: {to: 'ws://ann:sesame@app;'}"),
        more("auth: {basic: 'ann:sesame'}"),
        more("auth: {basic: {users: 'ann:sesame'}}"),
    ],
)
def test_no_cure_shows_a_password(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text, "f")
    assert "sesame" not in str(caught.value)
