"""``leadmail user``: add, list, disable and remove users, and make them administrators."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.accounts import User
from services import wording
from services.cli.results.base import prints
from services.cli.terminal.completion import user_names
from services.cli.terminal.output import USAGE, Json, Yes, confirm, fail, print_json, say, table
from services.cli.terminal.session import command, do, open_session
from services.store import OPERATOR
from services.usecases import company_domains, leaving
from services.usecases.leaving import MailboxFate, UserRemovalCounts

app = typer.Typer(no_args_is_help=True, add_completion=False)

UserEmail = Annotated[str, typer.Argument(metavar="EMAIL", autocompletion=user_names, help="The user's email address.")]


@app.command("add")
@command
async def add(
    email: UserEmail,
    name: Annotated[str, typer.Option(help="The user's name.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="Make the user an administrator.")] = False,
) -> None:
    """Add a user."""
    async with open_session(setup=True) as session:
        user = await session.store.users.add(email, name=name, admin=admin)
        proposed = await company_domains.proposed_by(session.store, [user.email])
    say(f"{user.email} added{' as an administrator' if user.admin else ''}.")
    for one in proposed:
        say(wording.proposed_domain(one.domain, one.addresses), style="yellow")


@app.command("admin")
@command
async def admin(
    email: UserEmail,
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke administrator rights.")] = False,
    by: Annotated[
        str | None,
        typer.Option(metavar="EMAIL", help="The administrator who makes the change; by default the operator."),
    ] = None,
) -> None:
    """Make a user an administrator, or revoke that."""
    async with open_session(setup=True) as session:
        if by is not None:
            by = (await session.store.users.administrator(by)).email
        user = await session.store.users.set_admin(email, admin=not revoke, by=by or OPERATOR)
    say(f"{user.email} is {'now an administrator' if user.admin else 'no longer an administrator'}.")


@app.command("disable")
@command
async def disable(email: UserEmail) -> None:
    """Lock a user out: sessions end and their mailboxes are paused. Their mail stays shared as it is."""
    async with open_session(setup=True) as session:
        user = await session.store.user_lifecycle.disable(email, by=OPERATOR)
    say(f"{user.email} is disabled: `leadmail user enable {user.email}` undoes that.")


@app.command("enable")
@command
async def enable(email: UserEmail) -> None:
    """Let a disabled user in again and resume their mailboxes."""
    async with open_session(setup=True) as session:
        user = await session.store.user_lifecycle.enable(email, by=OPERATOR)
    say(f"{user.email} is enabled.")


@app.command("unbind")
@command
async def unbind(email: UserEmail) -> None:
    """Let a user's next sign-in at the identity provider count as their first: for one who got another account there. Sessions end."""
    # Imported here because its libraries are slow to load, and no other of these commands needs it.
    from services.usecases import provisioning  # noqa: PLC0415

    async with open_session(setup=True) as session:
        user = await provisioning.unbind(session.store, email, by=OPERATOR)
    say(f"{user.email} can sign in by another account of the identity provider: the next one that has this address.")


@app.command("remove")
def remove(
    email: UserEmail,
    purge: Annotated[bool, typer.Option("--purge", help="Also delete the mail of their mailboxes.")] = False,
    transfer_to: Annotated[str | None, typer.Option(metavar="EMAIL", help="Give their mailboxes to this user.")] = None,
    yes: Yes = False,
) -> None:
    """Remove a user. Their mailboxes are disconnected (their mail stays), purged, or transferred to another user."""
    if purge and transfer_to is not None:
        fail("a mailbox is purged or transferred, not both: leave one out", code=USAGE)
    fate = MailboxFate.TRANSFER if transfer_to else MailboxFate.PURGE if purge else MailboxFate.DISCONNECT
    counts = do(_counts(email))
    say(f"{leaving.extent(counts)} {leaving.outcome(fate, transfer_to or '')}")
    confirm("Remove the user?", yes=yes, otherwise="no one was removed")
    do(_remove(counts.user.email, fate, transfer_to))
    say(f"{counts.user.email} is removed.")


async def _counts(email: str) -> UserRemovalCounts:
    async with open_session(setup=True) as session:
        return await leaving.removal_counts(session.store, email)


async def _remove(email: str, fate: MailboxFate, heir: str | None) -> None:
    async with open_session(setup=True) as session:
        await leaving.remove(session.store, email, fate, heir=heir, by=OPERATOR, revoker=session.revoker)


@app.command("list")
@prints(list[User])
@command
async def list_users(as_json: Json = False) -> None:
    """List all users."""
    async with open_session() as session:
        users = await session.store.users.get_all()
    if as_json:
        print_json(users)
    elif users:
        rows = [
            (user.email, user.name, "yes" if user.admin else "", "disabled" if user.disabled else "") for user in users
        ]
        table(None, ("user", "name", "admin", "state"), rows)
    else:
        say("There are no users yet. Add one with `leadmail user add EMAIL`.", style="dim")
