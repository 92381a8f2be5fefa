from __future__ import annotations

import pytest

from wsgate.settings import model
from wsgate.settings.fixed import answer_field_name, body_text, file_below_root, redirect_target, status
from wsgate.settings.scalars import SCALARS
from wsgate.text.error import TextError

NEITHER = "is neither a URL nor a path: write https://host/path or /path"
ENCODE = "percent-encode what is not a letter, digit or one of -._~/?&="


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/new",
        "/new/{rest}{query}",
        "{path}/",
        "/?from={path}#top",
        "/#/{rest}",
        "/rooms/{room}/{2}?x={1}",
        "https://a.test",
        "http://a.test:8080/x?y=1&z=%20#w",
        "https://a.test{path}{query}",
        "https://a.test/{rest}",
        "https://{host}{path}",
        "https://www.{host}:8443/",
        "https://[::1]:8443{path}",
        "https://a.test?x",
        "HTTPS://a.test",
    ],
)
def test_where_a_redirect_may_lead(text: str) -> None:
    assert redirect_target(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"'' {NEITHER}"),
        ("new", f"'new' {NEITHER}"),
        ("{rest}", f"'{{rest}}' {NEITHER}"),
        ("{query}", f"'{{query}}' {NEITHER}"),
        ("a.test/x", "'a.test/x' has no scheme: write 'https://a.test/x'"),
        ("{host}/x", "'{host}/x' has no scheme: write 'https://{host}/x'"),
        ("//a.test/x", "'//a.test/x' has no scheme: write 'https://a.test/x'"),
        ("wss://a.test", "'wss://a.test': no browser follows a redirect to wss://: write https://"),
        ("ftp://a.test", "'ftp://a.test': no browser follows a redirect to ftp://: write http:// or https://"),
        ("https://ann:secret@a.test", "the URL of a redirect cannot hold a user or password: remove all up to '@'"),
        (
            "https://a.test{rest}",
            "'https://a.test{rest}': clients could go on with the host's name there: write 'https://a.test/{rest}'",
        ),
        (
            "https://{path}",
            "the host is missing",
        ),
        ("https://a.test:port/", "'port' is not a port: a port is a number from 1 to 65535"),
        ("https://a_.{host}..b/", "'a_.host..b' is not a host name"),
        ("https://$host$request_uri", "'https://$host$request_uri' has $host: here it is {host}"),
        ("https://a.test$request_uri", "'https://a.test$request_uri' has $request_uri: here it is {path}{query}"),
        ("https://a.test{uri}", "'https://a.test{uri}' has {uri}: here it is {path}{query}"),
        ("/x?{query}", "'/x?{query}' has ?{query}: here it is {query}"),
        ("/{0}", "'/{0}': {0} is none of {host}, {path}, {rest}, {query}, {1}"),
        ("/{a-b}", "'/{a-b}': {a-b} is none of {host}, {path}, {rest}, {query}, {1}"),
        ("/x/$2", "'/x/$2' has $2: here it is {2}"),
        (
            "https://a.test{room}",
            "'https://a.test{room}': clients could go on with the host's name there: write 'https://a.test/{room}'",
        ),
        ("/a b", f"'/a b': {ENCODE}"),
        ("/a\r\nSet-Cookie: x", f"'/a\\r\\nSet-Cookie: x': {ENCODE}"),
        ("/a\\b", f"'/a\\\\b': {ENCODE}"),
        ("/a?b\n", f"'/a?b\\n': {ENCODE}"),
        ("/a#b#c", f"'/a#b#c': {ENCODE}"),
        ("/{", f"'/{{': {ENCODE}"),
    ],
)
def test_where_no_redirect_leads(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        redirect_target(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["100", "199", "600", "999", "20", "0200", "ok", "", "-200"])
def test_no_status(text: str) -> None:
    with pytest.raises(TextError, match="expected a status from 200 to 599, found"):
        status(text)


@pytest.mark.parametrize("text", ["300", "304", "200", "permanent", ""])
def test_no_status_of_a_redirect(text: str) -> None:
    with pytest.raises(TextError, match="expected 301 or 308"):
        SCALARS[model.RedirectStatus].parse(text)


def test_a_text_may_have_lines_but_no_zero_byte() -> None:
    assert body_text("User-agent: *\nDisallow: /\n") == "User-agent: *\nDisallow: /\n"
    for text in ("", "a\0b"):
        with pytest.raises(TextError):
            body_text(text)


@pytest.mark.parametrize("name", ["Content-Length", "connection", "Transfer-Encoding", "Upgrade", "Date", "Trailer"])
def test_fields_of_the_connection_are_the_gateways(name: str) -> None:
    with pytest.raises(TextError, match="is written by the gateway itself: remove it"):
        answer_field_name(name)


@pytest.mark.parametrize("name", ["Content-Type", "Location", "Cache-Control", "ETag", "Vary", "Retry-After"])
def test_all_other_fields_are_the_operators(name: str) -> None:
    assert answer_field_name(name) == name


@pytest.mark.parametrize("text", ["index.html", "/", "/a/", "/a//b", "/../a", "/a/.b", "/.", "/a\0"])
def test_no_file_below_the_root(text: str) -> None:
    with pytest.raises(TextError):
        file_below_root(text)
