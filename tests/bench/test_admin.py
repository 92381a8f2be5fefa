from __future__ import annotations

from pathlib import Path

import pytest

from bench import admin, generator


def test_it_asks_every_question(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(admin, "BUILD", programs)
    monkeypatch.setattr(generator, "BUILD", programs)
    monkeypatch.setattr(generator, "build", lambda: None)
    monkeypatch.setattr(admin, "REPETITIONS", 1)
    monkeypatch.setattr(admin, "PAUSE", 0.0)
    questions = [admin.Question(question.path, 60_000) for question in admin.QUESTIONS]
    monkeypatch.setattr(admin, "QUESTIONS", questions)
    assert admin.main(["20", "2"]) == 0
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert title.startswith("20 sessions, 2 workers")
    assert [line.split()[0] for line in lines] == [question.path for question in questions]
    monkeypatch.setattr(admin, "QUESTIONS", [admin.Question("/metrics", 0)])
    assert admin.main(["1", "1"]) == 1
