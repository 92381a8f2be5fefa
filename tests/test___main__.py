import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wsgate import __main__, __version__, cli

# A library that raises the signal during its import, and swallows the exception
INTERRUPTED = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    pass
"""


def test_main_leaves_the_signal_as_it_was(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["wsgate", "--version"])
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit):
        __main__.main()
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().out == f"wsgate {__version__}\n"


def test_who_ignores_the_signal_still_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def run() -> int:
        seen.append(signal.getsignal(signal.SIGINT))
        return 0

    monkeypatch.setattr(cli, "main", run)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert __main__.main() == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIG_IGN]


def test_ctrl_c_during_the_imports_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text(INTERRUPTED)
    project = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{project}"}
    done = subprocess.run([sys.executable, "-m", "wsgate", "schema"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
