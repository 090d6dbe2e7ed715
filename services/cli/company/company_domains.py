"""``leadmail company domains``: which domains are the company's own, and which are opened."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from schemas.sharing import CompanyPolicy
from services import wording
from services.cli.mail.previews import DryRun, print_opening
from services.cli.results import company as results
from services.cli.results.base import prints
from services.cli.terminal.output import USAGE, Json, Yes, confirm, fail, print_json, say, table
from services.cli.terminal.session import do, open_session
from services.store import Preview
from services.usecases import company_domains
from services.usecases.company_domains import DomainChange, ProposedDomain


class _Planned(NamedTuple):
    policy: CompanyPolicy
    proposed: list[ProposedDomain]
    preview: Preview | None
    records: int
    """How many records have an address that ceases to be internal."""


@prints(results.CompanyDomains)
def domains(  # noqa: PLR0917 - typer names them by keyword
    add: Annotated[
        list[str] | None, typer.Option(metavar="DOMAIN", help="Confirm a domain as the company's own. May be repeated.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="DOMAIN", help="Remove a domain from the company's own. May be repeated."),
    ] = None,
    replace: Annotated[
        list[str] | None, typer.Option("--set", metavar="DOMAIN", help="Replace the list. May be repeated.")
    ] = None,
    open_domain: Annotated[
        list[str] | None,
        typer.Option(
            "--open",
            metavar="DOMAIN",
            help="Share mail on records of addresses at an internal domain. May be repeated.",
        ),
    ] = None,
    close: Annotated[list[str] | None, typer.Option(metavar="DOMAIN", help="Undo --open. May be repeated.")] = None,
    by: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="The administrator who changes it; required for a change.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show or change which domains are the company's own: mail on records of addresses there shows only to its holders.

    A change that shows mail, such as --open, prints how much first and needs a confirmation.
    """
    change = DomainChange(
        add=tuple(add or ()),
        remove=tuple(remove or ()),
        open=tuple(open_domain or ()),
        close=tuple(close or ()),
        replace=tuple(replace) if replace else None,
    )
    changes = change != DomainChange()
    if changes and by is None:
        fail("only an administrator can change this: add --by", code=USAGE)
    if dry_run and not changes:
        fail("--dry-run needs a change: add --open, --add or --remove", code=USAGE)
    planned = do(_plan(change, by))
    if planned.preview is not None:
        _confirm(planned.preview, planned.records, quiet=as_json, asks=not (dry_run or yes))
    if changes and not dry_run:
        planned = do(_apply(str(by), planned))
    if as_json:
        print_json(
            results.CompanyDomains(
                internal_domains=planned.policy.internal_domains,
                opened_domains=planned.policy.opened_domains,
                proposed=planned.proposed,
                changed=changes and not dry_run,
                preview=planned.preview,
                opened_records=planned.records,
            )
        )
        return
    _show(planned)
    if dry_run:
        say("Nothing was changed. Omit --dry-run to apply the change.", style="dim")


def _confirm(preview: Preview, records: int, *, quiet: bool, asks: bool) -> None:
    if not quiet:
        print_opening(preview, records)
    confirm("Show this mail to others?", yes=not asks, otherwise="nothing was changed")


def _show(planned: _Planned) -> None:
    internal = ", ".join(planned.policy.internal_domains) or "no domain is confirmed"
    opened = ", ".join(planned.policy.opened_domains) or "no domain is opened"
    table(None, ("", ""), (("internal", internal), ("opened", opened)))
    for one in planned.proposed:
        say(wording.proposed_domain(one.domain, one.addresses), style="yellow")


async def _plan(change: DomainChange, by: str | None) -> _Planned:
    async with open_session() as session:
        store = session.store
        if by is not None:
            by = (await store.users.administrator(by)).email
        before, after = await store.company.policy(), await company_domains.changed(store, change)
        preview, records = None, 0
        if by is not None and company_domains.opens(before, after):
            preview = await store.previewing.company(after, by=by)
            records = await store.previewing.opened_records(after, by=by)
        return _Planned(after, await company_domains.proposed(store), preview, records)


async def _apply(by: str, planned: _Planned) -> _Planned:
    async with open_session(setup=True) as session:
        store = session.store
        by = (await store.users.administrator(by)).email
        await store.sharing.set_company(planned.policy, by=by)  # fails if another change was saved after the preview
        return planned._replace(proposed=await company_domains.proposed(store))
