import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.settings.environment import Mask, advise_braces, expand, without_braces
from wsgate.text.error import TextError

ENVIRONMENT = {
    "HOST": "app.internal",
    "PORT": "9000",
    "EMPTY": "",
    "_x1": "y",
    "REFERENCE": "${PORT}",
    "LATIN": "\udce9",
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${PORT}", "9000"),
        ("ws://${HOST}:${PORT}/x", "ws://app.internal:9000/x"),
        ("${_x1}", "y"),
        ("${EMPTY}", ""),
        ("a${EMPTY}b", "ab"),
        ("${PORT:-80}", "9000"),
        ("${NONE:-80}", "80"),
        ("${EMPTY:-80}", "80"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("${NONE:-http://x/{token}}", "http://x/{token}"),
        ("${NONE:-~^/[a-z]{2}$}", "~^/[a-z]{2}$"),
        ("${NONE:-${PORT}}", "9000"),
        ("${NONE:-${NEITHER:-1}}2", "12"),
        ("${NONE:-two\nlines}", "two\nlines"),
        ("${PORT}}", "9000}"),
        ("${REFERENCE}", "${PORT}"),  # a value is no text of the file
        ("$${PORT}", "${PORT}"),
        ("$${", "${"),
        ("a$${PORT}b${PORT}", "a${PORT}b9000"),
        ("$$${PORT}", "$${PORT}"),
        # a dollar alone is a dollar
        ("$PORT", "$PORT"),
        ("$$", "$$"),
        ("$", "$"),
        ("~^/chat$", "~^/chat$"),
        ("ann:$2y$05$abcdefghijklmnopqrstuu", "ann:$2y$05$abcdefghijklmnopqrstuu"),
        ("{token}", "{token}"),
    ],
)
def test_references_are_replaced(text: str, expanded: str) -> None:
    assert expand(text, ENVIRONMENT).text == expanded


def test_what_came_from_the_environment_is_known_by_its_reference() -> None:
    expansion = expand("${HOST} ${NONE:-x} ${NONE:-${PORT}} $${HOST}", ENVIRONMENT)
    assert expansion.values == {"${HOST}": "app.internal", "${PORT}": "9000"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE}", "NONE is not set in the environment: set it, or write a default, ${NONE:-default}"),
        ("${HOST}${NONE}", "NONE is not set in the environment: set it, or write a default, ${NONE:-default}"),
        (
            "${NONE:-${NEITHER}}",
            "NEITHER is not set in the environment: set it, or write a default, ${NEITHER:-default}",
        ),
        ("${PORT", "${ has no } behind it: write ${NAME} or ${NAME:-default}, or $${ for a literal ${"),
        ("${LATIN}", "the value of LATIN in the environment is not UTF-8"),
        *(
            (
                text,
                f"'{text}' is no reference to the environment: write ${{NAME}} or ${{NAME:-default}}, "
                "or $${ for a literal ${",
            )
            for text in ("${}", "${1A}", "${PORT-80}", "${PORT:?none}", "${PORT:+1}", "${A B}", "${é}", "${{PORT}}")
        ),
    ],
)
def test_what_is_no_reference_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        expand(text, ENVIRONMENT)
    assert str(caught.value) == message


@given(text=st.text(alphabet="${}:-AB\n") | st.text())
def test_any_text_is_expanded_or_refused(text: str) -> None:
    try:
        expansion = expand(text, {"A": "secret"})
    except TextError as error:
        said = str(error)
    else:
        assert "${" in text or expansion.text == text
        return
    assert "secret" not in said


@given(text=st.text(alphabet="${}AB"))
def test_any_text_can_be_written(text: str) -> None:
    assert expand(text.replace("${", "$${"), {}).text == text


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("$PORT", "a value of the environment is written with braces: ${PORT}"),
        ("0.0.0.0:$PORT", "a value of the environment is written with braces: ${PORT}"),
        ("$2y$05", None),
        ("5$", None),
        ("x", None),
    ],
)
def test_a_name_without_braces(text: str, advice: str | None) -> None:
    assert advise_braces(text) == advice


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("the file '/run/s3cret/key' does not exist", "the file '/run/${S}/key' does not exist"),
        ("S3CRET has it", "${S} has it"),
        ("s3cret-and-more", "'${S}-and-more'"[1:-1]),
        ("listeners[7] of 7 or 70", "listeners[7] of ${N} or 70"),
        ("it's 'two\\nlines' here", "it's '${L}' here"),
        (f"{'x' * 77}... is long", "${X}... is long"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_a_mask_shows_what_the_file_has(message: str, masked: str) -> None:
    mask = Mask()
    assert mask.apply(message) == message
    mask.hide(["s3cret", ""], "${S}")
    mask.hide(["7"], "${N}")
    mask.hide(["two\nlines"], "${L}")
    mask.hide(["x" * 100], "${X}")
    assert mask.apply(message) == masked


def test_the_longest_text_is_masked_first() -> None:
    mask = Mask()
    mask.hide(["abcd"], "${SHORT}")
    mask.hide(["abcdefgh"], "${LONG}")
    assert mask.apply("abcdefgh abcd") == "${LONG} ${SHORT}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/$PORT", "PORT"),
        ("/$_x1/y", "_x1"),  # it is set
        ("/$NONE", "NONE"),  # it is not, but it looks like one
        ("/$metadata/$TENANT_1", "TENANT_1"),
        ("/$metadata", None),
        ("/$1", None),
        ("/${PORT}", None),
        ("/x$", None),
    ],
)
def test_a_name_without_braces_that_is_taken_as_it_stands(text: str, name: str | None) -> None:
    cure = f"${name} is taken as it stands; a value of the environment is written with braces: ${{{name}}}"
    assert without_braces(text, ENVIRONMENT) == (None if name is None else cure)
