"""The real programs that tests run, beside Python's own, and the Debian packages that bring them.

``python -m tests.programs`` prints the packages that are missing here; CI installs those. (It runs before anything is
installed, so this module needs nothing but Python.)
"""

from __future__ import annotations

import os
import shutil

PACKAGES = {
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "gcc": "gcc libc6-dev",
    "make": "make",
    "mosquitto": "mosquitto",
    "redis-server": "redis-server",
}


def find(program: str) -> str | None:
    """The program's path, or ``None``. Servers are in sbin, which is not on everybody's PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def missing_packages() -> list[str]:
    return sorted({package for program in PACKAGES if find(program) is None for package in PACKAGES[program].split()})


if __name__ == "__main__":
    for package in missing_packages():
        print(package)
