"""Which backends a relay route should have: from ``to``, the file of ``to_file``, and the addresses of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsgate.net.happy_eyeballs import SocketAddress
from wsgate.settings.model import RelayBackend, TcpAddress
from wsgate.text.host import is_ip

# The addresses of each name, the preferred ones first
Answers = Mapping[TcpAddress, Sequence[SocketAddress]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A backend that a route should have.

    entry: of the configuration or the file
    at: one of the addresses of its name; ``None``: its name, if it has one, is resolved at each dial
    """

    entry: RelayBackend
    at: SocketAddress | None = None

    @property
    def name(self) -> str:
        """The name of the backend, by which it stays the same one."""
        return backend_name(self.entry, self.at)


def backend_name(address: object, at: SocketAddress | None) -> str:
    """Returns the name of a backend for the log: its address in the configuration and, if ``at`` is one of several,
    this one."""
    return str(address) if at is None else f"{address} ({at[1][0]})"


def entries_of(to: Sequence[RelayBackend], listed: Sequence[RelayBackend]) -> list[RelayBackend]:
    """Returns all entries, each URL once; one in the file replaces the same one in ``to``.

    to: of the configuration
    listed: of the file
    """
    return list({entry.url: entry for entry in (*to, *listed)}.values())


def names_of(entries: Sequence[RelayBackend]) -> list[TcpAddress]:
    """Returns the names, with their ports, that can be resolved."""
    addresses = (entry.address for entry in entries)
    return list(dict.fromkeys(each for each in addresses if isinstance(each, TcpAddress) and not is_ip(each.host)))


def members(entries: Sequence[RelayBackend], answers: Answers) -> list[Wanted]:
    """Returns the wanted backends, in the order of the entries. A name without an answer is a backend itself."""
    found: list[Wanted] = []
    for entry in entries:
        addresses = answers.get(entry.address, ()) if isinstance(entry.address, TcpAddress) else ()
        found += [Wanted(entry, at) for at in addresses] if addresses else [Wanted(entry)]
    return found
