"""The programs, C headers and modules that tests need, and the Debian packages that contain them.

``python -m tests.programs`` prints the packages that are missing here; CI installs those. (It runs before anything is
installed, so this module needs nothing but Python.)
"""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path

# What npm has installed, in the versions of package-lock.json: npm ci, in tests/e2e/node
MODULES = Path(__file__).parent / "e2e" / "node" / "node_modules"

PACKAGES = {
    "@microsoft/signalr": "npm, then npm ci in tests/e2e/node",
    "@neondatabase/serverless": "npm, then npm ci in tests/e2e/node",
    "/usr/share/novnc/core/rfb.js": "novnc",
    "Xtigervnc": "tigervnc-standalone-server",
    "caddy": "caddy",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "curl": "curl",
    "dclint": "npm, then npm ci in tests/e2e/node",
    "firefox-esr": "firefox-esr",
    "fish": "fish",
    "gcc": "gcc libc6-dev",
    "haproxy": "haproxy",
    "htpasswd": "apache2-utils",
    "initdb": "postgresql",
    "ip": "iproute2",
    "make": "make",
    "mosquitto": "mosquitto",
    "nginx": "nginx-light",
    "node": "nodejs",
    "openssl": "openssl",
    "openssl/ssl.h": "libssl-dev",
    "pebble": "pebble",
    "pebble-challtestsrv": "pebble",
    "postgres": "postgresql",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-server": "redis-server",
    "scp": "openssh-client",
    "setpriv": "util-linux",
    "socket.io": "npm, then npm ci in tests/e2e/node",
    "socket.io-client": "npm, then npm ci in tests/e2e/node",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "strace": "strace",
    "systemd-analyze": "systemd",
    "systemd-socket-activate": "systemd",
    "text2pcap": "wireshark-common",
    "tshark": "tshark",
    "undici": "npm, then npm ci in tests/e2e/node",
    "unshare": "util-linux",
    "ws": "npm, then npm ci in tests/e2e/node",
    "xterm": "xterm",
    "zsh": "zsh",
}

HEADERS = ("/usr/include", "/usr/local/include")  # where compilers look


def find(program: str) -> str | None:
    """Returns the path of a program, header or module; ``None`` if it is missing."""
    if _is_module(program):
        return str(MODULES / program) if (MODULES / program).exists() else None
    if program.endswith(".h"):
        return next((path for place in HEADERS if os.path.exists(path := f"{place}/{program}")), None)
    if program.startswith("/"):  # a file that a package brings
        return program if os.path.exists(program) else None
    # Servers may be in directories that are not on the PATH of every user
    servers = ["/usr/sbin", "/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *servers]))


def _is_module(program: str) -> bool:
    return PACKAGES.get(program, "").startswith("npm,")


def missing_packages() -> list[str]:
    missing = [program for program in PACKAGES if not _is_module(program) and find(program) is None]
    return sorted({package for program in missing for package in PACKAGES[program].split()})


if __name__ == "__main__":
    for package in missing_packages():
        print(package)
