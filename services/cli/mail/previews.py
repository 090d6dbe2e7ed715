"""Prints what a change of sharing would do, for ``--dry-run``."""

from __future__ import annotations

from typing import Annotated

import typer

from services import wording
from services.cli.mail.record_page import SHOWN_ID
from services.cli.terminal.output import moment, say
from services.store import Preview

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change for whom, and change nothing.")]


def print_opening(preview: Preview, records: int) -> None:
    """Print what an administrator opens: the records, and how much of the mail that they see is shown to others."""
    say(wording.opening(records), style="yellow")
    say(wording.effect(preview.shown, wording.SHOWN), style="yellow")
    if preview.hidden.emails:
        say(wording.effect(preview.hidden, wording.HIDDEN))
    say(wording.OPENING_COUNTS, style="dim")


def print_preview(preview: Preview) -> None:
    """Print how much mail would be hidden or shown, with examples that the caller can see."""
    for effect, what, style in (
        (preview.hidden, wording.HIDDEN, "yellow"),
        (preview.shown, wording.SHOWN, "green"),
    ):
        if effect.emails:
            say(wording.effect(effect, what), style=style)
            for one in effect.examples:
                subject = " ".join(one.subject.split()) or "(no subject)"
                say(f"  {moment(one.sent_at)}  {one.email[:SHOWN_ID]}  {subject}  on {one.record}", style="dim")
    if not preview.hidden.emails and not preview.shown.emails:
        say(wording.NO_EFFECT)
    say(
        "Nothing was changed. The preview counts only mail that you can see. Omit --dry-run to apply the change.",
        style="dim",
    )
