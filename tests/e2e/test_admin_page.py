"""The admin page in Chromium, in front of real sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.peers.frames import TEXT, Frame, close_frame

from .browser import chromium, complaints, resize
from .gateway import Gateway, OpenClient, StartGateway, relay
from .library import Serve, echo

pytestmark = pytest.mark.needs("chromium", "chromedriver")

PATIENCE = 20.0  # seconds for the page to show something

_T = TypeVar("_T")


class Page:
    """What an operator does with the page, and what it shows. Its calls block: they run in a thread."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def until(self, script: str) -> Any:
        """Waits until a script returns something true."""
        wait = WebDriverWait(self.driver, PATIENCE, 0.05)
        return wait.until(lambda driver: driver.execute_script(f"return {script}"), f"never true: {script}")

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def shows(self, css: str, text: str) -> None:
        """Waits until an element's text is this."""
        self.until(f"document.querySelector({css!r}).textContent === {text!r}")

    def rows(self, number: int) -> list[str]:
        """Waits for so many sessions. Returns the text of each."""
        rows = "[...document.querySelectorAll('#sessions tbody tr')].filter(row => row.querySelector('.link'))"
        found: list[str] = self.until(f"(rows => rows.length === {number} && rows.map(row => row.innerText))({rows})")
        return found

    def press(self, *keys: str) -> None:
        """Presses keys where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def fill(self, css: str, text: str) -> None:
        self.one(css).clear()
        self.one(css).send_keys(text)

    def open(self, address: str, sessions: int) -> None:
        """Shows the page, and waits for so many sessions on it."""
        self.driver.get(f"http://{address}/")
        self.shows("#state", f"ready, {sessions} session{'' if sessions == 1 else 's'}")
        self.rows(sessions)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def page(driver: Chrome) -> Iterator[Page]:
    driver.get("about:blank")
    resize(driver, 1280, 900)
    complaints(driver)  # of the test before
    yield Page(driver)
    # a page without its token asks once, and one whose gateway has ended asks again
    said = [each for each in complaints(driver) if " 401 " not in each and "net::ERR_" not in each]
    assert said == []  # no error, nothing that the content security policy refused


async def in_thread(step: Callable[..., _T], *arguments: object) -> _T:
    """Runs what waits for the browser."""
    return await trio.to_thread.run_sync(step, *arguments)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("secret\n")
    return file


async def admin_address(gateway: Gateway) -> str:
    return str((await gateway.next_line("admin listening"))["address"])


async def test_the_page_ends_the_right_session_with_the_right_code(
    page: Page, start_gateway: StartGateway, serve: Serve, open_client: OpenClient, token: Path
) -> None:
    gateway = await start_gateway(
        relay(await serve(echo)), admin={"bind": "127.0.0.1:0", "token": {"file": str(token)}}
    )
    address = await admin_address(gateway)
    clients = [await open_client(gateway) for _ in range(3)]
    for client in clients:
        await client.upgrade("/")

    def show() -> None:
        page.driver.get(f"http://{address}/")
        for shown in ("wrong", "secret"):  # as the page asks again, after a wrong one
            page.until("!document.querySelector('#token-form').hidden")
            page.fill("#token", f"{shown}\n")
            if shown == "wrong":
                page.shows("#token-error", "This is not the token.")
        page.shows("#state", "ready, 3 sessions")
        page.rows(3)
        page.until("document.querySelectorAll('#backends .well').length === 1")

    def end() -> None:
        page.fill("#search", clients[1].address)
        page.rows(1)
        page.until("document.querySelector('#sessions .close')")  # changes are allowed
        page.one("#sessions .close").click()
        page.fill("#close-code", "999")
        page.one("#close-dialog .danger").click()
        assert page.one("#close-code").get_property("validationMessage")  # not a code: the dialog stays
        page.fill("#close-code", "4001")
        page.fill("#close-reason", "new password")
        page.one("#close-dialog .danger").click()

    await in_thread(show)
    await in_thread(end)
    assert await clients[1].receive_close() == (4001, "new password")
    await clients[1].send(close_frame(4001))
    await clients[1].read_end()
    await in_thread(page.until, f"document.querySelector('#said').textContent.includes({clients[1].address!r})")
    await in_thread(page.shows, "#sessions tbody", "No open session has this in it.")
    await in_thread(page.fill, "#search", " ")
    rows = await in_thread(page.rows, 2)
    assert all(any(client.address in row for row in rows) for client in (clients[0], clients[2]))
    await in_thread(page.until, "document.querySelector('#causes').textContent.includes('gatewayoperator')")
    ended = await in_thread(page.until, "document.querySelector('#ended .link')?.closest('tr').innerText")
    assert [
        each for each in (clients[1].address, "gateway", "operator", "4001", "new password") if each not in ended
    ] == []


async def test_strangers_texts_are_shown_as_text(
    page: Page, start_gateway: StartGateway, serve: Serve, open_client: OpenClient
) -> None:
    gateway = await start_gateway(relay(await serve(echo)), admin={"bind": "127.0.0.1:0"})
    address = await admin_address(gateway)
    client = await open_client(gateway)
    agent = "<img src=x onerror=alert(1)>\u202etxt.exe"
    # a field is bytes, shown as ISO 8859-1 or UTF-8
    await client.upgrade("/<b>bold</b>", {"User-Agent": agent.encode().decode("latin-1")})

    def look() -> str:
        page.open(address, 1)
        (row,) = page.rows(1)
        assert "%3Cb%3Ebold" in row or "<b>bold" in row
        page.one("#sessions .link").click()
        return str(page.until("document.querySelector('[data-field=user_agent]')?.textContent"))

    shown = await in_thread(look)
    assert shown.startswith("<img src=x onerror=alert(1)>")
    assert shown.isprintable()
    hostile = (
        "[...document.querySelectorAll('main *, dialog *')].filter(e => ['IMG', 'B', 'SCRIPT'].includes(e.tagName))"
    )
    found = await in_thread(page.driver.execute_script, f"return {hostile}.map(e => e.outerHTML)")
    assert all("bold" not in each and "onerror" not in each for each in found)


async def test_without_a_token_the_page_only_reads(
    page: Page, start_gateway: StartGateway, serve: Serve, open_client: OpenClient
) -> None:
    gateway = await start_gateway(relay(await serve(echo)), admin={"bind": "127.0.0.1:0"})
    address = await admin_address(gateway)
    await (await open_client(gateway)).upgrade("/")
    await in_thread(page.open, address, 1)
    await in_thread(page.until, "!document.querySelector('#only-read').hidden")
    assert not await in_thread(page.driver.find_elements, By.CSS_SELECTOR, "#sessions .close")


async def test_by_keyboard_alone(
    page: Page, start_gateway: StartGateway, serve: Serve, open_client: OpenClient, token: Path
) -> None:
    """What is focused can be seen; columns sort; dialogs end with Escape, and the focus goes back."""
    gateway = await start_gateway(
        relay(await serve(echo)), admin={"bind": "127.0.0.1:0", "token": {"file": str(token)}}
    )
    address = await admin_address(gateway)
    clients = [await open_client(gateway) for _ in range(3)]
    for client in clients:
        await client.upgrade("/")

    def go() -> None:
        page.driver.get(f"http://{address}/")
        page.until("document.activeElement?.id === 'token'")
        page.press("secret", Keys.ENTER)
        page.rows(3)
        page.until("document.querySelector('#sessions .close')")
        reached: list[str] = []
        page.driver.execute_script("document.activeElement.blur()")
        while "previous" not in reached and len(reached) < 60:
            page.press(Keys.TAB)
            name, outlined = page.driver.execute_script(
                "const here = document.activeElement, style = getComputedStyle(here);"
                "return [here.dataset.sort ?? here.className.split(' ')[0] ?? here.id,"
                " style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]"
            )
            if page.driver.execute_script("return document.activeElement === document.body"):
                break
            assert outlined, name
            reached.append(name)
        sorts = ["route", "client", "backend", "duration", "-messages_up", "-messages_down", "-bytes_up"]
        at = reached.index("route")
        assert reached[at : at + len(sorts)] == sorts
        assert reached[at + 9 : at + 15] == ["link", "close"] * 3

        page.driver.execute_script("document.querySelector('[data-sort=client]').focus()")
        page.press(Keys.ENTER)
        page.until("document.querySelector('[data-sort=client]').parentElement.ariaSort === 'ascending'")
        addresses = sorted(client.address for client in clients)
        for wanted in (addresses, addresses[::-1]):
            shown = "[...document.querySelectorAll('#sessions td:nth-child(2) span')].map(e => e.textContent)"
            page.until(f"JSON.stringify({shown}) === JSON.stringify({wanted})")
            page.press(Keys.ENTER)  # turns the order

        for opener, dialog in ((".link", "details"), (".close", "close-dialog")):
            page.driver.execute_script(f"document.querySelectorAll('#sessions {opener}')[1].focus()")
            key = page.driver.execute_script("return document.activeElement.closest('tr').dataset.key")
            page.press(Keys.ENTER)
            page.until(f"document.querySelector('#{dialog}').open")
            page.press(Keys.ESCAPE)
            page.until(f"!document.querySelector('#{dialog}').open")
            page.until(f"document.activeElement.closest('tr')?.dataset.key === {key!r}")

    await in_thread(go)


async def test_a_drain_shows_its_progress(
    page: Page, start_gateway: StartGateway, serve: Serve, open_client: OpenClient
) -> None:
    gateway = await start_gateway(
        relay(await serve(echo)),
        admin={"bind": "127.0.0.1:0"},
        drain={"spread": "0s", "grace": "25s"},
        defaults={"timeouts": {"close": "25s"}},
    )
    address = await admin_address(gateway)
    clients = [await open_client(gateway) for _ in range(2)]
    for client in clients:
        await client.upgrade("/")
    await in_thread(page.open, address, 2)
    gateway.process.terminate()
    for client in clients:
        assert (await client.receive_close())[0] == 1001
    await in_thread(page.shows, "#drain-text", "0 of 2 sessions have ended, 2 are still open.")
    await clients[0].send(close_frame(1001))
    await clients[0].read_end()
    await clients[0].stream.aclose()
    await in_thread(page.shows, "#drain-text", "1 of 2 sessions have ended, 1 are still open.")
    await in_thread(page.shows, "#state", "draining, 1 session left")
    assert await in_thread(page.driver.execute_script, "return document.querySelector('progress').value") == 1


async def test_the_frames_of_a_session(
    page: Page, start_gateway: StartGateway, serve: Serve, open_client: OpenClient, token: Path
) -> None:
    gateway = await start_gateway(
        relay(await serve(echo)), admin={"bind": "127.0.0.1:0", "token": {"file": str(token)}, "tap": "payload"}
    )
    address = await admin_address(gateway)
    client = await open_client(gateway)
    await client.upgrade("/")

    def watch() -> None:
        page.driver.get(f"http://{address}/")
        page.until("!document.querySelector('#token-form').hidden")
        page.fill("#token", "secret\n")
        page.rows(1)
        page.one("#sessions .link").click()
        page.one("#tap-button").click()
        page.shows("#tap-state", "waits for the next frame …")

    def frames(number: int) -> list[str]:
        lines = "[...document.querySelectorAll('#tap-frames li')].map(line => line.innerText)"
        found: list[str] = page.until(f"(lines => lines.length === {number} && lines)({lines})")
        return found

    await in_thread(watch)
    await gateway.next_line("tapped")
    await client.send(Frame(TEXT, b"<i>hello</i>"))
    await client.receive()
    up, down = await in_thread(frames, 2)
    assert [word in up for word in ("↑", "text", "12 B", "FIN", "<i>hello</i>")] == [True] * 5
    assert "↓" in down
    await in_thread(page.shows, "#tap-state", "2 frames")
    await client.send(close_frame(4001, "bye"))
    assert "4001 bye" in (await in_thread(frames, 4))[2]
    assert await client.receive_close() == (4001, "bye")
    await client.read_end()
    await client.stream.aclose()
    await in_thread(page.until, "document.querySelector('#tap-state').textContent.includes('the session has ended')")
    await in_thread(page.shows, "#tap-button", "Watch the frames")


@pytest.mark.parametrize("width", [320, 768, 1280])
async def test_it_fits(
    page: Page, start_gateway: StartGateway, serve: Serve, open_client: OpenClient, width: int
) -> None:
    gateway = await start_gateway(relay(await serve(echo)), admin={"bind": "127.0.0.1:0"})
    address = await admin_address(gateway)
    await (await open_client(gateway)).upgrade("/" + "a-long-path" * 20)
    await in_thread(resize, page.driver, width, 800)
    await in_thread(page.open, address, 1)
    assert await in_thread(page.driver.execute_script, "return document.documentElement.scrollWidth <= innerWidth")
