"""Headless browsers for the tests that need a real one: Chromium, driven, and both it and Firefox just shown a page."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # a container's root has no user namespace to sandbox with
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # a container's /dev/shm is small
    "--no-proxy-server",
)


def pin(certificate: str) -> str:
    """The flag with which a browser takes this one certificate without knowing its CA, and no other."""
    public = x509.load_pem_x509_certificate(Path(certificate).read_bytes()).public_key()
    key = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "--ignore-certificate-errors-spki-list=" + base64.b64encode(hashlib.sha256(key).digest()).decode()


@contextmanager
def chromium(profile: Path, *flags: str, width: int = 1280, height: int = 900) -> Iterator[Chrome]:
    """Starts a browser with a new ``profile`` directory and a window of ``width`` by ``height`` CSS pixels.

    flags: in addition to the usual ones

    Raises ``selenium.common.WebDriverException`` when it does not start.
    """
    options = Options()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # a named driver keeps Selenium from looking for one to download
    service = Service(executable_path=shutil.which("chromedriver") or "chromedriver")
    driver = Chrome(options=options, service=service)
    try:
        resize(driver, width, height)
        yield driver
    finally:
        driver.quit()


def resize(driver: Chrome, width: int, height: int) -> None:
    """Give the page exactly this many CSS pixels; a window cannot be narrower than its frame allows."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})


def prefer(driver: Chrome, scheme: str) -> None:
    """Shows the page with the color scheme ``light`` or ``dark`` as preference."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def screenshot(driver: Chrome, path: Path, *, whole_page: bool = False) -> None:
    """Write a PNG of what the window shows, or of the page from top to bottom."""
    arguments: dict[str, Any] = {"format": "png", "optimizeForSpeed": False}
    if whole_page:
        size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        arguments["captureBeyondViewport"] = True
        arguments["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    path.write_bytes(base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", arguments)["data"]))


def complaints(driver: Chrome) -> list[str]:
    """What the page logged as a warning or an error, such as a violated content security policy."""
    entries: list[dict[str, Any]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]


# Firefox asks its maker for many things at its start: all but the loopback is led to a proxy that is not there.
_FIREFOX: dict[str, object] = {
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.type": 1,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


@contextmanager
def opened_in_firefox(profile: Path, url: str) -> Iterator[None]:
    """A page in Firefox, without a driver. ``profile`` is an empty directory."""
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _FIREFOX.items())
    (profile / "user.js").write_text("".join(lines))
    with _running("firefox-esr", "--headless", "--no-remote", "--profile", str(profile), url):
        yield


@contextmanager
def opened_in_chromium(profile: Path, url: str) -> Iterator[None]:
    """A page in Chromium, without a driver. ``profile`` is an empty directory."""
    with _running("chromium", *FLAGS, f"--user-data-dir={profile}", url):
        yield


@contextmanager
def _running(*command: str) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its own processes, too
        process.wait()
