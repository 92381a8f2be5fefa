"""Shell commands that pages show do what the pages say."""

from __future__ import annotations

import grp
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks


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


@pytest.mark.needs("ssh-keygen")
def test_what_is_signed_is_verified(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if "ssh-keygen" in block.text]
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "wsgate.tar.gz").write_text("source")
    sums = subprocess.run(["sha256sum", "wsgate.tar.gz"], cwd=dist, check=True, capture_output=True).stdout
    (dist / "SHA256SUMS").write_bytes(sums)
    new_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "release.key")]
    subprocess.run(new_key, check=True)
    public = (tmp_path / "release.key.pub").read_text()
    (tmp_path / "allowed_signers").write_text(f"releases@wsgate {public}")

    run = ["sh", "-euc", block.text]
    subprocess.run(run, cwd=tmp_path, check=True, timeout=30)
    (dist / "wsgate.tar.gz").write_text("other")
    (dist / "SHA256SUMS.sig").unlink()
    assert subprocess.run(run, cwd=tmp_path, check=False, timeout=30, capture_output=True).returncode != 0


def test_targets_that_pages_name_are_there() -> None:
    """Of blocks that take too long to be run."""
    makefile = (ROOT / "Makefile").read_text()
    for block in blocks("sh"):
        for target in re.findall(r"^make ([\w-]+)", block.text, re.MULTILINE):
            assert f"\n{target}: " in makefile
