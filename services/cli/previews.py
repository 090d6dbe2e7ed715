"""What a change of sharing would do, in words: for ``--dry-run``."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.output import moment, plural, say
from services.cli.record_page import SHOWN_ID
from services.store import Effect, Preview

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would change for whom; change nothing.")]


def print_preview(preview: Preview) -> None:
    """Print how much would be hidden from and shown to how many, with examples that the one who asks sees himself."""
    for effect, words, style in (
        (preview.hidden, "would be hidden from", "yellow"),
        (preview.shown, "would be shown to", "green"),
    ):
        if effect.emails:
            say(_sentence(effect, words), style=style)
            for one in effect.examples:
                subject = " ".join(one.subject.split()) or "(no subject)"
                say(f"  {moment(one.sent_at)}  {one.email[:SHOWN_ID]}  {subject}  on {one.record}", style="dim")
    if not preview.hidden.emails and not preview.shown.emails:
        say("Nobody would see more or less than now.")
    say("Nothing was changed: leave out --dry-run to do it.", style="dim")


def _sentence(effect: Effect, words: str) -> str:
    where = plural(effect.records, "record")
    return f"{plural(effect.emails, 'email')} {words} {plural(effect.users, 'user')}, on {where}."
