"""Shell commands that pages show do what the pages say."""

from __future__ import annotations

import grp
import os
import stat
import subprocess
from pathlib import Path

from tests.docs.pages import blocks


def test_the_group_can_read_what_certbot_writes(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if "/etc/letsencrypt" in block.text]
    archive, live = tmp_path / "archive" / "example.com", tmp_path / "live" / "example.com"
    for directory in (archive, live):
        directory.mkdir(parents=True)
        directory.chmod(0o700)
        directory.parent.chmod(0o700)
    key = archive / "privkey1.pem"
    key.touch(0o600)
    (live / "privkey.pem").symlink_to("../../archive/example.com/privkey1.pem")
    gid = os.getgid()
    commands = block.text.replace("/etc/letsencrypt", str(tmp_path)).replace("wsgate", grp.getgrgid(gid).gr_name)

    subprocess.run(["sh", "-euc", commands], check=True, timeout=30)

    assert stat.filemode(key.stat().st_mode) == "-rw-r-----"
    for directory in (archive, live, archive.parent, live.parent):
        assert stat.filemode(directory.stat().st_mode) == "drwxr-x---"
    assert {path.stat().st_gid for path in (key, archive, live)} == {gid}
