"""``leadmail user``: add and list users, and make them administrators."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.accounts import User
from services.cli.results.base import prints
from services.cli.terminal.output import Json, fail, print_json, say, table
from services.cli.terminal.session import command, open_session
from services.store import OPERATOR

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Users of the CRM: they own accounts and view records."
)


@app.command("add")
@command
async def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The user's email address.")],
    name: Annotated[str, typer.Option(help="The user's name.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="Make the user an administrator.")] = False,
) -> None:
    """Add a user."""
    async with open_session(setup=True) as session:
        user = await session.store.users.add(email, name=name, admin=admin)
    say(f"{user.email} added{' as an administrator' if user.admin else ''}.")


@app.command("admin")
@command
async def admin(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The user's email address.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke administrator rights.")] = False,
    by: Annotated[
        str | None,
        typer.Option(metavar="EMAIL", help="The administrator who makes the change; by default the operator."),
    ] = None,
) -> None:
    """Make a user an administrator, or revoke that."""
    async with open_session(setup=True) as session:
        if by is not None and not (await session.store.users.get(by)).admin:
            fail(f"{by} is not an administrator: only administrators can change this")
        user = await session.store.users.set_admin(email, admin=not revoke, by=by or OPERATOR)
    say(f"{user.email} is {'now an administrator' if user.admin else 'no longer an administrator'}.")


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
        table(None, ("user", "name", "admin"), [(user.email, user.name, "yes" if user.admin else "") for user in users])
    else:
        say("There are no users yet. Add one with `leadmail user add EMAIL`.", style="dim")
