"""noVNC as Debian packages it, in a real browser, on a real X desktop: the page and its sessions on one port."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.peers.sockets import free_port
from tests.pki import Authority, Pair
from tests.programs import find

from .browser import chromium, complaints, pin, resize, screenshot
from .gateway import COMMAND, PROJECT
from .gateway_process import LOG, running
from .started import started
from .tls import listener

pytestmark = pytest.mark.needs("/usr/share/novnc/core/rfb.js", "Xtigervnc", "xterm", "chromium", "chromedriver")

NOVNC = "/usr/share/novnc"
TOKEN = "blue-desk"
PATIENCE = 20.0  # seconds for anything on the page; a loaded machine is slow

BLUE, GREEN = (0x20, 0x40, 0x80), (0x00, 0xC0, 0x00)

# The program in the terminal. It needs no font: a key changes the color of the whole screen.
TYPED = """
while read -r colour text; do
    printf '%s\\n' "$text" >>"$1"
    printf '\\033[%sm\\033[2J\\033[H%s ' "$colour" "$text"
done
"""

# The share of the canvas's pixels that have this colour, or nearly so: VNC may send pictures as JPEG.
SHARE = """
const desktop = document.querySelector("#noVNC_container canvas");
if (!desktop || !desktop.width || !desktop.height) return 0;
const copy = new OffscreenCanvas(desktop.width, desktop.height).getContext("2d", {willReadFrequently: true});
copy.drawImage(desktop, 0, 0);
const pixels = copy.getImageData(0, 0, desktop.width, desktop.height).data;
let count = 0;
for (let at = 0; at < pixels.length; at += 4)
    if ([0, 1, 2].every((part) => Math.abs(pixels[at + part] - arguments[part]) < 12)) count += 1;
return 4 * count / pixels.length;
"""

# What the page complains of wherever it is served: it asks for a file that the package leaves out, and has an old tag.
ITS_OWN = ("package.json", "apple-mobile-web-app-capable")

T = TypeVar("T")


class Desktop:
    """An X server that speaks VNC, with a terminal as large as its screen."""

    def __init__(self, port: int, typed: Path) -> None:
        self.port = port
        self._typed = typed

    def typed(self) -> list[str]:
        """The lines that were typed so far."""
        return self._typed.read_text().splitlines() if self._typed.exists() else []


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    port, typed = free_port(), tmp_path / "typed"
    server = [find("Xtigervnc") or "", "-displayfd", "1", "-rfbport", str(port), "-localhost", "-SecurityTypes", "None"]
    server += ["-geometry", "640x400", "-depth", "24", "-nolisten", "tcp", "-ac"]
    with started(server, tmp_path / "xserver.log", ready=r"^(\d+)$") as display:
        terminal = ["xterm", "-fn", "fixed", "-geometry", "108x32+0+0", "-bw", "0", "-bg", "#204080", "-fg", "white"]
        terminal += ["-xrm", "XTerm*color2: #00c000", "-e", "sh", "-c", f"echo up >&3;{TYPED}", "sh", str(typed)]
        # the terminal shows the program's output, so the program reports its start by another descriptor
        line = f"exec 3>&1; exec {shlex.join(terminal)}"
        with started(
            ["sh", "-c", line], tmp_path / "xterm.log", ready="^up$", environment={"DISPLAY": f":{display[1]}"}
        ):
            yield Desktop(port, typed)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Authority(tmp_path_factory.mktemp("pki")).issue("localhost")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium"), pin(pair.certificate)) as driver:
        resize(driver, 800, 600)
        yield driver


@pytest.fixture
def tokens(tmp_path: Path, desktop: Desktop) -> Path:
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}: 127.0.0.1:{desktop.port}\n")
    return file


@contextmanager
def serve(tmp_path: Path, tokens: Path, pair: Pair, scheme: str) -> Iterator[str]:
    """``wsgate serve`` with a configuration as one would write it for noVNC; the page's URL."""
    token = {"from": "query:token", "file": str(tokens)}
    desktops = {"name": "desktops", "match": {"path": "/websockify"}, "errors": "close", "tunnel": {"token": token}}
    page = {"name": "page", "files": {"root": NOVNC}}
    listeners = [listener(pair) if scheme == "https" else {"bind": "127.0.0.1:0"}]
    with running(tmp_path, desktops, page, listeners=listeners) as gateway:
        yield f"{scheme}://localhost:{gateway.port}/vnc.html?path=websockify%3Ftoken%3DTOKEN"


@contextmanager
def tunnel(tmp_path: Path, tokens: Path) -> Iterator[str]:
    """Runs ``wsgate tunnel`` with the flags of websockify's users. Returns the URL of the page in its output."""
    flags = ["--web", NOVNC, "--token-plugin", "TokenFile", "--token-source", str(tokens), "127.0.0.1:0"]
    with started([*COMMAND, "tunnel", *flags], tmp_path / LOG, ready=r"open (http://\S+)$") as said:
        yield said[1]


class Page:
    """noVNC's page, as its user sees it."""

    def __init__(self, driver: Chrome, url: str, token: str) -> None:
        self.driver = driver
        driver.get(f"{url.replace('TOKEN', token)}&autoconnect=1")

    def until(self, condition: Callable[[], T]) -> T:
        """Waits for something true, and returns it."""
        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.02).until(lambda _: condition())

    def until_it_is(self, colour: tuple[int, int, int]) -> None:
        """Waits until nearly all of the desktop has this colour."""
        self.until(lambda: self.driver.execute_script(SHARE, *colour) > 0.95)

    def until_it_says(self, text: str) -> None:
        """Waits for a message on top of the page. (It slides out of sight again, but for an error.)"""
        status = self.driver.find_element(By.ID, "noVNC_status")
        self.until(lambda: text in str(status.get_property("textContent")))

    def type(self, line: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, "#noVNC_container canvas").click()
        ActionChains(self.driver).send_keys(line, Keys.ENTER).perform()

    def complaints(self) -> list[str]:
        """Those that have to do with the gateway."""
        return [line for line in complaints(self.driver) if not any(part in line for part in ITS_OWN)]

    def picture(self, name: str) -> None:
        """For people: build/screenshots/ has what the user sees now."""
        directory = PROJECT / "build" / "screenshots"
        directory.mkdir(parents=True, exist_ok=True)
        screenshot(self.driver, directory / f"{name}.png")

    def leave(self) -> None:
        self.driver.get("about:blank")


def use_desktop(driver: Chrome, url: str, desktop: Desktop, name: str) -> None:
    page = Page(driver, url, TOKEN)
    page.until_it_says("Connected (encrypted)" if url.startswith("https:") else "Connected (unencrypted)")
    page.until_it_is(BLUE)
    page.picture(f"{name}-connected")
    page.type("42 Hello, desktop!")
    page.until_it_is(GREEN)
    page.picture(f"{name}-typed")
    assert desktop.typed() == ["Hello, desktop!"]
    assert page.complaints() == []
    page.leave()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_desktop(driver: Chrome, desktop: Desktop, tokens: Path, pair: Pair, tmp_path: Path, scheme: str) -> None:
    with serve(tmp_path, tokens, pair, scheme) as url:
        use_desktop(driver, url, desktop, f"novnc-{scheme}")
    log = (tmp_path / LOG).read_text()
    assert f"tcp://127.0.0.1:{desktop.port}" in log
    assert TOKEN not in log


def test_a_desktop_by_the_flags_of_websockify(driver: Chrome, desktop: Desktop, tokens: Path, tmp_path: Path) -> None:
    with tunnel(tmp_path, tokens) as url:
        use_desktop(driver, url, desktop, "novnc-flags")
    assert TOKEN not in (tmp_path / LOG).read_text()


def test_a_token_that_leads_nowhere(driver: Chrome, tokens: Path, pair: Pair, tmp_path: Path) -> None:
    """The user sees that it failed, and the page's console has the reason: ``errors: close``."""
    with serve(tmp_path, tokens, pair, "http") as url:
        page = Page(driver, url, "no-desk")
        page.until_it_says("Failed to connect to server")
        page.until(lambda: page.driver.find_element(By.ID, "noVNC_status").rect["y"] >= 0)  # it has slid into sight
        page.picture("novnc-refused")
        (complaint,) = page.complaints()
        assert "code: 4403, reason: no valid token" in complaint
        page.leave()
    assert "no-desk" not in (tmp_path / LOG).read_text()
