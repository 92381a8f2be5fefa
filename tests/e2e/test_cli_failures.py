"""What the operator sees when a command does not work: the whole list of errors, or one line; and an exit status."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from .gateway import COMMAND, ENVIRONMENT, relay, run, write_config

WRONG = """\
listeners:
  - bind: 127.0.0.1:8080
    proxy: yes
routes:
  - name: chat
    match: {path: chat}
    relay:
      to: [http://127.0.0.1:9000]
  - name: chat
    tunnel: {to: tcp://127.0.0.1:5900, text: maybe}
drain: {grace: 10 parsecs}
limts: {}
"""
# the command line, and the text that the error must have
ERRORS = [(3, "proxy"), (6, "path"), (8, "http"), (9, "chat"), (10, "maybe"), (11, "10 parsecs"), (12, "limts")]


@pytest.mark.parametrize("command", ["serve", "check"])
def test_every_error_of_a_wrong_file_with_its_place(tmp_path: Path, command: str) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(WRONG)
    done = run(command, file)
    assert done.returncode == 2
    assert done.stdout == ""
    errors = re.findall(rf"^{re.escape(str(file))}:(\d+):(\d+): (?!warning: )(.+)$", done.stderr, re.MULTILINE)
    lines = [(int(line), message) for line, _, message in errors]
    missing = [
        (line, word) for line, word in ERRORS if not any(line == at and word in message for at, message in lines)
    ]
    assert not missing, done.stderr
    assert len(errors) == len(ERRORS), done.stderr
    assert "Traceback" not in done.stderr


def test_the_columns_point_at_the_words(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(WRONG)
    done = run("check", file)
    text = WRONG.splitlines()
    places = re.findall(r":(\d+):(\d+): ", done.stderr)
    pointed_at = {text[int(line) - 1][int(column) - 1 :] for line, column in places}
    assert {"proxy: yes", "10 parsecs}", "limts: {}"} <= pointed_at


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("text", ["routes: [}\n", "", "- just\n- a list\n", "a: \x00\n", "a: 1\na: 2\n"])
def test_a_file_that_is_no_configuration(tmp_path: Path, command: str, text: str) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(text)
    done = run(command, file)
    assert done.returncode == 2
    assert done.stdout == ""
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_file_that_does_not_exist_or_is_a_directory(tmp_path: Path, command: str) -> None:
    for file in (tmp_path / "nowhere.yaml", tmp_path):
        done = run(command, file)
        assert done.returncode == 2
        assert done.stdout == ""
        assert str(file) in done.stderr
        assert "Traceback" not in done.stderr


def test_check_of_a_good_file(tmp_path: Path) -> None:
    done = run("check", write_config(tmp_path, [relay(9000)]))
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok" in done.stdout


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = run("serve", write_config(tmp_path, [relay(9000)], listeners=[{"bind": address}]))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert address in line
    assert "in use" in line


def test_the_second_of_two_listeners_fails(tmp_path: Path) -> None:
    """All or nothing: the socket file of the first listener is not left behind."""
    first = tmp_path / "first.sock"
    binds = [{"bind": f"unix:{first}"}, {"bind": f"unix:{tmp_path}/missing/second.sock"}]
    done = run("serve", write_config(tmp_path, [relay(9000)], listeners=binds))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "second.sock" in line
    assert not first.exists()


def test_a_unix_socket_that_somebody_else_listens_on(tmp_path: Path) -> None:
    path = tmp_path / "taken.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        done = run("serve", write_config(tmp_path, [relay(9000)], listeners=[{"bind": f"unix:{path}"}]))
        assert path.exists()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert str(path) in line


def test_an_address_that_this_machine_does_not_have(tmp_path: Path) -> None:
    # 192.0.2.0/24 is for documentation (RFC 5737), so no machine has it
    done = run("serve", write_config(tmp_path, [relay(9000)], listeners=[{"bind": "192.0.2.1:0"}]))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "192.0.2.1" in line


@pytest.mark.parametrize("arguments", [[], ["serve"], ["sreve", "wsgate.yaml"], ["serve", "a", "b"]])
def test_wrong_usage(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: wsgate" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_had_enough_of_the_schema(unbuffered: str) -> None:
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, "schema"], env=environment, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
