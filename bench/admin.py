"""How long the admin listener takes beside thousands of sessions: ``python -m bench.admin [SESSIONS [WORKERS]]``.

The figures are of a whole answer on a connection of its own, so they include the questions to the workers.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import configs, generator
from bench.configs import Ends
from bench.measure import OPEN_TIMEOUT, cores
from bench.processes import free_port, start, stop, wait_until_accepting
from bench.proxies import BUILD, PROJECT
from bench.rows import Load

SESSIONS, WORKERS = 10_000, 4
REPETITIONS = 25
PAUSE = 0.1  # seconds between two requests
TIMEOUT = 30.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class Question:
    path: str
    at_most: float  # milliseconds, of the median


QUESTIONS = (
    Question("/metrics", 100),
    Question("/api/v1/sessions", 300),
    Question("/api/v1/sessions?sort=-bytes_up", 300),
    Question("/api/v1/sessions?sort=client", 300),
    Question("/api/v1/sessions?sort=-backend", 300),
    Question("/api/v1/sessions?q=nowhere", 300),
)


def main(words: Sequence[str]) -> int:
    count, workers = *map(int, words), *(SESSIONS, WORKERS)[len(words) :]
    generator.build()
    directory = BUILD / "run" / "admin"
    directory.mkdir(parents=True, exist_ok=True)
    here = cores()
    with generator.backends(frozenset({here.load})) as (_, roles):
        ends = Ends(free_port(), roles["ws"], admin=free_port(), log=str(directory / "log"))
        # the generator answers no Pings
        (directory / "wsgate.yaml").write_text(configs.wsgate(ends, workers=workers) + "    heartbeat: off\n")
        command = [sys.executable, "-m", "wsgate", "serve", str(directory / "wsgate.yaml")]
        gateway = start(command, cores=here.free, directory=directory, environment={"PYTHONPATH": str(PROJECT)})
        try:
            wait_until_accepting(gateway, ends.port, directory)
            load = generator.arguments(Load(mode="idle", connections=count), ends.port, seconds=1, warm_up=0)
            with generator.Generator(load, frozenset({here.load})) as sessions:
                sessions.opened(OPEN_TIMEOUT)
                return _ask_all(ends.admin, count, workers)
        finally:
            stop(gateway)


def _ask_all(port: int, count: int, workers: int) -> int:
    print(f"{count:,} sessions, {workers} workers; milliseconds of {REPETITIONS} answers")
    print(f"{'':40}{'least':>8}{'median':>8}{'most':>8}{'goal':>8}")
    failed = 0
    for question in QUESTIONS:
        times = [_ask(port, question.path) for _ in range(REPETITIONS)]
        median = statistics.median(times)
        failed += median > question.at_most
        shown = "".join(f"{number:8.1f}" for number in (min(times), median, max(times)))
        print(f"{question.path:40}{shown}{question.at_most:8.0f}", flush=True)
    return 1 if failed else 0


def _ask(port: int, path: str) -> float:
    """Returns how many milliseconds an answer takes."""
    time.sleep(PAUSE)
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    took = (time.perf_counter() - began) * 1000
    if answer.status != 200 or not body:
        raise OSError(f"{path} answered {answer.status}")
    return took


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
