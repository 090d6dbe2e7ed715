"""``leadmail explain``: which copy, rule and domain decide whether a viewer sees an email on a record."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.sharing import Verdict
from services.cli.email_page import EmailId
from services.cli.output import Json, print_json, say
from services.cli.record_page import SHOWN_ID, RecordName, Viewer
from services.cli.session import Session, command, open_session
from services.store import NotFoundError, Obstacle

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


OBSTACLES = {
    Obstacle.DELETED: "It was deleted in the CRM.",
    Obstacle.NOT_STORED: "There is no such email: it concerns no record, or nobody holds it any more.",
    Obstacle.NOT_ON_RECORD: "It is not on this record: it names none of its addresses, and no thread of it.",
    Obstacle.RECORD_NOT_READABLE: "The CRM does not let the viewer read this record.",
    Obstacle.NO_COPY: "Nobody holds a live copy of it at the moment.",
    Obstacle.BCC: "It is on this record by a Bcc alone, and that is for the owner of the copy only.",
}
"""What stands in the way before the rule is asked."""


@app.command()
@command
async def explain(
    record: RecordName,
    email: EmailId,
    viewer: Viewer,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL",
            help="The user who asks, and is told no more than he may know: about himself, or as an administrator about anybody. "
            "Without it the operator asks.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell which copy, rule and domain decide whether the viewer sees an email on a record."""
    async with open_session() as session:
        key = await _key(session, email, by)
        found = [
            await session.store.reading.explain(viewer, one.ref, key, asked_by=by)
            for one in await session.store.records.find(record)
        ]
    if as_json:
        print_json(found)
        return
    for explanation in found:
        verdict = "sees" if explanation.visible else "does not see"
        style = "green" if explanation.visible else "yellow"
        say(f"{explanation.viewer} {verdict} {key[:SHOWN_ID]} on {explanation.record}.", style=style)
        if explanation.obstacle:
            say(f"  {OBSTACLES[explanation.obstacle]}")
        elif not explanation.lines and not explanation.visible:
            say(
                "  There is no such email, it is not on this record, or nobody shares it with you: only an administrator is told which."
            )
        for one in explanation.lines:
            domain = f" ({one.decision.domain})" if one.decision.domain else ""
            say(
                f"  copy of {one.copy_of.owner} ({one.copy_of.policy.mode.value}), {one.match.role.value} {one.match.address}: "
                f"{WORDS[one.decision.verdict]}{domain}"
            )


async def _key(session: Session, email: str, by: str | None) -> str:
    """Return an email's whole id. For a user, what he may not see is as what is not there: both are told as typed."""
    if by is None or (await session.store.users.get(by)).admin:
        return await session.store.emails.full_key(email)
    try:
        return await session.store.reading.full_key(by, email)
    except NotFoundError:
        return email
