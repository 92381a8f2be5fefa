"""The rules of tests/conftest.py, in pytest runs of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parents[1]

TESTS = """
    import pytest
    from tests.programs import PACKAGES

    PACKAGES["no-such-program"] = "its-package"

    @pytest.mark.needs("no-such-program")
    def test_needs(fixture_that_is_never_set_up): pass

    @pytest.fixture
    def fixture_that_is_never_set_up(): raise AssertionError

    @pytest.mark.needs("ls")
    def test_needs_what_is_not_listed(): pass

    def test_skips(): pytest.skip("not today")

    @pytest.mark.xfail
    def test_is_expected_to_fail(): raise AssertionError

    def test_passes(): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project under this one's conftest.py and pytest settings."""
    monkeypatch.delenv("WSGATE_NO_SKIP", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    pytester.makepyprojecttoml((PROJECT / "pyproject.toml").read_text())
    pytester.makeconftest((PROJECT / "tests/conftest.py").read_text())
    return pytester


def test_a_missing_program_skips_and_says_what_to_install(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS)
    result = project.runpytest_subprocess(".")
    result.assert_outcomes(passed=1, skipped=2, xfailed=1, errors=1)
    result.stdout.fnmatch_lines(["SKIPPED*no-such-program is not installed: apt-get install its-package"])


def test_a_program_that_ci_does_not_install_is_refused(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS)
    result = project.runpytest_subprocess(".", "-k", "not_listed")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ls is not in tests/programs.py*"])


def test_ci_takes_no_skip(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSGATE_NO_SKIP", "1")
    project.makepyfile(TESTS)
    result = project.runpytest_subprocess(".")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, errors=2, xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["*no-such-program is not installed*", "*WSGATE_NO_SKIP is set*", "*not today*"])


def test_ci_takes_no_skipped_file(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makepyfile("import pytest; pytest.skip('not today', allow_module_level=True)")
    assert project.runpytest_subprocess(".").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    monkeypatch.setenv("WSGATE_NO_SKIP", "1")
    result = project.runpytest_subprocess(".")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*not today*", "*WSGATE_NO_SKIP is set*"])
