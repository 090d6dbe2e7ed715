"""The commands that the pages print, typed on a small deployment in the order of each page. README's are in tests/hosting."""

from __future__ import annotations

import shlex
from pathlib import Path
from string import Template

import pytest

from services.cli.terminal import output
from tests.cli.fixtures import ANNA, KIM, OFFER, Deployment
from tests.contract.documents.blocks import IN_PROCESS, blocks


@pytest.mark.parametrize("page", IN_PROCESS)
def test_the_commands_of_a_page_work(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """Each exits and says what its page's comment promises."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(output.console, "width", 300)
    names = {"ANNA": ANNA, "KIM": KIM, "OFFER": OFFER.key}
    if page == "docs/operations.md":
        (letter,) = deployment.run("dead-letters", "list", "--json").json()
        names["LETTER"] = letter["id"]
        deployment.ok("setup")  # declares the queues
    for block in (block for block in blocks(page) if block.runs):
        said = ""
        for command, code in block.commands:
            program, *words = shlex.split(Template(command).substitute(names), comments=True)
            assert program == "leadmail", f"{page}:{block.line}: {command}"
            done = deployment.run(*words, LEADMAIL_CONSOLE_URL="https://leadmail.example.com")
            assert done.code == code, f"{page}:{block.line}: {command} exits {done.code}: {done.errors}"
            said += done.out + done.errors
        missing = [text for text in block.values("says") if Template(text).substitute(names) not in said]
        assert not missing, f"{page}:{block.line}: {said}"
