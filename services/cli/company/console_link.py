"""``leadmail console``: sign-in links for the web console of an installation that sends no mail."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.terminal.completion import user_names
from services.cli.terminal.output import USAGE, fail, say
from services.cli.terminal.session import command, open_session
from services.store import OPERATOR
from services.usecases.signing import LASTS, Signer, link_url

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def group() -> None:
    """The web console."""


@app.command("link")
@command
async def link(
    email: Annotated[str, typer.Argument(metavar="EMAIL", autocompletion=user_names, help="The user's email address.")],
) -> None:
    """Print a link that signs a user in to the web console once, within 15 minutes. The audit log records it."""
    async with open_session(setup=True) as session:
        settings = session.settings
        if not settings.console_url:
            fail("LEADMAIL_CONSOLE_URL is not set: set it to the URL at which users reach the console", code=USAGE)
        token = Signer.of(settings.secret_key.get_secret_value()).new_link()
        user = await session.store.sign_ins.offer(email, token, lasts=LASTS, by=OPERATOR)
    say(link_url(settings.console_url, token))
    say(f"Anyone who opens this link is signed in as {user.email}: give it to no one else.", style="dim")
