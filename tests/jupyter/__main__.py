"""``python -m tests.jupyter JUPYTER [--pictures DIRECTORY]``: JupyterLab behind the gateway, worked with in Chromium.

JUPYTER is the command of an installation that has jupyterlab: ``make jupyter-check`` makes one.

Exit status: 0 a notebook's kernel and a terminal did what they were told; 1 they did not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import chromium, complaints, screenshot
from tests.e2e.gateway_process import running
from tests.peers.sockets import free_port

PATIENCE = 60.0  # seconds for one step
TOKEN = "a-token-for-this-run"

T = TypeVar("T")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.jupyter", description=__doc__)
    parser.add_argument("jupyter")
    parser.add_argument("--pictures", type=Path, help="a directory for a screenshot of each step")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="wsgate-jupyter-") as directory:
        try:
            _work(Path(directory), os.path.abspath(options.jupyter), options.pictures)
        except AssertionError as error:
            print(error)
            return 1
    return 0


def _work(directory: Path, jupyter: str, pictures: Path | None) -> None:
    work = directory / "work"
    work.mkdir()
    ports = free_port(), free_port()
    with _jupyter(jupyter, ports[0], work), _gateway(directory, ports), chromium(directory / "profile") as driver:
        lab = _Lab(driver, pictures)
        driver.get(f"http://127.0.0.1:{ports[1]}/jupyter/lab?token={TOKEN}")
        lab.click('.jp-LauncherCard[data-category="Notebook"]')
        _say("a notebook is open")
        lab.wait("a kernel", lambda: "| Idle" in lab.text("#jp-main-statusbar"))
        lab.type_in(".jp-Notebook .cm-content", "print(6 * 7)", shift_enter=True)
        lab.wait("the kernel's output", lambda: lab.text(".jp-OutputArea-output") == "42")
        lab.picture("notebook")
        _say("the kernel has calculated")
        lab.type_in(
            ".jp-Notebook .jp-mod-active .cm-content",
            "import time\nfor i in range(3): print(i); time.sleep(.2)",
            shift_enter=True,
        )
        lab.wait("streamed output", lambda: "0\n1\n2" in lab.text(".jp-Cell:nth-of-type(2) .jp-OutputArea-output"))
        driver.execute_script("jupyterapp.commands.execute('terminal:create-new')")
        lab.type_in(".jp-Terminal textarea", "echo from the terminal > made; seq 20000 | tail -1\n")
        lab.wait("what the terminal wrote", lambda: (work / "made").exists())
        assert (work / "made").read_text() == "from the terminal\n"
        lab.picture("terminal")
        _say("the terminal has written a file")
        for line in complaints(driver):
            _say(f"the page complains: {line}")


class _Lab:
    """A page of JupyterLab."""

    def __init__(self, driver: Chrome, pictures: Path | None) -> None:
        self._driver = driver
        self._pictures = pictures

    def wait(self, what: str, value: Callable[[], T]) -> T:
        """Returns the first value that is true."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if found := value():
                return found
            time.sleep(0.1)
        self.picture("missing")
        raise AssertionError(f"{what} did not come within {PATIENCE:g} s")

    def click(self, selector: str) -> None:
        self.wait(selector, lambda: self._driver.find_elements(By.CSS_SELECTOR, selector))[0].click()

    def type_in(self, selector: str, text: str, *, shift_enter: bool = False) -> None:
        (element,) = self.wait(selector, lambda: self._driver.find_elements(By.CSS_SELECTOR, selector))
        ActionChains(self._driver).click(element).perform()
        chain = ActionChains(self._driver).send_keys(text)
        if shift_enter:
            chain = chain.key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT)
        chain.perform()

    def text(self, selector: str) -> str:
        return "".join(element.text for element in self._driver.find_elements(By.CSS_SELECTOR, selector))

    def picture(self, name: str) -> None:
        if self._pictures is not None:
            self._pictures.mkdir(parents=True, exist_ok=True)
            screenshot(self._driver, self._pictures / f"{name}.png")


@contextmanager
def _jupyter(command: str, port: int, work: Path) -> Iterator[None]:
    """Runs JupyterLab on the files of ``work``. Its own directories are beside that."""
    flags = {
        "ip": "127.0.0.1",
        "port": str(port),
        "ServerApp.base_url": "/jupyter/",
        "ServerApp.root_dir": str(work),
        "IdentityProvider.token": TOKEN,
    }
    arguments = ["lab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    arguments += [f"--{name}={value}" for name, value in flags.items()]
    environment = {**os.environ, "HOME": str(work.parent)}
    with _running([command, *arguments], work, "is running at:", environment):
        yield


@contextmanager
def _gateway(directory: Path, ports: tuple[int, int]) -> Iterator[None]:
    """Runs the gateway on the second port. ``ports``: the first is the application's."""
    route = {
        "name": "jupyter",
        "match": {"path": "/jupyter/*"},
        "origins": "same-host",
        "http": "forward",
        "relay": {"to": [f"ws://127.0.0.1:{ports[0]}"]},
    }
    with running(directory, route, listeners=[{"bind": f"127.0.0.1:{ports[1]}"}]) as gateway:
        try:
            yield
        finally:
            _tell_complaints(gateway.log)


@contextmanager
def _running(command: Sequence[str], directory: Path, sign: str, environment: dict[str, str]) -> Iterator[None]:
    """Runs a program in a directory, and goes on when ``sign`` is in its log. Prints what the log complains of."""
    with tempfile.NamedTemporaryFile("w+b", prefix="wsgate-jupyter-", suffix=".log") as log:
        file = Path(log.name)
        process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
        try:
            until = time.monotonic() + PATIENCE
            while sign not in file.read_text():
                if time.monotonic() > until or process.poll() is not None:
                    raise AssertionError("\n".join([f"{command[0]} did not start:", file.read_text()]))
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)
        _tell_complaints(file)


def _tell_complaints(log: Path) -> None:
    for line in log.read_text().splitlines():
        if any(sign in line for sign in ('"level": "error"', '"level": "warning"', "ERROR")):
            _say(line)


def _say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
