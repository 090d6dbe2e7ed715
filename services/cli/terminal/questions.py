"""Prompts. A wrong answer is explained and asked for again; Ctrl-C ends the command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar, get_args

import typer

from schemas.accounts import ServerAddress, Tls, User
from schemas.addresses import normal_address
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.cli.terminal.output import USAGE, fail, say
from services.mailbox.connection import Credentials
from services.mailbox.connection import password as password_credentials
from services.mailbox.popular import POPULAR, PopularService
from services.mailbox.providers import Provider
from services.usecases.connecting.servers import read_domains, read_host, read_port
from services.wording import MODES

T = TypeVar("T")
_TLS: tuple[Tls, ...] = get_args(Tls)


def ask(question: str, read: Callable[[str], T], *, default: str | None = None) -> T:
    """Ask until ``read`` accepts the answer; its ValueError says what is wrong."""

    def checked(typed: str) -> T:
        try:
            return read(typed.strip())
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    answer: T = typer.prompt(question, default=default, value_proc=checked)
    return answer


def one_of(options: Sequence[T]) -> Callable[[str], T]:
    """Return a reader that accepts one of several words."""
    words = {str(option): option for option in options}

    def read(typed: str) -> T:
        if typed.lower() in words:
            return words[typed.lower()]
        *most, last = words
        raise ValueError(f"choose {', '.join(most)} or {last}" if most else f"only {last} is possible")

    return read


def owner(users: Sequence[User]) -> User:
    """Ask whose mailbox it is."""
    if not users:
        fail("there are no users yet: add the mailbox's owner with `leadmail user add EMAIL`")
    by_email = {user.email: user for user in users}

    def read(typed: str) -> User:
        if user := by_email.get(typed.lower()):
            return user
        raise ValueError(f"there is no user {typed}: `leadmail user list` shows all, `leadmail user add` adds one")

    return ask("Owner of the mailbox (a user's address)", read, default=users[0].email if len(users) == 1 else None)


def service() -> PopularService | None:
    """Ask which mail service hosts the mailbox; None for another one, whose servers are found by the address or typed."""
    services = list(POPULAR.values())
    say("Which service hosts the mailbox?")
    for number, one in enumerate(services, 1):
        say(f"  {number:2}  {one.name}")
    other = len(services) + 1
    say(f"  {other:2}  Other: by the address, or the servers that you type")

    def read(typed: str) -> PopularService | None:
        chosen = POPULAR.get(typed.lower())
        if chosen or typed.lower() in ("other", str(other)):
            return chosen
        if typed.isdecimal() and 0 < int(typed) < other:
            return services[int(typed) - 1]
        raise ValueError(f"enter a number from 1 to {other}")

    return ask("Mail service", read, default=str(other))


def address(proposed: str) -> str:
    """Ask for the mailbox's address."""
    return ask("Address of the mailbox", normal_address, default=proposed)


def server(which: str, known: ServerAddress | None, username: str, ports: dict[str, int]) -> ServerAddress:
    """Ask for a server; what is known is the default."""
    host = ask(f"{which} server", read_host, default=known.host if known else None)
    tls = ask(f"{which} encryption (tls, starttls, none)", one_of(_TLS), default=known.tls if known else "tls")
    port = ask(f"{which} port", read_port, default=str(known.port if known and known.tls == tls else ports[tls]))
    login = ask(f"{which} user name", str, default=known.username if known else username)
    return ServerAddress(host=host, port=port, tls=tls, username=login)


def password(address: str, *, stdin: bool, provider: Provider | None) -> Credentials:
    """Return the password from standard input, or ask for it and show the provider's instructions for getting one."""
    if stdin:
        typed = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        if provider and provider.password_advice:
            say(provider.password_advice)
            for number, step in enumerate(provider.app_password, 1):
                say(f"  {number}. {step}")
            if provider.app_password_url:
                say(f"  {provider.app_password_url}", style="cyan")
        typed = typer.prompt(f"Password of {address} (hidden)", hide_input=True)
    else:
        fail("the password is missing: use --password-stdin", code=USAGE)
    if not typed:
        fail("the password is empty", code=USAGE)
    return password_credentials(typed)


def sharing(company: CompanyPolicy) -> SharingPolicy:
    """Ask who may see the account's mail, within what the company allows."""
    allowed = [mode for mode in MODES if mode in company.allowed_modes]
    say("Who can see this mailbox's mail on the pages of leads and contacts?")
    for mode in allowed:
        say(f"  {mode.value:8} {MODES[mode]}")
    proposed = company.default_mode if company.default_mode in allowed else allowed[0]
    mode = ask("Sharing", one_of(allowed), default=proposed.value)
    domains: tuple[str, ...] = ()
    if mode is Mode.CUSTOM:
        domains = ask("Domains to exclude, separated by spaces", read_domains)
    return SharingPolicy(mode=mode, excluded_domains=domains)
