"""``leadmail account add``: from an address to a connected mailbox; guided on a terminal, scriptable otherwise."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from schemas.accounts import Account, ServerAddress
from schemas.addresses import normal_address
from schemas.sharing import Mode, SharingPolicy
from services.cli.output import fail, print_json, say
from services.cli.session import OPERATOR, Session, command, open_session
from services.mailbox.check import CheckResult, Refusal, check_account, cleaned
from services.mailbox.discovery import Discovered, Discovery
from services.mailbox.dns import Dns
from services.mailbox.https_get import HttpsGet
from services.mailbox.models import Credentials, password
from services.mailbox.providers import Provider, directory
from services.store.accounts import new_account_id
from services.store.documents import now

TlsChoice = Literal["tls", "starttls", "none"]
_PORTS = {"imap": {"tls": 993, "starttls": 143, "none": 143}, "smtp": {"tls": 465, "starttls": 587, "none": 25}}


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """What was typed about one server; empty parts are filled in."""

    host: str | None
    port: int | None
    tls: TlsChoice | None

    def over(
        self, found: ServerAddress | None, protocol: Literal["imap", "smtp"], username: str
    ) -> ServerAddress | None:
        """Return the server: what was typed, over what was found. None when nothing is known of it."""
        host = self.host or (found.host if found else None)
        if host is None:
            return None
        tls = self.tls or (found.tls if found and not self.host else "tls")
        port = self.port or (found.port if found and not self.host and not self.tls else _PORTS[protocol][tls])
        return ServerAddress(host=host, port=port, tls=tls, username=username)


def register(app: typer.Typer) -> None:
    """Add ``add`` to the account commands."""
    app.command("add")(add)


@command
async def add(  # noqa: PLR0917 - typer names them by keyword
    owner: Annotated[str | None, typer.Option(help="The user whose mailbox it is.")] = None,
    email: Annotated[str | None, typer.Option(help="The mailbox's address.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="A key of the provider directory; found by the address when left out.")
    ] = None,
    imap_host: Annotated[str | None, typer.Option(help="Incoming server.")] = None,
    imap_port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    imap_tls: Annotated[TlsChoice | None, typer.Option(help="tls, starttls or none.")] = None,
    smtp_host: Annotated[str | None, typer.Option(help="Outgoing server.")] = None,
    smtp_port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    smtp_tls: Annotated[TlsChoice | None, typer.Option(help="tls, starttls or none.")] = None,
    no_smtp: Annotated[bool, typer.Option("--no-smtp", help="The account has no outgoing server.")] = False,
    username: Annotated[str | None, typer.Option(help="Login name, where it is not the address.")] = None,
    alias: Annotated[
        list[str] | None, typer.Option(help="Another address of the same person. May be repeated.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    sharing: Annotated[
        Mode | None, typer.Option(help="Who sees the mail: private, public (recommended), custom.")
    ] = None,
    exclude_domain: Annotated[list[str] | None, typer.Option(help="For custom: not shared. May be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
) -> None:
    """Connect a mailbox: find its servers, try the login, choose who sees its mail, save."""
    asks = sys.stdin.isatty() and not password_stdin
    async with open_session() as session:
        user = await session.store.users.get(
            _needed(owner, "--owner", "Whose mailbox is it (the user's address)?", asks=asks)
        )
        address = normal_address(_needed(email, "--email", "The mailbox's address", asks=asks))
        found = await _find(
            session, address, provider, ask_dns=not (imap_host and (smtp_host or no_smtp)), quiet=as_json
        )
        login = username or (found.incoming.username if found.incoming else address)
        incoming = ServerChoice(imap_host, imap_port, imap_tls).over(found.incoming, "imap", login)
        outgoing = None if no_smtp else ServerChoice(smtp_host, smtp_port, smtp_tls).over(found.outgoing, "smtp", login)
        if incoming is None:
            fail(" ".join(found.notes) or "the incoming server is not known: give it with --imap-host", code=2)
        if asks:
            incoming, outgoing = _review(incoming, outgoing, found)
        credentials = cleaned(read_password(address, stdin=password_stdin, provider=found.provider), found.provider)
        result = await check_account(incoming, outgoing, credentials, policy=session.policy, provider=found.provider)
        if not result.ok:
            print_result(result)
            fail("Nothing was saved.")
        policy = await _policy(session, sharing, exclude_domain, asks=asks)
        account_id = new_account_id()
        account = Account(
            id=account_id,
            owner=user.email,
            address=address,
            aliases=tuple(normal_address(other) for other in alias or ()),
            provider=found.provider.key if found.provider else None,
            incoming=incoming,
            outgoing=outgoing,
            credentials=session.box.seal(account_id, credentials),
            sharing=policy,
            created_at=now(),
        )
        await session.store.accounts.add(account, by=OPERATOR)
    if as_json:
        print_json(account.model_dump(mode="json", exclude={"credentials"}))
    else:
        say(f"{address} is connected for {user.email}, shared as {policy.mode.value}.", style="green")
        say(
            f"The mail that is already in it is being synchronised; {user.email} gets a confirmation when that is done."
        )


async def _find(session: Session, address: str, provider: str | None, *, ask_dns: bool, quiet: bool) -> Discovered:
    """Return what is known of the address's servers; asks the network only when the servers were not all typed."""
    known: Provider | None = directory().for_address(address)
    if provider is not None:
        known = directory().by_key.get(provider)
        if known is None:
            fail(f"there is no provider {provider!r}: take one of {', '.join(sorted(directory().by_key))}", code=2)
    if known is not None:
        name = known.login_name(address)
        found = Discovered(
            address=address,
            provider=known,
            incoming=known.imap.address(name),
            outgoing=known.smtp.address(name),
            auth=known.auth,
            source="directory",
            notes=(known.note,) if known.note else (),
        )
    elif ask_dns:
        found = await Discovery(Dns(), HttpsGet(session.policy), session.policy).discover(address)
    else:
        found = Discovered(
            address=address, provider=None, incoming=None, outgoing=None, auth=("password",), source="none"
        )
    if not quiet:
        if found.provider:
            say(f"{address} is at {found.provider.name}.")
        for note in found.notes:
            say(note, style="dim")
    return found


def _needed(value: str | None, option: str, question: str, *, asks: bool) -> str:
    if value:
        return value
    if not asks:
        fail(f"{option} is missing", code=2)
    return str(typer.prompt(question))


def _review(
    incoming: ServerAddress, outgoing: ServerAddress | None, found: Discovered
) -> tuple[ServerAddress, ServerAddress | None]:
    """Show the servers to a person, who may change them."""
    say(f"  incoming  {incoming.host}:{incoming.port} {incoming.tls} as {incoming.username}")
    say(
        f"  outgoing  {outgoing.host}:{outgoing.port} {outgoing.tls} as {outgoing.username}"
        if outgoing
        else "  outgoing  none"
    )
    if found.confirm:
        say(
            f"Only DNS says that {', '.join(found.confirm)} serves this address: check the name before you type a password.",
            style="yellow",
        )
    if typer.confirm("Are these right?", default=True):
        return incoming, outgoing
    return _ask_server(incoming, "Incoming"), _ask_server(outgoing, "Outgoing") if outgoing else None


def _ask_server(server: ServerAddress, which: str) -> ServerAddress:
    return ServerAddress(
        host=typer.prompt(f"{which} server", default=server.host),
        port=typer.prompt(f"{which} port", default=server.port, type=int),
        tls=typer.prompt(f"{which} encryption (tls, starttls, none)", default=server.tls),
        username=typer.prompt(f"{which} user name", default=server.username),
    )


def read_password(address: str, *, stdin: bool, provider: Provider | None) -> Credentials:
    """Return the password: from standard input, or asked for with the provider's own steps on how to get one."""
    if stdin:
        typed = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        if provider and not provider.takes_account_password and provider.app_password:
            say(f"{provider.name} wants an app-specific password here:")
            for number, step in enumerate(provider.app_password, 1):
                say(f"  {number}. {step}")
            if provider.app_password_url:
                say(f"  {provider.app_password_url}", style="cyan")
        typed = typer.prompt(f"Password of {address}", hide_input=True)
    else:
        fail("the password is missing: give it with --password-stdin", code=2)
    if not typed:
        fail("the password is empty", code=2)
    return password(typed)


async def _policy(session: Session, mode: Mode | None, excluded: list[str] | None, *, asks: bool) -> SharingPolicy:
    """Return who may see the account's mail, within what the company allows."""
    company = await session.store.company.policy()
    domains = tuple(excluded or ())
    if mode is None and asks:
        say("Who may see this mailbox's mail on the lead or contact that it is about?")
        say("  public   your colleagues do (recommended)")
        say("  custom   your colleagues do, except for domains that you name")
        say("  private  nobody but you")
        default = Mode.PUBLIC if Mode.PUBLIC in company.allowed_modes else company.allowed_modes[0]
        mode = await asyncio.to_thread(lambda: Mode(typer.prompt("Sharing", default=default.value)))
        if mode is Mode.CUSTOM and not domains:
            domains = tuple(str(typer.prompt("Domains to exclude, separated by blanks")).split())
    if mode is None:
        fail("--sharing is missing: public (recommended), custom or private", code=2)
    if mode not in company.allowed_modes:
        fail(
            f"your company does not allow {mode.value}: take {' or '.join(one.value for one in company.allowed_modes)}"
        )
    return SharingPolicy(mode=mode, excluded_domains=domains)


def refusal_json(refusal: Refusal | None) -> dict[str, Any] | None:
    """Return a refusal for programs; None for a yes."""
    if refusal is None:
        return None
    return {
        "code": refusal.code,
        "sentence": refusal.sentence,
        "steps": refusal.steps,
        "url": refusal.url,
        "answer": refusal.answer,
    }


def print_result(result: CheckResult) -> None:
    """Say what the servers said, and what to do."""
    for which, refusal, checked in (
        ("Incoming", result.incoming, True),
        ("Outgoing", result.outgoing, result.outgoing_checked),
    ):
        if not checked:
            continue
        if refusal is None:
            say(f"{which} server: the login works.", style="green")
            continue
        say(f"{which} server: {refusal.sentence}", style="red")
        for number, step in enumerate(refusal.steps, 1):
            say(f"  {number}. {step}")
        if refusal.url:
            say(f"  {refusal.url}", style="cyan")
        if refusal.answer:
            say(f"  The server said: {refusal.answer}", style="dim")
