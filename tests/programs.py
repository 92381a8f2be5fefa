"""The real programs that tests run, beside Python's own, C headers, and the Debian packages that bring them.

``python -m tests.programs`` prints the packages that are missing here; CI installs those. (It runs before anything is
installed, so this module needs nothing but Python.)
"""

from __future__ import annotations

import os
import shutil

PACKAGES = {
    "/usr/share/novnc/core/rfb.js": "novnc",
    "Xtigervnc": "tigervnc-standalone-server",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "curl": "curl",
    "gcc": "gcc libc6-dev",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "make": "make",
    "mosquitto": "mosquitto",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "openssl/ssl.h": "libssl-dev",
    "redis-server": "redis-server",
    "scp": "openssh-client",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "unshare": "util-linux",
    "xterm": "xterm",
}

HEADERS = ("/usr/include", "/usr/local/include")  # where compilers look


def find(program: str) -> str | None:
    """The program's or header's path, or ``None``. Servers are in sbin, which is not on everybody's PATH."""
    if program.endswith(".h"):
        return next((path for place in HEADERS if os.path.exists(path := f"{place}/{program}")), None)
    if program.startswith("/"):  # a file that a package brings
        return program if os.path.exists(program) else None
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def missing_packages() -> list[str]:
    return sorted({package for program in PACKAGES if find(program) is None for package in PACKAGES[program].split()})


if __name__ == "__main__":
    for package in missing_packages():
        print(package)
