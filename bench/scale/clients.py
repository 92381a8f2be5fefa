"""Runs the clients and takes their lines."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from bench.processes import NotStarted, last_words
from bench.proxies import BUILD
from bench.scale.configs import PORT
from bench.scale.network import Machine
from bench.scale.plan import Plan
from bench.scale.tally import Tally


class Clients:
    """The clients, from the call to ``stop``; ``tally`` grows meanwhile, and so does the file ``events``."""

    def __init__(self, plan: Plan, machine: Machine, directory: Path, balancers: Sequence[str]) -> None:
        self.tally = Tally()
        self._error: ValueError | None = None
        self._directory = directory / machine.name
        self._directory.mkdir(parents=True, exist_ok=True)
        times = (plan.reconnect, plan.ping, plan.silence)
        words = [
            *(str(BUILD / "clients"), ",".join(balancers), str(PORT), ",".join(machine.addresses)),
            *(str(plan.sessions), str(plan.rate), *(str(round(each * 1000)) for each in times)),
        ]
        with (self._directory / "stderr").open("wb") as errors:
            self._process = subprocess.Popen(
                machine.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._thread = threading.Thread(target=self._read, name="clients")
        self._thread.start()

    def check(self) -> None:
        """Raises ``NotStarted`` if they have ended, or what was wrong with a line of theirs."""
        if self._error is not None:
            raise self._error
        if self._process.poll() is not None:
            raise NotStarted(f"the clients: {last_words(self._directory)}")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines, (self._directory / "events").open("w") as kept:
            for line in lines:
                kept.write(line)
                if not line.endswith("\n"):  # it was killed while it wrote
                    return
                try:
                    self.tally.add(line)
                except ValueError as error:
                    self._error = error
                    return
