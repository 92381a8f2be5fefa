"""The admin page in Chromium, in front of real sessions."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.peers.frames import close_frame

from .browser import chromium
from .gateway import OpenClient, StartGateway, relay
from .library import Serve, echo

PATIENCE = 20  # seconds for the page to show something


def until(driver: Chrome, script: str) -> object:
    """Waits until a script returns something true."""
    return WebDriverWait(driver, PATIENCE, 0.05).until(lambda driver: driver.execute_script(f"return {script}"))


def show_sessions(driver: Chrome, address: str, token: str) -> list[str]:
    """Shows the page, with a wrong token first, and returns the text of each session's row."""
    driver.get(f"http://{address}/")
    for shown in ("wrong", token):
        until(driver, "!document.querySelector('#token-form').hidden")
        driver.find_element(By.ID, "token").clear()
        driver.find_element(By.ID, "token").send_keys(shown)
        driver.find_element(By.CSS_SELECTOR, "#token-form button").click()
        if shown == "wrong":
            until(driver, "document.querySelector('#token-error').textContent === 'This is not the token.'")
    until(driver, "document.querySelector('#state').textContent === 'ready, 3 sessions'")
    until(driver, "document.querySelectorAll('#sessions tbody [data-close]').length === 3")
    until(driver, "document.querySelectorAll('#backends .well').length === 1")
    return [row.text for row in driver.find_elements(By.CSS_SELECTOR, "#sessions tbody tr")]


def end_session(driver: Chrome, client: str) -> None:
    """Searches for the session of a client, and ends it with 4001."""
    driver.find_element(By.ID, "search").send_keys(client)
    until(driver, "document.querySelectorAll('#sessions tbody [data-close]').length === 1")
    driver.find_element(By.CSS_SELECTOR, "[data-close]").click()
    code = driver.find_element(By.ID, "close-code")
    code.clear()
    code.send_keys("4001")
    driver.find_element(By.CSS_SELECTOR, "dialog .danger").click()


@pytest.mark.needs("chromium", "chromedriver")
async def test_the_page_ends_the_right_session_with_the_right_code(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    gateway = await start_gateway(
        relay(await serve(echo)), admin={"bind": "127.0.0.1:0", "token": {"file": str(token)}}
    )
    address = (await gateway.next_line("admin listening"))["address"]
    clients = [await open_client(gateway) for _ in range(3)]
    for client in clients:
        await client.upgrade("/<b>bold</b>")
    with chromium(tmp_path / "profile", width=1000, height=900) as driver:
        listed = await trio.to_thread.run_sync(show_sessions, driver, address, "secret")
        assert len(listed) == 3
        assert all("%3Cb%3Ebold" in row for row in listed)
        await trio.to_thread.run_sync(end_session, driver, clients[1].address)
        assert await clients[1].receive_close() == (4001, "closed by the operator")
        said = [entry["message"] for entry in driver.get_log("browser")]  # type: ignore[no-untyped-call]
        assert [message for message in said if "401" not in message] == []  # the token was asked for
    await clients[1].send(close_frame(4001))
    await clients[1].read_end()
