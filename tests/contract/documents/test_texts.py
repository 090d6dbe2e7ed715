"""What the operator's page quotes of the program is what the program says. No servers."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from services.mailbox.connection import Code, MailServerError

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```", "", PAGE, flags=re.DOTALL | re.MULTILINE)
EMPHASIS = {"reason", "t"}
"""Placeholders and stress, not quotations."""
QUOTED = sorted(set(re.findall(r"(?<!\*)\*([^*|`]+?)\*(?!\*)", re.sub(r"`[^`]*`", "", PROSE))) - EMPHASIS)


@cache
def texts() -> str:
    """Return everything that the program, its pages and its dashboards may say, on one line."""
    sources = (
        path
        for top, pattern in (
            ("services", "*.py"),
            ("services", "*.html"),
            ("tools", "*.py"),
            ("deploy/grafana", "*.json"),
        )
        for path in (ROOT / top).rglob(pattern)
    )
    return re.sub(r"\s+", " ", " ".join(path.read_text(encoding="utf-8") for path in sources))


@pytest.mark.parametrize("quoted", QUOTED)
def test_what_the_page_quotes_is_said(quoted: str) -> None:
    """A log line, a message, a link or a panel that the page prints in italics exists. An ellipsis stands for what varies."""
    parts = [part.strip(" .") for part in re.sub(r"\s+", " ", quoted).split("…")]
    assert [part for part in parts if part not in texts()] == []


def test_the_page_quotes_something() -> None:
    """The check above finds the quotations."""
    assert "ledger repaired" in QUOTED
    assert len(QUOTED) > 15


def test_every_reason_that_blocks_an_account_is_explained() -> None:
    """The page says what to do about each reason that does not pass by itself."""
    section = PAGE.partition("## Blocked accounts")[2].partition("\n## ")[0]
    lasting = [code for code in Code if not MailServerError(code).transient]
    assert [code for code in lasting if f"`{code}`" not in section] == []


def test_every_column_of_the_queues_is_named() -> None:
    """The page names the columns of ``leadmail status`` as the command prints them."""
    source = (ROOT / "services/cli/overview/status_view.py").read_text(encoding="utf-8")
    (columns,) = re.findall(r"for column in \(([^)]*)\)", source)
    section = PAGE.partition("## Queues")[2].partition("\n## ")[0]
    assert [name for name in re.findall(r'"([^"]+)"', columns)[1:] if f"`{name}`" not in section] == []
