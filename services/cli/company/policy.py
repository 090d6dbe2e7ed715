"""``leadmail company``: the company's sharing policy, set by administrators."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.addresses import excludable_domain
from schemas.sharing import Mode
from services.cli.company import company_domains
from services.cli.mail.previews import DryRun, print_preview
from services.cli.results import sharing as results
from services.cli.results.base import prints
from services.cli.terminal.output import USAGE, Json, fail, print_json, table
from services.cli.terminal.session import command, open_session

app = typer.Typer(no_args_is_help=True, add_completion=False)


app.command("domains")(company_domains.domains)


@app.command("sharing")
@prints(results.CompanySharing)
@command
async def sharing(  # noqa: PLR0917 - typer names them by keyword
    by: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="The administrator who changes it; required for a change.")
    ] = None,
    exclude_domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DOMAIN", help="Never share mail on records of this domain; replaces the list. May be repeated."
        ),
    ] = None,
    no_excluded_domains: Annotated[bool, typer.Option("--no-excluded-domains", help="Empty the list.")] = False,
    default_mode: Annotated[Mode | None, typer.Option(help="The default mode for new mailboxes.")] = None,
    allow_mode: Annotated[
        list[Mode] | None, typer.Option(help="A mode that users may choose; replaces the list. May be repeated.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show or change the company's policy. Mailboxes with a mode that is no longer allowed become private immediately."""
    domains = tuple(excludable_domain(domain) for domain in exclude_domain or ())
    changes = bool(domains) or no_excluded_domains or default_mode is not None or bool(allow_mode)
    preview = None
    if dry_run and not changes:
        fail("--dry-run needs a change: add --exclude-domain, --allow-mode or --default-mode", code=USAGE)
    if domains and no_excluded_domains:
        fail("--exclude-domain and --no-excluded-domains exclude each other: use one of them", code=USAGE)
    async with open_session(setup=changes and not dry_run) as session:
        policy = await session.store.company.policy()
        if changes:
            if by is None:
                fail("only an administrator can change this: add --by", code=USAGE)
            by = (await session.store.users.administrator(by)).email
            policy = policy.replaced(
                excluded_domains=() if no_excluded_domains else domains or policy.excluded_domains,
                default_mode=default_mode or policy.default_mode,
                allowed_modes=tuple(dict.fromkeys(allow_mode)) if allow_mode else policy.allowed_modes,
            )
            if policy.default_mode not in policy.allowed_modes:
                allowed = " or ".join(mode.value for mode in policy.allowed_modes)
                fail(
                    f"the default mode {policy.default_mode.value} would not be allowed: add --default-mode {allowed}",
                    code=USAGE,
                )
            if dry_run:
                preview = await session.store.previewing.company(policy, by=by)
            else:
                await session.store.sharing.set_company(policy, by=by)
    if as_json:
        print_json(results.CompanySharing(**policy.model_dump(), preview=preview))
        return
    rows = (
        ("default", policy.default_mode.value),
        ("allowed", ", ".join(mode.value for mode in policy.allowed_modes)),
        ("never shared", ", ".join(policy.excluded_domains) or "no excluded domains"),
    )
    table(None, ("", ""), rows)
    if preview:
        print_preview(preview)
