"""``wsgate demo`` as its visitor sees it: a real browser on the page that the gateway serves."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from .browser import chromium, complaints, resize
from .gateway import COMMAND, ENVIRONMENT

pytestmark = pytest.mark.needs("chromium", "chromedriver")

PATIENCE = 20.0  # seconds for anything on the page; a loaded machine is slow
LIFETIME = 120.0  # seconds after which a demo process that hangs is killed, and its test fails

RELAY, TUNNEL = "echo", "lines"

# Whether some parts of a panel's head lie over each other
_OVERLAP = """
const boxes = [...arguments[0].children].map((part) => part.getBoundingClientRect());
return boxes.some((one, at) => boxes.slice(at + 1).some((other) =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom));
"""
# Whether the middle of an element is in the window, and nothing lies over it
_IN_SIGHT = """
const { left, right, top, bottom } = arguments[0].getBoundingClientRect();
const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
return arguments[0].contains(there);
"""

T = TypeVar("T")


class Demo:
    """A running ``wsgate demo``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        for line in process.stdout:
            if url := re.search(r"http://127\.0\.0\.1:\d+/", line):
                self.url = url[0]
                return
        pytest.fail(f"wsgate demo ended with {process.wait()} before it said its URL")

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@contextmanager
def running_demo() -> Iterator[Demo]:
    command = [*COMMAND, "demo", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        watchdog = threading.Timer(LIFETIME, process.kill)
        watchdog.start()
        try:
            yield Demo(process)
        finally:
            watchdog.cancel()
            watchdog.join()
            process.kill()


class Page:
    """What a visitor does with the page, and what it shows."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        driver.get(url)
        self.until(lambda: self.all(f"#{TUNNEL}"))

    def until(self, condition: Callable[[], T]) -> T:
        """Waits for something true, and returns it."""
        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.02).until(lambda _: condition())

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def press(self, panel: str, action: str) -> None:
        self.one(f"#{panel} [data-action={action}]").click()

    def write(self, panel: str, field: str, text: str) -> None:
        element = self.one(f"#{panel} [data-field={field}]")
        element.clear()
        element.send_keys(text)

    def choose_size(self, panel: str, size: int) -> None:
        Select(self.one(f"#{panel} [data-field=size]")).select_by_value(str(size))

    def state(self, panel: str) -> str | None:
        return self.one(f"#{panel}").get_attribute("data-state")

    def figure(self, panel: str, name: str) -> str:
        return self.one(f"#{panel} [data-figure={name}]").text

    def connect(self, panel: str) -> None:
        self.press(panel, "connect")
        self.until(lambda: self.state(panel) == "open")

    def answers(self, panel: str, **data: object) -> list[WebElement]:
        """The log's entries of messages that came back and have these data attributes."""
        attributes = "".join(f'[data-{name}="{value}"]' for name, value in data.items())
        return self.all(f"#{panel} [data-log] [data-direction=received]{attributes}")

    def ending(self, panel: str) -> tuple[str | None, ...]:
        """Waits for the session to end. Returns its code, its reason, whether it was clean, and which side closed."""
        self.until(lambda: self.state(panel) == "closed")
        row = self.one(f"#endings tr[data-session={panel}]")  # the newest is on top
        return tuple(row.get_attribute(f"data-{name}") for name in ("code", "reason", "clean", "by"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    profile: Path = tmp_path_factory.mktemp("chromium")
    with chromium(profile) as driver:
        yield driver


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running_demo() as demo:
        yield demo


@pytest.fixture
def page(driver: Chrome, demo: Demo) -> Iterator[Page]:
    page = Page(driver, demo.url)
    yield page
    assert complaints(driver) == []  # nothing missing, nothing that the content security policy refused


@pytest.mark.parametrize(("panel", "subprotocol"), [(RELAY, "echo.v1"), (TUNNEL, "binary")])
def test_the_subprotocol_is_negotiated(page: Page, panel: str, subprotocol: str) -> None:
    page.connect(panel)
    page.until(lambda: page.figure(panel, "subprotocol") == subprotocol)


@pytest.mark.parametrize(
    ("panel", "action", "kind", "size"),
    [(RELAY, "send-text", "text", 8), (RELAY, "send-binary", "binary", 8), (TUNNEL, "send-binary", "binary", 9)],
)
def test_a_message_comes_back_as_it_went(page: Page, panel: str, action: str, kind: str, size: int) -> None:
    page.connect(panel)
    page.write(panel, "message", "grüße!")
    page.press(panel, action)
    page.until(lambda: page.answers(panel, kind=kind, size=size, verified="true"))
    page.until(lambda: page.figure(panel, "received").startswith("1 message, "))


@pytest.mark.parametrize("panel", [RELAY, TUNNEL])
@pytest.mark.parametrize("size", [64, 4 << 10, 64 << 10, 1 << 20])
def test_random_bytes_come_back_equal(page: Page, panel: str, size: int) -> None:
    page.connect(panel)
    page.choose_size(panel, size)
    page.press(panel, "send-random")
    answer = page.until(lambda: page.answers(panel, kind="binary", size=size))[0]
    assert answer.get_attribute("data-verified") == "true"


@pytest.mark.parametrize("panel", [RELAY, TUNNEL])
def test_ping_pong_measures_round_trips(page: Page, panel: str) -> None:
    page.connect(panel)
    page.press(panel, "ping-pong")
    summary = page.until(lambda: page.all(f"#{panel} [data-log] [data-rounds='100']"))[0]
    assert summary.get_attribute("data-verified") == "true"
    page.until(lambda: page.figure(panel, "trips") == "100 round trips")
    low, middle, high = (float(page.figure(panel, name)) for name in ("min", "median", "max"))
    assert low <= middle <= high
    assert low <= float(page.figure(panel, "last")) <= high
    assert page.one(f"#{panel} [data-spark] .line").get_attribute("d")


@pytest.mark.parametrize("panel", [RELAY, TUNNEL])
def test_the_visitor_closes_with_a_code_and_a_reason(page: Page, panel: str) -> None:
    page.connect(panel)
    page.write(panel, "code", "4001")
    page.write(panel, "reason", "so long")
    page.press(panel, "close")
    assert page.ending(panel) == ("4001", "so long", "true", "you")


def test_a_reason_is_shown_as_text(page: Page) -> None:
    page.connect(RELAY)
    page.write(RELAY, "message", "close 4000 <img src=x onerror=alert(1)>\u202etxt.exe\n")
    assert page.ending(RELAY)[0] == "4000"
    for shown in ("#newest .reason", "#endings tbody .reason"):
        assert page.one(shown).text == r"<img src=x onerror=alert(1)>\u202etxt.exe"


def test_the_visitor_closes_without_a_code(page: Page) -> None:
    page.connect(RELAY)
    page.one(f"#{RELAY} [data-field=code]").clear()
    page.press(RELAY, "close")
    assert page.ending(RELAY) == ("1005", "", "true", "you")


def test_a_code_that_pages_may_not_send_is_refused_by_the_form(page: Page) -> None:
    page.connect(RELAY)
    page.write(RELAY, "code", "1001")
    page.press(RELAY, "close")
    assert page.one(f"#{RELAY} [data-field=code]").get_property("validationMessage")
    assert page.state(RELAY) == "open"


@pytest.mark.parametrize(
    ("panel", "message", "code", "by"),
    [
        (RELAY, "close 4000 bye", "4000", "backend"),
        (RELAY, "drop", "1011", "gateway"),
        (TUNNEL, "quit", "1000", "backend"),
        (TUNNEL, "reset", "1011", "gateway"),
    ],
)
def test_the_backend_ends_the_session(page: Page, panel: str, message: str, code: str, by: str) -> None:
    page.connect(panel)
    page.write(panel, "message", message + "\n")  # Enter sends
    ended_with, reason, clean, closed_by = page.ending(panel)
    assert (ended_with, clean, closed_by) == (code, "true", by)
    if code == "4000":
        assert reason == "bye"


def test_text_is_refused_by_a_tunnel(page: Page) -> None:
    page.connect(TUNNEL)
    page.press(TUNNEL, "send-text")
    code, _, clean, by = page.ending(TUNNEL)
    assert (code, clean, by) == ("1003", "true", "gateway")


def test_every_ending_is_listed_and_a_session_can_be_opened_again(page: Page) -> None:
    for _ in range(2):
        page.connect(RELAY)
        page.press(RELAY, "end-code")
        page.ending(RELAY)
    assert len(page.all(f"#endings tr[data-session={RELAY}][data-code='4000']")) == 2


def test_one_button_connects_both(page: Page) -> None:
    page.one("#connect-both").click()
    page.until(lambda: (page.state(RELAY), page.state(TUNNEL)) == ("open", "open"))
    assert not page.one("#connect-both").is_enabled()
    page.press(TUNNEL, "end-quit")
    assert page.ending(TUNNEL)[0] == "1000"
    page.one("#connect-both").click()  # connects the one that is closed
    page.until(lambda: page.state(TUNNEL) == "open")


def test_the_page_copies_the_configuration(page: Page) -> None:
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    label = page.one("#copy").text
    page.one("#copy").click()
    # the words are there for seconds only
    assert page.until(lambda: (said := page.one("#copy").text) != label and said) == "Copied"
    copied = page.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert "relay: {to: 'ws://127.0.0.1:" in copied
    page.one(".configuration summary").click()
    assert page.one("#configuration").text.strip() == copied.strip()


def test_the_link_leads_to_the_admin_page(page: Page) -> None:
    page.connect(RELAY)
    page.one("#admin").click()
    (first, second) = page.driver.window_handles
    page.driver.switch_to.window(second)
    try:
        # asked for in one go: rows come and go meanwhile
        page.until(
            partial(
                page.driver.execute_script, "return document.querySelector('#sessions').innerText.includes('/echo')"
            )
        )
        assert complaints(page.driver) == []
    finally:
        page.driver.close()
        page.driver.switch_to.window(first)


@pytest.fixture
def narrow(page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    resize(page.driver, request.param, 800)
    yield page
    resize(page.driver, 1280, 900)


@pytest.mark.parametrize("narrow", [320, 390, 768, 1280], indirect=True)
def test_a_long_reason_fits_and_is_seen_without_scrolling(narrow: Page) -> None:
    page = narrow
    reason = "a long reason, " * 8
    page.one("#connect-both").click()
    page.until(lambda: (page.state(RELAY), page.state(TUNNEL)) == ("open", "open"))
    for panel in (RELAY, TUNNEL):
        page.write(panel, "code", "4001")
        page.write(panel, "reason", reason)
        page.press(panel, "close")
        page.ending(panel)
    # at the top of the page, and at its end, where the table is
    for place, shown in (0, "#newest"), (1 << 20, "#endings tbody tr td[data-label=Reason]"):
        page.driver.execute_script(f"scrollTo(0, {place})")
        page.until(partial(page.driver.execute_script, _IN_SIGHT, page.one(shown)))
        assert reason.strip() in str(page.one(shown).get_property("textContent"))
    assert page.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    for panel in (RELAY, TUNNEL):
        assert not page.driver.execute_script(_OVERLAP, page.one(f"#{panel} .panel-head"))
        assert page.one(f"#{panel} .url").size["height"] < 40  # a line or two, and no column of letters


def test_the_log_is_bounded(page: Page) -> None:
    page.connect(RELAY)
    page.driver.execute_script(
        f"const send = document.querySelector('#{RELAY} [data-action=send-text]');"
        "for (let times = 0; times < 300; times++) send.click();"
    )
    page.until(lambda: page.figure(RELAY, "received").startswith("300 messages"))
    assert len(page.all(f"#{RELAY} [data-log] li")) == 200


def test_interrupted_demo_closes_sessions_with_1001(driver: Chrome) -> None:
    with running_demo() as demo:
        page = Page(driver, demo.url)
        page.connect(RELAY)
        page.connect(TUNNEL)
        assert demo.interrupt() == 0
        for panel in (RELAY, TUNNEL):
            code, _, clean, by = page.ending(panel)
            assert (code, clean, by) == ("1001", "true", "gateway")
