"""Prints the result of a login attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.cli.terminal.output import console, errors, fail, say

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult, Refusal


def show(result: CheckResult, *, to_errors: bool = False) -> None:
    """Print what the servers answered, and what to do."""
    on = errors if to_errors else console
    if (refusal := result.incoming) and (other := result.outgoing) and refusal.sentence == other.sentence:
        _say(f"Both servers: {refusal.sentence}", refusal, on)
        return
    for which, one, checked in (
        ("Incoming", result.incoming, True),
        ("Outgoing", result.outgoing, result.outgoing_checked),
    ):
        if one is not None:
            _say(f"{which} server: {one.sentence}", one, on)
        elif checked:
            say(f"{which} server: the login works.", style="green", on=on)


def show_saved(result: CheckResult, what: str) -> None:
    """Print that what was tried works and is saved; exits if it does not work."""
    if not result.ok:
        show(result, to_errors=True)
        fail("nothing was changed")
    say(f"{what} works and is saved.", style="green")


def _say(sentence: str, refusal: Refusal, on: Any) -> None:
    say(sentence, style="red", on=on)
    for number, step in enumerate(refusal.steps, 1):
        say(f"  {number}. {step}", on=on)
    if refusal.url:
        say(f"  {refusal.url}", style="cyan", on=on)
    if refusal.answer:
        say(f"  The server said: {refusal.answer}", style="dim", on=on)
