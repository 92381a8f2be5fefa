from __future__ import annotations

import re
import shlex

import pytest

from wsgate.commands.line import UsageError
from wsgate.commands.relay_flags import parse


def test_an_address_and_urls() -> None:
    flags = parse(["8080", "ws://a", "ws://b"])
    assert (flags.listen, flags.urls, flags.origins) == ("8080", ("ws://a", "ws://b"), "same-host")


def test_flags_may_stand_anywhere() -> None:
    flags = parse(shlex.split("--host keep 8080 --idle 5m ws://a --show-config ws://b -v"))
    assert (flags.listen, flags.urls) == ("8080", ("ws://a", "ws://b"))
    assert (flags.host, flags.idle, flags.show_config, flags.verbose) == ("keep", "5m", True, True)


TLS = "is about TLS to backends, and no URL begins with wss://: write one, or leave it out"
ONE = "chooses among several backends, and there is one: write more URLs, or leave it out"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "say where to listen and where it leads: wsgate relay [HOST:]PORT URL..."),
        ("8080", "say where it leads: write the backend's URL, like ws://127.0.0.1:9000, behind the PORT"),
        ("ws://a 8080", "'ws://a' is a URL: write where to listen in front of it: wsgate relay 8080 ws://a"),
        ("8080 ws://a --orgins any", "--orgins is none of the flags: did you mean --origins?"),
        ("8080 ws://a --xyzzy=1", "--xyzzy is none of the flags: wsgate relay --help has them all"),
        ("8080 ws://a --origin any", "--origin: use --origins LIST"),
        ("8080 ws://a --orig any", "--orig is none of the flags: did you mean --origins?"),
        ("--port 8080", "--port: write the PORT without a flag: wsgate relay 8080 ws://127.0.0.1:9000"),
        ("8080 ws://a --ssl-only", "--ssl-only: leave it out: with --cert every client must speak TLS"),
        ("8080 ws://a --host", "--host: write its value behind it"),
        ("8080 ws://a --key k", "--key needs --cert FILE, the certificate that it belongs to"),
        (
            "8080 ws://a --key-password-file k",
            "--key-password-file needs --cert FILE, the certificate that it belongs to",
        ),
        ("8080 ws://a --ca c", f"--ca {TLS}"),
        ("8080 ws://a --server-name c", f"--server-name {TLS}"),
        ("8080 ws://a --insecure", f"--insecure {TLS}"),
        (
            "8080 wss://a --insecure --ca c",
            "--insecure and --ca: with --insecure nothing is checked against it: leave one of them out",
        ),
        ("8080 ws://a --balance random", f"--balance {ONE}"),
        ("8080 ws://a --hash address", f"--hash {ONE}"),
        (
            "8080 ws://a ws://b --hash address --balance random",
            "--balance and --hash both say which backend is used: leave one of them out",
        ),
    ],
)
def test_wrong_lines(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(shlex.split(line))
    assert str(caught.value) == message


def test_help_has_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "wsgate relay 8080 ws://127.0.0.1:9000\n" in text
    named = set(re.findall(r"--[a-z-]+", text))
    assert named >= {
        "--show-config",
        "--cert",
        "--key",
        "--origins",
        "--host",
        "--balance",
        "--hash",
        "--web",
        "--help",
    }
