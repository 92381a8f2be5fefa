"""The tables of docs/log.md, made from the table of events: ``python -m tests.docs.log_page`` writes them."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT
from wsgate.events.table import EVENTS, FIELDS

PAGE = ROOT / "docs" / "log.md"


def tables() -> dict[str, str]:
    """Each table by its heading row's first cell."""
    events = [
        "| event | level | fields | when |",
        "|---|---|---|---|",
        *(
            f"| `{event.name}` | {event.level} | {', '.join(f'`{name}`' for name in event.fields)} | {event.meaning} |"
            for event in EVENTS
        ),
    ]
    fields = [
        "| field | value | what |",
        "|---|---|---|",
        *(f"| `{field.name}` | {field.unit} | {field.meaning} |" for field in FIELDS),
    ]
    return {"event": "\n".join(events), "field": "\n".join(fields)}


def with_tables(page: str) -> str:
    """Returns the page with its tables made anew."""
    for first, table in tables().items():
        page, found = re.subn(rf"^\| {first} \|.*\n(?:\|.*\n)*", lambda _, table=table: f"{table}\n", page, flags=re.M)  # type: ignore[misc]
        assert found == 1, f"{PAGE.name} has no table that begins with {first!r}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
