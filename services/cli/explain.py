"""``leadmail explain``: which copy, rule and domain decide whether a viewer sees an email on a record."""

from __future__ import annotations

import typer

from schemas.sharing import Verdict
from services.cli.email_page import EmailId
from services.cli.output import Json, print_json, say
from services.cli.record_page import SHOWN_ID, RecordName, Viewer
from services.cli.session import command, open_session

app = typer.Typer(add_completion=False)

WORDS = {
    Verdict.OWN_COPY: "holds it",
    Verdict.SHARED: "shared",
    Verdict.MODE_PRIVATE: "not shared: the account is private",
    Verdict.MODE_NOT_ALLOWED: "not shared: the company does not allow the account's mode, so it counts as private",
    Verdict.BCC: "not shared: a Bcc is for the owner of the copy only",
    Verdict.EXCLUDED_BY_COMPANY: "not shared: the company excludes this domain",
    Verdict.EXCLUDED_BY_OWNER: "not shared: the account's owner excludes this domain",
    Verdict.INTERNAL_ONLY: "not shared: everybody in it is in an excluded domain",
}
"""What each clause of the rule says of one copy."""


@app.command()
@command
async def explain(record: RecordName, email: EmailId, viewer: Viewer, as_json: Json = False) -> None:
    """Tell which copy, rule and domain decide whether the viewer sees an email on a record."""
    async with open_session() as session:
        key = await session.store.emails.full_key(email)
        found = [
            await session.store.reading.explain(viewer, one.ref, key, asked_by=None)
            for one in await session.store.records.find(record)
        ]
    if as_json:
        print_json(found)
        return
    for explanation in found:
        verdict = "sees" if explanation.visible else "does not see"
        style = "green" if explanation.visible else "yellow"
        say(f"{explanation.viewer} {verdict} {key[:SHOWN_ID]} on {explanation.record}.", style=style)
        if not explanation.lines:
            say("  It is not on this record by any live copy.")
        for one in explanation.lines:
            domain = f" ({one.decision.domain})" if one.decision.domain else ""
            say(
                f"  copy of {one.copy_of.owner} ({one.copy_of.policy.mode.value}), {one.match.role.value} {one.match.address}: "
                f"{WORDS[one.decision.verdict]}{domain}"
            )
