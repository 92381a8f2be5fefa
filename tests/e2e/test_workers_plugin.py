"""A token plugin as people write them: with a connection, a lock and a thread of its own. Each worker makes its own."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from websockets.exceptions import InvalidStatus

from .gateway import PROJECT, Gateway, StartGateway, write_config
from .library import connect
from .test_workers import until, workers_of

# It notices what a fork would have passed on: each process that imports or makes it leaves a mark, and the caller must
# be the one that made it
PLUGIN = """
import os, random, threading
from pathlib import Path

MARKS = Path(__file__).with_name("marks")
MARKS.mkdir(exist_ok=True)
IMPORTED = os.getpid()
(MARKS / f"import-{os.getpid()}").touch()

class Tokens:
    def __init__(self, source):
        self.target = source
        self.made = os.getpid()
        self.thread = threading.Thread(target=threading.Event().wait, daemon=True)
        self.thread.start()
        (MARKS / f"make-{os.getpid()}").touch()
        (MARKS / f"random-{random.random()}").touch()

    def lookup(self, token):
        assert os.getpid() == self.made == IMPORTED, "a fork came between"
        assert self.thread.is_alive()
        (MARKS / f"look-up-{os.getpid()}").touch()
        return self.target if token == "right" else None
"""

QUICK = {"timeouts": {"close": "50ms"}}  # the service sends nothing, also at the end
BROKEN = "import os\nraise RuntimeError('the database is gone')\n"

LATER = """
class Later:
    def __init__(self, source):
        raise OSError("no database")
    def lookup(self, token): ...
"""


def route(port: int, call: str = "noticing:Tokens") -> dict[str, object]:
    token = {"from": "query:t", "python": {"call": call, "source": f"127.0.0.1:{port}"}}
    return {"name": "k", "tunnel": {"token": token}}


@pytest.fixture
def service() -> Iterator[int]:
    """The kernel accepts, but no program answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as sock:
        yield sock.getsockname()[1]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "noticing.py").write_text(PLUGIN)
    (plugins / "broken.py").write_text(BROKEN)
    (plugins / "later.py").write_text(LATER)
    (plugins / "hanging.py").write_text("import time\ntime.sleep(600)\n")
    return {"PYTHONPATH": f"{plugins}{os.pathsep}{PROJECT}"}


def marks(tmp_path: Path, kind: str) -> set[int]:
    return {int(path.name.rpartition("-")[2]) for path in (tmp_path / "plugins" / "marks").glob(f"{kind}-*")}


async def ask(gateway: Gateway) -> None:
    async with connect(gateway.url("/?t=right")):
        pass
    with pytest.raises(InvalidStatus, match="403"):
        async with connect(gateway.url("/?t=wrong")):
            pass


async def test_each_worker_has_its_own(
    start_gateway: StartGateway, service: int, tmp_path: Path, environment: dict[str, str]
) -> None:
    gateway = await start_gateway(route(service), workers=2, defaults=QUICK, process={"environment": environment})
    parent, first = gateway.process.pid, set(workers_of(gateway))
    assert first < marks(tmp_path, "make")  # and the process that has tried the file, which has ended
    assert marks(tmp_path, "make") == marks(tmp_path, "import")
    assert len(list((tmp_path / "plugins" / "marks").glob("random-*"))) == 3  # random numbers are no copies
    with trio.fail_after(10):
        while marks(tmp_path, "look-up") != first:
            await ask(gateway)

    # a reload tries it in a process that ends with that; what did not change stays as it is
    other = {**route(service), "name": "l", "match": {"path": "/l"}}
    await gateway.reload(other, route(service), workers=2, defaults=QUICK)
    await gateway.next_line("reloaded")  # by both
    for _ in range(4):
        await ask(gateway)
    assert parent not in marks(tmp_path, "import") | marks(tmp_path, "make")

    # and a replacement makes its own
    os.kill(min(first), signal.SIGKILL)
    await gateway.next_line("worker died")
    with trio.fail_after(10):
        await until(lambda: len(set(workers_of(gateway)) - first) == 1)
        (new,) = set(workers_of(gateway)) - first
        while new not in marks(tmp_path, "look-up"):
            try:
                await ask(gateway)
            except OSError:  # connections in the queue of the dead worker
                continue
    assert parent not in marks(tmp_path, "import") | marks(tmp_path, "make")


async def test_a_source_that_cannot_work_starts_nobody(tmp_path: Path, environment: dict[str, str]) -> None:
    file = write_config(tmp_path, [route(1, "broken:Tokens")], workers=2)
    async with trio.open_nursery() as nursery:
        gateway = await Gateway.start(nursery, file, environment=environment)
        assert await gateway.wait_exit() == 2
    assert "routes[0].tunnel.token.python.call: importing broken raised RuntimeError" in gateway.log[0]
    assert gateway.log[1].endswith("1 error; nothing was started")


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_source_that_cannot_be_made_starts_nobody(
    tmp_path: Path, environment: dict[str, str], workers: int
) -> None:
    """Only making it shows the fault."""
    file = write_config(tmp_path, [route(1, "broken:Later")], workers=workers)
    (tmp_path / "plugins" / "broken.py").write_text(LATER)
    async with trio.open_nursery() as nursery:
        gateway = await Gateway.start(nursery, file, environment=environment)
        assert await gateway.wait_exit() == 2
    problem, last = gateway.log
    words = "making broken:Later with the source '127.0.0.1:1' raised OSError: no database"
    assert problem.endswith(f": routes[0].tunnel.token.python.source: {words}")
    assert last.endswith("1 error; nothing was started")


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_source_that_cannot_work_is_refused_at_a_reload(
    start_gateway: StartGateway, service: int, tmp_path: Path, environment: dict[str, str], workers: int
) -> None:
    gateway = await start_gateway(route(service), workers=workers, defaults=QUICK, process={"environment": environment})
    for call, words in [("broken:Tokens", "call: importing broken raised"), ("later:Later", "source: making later:La")]:
        write_config(gateway.file.parent, [route(service, call)], workers=workers)
        gateway.process.send_signal(signal.SIGHUP)
        problem = await gateway.next_line("wrong configuration")
        assert f": routes[0].tunnel.token.python.{words}" in problem["problem"]
        assert problem["problem"].startswith(f"{gateway.file}:")
        await gateway.next_line("reload refused")
    await ask(gateway)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_plugin_that_hangs_at_a_reload_stops_nobody(
    start_gateway: StartGateway, service: int, tmp_path: Path, environment: dict[str, str], workers: int
) -> None:
    gateway = await start_gateway(route(service), workers=workers, process={"environment": environment})
    write_config(gateway.file.parent, [route(service, "hanging:Tokens")], workers=workers)
    gateway.process.send_signal(signal.SIGHUP)
    await ask(gateway)
    gateway.process.terminate()
    await gateway.next_line("reload ignored")
    assert await gateway.wait_exit() == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_configuration_that_has_become_a_fifo(
    start_gateway: StartGateway, service: int, environment: dict[str, str], workers: int
) -> None:
    """A FIFO without a writer is refused at once. With a silent writer everything else goes on, and the process can
    end."""
    gateway = await start_gateway(route(service), workers=workers, process={"environment": environment})
    gateway.file.unlink()
    os.mkfifo(gateway.file)
    gateway.process.send_signal(signal.SIGHUP)
    problem = await gateway.next_line("wrong configuration")
    assert "nobody writes to this pipe" in problem["problem"]
    reader = os.open(gateway.file, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(gateway.file, os.O_WRONLY)
    os.close(reader)
    gateway.process.send_signal(signal.SIGHUP)
    await ask(gateway)
    gateway.process.terminate()
    await gateway.next_line("reload ignored")
    assert await gateway.wait_exit() == 0
    os.close(writer)


async def test_worker_is_replaced_despite_a_broken_source(
    start_gateway: StartGateway, service: int, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Its clients get 503 from that worker; all other routes are served."""
    site = {"name": "site", "match": {"path": "/site"}, "tunnel": {"to": f"tcp://127.0.0.1:{service}"}}
    routes = [site, route(service)]
    gateway = await start_gateway(*routes, workers=2, defaults=QUICK, process={"environment": environment})
    (tmp_path / "plugins" / "noticing.py").write_text(BROKEN)
    for pid in workers_of(gateway):
        os.kill(pid, signal.SIGKILL)
        await gateway.next_line("worker died")
        line = await gateway.next_line("token source broken")
        assert "the database is gone" in line["error"]
    with trio.fail_after(10):
        while True:
            try:
                async with connect(gateway.url("/site")):
                    break
            except OSError:  # connections in the queues of the dead workers
                continue
    with pytest.raises(InvalidStatus, match="503"):
        async with connect(gateway.url("/?t=right")):
            pass
