import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.settings.passwords import lines_of, needs_bcrypt, wrong_with

BCRYPT = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"
SHA = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
SSHA = "{SSHA}" + base64.b64encode(hashlib.sha1(b"sesame" + b"12345678").digest() + b"12345678").decode()
CURE = "write what htpasswd -nB prints for this user"


@pytest.mark.parametrize(
    "hashed",
    [
        BCRYPT,
        BCRYPT.replace("2y", "2a"),
        BCRYPT.replace("2y", "2b"),
        SHA,
        SSHA,
        "{PLAIN}sesame",
        "{PLAIN}a:b",
        "{PLAIN} ",
    ],
)
def test_a_hash_that_can_be_checked_is_right(hashed: str) -> None:
    assert wrong_with(f"ann:{hashed}") is None


@pytest.mark.parametrize(
    ("hashed", "problem"),
    [
        ("{PLAIN}", "the password of 'ann' is empty: write one behind {PLAIN}"),
        (SHA[:-4], f"the password of 'ann' is no {{SHA}} that is whole: {CURE}"),
        ("{SHA}*", f"the password of 'ann' is no {{SHA}} that is whole: {CURE}"),
        ("{SHA}é", f"the password of 'ann' is no {{SHA}} that is whole: {CURE}"),
        ("{S" + SHA[1:], f"the password of 'ann' is no {{SSHA}} that is whole: {CURE}"),  # without a salt
        (BCRYPT[:-1], f"the password of 'ann' is no bcrypt hash that is whole: {CURE}"),
        (BCRYPT + "x", f"the password of 'ann' is no bcrypt hash that is whole: {CURE}"),
        (BCRYPT.replace("$05$", "$32$"), f"the password of 'ann' is no bcrypt hash that is whole: {CURE}"),
        ("$2$", f"the password of 'ann' is no bcrypt hash that is whole: {CURE}"),
        (
            "$apr1$vdWl0dFe$9rPB1R1IP8eVWbeJ9sXoZ/",
            f"the password of 'ann' is Apache's MD5 ('$apr1$'), which is not supported: {CURE}",
        ),
        ("$1$a$b", f"the password of 'ann' is MD5 ('$1$'), which is not supported: {CURE}"),
        ("$6$a$b", f"the password of 'ann' is a hash of crypt(3) ('$6$'), which is not supported: {CURE}"),
        ("$y$j9T$a", f"the password of 'ann' is a hash of crypt(3) ('$y$'), which is not supported: {CURE}"),
        (
            "sesame",
            "the password of 'ann' has no hash that is known, bcrypt, {SHA} or {SSHA}: "
            f"{CURE}, or {{PLAIN}} and the password",
        ),
    ],
)
def test_any_other_hash_is_named_with_the_cure(hashed: str, problem: str) -> None:
    assert wrong_with(f"ann:{hashed}") == problem


def test_only_bcrypt_needs_bcrypt() -> None:
    assert needs_bcrypt(f"ann:{BCRYPT}")
    assert not any(needs_bcrypt(line) for line in (f"ann:{SHA}", "ann:{PLAIN}$2y$", "$2y$:{PLAIN}a"))


@given(password=st.text(alphabet=string.ascii_letters + string.digits, min_size=12))
def test_a_password_without_its_kind_is_not_repeated(password: str) -> None:
    assert password not in (wrong_with(f"ann:{password}") or password)


def test_the_lines_of_a_file_are_read_one_by_one() -> None:
    data = b"\xef\xbb\xbfann:{PLAIN}a\r\n\n# bob:{PLAIN}b\n\tcyd:{PLAIN}c \ndan\neve:x\xe9\nfay:$apr1$a$b\n"
    assert list(lines_of(data)) == [
        (1, "ann:{PLAIN}a", None),
        (4, "cyd:{PLAIN}c", None),
        (5, "", "this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password"),
        (6, "", "this is not UTF-8: save the file as UTF-8"),
        (7, "fay:$apr1$a$b", wrong_with("fay:$apr1$a$b")),
    ]
    assert list(lines_of(b"")) == []
