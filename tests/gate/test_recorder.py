"""Recordings on real disks: whole, full, forbidden, slow; and a session that feels nothing of it."""

from __future__ import annotations

import logging
import os
import resource
import signal
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.descriptors import descriptors
from tests.gate.conftest import StartGate, relay_to, route, tunnel_to
from tests.log import Log
from tests.peers.frames import BINARY, Frame, close_frame
from tests.peers.heads import request
from tests.peers.stream import Backend
from wsgate.gate import recorder as recorder_module
from wsgate.gate.recorder import Recorder
from wsgate.recording.reader import Recording
from wsgate.relay.closing import Cause, Side
from wsgate.relay.outcome import Outcome
from wsgate.relay.session_info import ClientInfo, SessionInfo
from wsgate.settings.model import OnError, Record
from wsgate.wire.recording import RecordKind

OUTCOME = Outcome(Cause.CLOSED, Side.CLIENT, "", 1000, None, 0, 0, 0, 0, None, None)
SESSION = SessionInfo("1f", "desk", ClientInfo("192.0.2.7:50000"), "tcp://127.0.0.1:5900", "/x", "binary", 0.0)
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _no_gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "GATHERING", 0.0)


def new_recorder(directory: Path, max_size: int = 64 * MIB) -> Recorder:
    return Recorder(Record(directory=str(directory), max_size=max_size), SESSION)


def only(directory: Path) -> Path:
    (file,) = directory.iterdir()
    return file


def written(directory: Path) -> bytes:
    """What is in its file so far."""
    return b"".join(file.read_bytes() for file in directory.iterdir())


def read(file: Path) -> tuple[Recording, bytes, bytes]:
    """The recording, what went up, what went down."""
    passed = {RecordKind.UP: bytearray(), RecordKind.DOWN: bytearray()}
    with file.open("rb") as data:
        recording = Recording(data)
        for found in recording.records():
            passed[found.kind] += found.payload
    return recording, bytes(passed[RecordKind.UP]), bytes(passed[RecordKind.DOWN])


async def run(recorder: Recorder, session: Callable[[], Awaitable[None]]) -> None:
    """Record while ``session`` runs."""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.run)
            try:
                await session()
            finally:
                recorder.finish(OUTCOME)


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - threads and the disk tell nobody
            await trio.sleep(0.001)


async def test_a_session_by_the_gate_is_recorded(
    tmp_path: Path, start_gate: StartGate, backend: Backend, log: Log
) -> None:
    settings = Record(directory=str(tmp_path))
    gate = start_gate(route(tunnel_to(backend.port, record=settings), "desk"), route(relay_to(backend.port), "none"))
    client = gate.connect()
    await client.upgrade("/a/path?token=secret", {"Sec-WebSocket-Protocol": "binary"})
    service = await backend.accept()
    await client.send(Frame(BINARY, b"to the service"))
    assert await service.read(14) == b"to the service"
    await service.write(b"to the client")
    assert (await client.receive()).payload == b"to the client"
    await client.send(close_frame(1000))
    await service.read_end()
    await service.vanish()
    await client.receive_close()
    await client.vanish()
    await until(lambda: b'"ended_by"' in written(tmp_path))
    file = only(tmp_path)
    recording, up, down = read(file)
    assert (up, down) == (b"to the service", b"to the client")
    assert {name: value for name, value in recording.head.items() if name != "started"} == {
        "id": "1",
        "route": "desk",
        "client": "192.0.2.7:50000",
        "host": "gateway.test",
        "backend": f"tcp://127.0.0.1:{backend.port}",
        "path": "/a/path",
        "subprotocol": "binary",
    }
    assert recording.end == {
        "cause": "closed",
        "ended_by": "client",
        "client_code": 1000,
        "backend_code": None,
        "detail": None,
    }
    assert b"secret" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    started = str(recording.head["started"])
    assert file.name.startswith(started[:19].replace("-", "").replace(":", "") + "Z-desk-")
    assert log.one("recording")["file"] == str(file)
    assert log.all("record") == []


async def test_what_passes_is_on_the_disk_while_the_session_goes_on(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)

    async def session() -> None:
        for passed in (b"one", b"two", b"three"):
            recorder.buffer.put(RecordKind.UP, memoryview(passed))
            await until(lambda passed=passed: passed in written(tmp_path))  # type: ignore[misc]

    await run(recorder, session)
    assert read(only(tmp_path))[1] == b"onetwothree"


async def test_a_session_that_is_cut_is_written_to_its_end(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)

    async def session() -> None:
        recorder.buffer.put(RecordKind.DOWN, memoryview(b"last words"))
        await trio.sleep_forever()

    with trio.CancelScope() as scope:
        scope.cancel()
        await run(recorder, session)
    assert scope.cancelled_caught
    recording, _, down = read(only(tmp_path))
    assert down == b"last words"
    assert recording.end is not None


async def test_at_max_size_the_file_ends_well(tmp_path: Path, log: Log) -> None:
    recorder = new_recorder(tmp_path, 10_000)
    after = b""

    async def session() -> None:
        nonlocal after
        for _ in range(100):
            recorder.buffer.put(RecordKind.UP, memoryview(b"x" * 1000))
        await until(lambda: b'"stopped"' in written(tmp_path))  # at once, not when the session ends
        after = written(tmp_path)

    await run(recorder, session)
    file = only(tmp_path)
    assert file.read_bytes() == after
    assert 8_000 < file.stat().st_size <= 10_000
    recording, up, _ = read(file)
    assert recording.end == {"cause": "stopped", "detail": "max_size is reached"}
    assert up == b"x" * len(up)
    line = log.one("record")
    assert line == {
        "id": "1f",
        "route": "desk",
        "client": "192.0.2.7:50000",
        "file": str(file),
        "reason": "recording has stopped: max_size is reached",
    }
    assert [entry.levelno for entry in log.records if getattr(entry, "event", "") == "record"] == [logging.WARNING]


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """A write beyond this many bytes of a file writes what fits, and then fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


async def test_a_disk_that_takes_no_more(tmp_path: Path, log: Log) -> None:
    """What it did not take whole is taken back, so that the end can be written behind the last whole record."""
    recorder = new_recorder(tmp_path)
    went_on = False

    async def session() -> None:
        nonlocal went_on
        recorder.buffer.put(RecordKind.UP, memoryview(b"fits"))
        await until(lambda: b"fits" in written(tmp_path))
        recorder.buffer.put(RecordKind.UP, memoryview(bytes(20_000)))
        await until(lambda: recorder.buffer.over)
        recorder.buffer.put(RecordKind.UP, memoryview(b"ignored"))
        went_on = True

    with files_up_to(10_000):
        await run(recorder, session)
    assert went_on
    recording, up, _ = read(only(tmp_path))
    assert up == b"fits"
    assert recording.end == {"cause": "stopped", "detail": "File too large"}
    assert log.one("record")["reason"] == "recording has stopped: File too large"


async def test_no_directory(tmp_path: Path, log: Log) -> None:
    recorder = new_recorder(tmp_path / "gone")

    async def session() -> None:
        recorder.buffer.put(RecordKind.UP, memoryview(b"x"))
        await until(lambda: recorder.buffer.over)

    await run(recorder, session)
    assert log.one("record")["reason"] == "recording has stopped: No such file or directory"
    assert recorder.buffer.take() == b""


async def test_no_file_of_others_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """Also if its name could be guessed: a symbolic link at its path is not followed."""
    monkeypatch.setattr("os.urandom", bytes)
    directory, aim = tmp_path / "records", tmp_path / "aim"
    directory.mkdir()
    recorder = new_recorder(directory)
    os.symlink(aim, recorder.path)
    await run(recorder, trio.lowlevel.checkpoint)
    assert not aim.exists()
    assert log.one("record")["reason"] == "recording has stopped: File exists"


class SlowDisk:
    """Writes that hang until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hangs = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self._write = os.write
        monkeypatch.setattr("os.write", self)

    def __call__(self, fd: int, data: memoryview) -> int:
        if threading.current_thread() is not threading.main_thread() and not self.free.is_set():
            self.hangs.set()
            self.free.wait(20)
        return self._write(fd, data)


async def test_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """The session goes on meanwhile; what it passes is bounded; its end does not wait for ever, and leaks nothing."""
    monkeypatch.setattr("wsgate.relay.recorded_tunnel.MAX_HELD", MIB)
    monkeypatch.setattr(recorder_module, "LAST_WRITES", 0.0)
    recorder = new_recorder(tmp_path)
    disk = SlowDisk(monkeypatch)
    before = descriptors()

    async def session() -> None:
        recorder.buffer.put(RecordKind.UP, memoryview(b"fits"))
        await until(lambda: b"fits" in written(tmp_path))
        disk.free.clear()
        recorder.buffer.put(RecordKind.UP, memoryview(bytes(1000)))
        await until(disk.hangs.is_set)
        for _ in range(5):
            recorder.buffer.put(RecordKind.UP, memoryview(bytes(MIB // 4)))

    try:
        await run(recorder, session)
        assert log.one("record")["reason"] == "recording has stopped: the disk is too slow"
        assert recorder.buffer.take() == b""
    finally:
        disk.free.set()
    await until(lambda: descriptors() == before)
    recording, up, _ = read(only(tmp_path))
    assert up.startswith(b"fits")
    assert recording.end is None


async def test_a_disk_that_hangs_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder_module, "LAST_WRITES", 0.0)
    recorder = new_recorder(tmp_path)
    disk = SlowDisk(monkeypatch)
    disk.free.clear()
    before = descriptors()
    try:
        await run(recorder, trio.lowlevel.checkpoint)
        assert "did not take the rest" in log.one("record")["reason"]
    finally:
        disk.free.set()
    await until(lambda: descriptors() == before)


async def test_a_disk_that_was_slow_for_a_while_gets_all_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setattr("wsgate.relay.recorded_tunnel.MAX_HELD", MIB)
    recorder = new_recorder(tmp_path)
    disk = SlowDisk(monkeypatch)
    disk.free.clear()

    async def session() -> None:
        await until(disk.hangs.is_set)
        for _ in range(5):
            recorder.buffer.put(RecordKind.DOWN, memoryview(bytes(MIB // 4)))
        assert log.one("record")["reason"] == "recording has stopped: the disk is too slow"
        disk.free.set()

    await run(recorder, session)
    recording, _, down = read(only(tmp_path))
    assert len(down) == 3 * MIB // 4
    assert recording.end == {"cause": "stopped", "detail": "the disk is too slow"}


async def test_a_thread_is_not_one_sessions_for_ever(tmp_path: Path) -> None:
    """A stream as fast as its disk always has more bytes; other recordings need the same threads."""
    recorder = new_recorder(tmp_path)

    class Disk:
        def append(self, data: bytes) -> None:
            recorder.buffer.put(RecordKind.UP, memoryview(b"more"))

    recorder.buffer.put(RecordKind.UP, memoryview(b"first"))
    assert recorder_module._bring(recorder.buffer, Disk())  # type: ignore[arg-type]


async def test_our_own_bug_is_no_end_of_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    monkeypatch.setattr(recorder_module, "_bring", lambda buffer, file: 1 / 0)
    recorder = new_recorder(tmp_path)

    async def session() -> None:
        await until(lambda: written(tmp_path))
        recorder.buffer.put(RecordKind.UP, memoryview(b"x"))
        await until(lambda: recorder.buffer.over)

    await run(recorder, session)
    assert log.one("record")["reason"] == "recording has stopped: internal error"
    assert len(log.all("bug")) == 1


@pytest.mark.parametrize("on_error", OnError)
async def test_a_disk_that_fails_ends_only_sessions_that_must_be_recorded(
    tmp_path: Path, start_gate: StartGate, backend: Backend, log: Log, on_error: OnError
) -> None:
    settings = Record(directory=str(tmp_path), on_error=on_error)
    gate = start_gate(route(tunnel_to(backend.port, record=settings), "desk"))
    client = gate.connect()
    with files_up_to(10_000):
        await client.upgrade("/", {"Sec-WebSocket-Protocol": "binary"})
        service = await backend.accept()
        await client.send(Frame(BINARY, bytes(20_000)))
        await service.read(20_000)
        await until(lambda: log.all("record"))
        if on_error is OnError.END:
            told = await client.receive_close()
            assert told == (1011, "the gateway cannot record this session")
            await client.send(close_frame(1011))
            await service.read_end()
        else:
            await client.send(Frame(BINARY, b"on"))
            assert await service.read(2) == b"on"
            await client.send(close_frame(1000))
            await service.read_end()
        await service.vanish()
        await client.vanish()
        await until(lambda: log.all("session"))
    assert log.one("session")["reason"] == ("unrecorded" if on_error is OnError.END else "closed")


async def test_who_must_be_recorded_and_cannot_is_refused_before_the_upgrade(
    tmp_path: Path, start_gate: StartGate, backend: Backend, log: Log
) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    settings = Record(directory=str(directory), on_error=OnError.END)
    gate = start_gate(route(tunnel_to(backend.port, record=settings), "desk"))
    directory.rmdir()
    client = gate.connect()
    await client.write(request())
    assert (await client.read_head()).status == 503
    assert "No such file or directory" in log.one("refused")["detail"]


async def test_what_must_be_recorded_is_written_to_the_file_made_before(tmp_path: Path) -> None:
    recorder = Recorder(Record(directory=str(tmp_path), on_error=OnError.END), SESSION)
    assert await recorder.begin(5) is None

    async def session() -> None:
        recorder.buffer.put(RecordKind.UP, memoryview(b"all"))

    await run(recorder, session)
    assert read(only(tmp_path))[1] == b"all"
    unused = Recorder(Record(directory=str(tmp_path), on_error=OnError.END), SESSION)
    assert await unused.begin(5) is None
    unused.discard()
    await until(lambda: len(list(tmp_path.iterdir())) == 1)


async def test_max_size_ends_no_session(tmp_path: Path) -> None:
    ended: list[str] = []
    recorder = Recorder(Record(directory=str(tmp_path), max_size=10_000, on_error=OnError.END), SESSION)

    async def session() -> None:
        recorder.buffer.put(RecordKind.UP, memoryview(bytes(20_000)))
        await trio.testing.wait_all_tasks_blocked()

    recorder.end_session = ended.append
    await run(recorder, session)
    assert recorder.buffer.reason == "max_size is reached"
    assert ended == []


async def test_a_disk_that_hangs_at_the_beginning_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(Record(directory=str(tmp_path), on_error=OnError.END), SESSION)
    disk = SlowDisk(monkeypatch)
    disk.free.clear()
    try:
        assert "did not answer" in (await recorder.begin(0.01) or "")
    finally:
        disk.free.set()
    await until(lambda: not list(tmp_path.iterdir()))
