"""``leadmail company``: the administrator's sharing policy."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.sharing import CompanyPolicy, Mode
from services.cli.output import Json, fail, print_json, table
from services.cli.session import command, open_session

app = typer.Typer(no_args_is_help=True, help="The company's sharing policy, which no user can undo.")


@app.command("sharing")
@command
async def sharing(  # noqa: PLR0917 - typer names them by keyword
    by: Annotated[str | None, typer.Option(help="The administrator who changes it.")] = None,
    exclude_domain: Annotated[
        list[str] | None, typer.Option(help="Never shared by anybody; replaces the list. May be repeated.")
    ] = None,
    no_excluded_domains: Annotated[bool, typer.Option("--no-excluded-domains", help="Empty the list.")] = False,
    default_mode: Annotated[Mode | None, typer.Option(help="What is proposed when a mailbox is connected.")] = None,
    allow_mode: Annotated[
        list[Mode] | None, typer.Option(help="What users may choose; replaces the list. May be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show or change the company's policy."""
    async with open_session() as session:
        policy = await session.store.company.policy()
        if exclude_domain is not None or no_excluded_domains or default_mode is not None or allow_mode is not None:
            if by is None or not (await session.store.users.get(by)).admin:
                fail("only an administrator may change this: say who with --by", code=2)
            policy = CompanyPolicy(
                excluded_domains=() if no_excluded_domains else tuple(exclude_domain or policy.excluded_domains),
                default_mode=default_mode or policy.default_mode,
                allowed_modes=tuple(allow_mode) if allow_mode else policy.allowed_modes,
            )
            await session.store.sharing.set_company(policy, by=by)
    if as_json:
        print_json(policy)
        return
    rows = (
        ("default", policy.default_mode.value),
        ("allowed", ", ".join(mode.value for mode in policy.allowed_modes)),
        ("never shared", ", ".join(policy.excluded_domains) or "no domain"),
    )
    table(None, ("", ""), rows)
