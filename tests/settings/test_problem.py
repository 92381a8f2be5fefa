from wsgate.settings.problem import ConfigError, Problem


def test_a_problem_reads_file_line_column_path_message() -> None:
    problem = Problem("wsgate.yaml", 4, 5, "routes[0]", "unknown key 'bakend'; did you mean 'backend'?")
    assert str(problem) == "wsgate.yaml:4:5: routes[0]: unknown key 'bakend'; did you mean 'backend'?"


def test_a_problem_at_the_top_of_the_file_has_no_path() -> None:
    assert str(Problem("wsgate.yaml", 1, 1, "", "the file is empty")) == "wsgate.yaml:1:1: the file is empty"


def test_a_problem_of_the_whole_file_has_no_place() -> None:
    assert str(Problem("wsgate.yaml", 0, 0, "", "cannot read the file")) == "wsgate.yaml: cannot read the file"


def test_an_error_shows_a_problem_per_line() -> None:
    problems = (Problem("a", 1, 2, "b", "c"), Problem("a", 3, 4, "d", "e"))
    assert str(Problem("a", 1, 2, "b", "c", is_warning=True)) == "a:1:2: warning: b: c"
    assert str(ConfigError(problems)) == "a:1:2: b: c\na:3:4: d: e"
