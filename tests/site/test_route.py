from __future__ import annotations

from wsgate.settings.model import Files, Match, Route
from wsgate.site.matching import Matcher
from wsgate.site.rewriting import Rewriter
from wsgate.site.route import LiveRoute


def test_it_is_itself_and_no_other() -> None:
    settings = Route(name="it", action=Files(root="/"))
    first, second = (LiveRoute(settings, Matcher(Match()), Rewriter(Match())) for _ in range(2))
    assert first.name == "it"
    assert first != second
    assert len({first, second}) == 2
