"""The demo's page over https and wss: a real browser on a gateway with a certificate, in front of the demo."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome

from tests.pki import Authority, Pair

from .browser import chromium, complaints, pin
from .gateway import PROJECT
from .gateway_process import running
from .test_demo_page import RELAY, TUNNEL, Page, running_demo
from .tls import listener

pytestmark = pytest.mark.needs("chromium", "chromedriver")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Authority(tmp_path_factory.mktemp("pki")).issue("localhost")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium"), pin(pair.certificate)) as driver:
        yield driver


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[str]:
    """The page's, from a gateway with TLS that serves it, and relays its sessions to the demo."""
    with running_demo() as demo:
        behind = f"ws://{urlsplit(demo.url).netloc}"
        routes = [{"name": name, "match": {"path": f"/{name}"}, "relay": {"to": behind}} for name in (RELAY, TUNNEL)]
        page = {"name": "page", "files": {"root": str(PROJECT / "wsgate" / "demo" / "site")}}
        with running(tmp_path_factory.mktemp("gateway"), *routes, page, listeners=[listener(pair)]) as gateway:
            yield f"https://localhost:{gateway.port}/"


@pytest.mark.parametrize("panel", [RELAY, TUNNEL])
def test_a_session(driver: Chrome, url: str, panel: str) -> None:
    page = Page(driver, url)
    assert driver.execute_script("return location.protocol + ' ' + isSecureContext") == "https: true"
    page.connect(panel)
    page.write(panel, "message", "grüße!")
    page.press(panel, "send-binary")
    page.until(lambda: page.answers(panel, kind="binary", verified="true"))
    page.choose_size(panel, 1 << 20)
    page.press(panel, "send-random")
    answer = page.until(lambda: page.answers(panel, kind="binary", size=1 << 20))[0]
    assert answer.get_attribute("data-verified") == "true"
    page.press(panel, "ping-pong")
    page.until(lambda: page.all(f"#{panel} [data-log] [data-rounds='100']"))
    page.write(panel, "code", "4001")
    page.write(panel, "reason", "so long")
    page.press(panel, "close")
    assert page.ending(panel) == ("4001", "so long", "true", "you")
    assert complaints(driver) == []
