"""``leadmail scim``: the tokens by which the company's identity provider manages users and groups."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from services.cli.results.base import prints
from services.cli.terminal.output import USAGE, Json, fail, moment, print_json, say, table
from services.cli.terminal.session import command, open_session
from services.store import OPERATOR, ScimToken

app = typer.Typer(no_args_is_help=True, add_completion=False)
PREFIX = "leadmail_scim_"
"""Lets secret scanners recognise a token that leaked."""


@app.command("token")
@command
async def token() -> None:
    """Make a token for the identity provider, and print it once: only its hash is stored.

    Earlier tokens stay valid until you revoke them, so that you can replace one without a gap.
    """
    made = f"{PREFIX}{secrets.token_urlsafe(32)}"
    async with open_session(setup=True) as session:
        added = await session.store.scim_tokens.add(made, by=OPERATOR)
        url = session.settings.console_url or "https://YOUR-CONSOLE"
    say(made)
    say(f"This is token {added.id}. Anyone who has it can add, change and lock out users: keep it secret.", style="dim")
    say(f"The URL (tenant URL, base URL) is {url}/scim/v2.", style="dim")


@app.command("list")
@prints(list[ScimToken])
@command
async def list_tokens(as_json: Json = False) -> None:
    """List the tokens: when each was made and last used, never the token itself."""
    async with open_session() as session:
        tokens = await session.store.scim_tokens.get_all()
    if as_json:
        print_json(tokens)
    elif tokens:
        table(
            None,
            ("token", "made", "last used"),
            [(one.id, moment(one.created_at), moment(one.used_at)) for one in tokens],
        )
    else:
        say("There are no tokens. Make one with `leadmail scim token`.", style="dim")


@app.command("revoke")
@command
async def revoke(
    name: Annotated[
        str | None, typer.Argument(metavar="TOKEN", help="The token's id, as `leadmail scim list` shows it.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Revoke every token.")] = False,
) -> None:
    """Revoke a token, or all: the identity provider is refused from its next request on."""
    if (name is None) is not every:
        fail("name a token, or add --all", code=USAGE)
    async with open_session(setup=True) as session:
        tokens = session.store.scim_tokens
        for identifier in [name] if name is not None else [one.id for one in await tokens.get_all()]:
            await tokens.revoke(identifier, by=OPERATOR)
            say(f"The token {identifier} is revoked.")
