"""``--json``: every reading command has it, and prints exactly the documented objects."""

from __future__ import annotations

import pytest

from tests.cli.fixtures import ANNA, KIM, OFFER, Deployment, check_result
from tools.commands.document import commands, parameters, result_of

LETTER = "<letter>"
RUNS: dict[str, tuple[str, ...]] = {
    "user list": (),
    "account list": (),
    "account show": (ANNA,),
    "account test": (ANNA,),
    "account sharing": (ANNA,),
    "account folders": (ANNA,),
    "account aliases": (ANNA,),
    "account members": (ANNA,),
    "company sharing": (),
    "company domains": (),
    "contact list": (),
    "contact show": (KIM,),
    "emails": (KIM, "--viewer", ANNA),
    "email show": (OFFER.key, "--viewer", ANNA),
    "search": ("subject offer", "--viewer", ANNA),
    "thread": (OFFER.key, "--viewer", ANNA),
    "explain": (KIM, OFFER.key, "--viewer", ANNA),
    "dead-letters list": (),
    "dead-letters show": (LETTER,),
    "ledger check": (),
    "privacy erase": (KIM, "--by", ANNA, "--dry-run"),
    "audit": (),
    "status": (),
    "secrets status": (),
    "secrets rotate": ("--dry-run",),
    "queues": (),
    "doctor": (),
}
"""How each command is run."""
ELSEWHERE = {"lead list", "lead show", "account add", "account import", "email deleted", "scim list"}
"""Leads print like contacts; adding mailboxes, deleting an email and tokens have tests of their own."""
RESULTS = {words: result_of(command) for words, command in commands() if result_of(command) is not None}


@pytest.mark.parametrize("command", RUNS)
def test_prints_the_documented_keys(deployment: Deployment, command: str) -> None:
    """Standard output is JSON with exactly the keys and values of the command's result type, and contains no secret."""
    arguments = RUNS[command]
    if LETTER in arguments:
        (letter,) = deployment.run("dead-letters", "list", "--json").json()
        arguments = (letter["id"],)
    if command == "queues":
        deployment.ok("setup")  # declares them
    done = deployment.run(*command.split(), *arguments, "--json")
    # No stage and no mail server runs here.
    assert done.code == (1 if command in ("account test", "ledger check", "doctor") else 0)
    assert done.json()
    check_result(done.out, RESULTS[command])
    assert "secret-of-anna" not in done.out
    assert "wrapped_key" not in done.out


READING = ("list", "show", "test", "check", "status", "emails", "explain", "audit", "queues", "doctor")
"""Last words of the commands that read."""


def test_every_reading_command_has_it() -> None:
    """Every command that takes ``--json`` names its result type, and every reading command takes it."""
    taking = {words for words, command in commands() if "--json" in dict(parameters(command))}
    assert taking == set(RESULTS)
    assert taking == {*RUNS, *ELSEWHERE}
    reading = {words for words, _ in commands() if words.split()[-1] in READING}
    assert reading <= taking
