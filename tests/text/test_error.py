from wsgate.text.error import TextError, quote


def test_what_is_wrong_is_told_with_the_text_or_without() -> None:
    error = TextError("is not a port", quote("5900x"), "write 5900")
    assert str(error) == "'5900x' is not a port: write 5900"
    assert error.problem == "is not a port"
    assert str(TextError("is empty")) == "is empty"
    other = TextError.instead_of("a port", "x")
    assert (str(other), other.problem) == ("expected a port, found 'x'", "is not a port")


def test_a_quoted_text_is_one_short_line() -> None:
    assert quote("a\nb\x1b") == r"'a\nb\x1b'"
    assert quote("a" * 80) == repr("a" * 80)
    assert quote("a" * 81) == repr("a" * 77 + "...")
