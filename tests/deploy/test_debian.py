"""What the Debian package brings besides the program. ``make deb`` builds it, ``make deb-check`` installs it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import ROOT
from wsgate.settings.load import load

DEBIAN = ROOT / "deploy" / "debian"


def test_its_configuration_is_served_on_this_machine_alone() -> None:
    settings = load(str(DEBIAN / "wsgate.yaml"))
    assert [str(listener.bind) for listener in settings.listeners] == ["127.0.0.1:8080"]


def test_what_its_configuration_proposes_loads(tmp_path: Path) -> None:
    text = (DEBIAN / "wsgate.yaml").read_text()
    proposed = "\n".join(re.findall(r"^# ?(.*)$", text.partition("in the place of what is above:\n")[2], re.MULTILINE))
    (tmp_path / "wsgate.yaml").write_text(proposed)
    assert len(load(str(tmp_path / "wsgate.yaml")).routes) == 1


def test_its_unit_runs_as_the_user_that_it_makes() -> None:
    unit = (ROOT / "deploy" / "systemd" / "wsgate.service").read_text()
    (user,) = re.findall(r"^User=(.*)$", unit, re.MULTILINE)
    assert (
        f"adduser --quiet --system --group --no-create-home --home /nonexistent {user}\n"
        in (DEBIAN / "wsgate.postinst").read_text()
    )
