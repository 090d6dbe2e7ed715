"""``leadmail account add``: from an address to a connected mailbox; guided on a terminal, scriptable otherwise.

Prompts come between the steps that talk to servers, never during one.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from schemas.accounts import Tls, User
from schemas.addresses import normal_address
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.cli.accounts import connect_save
from services.cli.accounts.app_only import open_mailbox
from services.cli.accounts.connect_login import AccountServers, try_login
from services.cli.accounts.settings import Excluded, PasswordStdin, SharingOption, typed_domains
from services.cli.accounts.sign_in import PORT, Device, RedirectPort, asks_for_sign_in, sign_in
from services.cli.results import accounts as results
from services.cli.results.base import prints
from services.cli.terminal import questions
from services.cli.terminal.output import USAGE, Json, fail, say
from services.cli.terminal.session import do, explained, open_session
from services.mailbox import advice
from services.mailbox.connection import Code, ConnectPolicy, MailServerError
from services.mailbox.oauth.sign_in_services import SignInServices, what_is_missing
from services.mailbox.providers import Provider, directory
from services.usecases.connecting import mailbox_sign_in
from services.usecases.connecting.displacing import is_taken, refuse_personal
from services.usecases.connecting.mailbox_sign_in import SignedIn
from services.usecases.connecting.saving import NewAccount, check_allowed
from services.usecases.connecting.servers import ServerChoice, find

if TYPE_CHECKING:
    from services.mailbox.discovery import Discovered

Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Default: the usual port for the encryption.")]
Encryption = Annotated[Tls | None, typer.Option(help="`none` works only if the operator's settings allow it.")]


class PromptContext(NamedTuple):
    """What the database knows before the first prompt."""

    users: list[User]
    company: CompanyPolicy
    policy: ConnectPolicy
    sign_ins: SignInServices


@prints(results.AccountResult)
def add(  # noqa: PLR0917 - typer names them by keyword
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="The user whose mailbox it is.")] = None,
    member: Annotated[
        list[str] | None,
        typer.Option(metavar="EMAIL", help="A user of a shared mailbox, instead of its one owner. May be repeated."),
    ] = None,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The mailbox's address.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="A key of the provider directory; by default derived from the address.")
    ] = None,
    imap_host: Annotated[str | None, typer.Option(help="Incoming server; by default found automatically.")] = None,
    imap_port: Port = None,
    imap_tls: Encryption = None,
    smtp_host: Annotated[str | None, typer.Option(help="Outgoing server; by default found automatically.")] = None,
    smtp_port: Port = None,
    smtp_tls: Encryption = None,
    no_smtp: Annotated[bool, typer.Option("--no-smtp", help="The account has no outgoing server.")] = False,
    username: Annotated[str | None, typer.Option(help="Login name, if it is not the address.")] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Another address that the owner claims. May be repeated."),
    ] = None,
    password_stdin: PasswordStdin = False,
    service: Annotated[
        str | None,
        typer.Option("--sign-in", metavar="SERVICE", help="Sign in there: google, microsoft, or generic for your own."),
    ] = None,
    device: Device = False,
    redirect_port: RedirectPort = PORT,
    app_only: Annotated[
        str | None,
        typer.Option(
            "--app-only",
            metavar="SERVICE",
            help="Open the mailbox in Leadmail's own name, as your company allows there: google, microsoft, or generic.",
        ),
    ] = None,
    sharing: SharingOption = None,
    exclude_domain: Excluded = None,
    as_json: Json = False,
) -> None:
    """Connect a mailbox: find its servers, try the login, choose who sees its mail, save.

    Where the mail service has a sign-in of its own that is set up, you sign in there, and it says which mailbox it is.

    A shared mailbox has members instead of an owner: name each with --member. A member may open it by their own sign-in.

    Prompts for missing values, and shows popular mail services, if it runs on a terminal without --password-stdin.
    """
    asks = sys.stdin.isatty() and not password_stdin
    _require_named(owner, member, email, service, sharing, asks=asks)
    with explained():
        domains = typed_domains(sharing, exclude_domain)
        aliases = tuple(normal_address(other) for other in alias or ())
        typed = normal_address(email) if email else None
        named = provider_named(provider) if provider else None
    known = do(_known(owner, member or (), typed))
    if sharing is not None:
        with explained():
            check_allowed(sharing, known.company)
    members = tuple(one.email for one in known.users) if member else ()
    user = known.users[0] if owner or member else questions.owner(known.users)
    whose = "" if members else user.email
    opened = partial(_opened, known, whose, sharing, domains, aliases=aliases, members=members, as_json=as_json)
    signed_in = partial(sign_in, device=device, port=redirect_port, shared=typed or "" if members else "")
    if app_only is not None:
        opened(open_mailbox(app_only, typed or questions.address(user.email)), typed)
        return
    if service is not None:
        opened(signed_in(service, hint="" if members else typed or ""), typed)
        return
    chosen = questions.service() if typed is None and named is None and imap_host is None else None
    address = typed or questions.address(user.email)
    if do(_is_taken(address, whose)):
        fail(f"{address} is already connected: see `leadmail account show {address}`")
    choices = ServerChoice(imap_host, imap_port, imap_tls), ServerChoice(smtp_host, smtp_port, smtp_tls)
    look = not (imap_host and (smtp_host or no_smtp))
    found = do(find(address, named, policy=known.policy, look=look, chosen=chosen))
    if not as_json:
        _say_found(found)
    if not imap_host:
        offered = known.sign_ins.of(found.provider)
        only = found.auth == ("oauth2",)
        if only and (offered is None or password_stdin):
            _refuse_oauth2(found)
        if offered is not None and asks and asks_for_sign_in(offered, only=only):
            opened(signed_in(offered.key, hint="" if members else address), address)
            return
    login = username or (found.incoming.username if found.incoming else address)
    servers = AccountServers(
        choices[0].over(found.incoming, "imap", login),
        None if no_smtp else choices[1].over(found.outgoing, "smtp", login),
        no_smtp=no_smtp,
    )
    tried = try_login(address, servers, found, login, known.policy, asks=asks, from_stdin=password_stdin, quiet=as_json)
    policy = SharingPolicy(mode=sharing, excluded_domains=domains) if sharing else questions.sharing(known.company)
    new = NewAccount(
        owner=whose,
        address=address,
        aliases=aliases,
        provider=found.provider,
        incoming=tried.incoming,
        outgoing=tried.outgoing,
        credentials=tried.credentials,
        policy=policy,
        members=members,
    )
    connect_save.save(new, as_json=as_json)


def _opened(  # noqa: PLR0917 - bound once
    known: PromptContext,
    owner: str,
    sharing: Mode | None,
    domains: tuple[str, ...],
    found: SignedIn,
    typed: str | None,
    *,
    aliases: tuple[str, ...],
    members: tuple[str, ...],
    as_json: bool,
) -> None:
    """Connect the mailbox to which the user signed in, or that Leadmail opened in its own name."""
    if typed is not None and typed != found.address:
        fail(f"you signed in as {found.address}, not as {typed}: nothing was saved")
    policy = SharingPolicy(mode=sharing, excluded_domains=domains) if sharing else questions.sharing(known.company)
    new = mailbox_sign_in.new_account(found, owner, policy, aliases=aliases, members=members)
    connect_save.save(new, as_json=as_json)


def provider_named(key: str) -> Provider:
    """Return a provider of the directory; exits if the key is unknown."""
    known = directory().by_key
    if key not in known:
        fail(f"there is no provider {key!r}: choose one of {', '.join(sorted(known))}", code=USAGE)
    return known[key]


def _require_named(
    owner: str | None,
    members: list[str] | None,
    email: str | None,
    service: str | None,
    sharing: Mode | None,
    *,
    asks: bool,
) -> None:
    """Exit if something is missing that the command does not ask for."""
    if not asks:
        _require({"--owner": owner or members, "--email": email or service, "--sharing": sharing})
    if members and not email:
        fail("name the shared mailbox with --email", code=USAGE)


def _require(options: dict[str, object]) -> None:
    if missing := [name for name, value in options.items() if not value]:
        fail(f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing", code=USAGE)


async def _known(owner: str | None, members: Collection[str], address: str | None) -> PromptContext:
    """Return what the database knows; ``users`` are those who were named, if any were."""
    async with open_session() as session:
        if members and address:
            await refuse_personal(address, session.store)
        store, named = session.store, dict.fromkeys([*([owner] if owner else []), *members])
        users = (
            list({user.email: user for user in [await store.users.active(one) for one in named]}.values())
            if named
            else [one for one in await store.users.get_all() if not one.disabled]
        )
        return PromptContext(users, await store.company.policy(), session.policy, session.sign_ins)


async def _is_taken(address: str, owner: str) -> bool:
    async with open_session() as session:
        return await is_taken(address, owner, session.store)


def _say_found(found: Discovered) -> None:
    if found.provider:
        say(f"{found.address} is hosted by {found.provider.name}.")
    for note in found.notes:
        say(note, style="dim")


def _refuse_oauth2(found: Discovered) -> None:
    """Exit: a password prompt would be misleading, because no password can work."""
    assert found.incoming is not None
    why = advice.sentence(MailServerError(Code.OAUTH2_NEEDED), found.incoming, "imap", found.provider)
    fail(f"{why} {what_is_missing(found.provider)}".strip())
