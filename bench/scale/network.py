"""A network of machines in one: namespaces with addresses of their own on a bridge. Only root may make it.

All of it is made in a network, mount and process namespace of its own (``enter``). When its first process ends, however
that comes about, the kernel ends all others in it, and nothing remains: no process, no link, no name.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

BRIDGE = "10.42.0.1"  # the address of who runs the machines
PREFIX = 16


def enter(command: Sequence[str]) -> list[str]:
    """Returns a command that runs another as the first process of new namespaces; both end with their parent."""
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", *command),
    ]


def missing() -> list[str]:
    """Returns the programs that are missing for it."""
    return [program for program in ("ip", "mount", "setpriv", "unshare") if shutil.which(program) is None]


@dataclass(frozen=True, slots=True)
class Machine:
    """A namespace at the end of a cable.

    name: up to ten characters
    addresses: the first is its main one
    """

    name: str
    addresses: Sequence[str]

    @property
    def address(self) -> str:
        return self.addresses[0]

    def command(self, *words: str) -> list[str]:
        """Returns a command that runs another one there."""
        return ["ip", "netns", "exec", self.name, *words]

    def pull(self) -> None:
        """From now on packets are lost: no FIN, no RST, no answer."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def plug(self) -> None:
        """Packets pass again."""
        _ip("-n", self.name, "link", "set", "eth0", "up")


def make_bridge() -> None:
    """Makes the bridge, and a place for the names of namespaces. Call it inside of ``enter``, once."""
    _run("mount", "-t", "tmpfs", "none", "/run")
    _ip("link", "set", "lo", "up")
    _ip("link", "add", "bridge", "type", "bridge")
    _ip("address", "add", f"{BRIDGE}/{PREFIX}", "dev", "bridge")
    _ip("link", "set", "bridge", "up")


def make_machine(name: str, addresses: Sequence[str]) -> Machine:
    """Makes a namespace, with a cable to the bridge."""
    _ip("netns", "add", name)
    _ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", f"to-{name}", "master", "bridge", "up")
    for address in addresses:
        _ip("-n", name, "address", "add", f"{address}/{PREFIX}", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", name, "link", "set", device, "up")
    machine = Machine(name, addresses)
    # for clients and balancers: ports of connections that have just ended are not free at once
    _run(*machine.command("sh", "-c", "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range"))
    return machine


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    """Raises ``OSError`` with what the program has said."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
