"""Settings of an account: password, sharing, folders; and the test of its login."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.accounts import Account
from schemas.addresses import excludable_domain
from schemas.sharing import Mode, SharingPolicy
from services import wording
from services.cli.accounts import folder_view, login_result
from services.cli.mail.previews import DryRun, print_preview
from services.cli.results import accounts as results
from services.cli.results.base import prints
from services.cli.results.connecting import LoginResult
from services.cli.results.sharing import SharingResult
from services.cli.terminal import questions
from services.cli.terminal.names import AccountName
from services.cli.terminal.output import USAGE, Json, fail, print_json, say
from services.cli.terminal.session import command, do, open_session
from services.mailbox.connection import Credentials
from services.store import OPERATOR
from services.usecases import balance
from services.usecases.connecting.login import provider_of, try_account, try_saved
from services.usecases.connecting.saving import check_allowed

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult

Excluded = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-domain",
        metavar="DOMAIN",
        help="With --sharing custom: do not share mail on records of this domain. May be repeated.",
    ),
]
SharingOption = Annotated[
    Mode | None,
    typer.Option("--sharing", help="Who can see the mail on its records; public is recommended."),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]


def typed_domains(mode: Mode | None, domains: Iterable[str] | None) -> tuple[str, ...]:
    """Return excluded domains in normal form; exits if the mode takes none.

    Raises:
        InvalidDomainError: a domain cannot be excluded.
    """
    found = tuple(excludable_domain(domain) for domain in domains or ())
    if found and mode is not None and mode is not Mode.CUSTOM:
        fail(f"--exclude-domain goes with --sharing custom, not with {mode.value}", code=USAGE)
    return found


@prints(LoginResult)
@command
async def try_login(name: AccountName, as_json: Json = False) -> None:
    """Test the account's login at its servers. Nothing is fetched or changed."""
    async with open_session() as session:
        account = await session.connected(name)
        result = await try_saved(account, session.tokens, session.policy)
    if as_json:
        print_json(LoginResult.of(result))
    else:
        login_result.show(result)
    if not result.ok:
        raise typer.Exit(1)


def password(name: AccountName, password_stdin: PasswordStdin = False) -> None:
    """Save a new password for an account, if it works. A blocked account becomes active again."""
    account = do(connected_account(name))
    credentials = questions.password(account.address, stdin=password_stdin, provider=provider_of(account))
    result = do(_try_and_save(account, credentials))
    login_result.show_saved(result, f"The new password of {account.address}")


async def connected_account(name: str) -> Account:
    """Return an account that is not disconnected, in a session that ends before the user is asked for a password."""
    async with open_session() as session:
        return await session.connected(name)


async def _try_and_save(account: Account, credentials: Credentials) -> CheckResult:
    async with open_session() as session:
        result = await try_account(account, credentials, session.policy)
        if result.ok:
            await session.saver.save_password(account, credentials)
        return result


@prints(SharingResult)
@command
async def sharing(  # noqa: PLR0917 - typer names them by keyword
    name: AccountName,
    mode: SharingOption = None,
    exclude_domain: Excluded = None,
    no_excluded_domains: Annotated[bool, typer.Option("--no-excluded-domains", help="Empty the list.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show or change who can see the account's mail on its records. Sharing less takes effect immediately."""
    domains = typed_domains(mode, exclude_domain)
    preview = None
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        policy = account.sharing
        if mode is not None or domains or no_excluded_domains:
            account = await session.connected(name)
            if domains and (mode or policy.mode) is not Mode.CUSTOM:
                fail(f"{account.address} is shared as {policy.mode.value}: add --sharing custom", code=USAGE)
            policy = SharingPolicy(
                mode=mode or policy.mode,
                excluded_domains=() if no_excluded_domains else domains or policy.excluded_domains,
            )
            check_allowed(policy.mode, await session.store.company.policy())
            if dry_run:
                preview = await session.store.previewing.account(account, policy)
            else:
                await session.store.sharing.set_account(account.id, policy, by=OPERATOR)
        elif dry_run:
            fail("--dry-run needs a change: add --sharing or --exclude-domain", code=USAGE)
    if as_json:
        print_json(SharingResult(**policy.model_dump(), preview=preview))
        return
    say(f"{account.address}: {wording.sharing(policy)}{' (preview)' if preview else ''}.")
    if preview:
        print_preview(preview)


@prints(results.FoldersResult)
@command
async def folders(
    name: AccountName,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER", help="Synchronise this folder although it is excluded by default. May be repeated."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="FOLDER", help="Do not synchronise this folder. May be repeated.")
    ] = None,
    by_rule: Annotated[
        bool, typer.Option("--by-rule", help="Restore the default: all folders except Trash, Spam and unsent mail.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show or change which folders are synchronised. A change replaces the earlier settings."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        if include or exclude or by_rule:
            account = await session.connected(name)
            chosen = {"include": tuple(include or ()), "exclude": tuple(exclude or ())}
            if both := set(chosen["include"]) & set(chosen["exclude"]):
                fail(f"{', '.join(sorted(both))} cannot be both included and excluded", code=USAGE)
            rules = account.folders.model_copy(update=chosen)
            await session.store.accounts.save_folder_rules(account.id, rules, by=OPERATOR)
            known = {folder.name for folder in await session.store.folders.of(account.id)}
            if known and (strange := sorted({*rules.include, *rules.exclude} - known)):
                say(f"Note: the mailbox has no folder {', '.join(strange)} yet.", style="yellow")
            say(f"Saved. {account.address} is being synchronised again with these folders.")
            return
        _, found = await balance.of_account(session.store, account.id)
    if as_json:
        choices = folder_view.results_of(results.FolderChoice, found)
        print_json(results.FoldersResult.of(account.folders, folders=choices))
    elif found:
        folder_view.print_folders(found)
    else:
        say("The folders are not known yet: no poller has opened this mailbox.", style="dim")
