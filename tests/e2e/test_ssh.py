"""OpenSSH through a tunnel: a real login, and files in both directions, far larger than any buffer on the way."""

from __future__ import annotations

import getpass
import hashlib
import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from tests.peers.sockets import free_port
from tests.programs import find

from . import services
from .gateway import Gateway, StartGateway, tunnel

pytestmark = pytest.mark.needs("ssh", "scp", "sshd", "ssh-keygen")

SIZE = 100 << 20  # bytes
DEADLINE = 60.0  # seconds for one run of ssh or scp

SERVER = """
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host
AuthorizedKeysFile {directory}/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
"""

PROJECT = Path(__file__).parents[2]

# The page's own, with where things are in its places, and what a test needs beside it
CLIENT = """
{page}
    User {user}
    IdentityFile {directory}/user
    IdentitiesOnly yes
    IdentityAgent none
    BatchMode yes
    GlobalKnownHostsFile none
    UserKnownHostsFile {directory}/known_hosts
    StrictHostKeyChecking yes
    Ciphers aes128-gcm@openssh.com
    Compression no
    LogLevel ERROR
"""


@dataclass
class Ssh:
    """A server, a tunnel to it, and a client's configuration in which ``desk`` is that server."""

    gateway: Gateway
    configuration: Path

    async def run(self, program: str, *arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        path = find(program)
        assert path is not None, f"a test that uses {program} is marked with needs({program!r})"
        with trio.fail_after(DEADLINE):
            return await trio.run_process(
                [path, "-F", str(self.configuration), *map(str, arguments)],
                stdin=stdin,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )


def make_directory() -> None:
    """Where a server that root runs locks itself in; only the service's start makes it."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


async def make_key(file: Path) -> str:
    """The public key; the private one is in ``file``."""
    command = [find("ssh-keygen") or "", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)]
    await trio.run_process(command)
    return file.with_suffix(".pub").read_text().strip()


@pytest.fixture
async def ssh(nursery: trio.Nursery, tmp_path: Path, start_gateway: StartGateway) -> Ssh:
    make_directory()
    await make_key(tmp_path / "user")
    (tmp_path / "known_hosts").write_text(f"desk {await make_key(tmp_path / 'host')}\n")
    port = free_port()
    (tmp_path / "sshd_config").write_text(SERVER.format(port=port, directory=tmp_path))
    arguments = ["-D", "-e", "-f", str(tmp_path / "sshd_config")]
    await services.start(nursery, "sshd", arguments, ready=b"Server listening on")
    gateway = await start_gateway(tunnel(port))
    configuration = tmp_path / "ssh_config"
    configuration.write_text(
        CLIENT.format(
            page=shown(gateway.url()),
            user=getpass.getuser(),
            directory=tmp_path,
        )
    )
    return Ssh(gateway, configuration)


def shown(url: str) -> str:
    """What docs/ssh.md has for ~/.ssh/config."""
    block: str
    (block,) = re.findall(r"^```ssh-config\n(.*?)^```$", (PROJECT / "docs" / "ssh.md").read_text(), re.M | re.S)
    for written, here in [
        ("~/websocket/bin/python", sys.executable),
        ("~/ssh_proxy_command.py", str(PROJECT / "deploy" / "ssh_proxy_command.py")),
        ("wss://gate.example.com/ssh", url),
    ]:
        assert written in block
        block = block.replace(written, here)
    return block.rstrip()


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


async def test_a_command_there(ssh: Ssh) -> None:
    """Its input, its output and its exit status."""
    done = await ssh.run("ssh", "desk", "tr a-z A-Z; exit 7", stdin=b"hello\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"HELLO\n", b"")


async def test_a_large_file_there_and_back(ssh: Ssh, tmp_path: Path) -> None:
    here, there, back = (tmp_path / name for name in ("here", "there", "back"))
    here.write_bytes(random.Random(22).randbytes(SIZE))
    expected = digest(here)

    done = await ssh.run("scp", here, f"desk:{there}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert digest(there) == expected
    assert (await ssh.gateway.session_line())["bytes_up"] > SIZE

    done = await ssh.run("scp", f"desk:{there}", back)
    assert (done.returncode, done.stderr) == (0, b"")
    assert digest(back) == expected
    assert (await ssh.gateway.session_line())["bytes_down"] > SIZE
    for file in (here, there, back):
        file.unlink()  # pytest keeps what tests leave
