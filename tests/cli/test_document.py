"""The page of commands is made from the commands, and is not stale. No servers."""

from __future__ import annotations

from services.cli.app import SUBJECTS
from tools.commands.document import PAGE, commands, option_name, page


def test_the_page_is_up_to_date() -> None:
    """``docs/commands.md`` is what the commands say now."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tools.commands.document --write`"


def test_every_command_and_option_is_on_the_page() -> None:
    """No command without a heading and a sentence, no option without a line and a help text."""
    text = page()
    assert {words.split()[0] for words, _ in commands()} == set(SUBJECTS)
    for words, command in commands():
        _, found, rest = text.partition(f"\n## leadmail {words}\n")
        section = rest.partition("\n## ")[0]
        assert found, words
        assert command.help.endswith("."), words
        assert command.help in section
        for name, _, described, _ in command.parameters():
            assert described.help, (words, name)
            typed = (
                described.metavar or name.upper()
                if "Argument" in type(described).__name__
                else option_name(name, described)
            )
            assert f"`{typed}" in section, (words, name)
