"""``leadmail account``: connected mailboxes."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from schemas.accounts import Account, AccountState
from schemas.sharing import Mode, SharingPolicy
from services.cli import connect
from services.cli.output import Json, age, fail, moment, print_json, say, table
from services.cli.session import OPERATOR, Session, command, open_session
from services.mailbox.check import check_account
from services.mailbox.providers import directory

app = typer.Typer(no_args_is_help=True, help="Connected mailboxes.")

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's address or id.")]
Excluded = Annotated[
    list[str] | None,
    typer.Option("--exclude-domain", help="For custom: mail on records of this domain is not shared. May be repeated."),
]
Sharing = Annotated[
    Mode | None,
    typer.Option(
        "--sharing", help="Who sees the mail on the record it is about: private, public (recommended), custom."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

connect.register(app)


def shown(account: Account) -> dict[str, object]:
    """Return an account for JSON: everything but its credentials."""
    return account.model_dump(mode="json", exclude={"credentials"})


@app.command("list")
@command
async def list_(
    owner: Annotated[str | None, typer.Option(help="Only those of this user.")] = None, as_json: Json = False
) -> None:
    """List all accounts."""
    async with open_session() as session:
        accounts = await session.store.accounts.list(owner)
    if as_json:
        print_json([shown(account) for account in accounts])
        return
    table(
        None,
        ("account", "owner", "provider", "sharing", "state", "connected"),
        [
            (
                account.address,
                account.owner,
                account.provider or account.incoming.host,
                _sharing(account.sharing),
                account.state.value + (f" ({account.reason})" if account.reason else ""),
                age(account.created_at) + " ago",
            )
            for account in accounts
        ],
    )


@app.command("show")
@command
async def show(name: Name, as_json: Json = False) -> None:
    """Show an account: servers, sharing, folders, backfills, what became of its mail."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        folders = await session.store.folders.of(account.id)
        epochs = await session.store.epochs.of(account.id)
        counts = await session.store.ledger.counts(account.id)
    if as_json:
        print_json(
            {
                **shown(account),
                "folders": folders,
                "epochs": epochs,
                "messages": {str(state): n for state, n in counts.items()},
            }
        )
        return
    say(account.address, style="bold")
    servers = [("incoming", account.incoming)] + ([("outgoing", account.outgoing)] if account.outgoing else [])
    rows: list[tuple[str, str]] = [
        ("id", account.id),
        ("owner", account.owner),
        ("state", account.state.value + (f" ({account.reason})" if account.reason else "")),
        ("sharing", _sharing(account.sharing)),
        *((name, f"{at.host}:{at.port} {at.tls} as {at.username}") for name, at in servers),
        ("aliases", ", ".join(account.aliases) or "-"),
        ("messages", ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none yet"),
        *(
            (
                f"backfill {epoch.number}",
                f"{epoch.state.value}, opened {moment(epoch.opened_at)}, confirmation {epoch.notification.value}",
            )
            for epoch in epochs[:3]
        ),
    ]
    table(None, ("", ""), rows)
    table(
        "Folders", ("folder", "synchronised"), [(f.name, "yes" if f.selected else f"no: {f.reason}") for f in folders]
    )


@app.command("test")
@command
async def try_login(name: Name, as_json: Json = False) -> None:
    """Try the account's login at its servers."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        result = await check_account(
            account.incoming,
            account.outgoing,
            session.box.open(account.id, account.credentials),
            policy=session.policy,
            provider=directory().by_key.get(account.provider or ""),
        )
    if as_json:
        print_json(
            {
                "ok": result.ok,
                "incoming": connect.refusal_json(result.incoming),
                "outgoing": connect.refusal_json(result.outgoing),
            }
        )
    else:
        connect.print_result(result)
    if not result.ok:
        raise typer.Exit(1)


@app.command("pause")
@command
async def pause(name: Name) -> None:
    """Stop synchronising until it is resumed; nothing is lost meanwhile."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        await session.store.accounts.set_state(account.id, AccountState.PAUSED, by=OPERATOR)
    say(f"{account.address} is paused.")


@app.command("resume")
@command
async def resume(name: Name) -> None:
    """Synchronise a paused or blocked account again; what happened meanwhile is caught up with."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        await session.store.accounts.set_state(account.id, AccountState.ACTIVE, by=OPERATOR)
    say(f"{account.address} is active again.")


@app.command("resync")
@command
async def resync(name: Name) -> None:
    """Go through the whole mailbox anew; a confirmation is sent when it is done."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        await session.store.accounts.request_resync(account.id, by=OPERATOR)
    say(f"{account.address} is synchronised anew.")


@app.command("password")
@command
async def password(
    name: Name,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Give an account a new password; it is tried first."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        credentials = connect.read_password(
            account.address, stdin=password_stdin, provider=directory().by_key.get(account.provider or "")
        )
        result = await check_account(
            account.incoming,
            account.outgoing,
            credentials,
            policy=session.policy,
            provider=directory().by_key.get(account.provider or ""),
        )
        if not result.ok:
            connect.print_result(result)
            fail("Nothing was changed.")
        await session.store.accounts.save_credentials(
            account.id, session.box.seal(account.id, credentials), by=OPERATOR
        )
    say(f"The new password of {account.address} works and is saved.")


@app.command("sharing")
@command
async def sharing(name: Name, mode: Sharing = None, exclude_domain: Excluded = None, as_json: Json = False) -> None:
    """Show or change who sees the account's mail on the records it is about."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        if mode is None and exclude_domain is None:
            if as_json:
                print_json(account.sharing)
            else:
                say(_sharing(account.sharing))
            return
        policy = SharingPolicy(
            mode=mode or account.sharing.mode,
            excluded_domains=account.sharing.excluded_domains if exclude_domain is None else tuple(exclude_domain),
        )
        await _check_allowed(session, policy)
        await session.store.sharing.set_account(account.id, policy, by=OPERATOR)
    say(f"{account.address}: {_sharing(policy)}.")


@app.command("folders")
@command
async def folders(
    name: Name,
    include: Annotated[
        list[str] | None, typer.Option(help="Synchronise this folder although it is left out by rule.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave this folder out.")] = None,
    as_json: Json = False,
) -> None:
    """Show or change which folders are synchronised (the options replace what was set before)."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        if include is not None or exclude is not None:
            rules = account.folders.model_copy(
                update={"include": tuple(include or ()), "exclude": tuple(exclude or ())}
            )
            await session.store.accounts.save_folder_rules(account.id, rules, by=OPERATOR)
            say("Saved: the account is synchronised anew by these rules.")
            return
        found = await session.store.folders.of(account.id)
    if as_json:
        print_json(found)
    else:
        table(None, ("folder", "synchronised"), [(f.name, "yes" if f.selected else f"no: {f.reason}") for f in found])


@app.command("remove")
@command
async def remove(
    name: Name,
    purge: Annotated[
        bool, typer.Option("--purge", help="Its mail goes, too, unless somebody else holds a copy.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Disconnect an account (its mail stays, its sharing is frozen) or, with --purge, remove all that came from it."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        counts = await session.store.removal.counts(account.id)
        say(
            f"{account.address}: {counts.copies} copies of {counts.emails} emails; {counts.only_here} of them are held by nobody else."
        )
        if not yes:
            question = (
                f"Remove it and {counts.only_here} emails for good?"
                if purge
                else "Disconnect it? Its mail stays on the records."
            )
            await asyncio.to_thread(typer.confirm, question, abort=True)
        if purge:
            await session.store.removal.purge(account.id, by=OPERATOR)
        else:
            await session.store.removal.disconnect(account.id, by=OPERATOR)
    say(f"{account.address} is {'removed with its mail' if purge else 'disconnected'}.")


def _sharing(policy: SharingPolicy) -> str:
    if policy.mode is Mode.CUSTOM:
        return f"custom, without {', '.join(policy.excluded_domains) or 'any excluded domain yet'}"
    return policy.mode.value


async def _check_allowed(session: Session, policy: SharingPolicy) -> None:
    company = await session.store.company.policy()
    if policy.mode not in company.allowed_modes:
        fail(
            f"your company does not allow {policy.mode.value}: take {' or '.join(mode.value for mode in company.allowed_modes)}"
        )
