"""The page of commands is derived from the commands and up to date. No servers."""

from __future__ import annotations

import inspect
import subprocess
import sys

from services.cli.app import SUBJECTS
from services.cli.lazy_commands import CommandEntry
from services.cli.results.base import Result
from tools.commands.document import PAGE, commands, page, parameters


def test_the_page_is_up_to_date() -> None:
    """``docs/commands.md`` matches the commands."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tools.commands.document --write`"


def test_every_command_and_option_is_on_the_page() -> None:
    """Every command has a heading and a description; every option has a line and a help text."""
    text = page()
    assert {words.split()[0] for words, _ in commands()} == set(SUBJECTS)
    for words, command in commands():
        _, found, rest = text.partition(f"\n## leadmail {words}\n")
        section = rest.partition("\n## ")[0]
        assert found, words
        summary = inspect.cleandoc(command.help)
        assert summary.endswith("."), words
        assert summary in section
        for typed, described in parameters(command):
            assert described, (words, typed)
            assert f"`{typed}`".replace("|", "\\|") in section, (words, typed)


def test_every_object_has_a_section_and_every_key_of_ours_a_meaning() -> None:
    """A result that a command prints is described, with a description for every key."""
    text = page()
    for result in Result.__subclasses__():
        _, found, rest = text.partition(f"\n### {result.__name__}\n")
        assert found, result
        assert " |  |\n" not in rest.partition("\n### ")[0], result


def test_the_help_loads_neither_database_nor_broker() -> None:
    """The list of commands needs typer only: drivers and the store take most of the time in which a command starts."""
    heavy = "{'pymongo', 'aiormq', 'cryptography', 'pydantic', 'services.store', 'services.mailbox'}"
    look = f"import sys; from services.cli.app import app; app(['--help'], standalone_mode=False); print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert "dead-letters" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_command_builds_only_the_models_that_it_uses() -> None:
    """Validators of more than a hundred models would take a quarter of the time in which a command starts."""
    look = """
import services.cli.overview.status
from schemas.base import Contract
from services.cli.results.base import Result
models = [*Contract.__subclasses__(), *Result.__subclasses__()]
print(len(models), sum(model.__pydantic_complete__ for model in models))
"""
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    models, built = map(int, done.stdout.split())
    assert built < models / 10


def test_the_list_of_commands_says_what_each_says_itself() -> None:
    """A command's line in a list is the first paragraph of its help, in the lists of groups, too."""
    entries: list[tuple[str, CommandEntry]] = [*SUBJECTS.items()]
    for name, entry in entries:
        made = entry.load(name)
        assert " ".join(made.help.partition("\n\n")[0].split()) == entry.help
        entries += getattr(made, "entries", {}).items()
    assert len(entries) > len(SUBJECTS)
