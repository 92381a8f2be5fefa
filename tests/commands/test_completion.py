"""``wsgate completion`` prints a shell's script. ``tests/deploy/test_completion.py`` has the shells run them."""

from __future__ import annotations

import pytest

from wsgate.cli import main
from wsgate.commands import completion


@pytest.mark.parametrize("shell", completion.SCRIPTS)
def test_it_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert printed == completion.script(shell)
    assert "recording" in printed


def test_another_shell_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["completion", "tcsh"])
    assert ended.value.code == 2
    refused = capsys.readouterr().err
    assert all(shell in refused for shell in completion.SCRIPTS)
