import pytest
import yaml

from wsgate.settings import nodes
from wsgate.settings.nodes import Mapping, Node, Scalar, Sequence, compose
from wsgate.settings.problem import ConfigError, Problem

LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=LOADERS, autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test sees the same with and without libyaml."""
    monkeypatch.setattr(nodes, "Loader", request.param)


def refusal(text: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        compose(text, "f.yaml")
    (problem,) = caught.value.problems
    return problem


def dump(node: Node | None) -> object:
    """A tree as tuples: line, column, and what is there."""
    match node:
        case Scalar():
            return node.line, node.col, node.text, node.kind
        case Sequence():
            return node.line, node.col, [dump(item) for item in node.items]
        case Mapping():
            return node.line, node.col, [(dump(key), dump(value)) for key, value in node.pairs()]
    return None


def test_every_node_knows_its_place() -> None:
    assert dump(compose("é: [ä,\n  {b: c}]\nd:\n- 'e'\n", "f.yaml")) == (
        1,
        1,
        [
            ((1, 1, "é", "str"), (1, 4, [(1, 5, "ä", "str"), (2, 3, [((2, 4, "b", "str"), (2, 7, "c", "str"))])])),
            ((3, 1, "d", "str"), (4, 1, [(4, 3, "e", "str")])),
        ],
    )


@pytest.mark.parametrize(
    ("text", "kind", "read_as"),
    [
        ("x", "str", "text"),
        ("'on'", "str", "text"),
        ('"12"', "str", "text"),
        ("on", "bool", "a boolean"),
        ("12:30", "int", "a number"),
        ("0x10", "int", "a number"),
        ("1.5", "float", "a number"),
        ("~", "null", "nothing"),
        ("2001-12-31", "timestamp", "a date"),
        ("<<", "merge", "a merge key"),
        ("=", "value", "a default value"),
    ],
)
def test_a_scalar_keeps_its_text_and_knows_what_yaml_would_make_of_it(text: str, kind: str, read_as: str) -> None:
    node = compose(f"- {text}", "f.yaml")
    assert isinstance(node, Sequence)
    (scalar,) = node.items
    assert isinstance(scalar, Scalar)
    assert (scalar.text, scalar.kind, scalar.read_as) == (text.strip("'\""), kind, read_as)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "\ufeff", "---"])
def test_no_document_is_none_or_null(text: str) -> None:
    node = compose(text, "f.yaml")
    assert node is None or str(node) == "nothing"


def test_a_byte_order_mark_at_the_start_is_skipped() -> None:
    assert dump(compose("\ufeffa", "f.yaml")) == (1, 1, "a", "str")


def test_an_alias_is_its_anchors_node() -> None:
    node = compose("[&x [a], *x, &y b, *y, &x c, *x]", "f.yaml")
    assert isinstance(node, Sequence)
    first, second, *_ = node.items
    assert first is second
    assert [str(item) for item in node.items[2:]] == ["'b'", "'b'", "'c'", "'c'"]
    assert node.size == 9


def test_the_expansion_of_aliases_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "MAX_ALIASED", 6)
    assert compose("[&x [a, b], *x, *x]", "f.yaml") is not None
    problem = refusal("[&x [a, b], *x, *x, *x]")
    assert (problem.line, problem.col) == (1, 21)
    assert problem.message == "the aliases up to here stand for more than 6 values"


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    assert "aliases" in refusal("\n".join(lines)).message


def test_depth_has_a_limit() -> None:
    assert compose("[" * nodes.MAX_DEPTH + "]" * nodes.MAX_DEPTH, "f.yaml") is not None
    problem = refusal("[" * (nodes.MAX_DEPTH + 1))
    assert (problem.line, problem.col) == (1, nodes.MAX_DEPTH + 1)


@pytest.mark.parametrize("bomb", ["[" * 200_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "[{" * 100_000])
def test_a_nesting_bomb_is_one_problem(bomb: str) -> None:
    assert "levels deep" in refusal(bomb).message


@pytest.mark.parametrize(
    ("text", "line", "col", "message"),
    [
        ("a: &x [*x]", 1, 8, "the alias '*x' stands inside of what it stands for"),
        ("a: *b", 1, 4, "the alias '*b' has no anchor; a text that begins with * must be in quotes"),
        ("a: !b c", 1, 4, "the tag '!b' means nothing here; remove it"),
        ("a: !!str c", 1, 4, "the tag 'tag:yaml.org,2002:str' means nothing here; remove it"),
        ("a: ! c", 1, 4, "the tag '!' means nothing here; remove it"),
        ("--- a\n--- b", 2, 1, "a second YAML document begins here; the configuration is one document"),
        ("a:\n b\x07c", 2, 3, "not valid YAML: the character U+0007 is not allowed"),
        ("\x00", 1, 1, "not valid YAML: the character U+0000 is not allowed"),
        ("a: \ud800", 1, 4, "not valid YAML: the character U+D800 is not allowed"),
        ("a:\n\t- b", 2, 1, "not valid YAML: YAML is indented with spaces; this is a tab"),
        ("a: @b", 1, 4, "not valid YAML: a text that begins with @ must be in quotes"),
        ("a: `b", 1, 4, "not valid YAML: a text that begins with ` must be in quotes"),
        ("a: %b", 1, 4, "not valid YAML: a text that begins with % must be in quotes"),
        ("a: *.b", 1, 5, "not valid YAML: a text that begins with * must be in quotes, like '*.example.com'"),
        ("a: 'b", 1, 6, "not valid YAML: the quote that begins at 1:4 has no end"),
        ("a: [::]:80", 1, 5, "not valid YAML: an address with brackets must be in quotes, like '[::]:8080'"),
        ("- a: [fe80::1]:80", 1, 15, "not valid YAML: an address with brackets must be in quotes, like '[::]:8080'"),
    ],
)
def test_what_is_refused_says_where_and_what_to_do(text: str, line: int, col: int, message: str) -> None:
    assert refusal(text) == Problem("f.yaml", line, col, "", message)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: b: c", 1, "in this context; look at the indentation, and put a text with ': ' in it in quotes"),
        ("a:\n  - b\n - c\n", 3, "(while parsing a block mapping, which begins at 1:1)"),
        ("{a: b]", 1, "(while parsing a flow mapping, which begins at 1:1)"),
        ("%YAML 3.0\n---\na", 1, "found incompatible YAML document"),
        ('"\\ud800"', 1, ""),
    ],
)
def test_other_faults_have_the_parsers_words_and_a_place(text: str, line: int, words: str) -> None:
    # libyaml and the Python parser have slightly different texts.
    problem = refusal(text)
    assert problem.message.startswith("not valid YAML: ")
    assert words in problem.message.replace("not allowed here", "not allowed in this context")
    assert problem.line == line


def test_a_fault_without_a_place_is_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    # No text is known that makes PyYAML do this once the characters are checked; its interface allows it.
    def fail(*_: object, **__: object) -> None:
        raise yaml.YAMLError("no reason")

    monkeypatch.setattr(yaml, "parse", fail)
    assert refusal("a") == Problem("f.yaml", 1, 1, "", "not valid YAML: no reason")
