"""Everything that the documents name exists: commands, options, settings, queues, reasons. No servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.routes import DEAD_QUEUE, ROUTES
from services.mailbox.connection.errors import TRANSIENT, Code
from services.runtime.environment import variable
from services.runtime.settings import known_settings
from tools.commands.document import commands, parameters

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "commands.md"  # it is made from the commands
)
OF_TESTS = {
    "LEADMAIL_FAILPOINT",
    "LEADMAIL_HOSTING",
    "LEADMAIL_LIVES",
    "LEADMAIL_LONG",
    "LEADMAIL_SEED",
    "LEADMAIL_SHARED",
}
"""Variables that only tests and the testbed read."""


def text_of(page: str) -> str:
    """Return a page."""
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_there(page: str) -> None:
    """Every ``leadmail …`` in code is a command, and its options exist."""
    known = {
        words: {option for typed, _ in parameters(command) for option in typed.split()} for words, command in commands()
    }
    pieces = re.findall(r"`leadmail ([^`\n]+)`|^(?:docker .* )?leadmail ([a-z][^#\n]+)", text_of(page), re.MULTILINE)
    for typed in (inside or line for inside, line in pieces):
        words = typed.replace("|", " ").split()
        command = next((name for name in known if words[: len(name.split())] == name.split()), None)
        assert command is not None, typed
        for option in re.findall(r"--[a-z-]+", typed):
            assert option in known[command], typed


@pytest.mark.parametrize("page", PAGES)
def test_settings_are_there(page: str) -> None:
    """Every ``LEADMAIL_…`` is a setting, or the file of one."""
    names = {variable(name) for name in known_settings()} | {"LEADMAIL_CRM_"} | OF_TESTS
    assert set(re.findall(r"LEADMAIL_[A-Z_]+", text_of(page))) <= names | {f"{name}_FILE" for name in names}


def test_every_queue_is_explained() -> None:
    """The page says what each queue holds and what its growth means."""
    rows = [line for line in text_of("docs/operations.md").splitlines() if line.startswith("| `")]
    for queue in [*(route.queue for route in ROUTES), DEAD_QUEUE]:
        assert any(line.startswith(f"| `{queue}` |") for line in rows), queue


def test_every_reason_of_a_block_is_explained() -> None:
    """All but those that never block an account, and the plain refusal that carries no detail."""
    text = text_of("docs/operations.md")
    for code in set(Code) - TRANSIENT - {Code.REFUSED, Code.UNSUPPORTED_LOGIN}:
        assert f"`{code.value}`" in text, code


def test_every_metric_is_counted() -> None:
    """Every metric that an alert uses exists."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "services").rglob("*.py"))
    for metric in re.findall(r"`leadmail_([a-z_]+)`", text_of("docs/operations.md")):
        assert (
            f'"{metric.removesuffix("_total")}"' in sources or f'"leadmail_{metric.removesuffix("_total")}"' in sources
        ), metric


def test_every_quoted_text_is_said() -> None:
    """Quotes from logs, commands and dashboards are exact, so that operators can search for them."""
    paths = [
        path for top in ("services", "tools") for path in (ROOT / top).rglob("*") if path.suffix in {".py", ".html"}
    ]
    joined = re.sub(r'"\s*\n\s*f?"', "", "".join(path.read_text(encoding="utf-8") for path in paths))
    sources = re.sub(r"\{[^}]*\}", "…", joined).lower()
    page = re.sub(r"`[^`]*`", "", " ".join(text_of("docs/operations.md").split()))
    quotes = [
        part.strip() for quote in re.findall(r"(?<!\*)\*([^*|]+)\*(?!\*)", page) for part in quote.lower().split("…")
    ]
    assert len(quotes) > 20
    assert [quote for quote in quotes if quote not in sources] == []
