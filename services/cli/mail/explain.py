"""``leadmail explain``: which copy, rule and domain decide whether a user sees an email on a record."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.mail.email_page import EmailId
from services.cli.mail.record_page import SHOWN_ID, RecordName, Viewer
from services.cli.results.base import prints
from services.cli.terminal.output import Json, print_json, say
from services.cli.terminal.session import Session, command, open_session
from services.store import Explanation, NotFoundError
from services.wording import NOT_EXPLAINED, OBSTACLES, SHARED_BY_UNNAMED, VERDICTS

app = typer.Typer(add_completion=False)


@app.command()
@prints(list[Explanation])
@command
async def explain(
    record: RecordName,
    email: EmailId,
    viewer: Viewer,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL",
            help="The user on whose behalf you ask. Users may ask about themselves, administrators about anyone. By default the operator.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain which copy, rule and domain decide whether the viewer sees an email on a record."""
    async with open_session() as session:
        key = await _key(session, email, by)
        found = [
            await session.store.explaining.explain(viewer, one.ref, key, asked_by=by)
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
            say(f"  {NOT_EXPLAINED}")
        elif explanation.by_unnamed:
            say(f"  {SHARED_BY_UNNAMED}")
        for one in explanation.lines:
            domain = f" ({one.decision.domain})" if one.decision.domain else ""
            say(
                f"  copy of {one.copy_of.owner} ({one.copy_of.policy.mode.value}), {one.match.role.value} {one.match.address}: "
                f"{VERDICTS[one.decision.verdict]}{domain}"
            )


async def _key(session: Session, email: str, by: str | None) -> str:
    """Return an email's full id. For a user, mail that they may not see is like mail that does not exist: the id stays as typed."""
    if by is None or (await session.store.users.active(by)).admin:
        return await session.store.emails.full_key(email)
    try:
        return await session.store.reading.full_key(by, email)
    except NotFoundError:
        return email
