from __future__ import annotations

from pathlib import Path

import pytest

from wsgate.site.admin_token import AdminTokenError, load_admin_token


def test_it_is_the_first_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\nnot this\n")
    assert load_admin_token(str(file)) == b"s3cret"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no token: write visible ASCII without spaces there"),
        ("a b\n", "is no token: write visible ASCII without spaces"),
        ("é\n", "is no token: write visible ASCII without spaces"),
        ("x" * 5000, "is larger than 4KiB: not what should stand here"),
    ],
)
def test_a_file_without_a_token(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(AdminTokenError, match=message):
        load_admin_token(str(file))


def test_no_file() -> None:
    with pytest.raises(AdminTokenError, match="the file '/nonexistent/token' does not exist"):
        load_admin_token("/nonexistent/token")
