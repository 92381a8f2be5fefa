from __future__ import annotations

import json
import os
import ssl
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from bench import payloads
from bench.configs import Ends
from bench.generator import arguments
from bench.processes import free_port, start, stop, wait_until_accepting
from bench.proxies import PROXIES
from bench.rows import Load
from tests import pki
from tests.bench.conftest import build
from tests.bench.terminator import Terminator

NO_WINDOWS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def test_arguments_name_what_differs_from_the_defaults() -> None:
    plain = Load(connections=64, size=100)
    assert arguments(plain, 9000, seconds=1.5, warm_up=0.2) == [
        "--port=9000",
        "--mode=echo",
        "--path=/echo",
        "--size=100",
        "--connections=64",
        "--in-flight=1",
        "--seconds=1.5",
        "--warm-up=0.2",
    ]
    many = Load(connections=8, active=2, text=True, tls=True, rotate=True, seconds=30, warm_up=0.4)
    words = arguments(many, 9000, seconds=1.5, warm_up=0.2)
    assert words[6:8] == ["--seconds=30", "--warm-up=0.4"]
    assert arguments(many, 9000, seconds=60, warm_up=0.5)[6:8] == ["--seconds=60", "--warm-up=0.5"]
    assert arguments(many, 9000, seconds=60, warm_up=0.5, share=1 / 4)[6:8] == ["--seconds=15", "--warm-up=0.125"]
    assert words[8:] == ["--active=2", "--text", "--tls", "--rotate"]
    storm = arguments(Load(mode="storm", burst=5000, rate=3200), 9000, seconds=1, warm_up=0.2)
    assert storm[8:] == ["--burst=5000", "--rate=3200"]
    beside = arguments(Load(mode="beside", burst=4, rate=3200, requests=2000), 9000, seconds=1, warm_up=0.2)
    assert beside[8:] == ["--burst=4", "--rate=3200", "--requests=2000"]


def test_a_payload_of_json_is_written_for_the_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "BUILD", tmp_path)
    plain = arguments(Load(size=1000, json=True), 9000, seconds=1, warm_up=0.2)
    assert plain[8:] == [f"--payload={tmp_path}/json-1000"]
    deflated = arguments(Load(size=1000, json=True, offer="permessage-deflate"), 9000, seconds=1, warm_up=0.2)
    assert deflated[8:] == [f"--payload={tmp_path}/json-1000-deflate", "--offer=permessage-deflate"]
    message = (tmp_path / "json-1000").read_bytes()
    payload = (tmp_path / "json-1000-deflate").read_bytes()
    assert (len(message), message[:8]) == (1000, b'[{"id": ')
    assert zlib.decompressobj(-15).decompress(payload + payloads.TAIL) == message
    assert len(payload) < 500


def run(programs: Path, words: list[str], times: int = 1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [programs / "load", "--seconds=0.1", "--warm-up=0.02", *words],
        input="go -1 -1 - -\n" * times,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def result(programs: Path, *words: str) -> dict[str, Any]:
    done = run(programs, list(words))
    assert (done.returncode, done.stderr) == (0, "")
    opened, measured = map(json.loads, done.stdout.splitlines())
    assert opened["event"] == "open"
    assert measured["event"] == "result"
    found: dict[str, Any] = measured
    return found


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("ws", ["--connections=4"]),
        ("ws", ["--connections=2", "--in-flight=16"]),
        ("ws", ["--connections=2", "--text", "--size=4096"]),
        ("ws", ["--connections=2", "--size=1048576", "--in-flight=2"]),
        ("ws", ["--connections=50", "--active=3", "--rotate"]),
        ("tcp-echo", ["--connections=4", "--raw"]),
        ("ws", ["--connections=4", "--http"]),
        ("ws", ["--connections=2", "--http", "--size=65536"]),
    ],
)
def test_echoes_are_counted_and_timed(programs: Path, roles: dict[str, int], role: str, words: list[str]) -> None:
    found = result(programs, f"--port={roles[role]}", *words)
    assert found["messages"] == found["latency"]["count"] > 0
    assert found["seconds"] >= 0.1
    latency = found["latency"]
    assert 0 < latency["p50_us"] <= latency["p99_us"] <= latency["p999_us"] <= latency["most_us"]
    assert found["refused"] == 0


def json_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Load) -> list[str]:
    monkeypatch.setattr(payloads, "BUILD", tmp_path)
    return arguments(load, 0, seconds=0.1, warm_up=0.02)[1:]


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("offer", ["", "permessage-deflate", NO_WINDOWS])
def test_messages_of_json(
    programs: Path, roles: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offer: str
) -> None:
    load = Load(size=70_000, text=True, json=True, offer=offer, connections=2)
    words = json_words(tmp_path, monkeypatch, load)
    assert result(programs, f"--port={roles['ws']}", *words)["messages"] > 0
    idle = json_words(tmp_path, monkeypatch, replace(load, mode="idle"))
    done = run(programs, [f"--port={roles['ws']}", *idle], times=0)
    assert (done.returncode, json.loads(done.stdout)["connections"]) == (0, 2)


@pytest.mark.needs("gcc")
def test_a_payload_that_is_not_there(programs: Path, tmp_path: Path) -> None:
    missing = run(programs, ["--port=9", f"--payload={tmp_path}/none"])
    assert (missing.returncode, missing.stderr) == (1, f"--payload {tmp_path}/none: No such file or directory\n")
    (tmp_path / "empty").touch()
    empty = run(programs, ["--port=9", f"--payload={tmp_path}/empty"])
    assert (empty.returncode, empty.stderr) == (1, f"--payload {tmp_path}/empty cannot be read\n")
    offer = run(programs, ["--port=9", "--offer=permessage-deflate"])
    assert (offer.returncode, offer.stderr) == (1, "--offer wants a compressed --payload\n")


@pytest.mark.needs("gcc", "node", "ws")
def test_ws_answers_by_compressed_messages(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Ends(free_port(), 0)
    directory = tmp_path / "ws"
    directory.mkdir()
    process = start(
        PROXIES["ws"].command(directory, ends), cores=frozenset(os.sched_getaffinity(0)), directory=directory
    )
    try:
        wait_until_accepting(process, ends.port, directory)
        words = json_words(tmp_path, monkeypatch, Load(size=2000, text=True, json=True, offer=NO_WINDOWS))
        assert result(programs, f"--port={ends.port}", *words)["messages"] > 0
        with connect(f"ws://127.0.0.1:{ends.port}/", compression="deflate") as client:
            client.send("größe" * 1000)
            assert client.recv() == "größe" * 1000
            assert client.response is not None
            assert client.response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
    finally:
        stop(process)


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(
    "words",
    [
        ["--in-flight=4"],
        ["--rotate", "--active=2"],
        ["--size=1048576"],
        ["--mode=upgrade"],
        ["--http"],
        ["--mode=beside", "--burst=2", "--requests=1000"],
    ],
)
def test_what_can_pause_goes_on_where_it_was(programs: Path, roles: dict[str, int], words: list[str]) -> None:
    done = run(programs, ["--connections=4", f"--port={roles['ws']}", *words], times=4)
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["open"] + 4 * ["result"]
    for event in events[1:]:
        assert event["messages"] > 0
        assert event["refused"] == 0


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("ws", ["--mode=sink", "--path=/sink"]),
        ("ws", ["--mode=source", "--path=/source/64"]),
        ("ws", ["--mode=upgrade", "--connections=4"]),
        ("tcp-source", ["--mode=source", "--raw", "--size=65536"]),
        ("tcp-sink", ["--mode=sink", "--raw"]),
    ],
)
def test_one_way_and_sessions_are_counted(programs: Path, roles: dict[str, int], role: str, words: list[str]) -> None:
    assert result(programs, f"--port={roles[role]}", *words)["messages"] > 0


@pytest.fixture
def over_tls(roles: dict[str, int], tmp_path: Path) -> Iterator[Terminator]:
    """The backend of WebSocket behind TLS of every version and cipher that Python's OpenSSL has."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued = pki.write(pki.shared().issue_cert("localhost"), tmp_path)
    context.load_cert_chain(issued.certificate, issued.key)
    with Terminator(roles["ws"], context).running() as terminator:
        yield terminator


@pytest.mark.needs("gcc", "openssl/ssl.h")
@pytest.mark.parametrize(
    "words",
    [
        ["--connections=4"],
        ["--connections=2", "--in-flight=16", "--size=4096"],
        ["--connections=2", "--size=1048576"],
        ["--mode=upgrade", "--connections=2"],
        ["--mode=source", "--path=/source/65536", "--size=65536"],
    ],
)
def test_over_tls_every_session_is_new_and_of_one_version_and_cipher(
    programs: Path, over_tls: Terminator, words: list[str]
) -> None:
    assert result(programs, f"--port={over_tls.port}", "--tls", *words)["messages"] > 0
    assert set(over_tls.seen) == {("TLSv1.3", "TLS_AES_128_GCM_SHA256", False)}


@pytest.mark.needs("gcc")
def test_built_without_tls_it_says_what_to_install(tmp_path: Path, roles: dict[str, int]) -> None:
    build(tmp_path, "TLS=")
    assert [path.name for path in tmp_path.glob("tls-*")] == ["tls-no"]
    done = run(tmp_path, [f"--port={roles['ws']}", "--tls"])
    assert (done.returncode, done.stderr) == (1, "built without TLS: install libssl-dev and build again\n")
    assert result(tmp_path, f"--port={roles['ws']}")["messages"] > 0
    before = (tmp_path / "load").stat().st_mtime_ns
    build(tmp_path, "TLS=")
    assert (tmp_path / "load").stat().st_mtime_ns == before


@pytest.mark.needs("gcc", "openssl/ssl.h")
def test_headers_that_came_later_are_noticed(tmp_path: Path) -> None:
    build(tmp_path, "TLS=")
    before = (tmp_path / "load").stat().st_mtime_ns
    build(tmp_path)
    assert (tmp_path / "load").stat().st_mtime_ns > before
    assert [path.name for path in tmp_path.glob("tls-*")] == ["tls-yes"]


@pytest.mark.needs("gcc")
def test_a_storm_counts_the_live_and_the_joining(programs: Path, roles: dict[str, int]) -> None:
    words = ["--mode=storm", "--connections=4", "--rate=2000", "--burst=300", "--seconds=20"]
    found = result(programs, f"--port={roles['ws']}", *words)
    assert found["joining"]["count"] == 300
    assert found["refused"] == 0


@pytest.mark.needs("gcc")
def test_requests_beside_messages_are_counted_apart(programs: Path, roles: dict[str, int]) -> None:
    words = [f"--port={roles['ws']}", "--mode=beside", "--connections=4", "--rate=1000"]
    found = result(programs, *words, "--burst=2", "--requests=1000")
    assert found["requests"] == found["joining"]["count"] > 0
    assert found["messages"] == found["latency"]["count"] > 0
    assert result(programs, *words)["requests"] == 0


@pytest.mark.needs("gcc")
def test_an_answer_that_was_not_asked_for_ends_a_run(programs: Path, roles: dict[str, int]) -> None:
    done = run(programs, [f"--port={roles['tcp-echo']}", "--http", "--size=64"])
    assert (done.returncode, done.stderr) == (1, "not the answer that was asked for: GET /body/64 HTTP/1.1\n")


@pytest.mark.needs("gcc")
def test_the_cpu_time_of_others_is_read(programs: Path, roles: dict[str, int]) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        done = subprocess.run(
            [programs / "load", f"--port={roles['ws']}", "--seconds=0.1"],
            input=f"go 0 0 {other.pid} {other.pid},{other.pid}\n",
            stdout=subprocess.PIPE,
            text=True,
            timeout=50,
            check=True,
        )
        other.kill()
    found = json.loads(done.stdout.splitlines()[1])
    assert (found["cpu_ns"], found["backend_ns"]) == (0, 0)
    assert found["own_ns"] > 0
    assert found["proxy_core_ns"] == pytest.approx(found["load_core_ns"], abs=100_000_000)  # read one after the other


@pytest.mark.needs("gcc")
def test_what_makes_a_run_meaningless_ends_it(programs: Path, roles: dict[str, int]) -> None:
    # a server that answers the upgrade with what it was sent
    refused = run(programs, [f"--port={roles['tcp-echo']}"])
    assert refused.returncode == 1
    assert refused.stderr == "a session failed after 0 messages: GET /echo HTTP/1.1\n"
    # messages that are not the ones that were sent
    changed = run(programs, [f"--port={roles['ws']}", "--path=/source/64"])
    assert (changed.returncode, changed.stderr) == (1, "an echo is not what was sent\n")


@pytest.mark.needs("gcc")
def test_the_end_of_standard_input_instead_of_go_ends_it(programs: Path, roles: dict[str, int]) -> None:
    words = [str(programs / "load"), f"--port={roles['ws']}", "--mode=idle", "--connections=10"]
    done = subprocess.run(words, input="", capture_output=True, text=True, timeout=50, check=True)
    assert json.loads(done.stdout)["connections"] == 10
