import base64
import hashlib
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.settings.model import Basic
from wsgate.site.passwords import Users
from wsgate.text.error import TextError
from wsgate.text.htpasswd import Entry, entries, entry

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
    assert entry(f"ann:{hashed}") == Entry("ann", hashed)


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
    with pytest.raises(TextError) as caught:
        entry(f"ann:{hashed}")
    assert str(caught.value) == problem
    assert f"the password of 'ann' {caught.value.problem}" == problem


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password"),
        ("ann", "this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password"),
        ("ann:", "this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password"),
        (":{PLAIN}a", "this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password"),
        ("ann:{PLAIN}a\nbob:{PLAIN}b", "there is a control character in it: write user:hash in one line"),
        ("a\0nn:{PLAIN}a", "there is a control character in it: write user:hash in one line"),
    ],
)
def test_any_other_line_is_refused(line: str, problem: str) -> None:
    with pytest.raises(TextError) as caught:
        entry(line)
    assert str(caught.value) == problem


def test_only_bcrypt_needs_bcrypt() -> None:
    assert entry(f"ann:{BCRYPT}").needs_bcrypt
    assert not any(entry(line).needs_bcrypt for line in (f"ann:{SHA}", "ann:{PLAIN}$2y$", "$2y$:{PLAIN}a"))


@given(password=st.text(alphabet=string.ascii_letters + string.digits, min_size=12, max_size=26))
@pytest.mark.parametrize("form", ["{}", "${}$", "$2y${}", "$2y$05${}", "{{SHA}}{}", "{{SSHA}}{}", "{}:x"])
def test_a_password_without_its_kind_is_not_repeated(form: str, password: str) -> None:
    with pytest.raises(TextError) as caught:
        entry(f"ann:{form.format(password)}")
    assert password not in str(caught.value)


def test_the_lines_of_a_file_are_read_one_by_one() -> None:
    data = b"\xef\xbb\xbfann:{PLAIN}a\r\n\n# bob:{PLAIN}b\n\tcyd:{PLAIN}c \ndan\neve:x\xe9\nfay:$apr1$a$b\n"
    assert [(number, str(line) if isinstance(line, TextError) else line) for number, line in entries(data)] == [
        (1, Entry("ann", "{PLAIN}a")),
        (4, Entry("cyd", "{PLAIN}c")),
        (5, "this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password"),
        (6, "this is not UTF-8: save the file as UTF-8"),
        (7, f"the password of 'fay' is Apache's MD5 ('$apr1$'), which is not supported: {CURE}"),
    ]
    assert list(entries(b"")) == []


@pytest.mark.parametrize(
    "hashed",
    [
        *(BCRYPT, BCRYPT[:-1], "$2b$04$short", BCRYPT.replace("2y", "2x"), BCRYPT.replace("$05$", "$32$")),
        *(SHA, SHA[:-4], SSHA, "{S" + SHA[1:], "{PLAIN}x", "{PLAIN}", "$1$a$b", "x"),
    ],
)
async def test_the_start_and_the_runtime_take_the_same_hashes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, hashed: str
) -> None:
    file = tmp_path / "users"
    file.write_text(f"ann:{hashed}\n")
    basic = Basic(file=str(file))
    faults = Users(basic).load()
    await Users(basic).knows("ann", b"x")
    logged = [record.fields["problem"] for record in caplog.records]  # type: ignore[attr-defined]
    assert [("file", f"line 1 of {str(file)!r}: {problem}") for problem in logged] == faults
