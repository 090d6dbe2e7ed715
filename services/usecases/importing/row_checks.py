"""What a row of a table says, checked before any login: users, rights, policy, servers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from schemas.accounts import Account, ServerAddress
from schemas.addresses import normal_address
from schemas.errors import LeadmailError
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.mailbox import advice
from services.mailbox.connection import Code, MailServerError
from services.mailbox.oauth.sign_in_services import SignInServices
from services.mailbox.providers import Provider, directory
from services.store import OPERATOR, AlreadyExistsError
from services.usecases import proving
from services.usecases.connecting.displacing import refuse_personal
from services.usecases.connecting.saving import AccountSaver, check_allowed
from services.usecases.connecting.servers import find, read_server
from services.usecases.importing.table import MailboxRow

_YES = {"yes", "y", "true", "1", "x", "app-only", "app only"}
_NO = {"", "no", "n", "false", "0"}


class RowError(LeadmailError):
    """A row cannot be connected; the text says why."""


class Plan(NamedTuple):
    """A row that was checked."""

    address: str
    owner: str
    aliases: tuple[str, ...]
    policy: SharingPolicy
    service: str
    """At which Leadmail opens the mailbox in its own name; empty for a password."""
    incoming: ServerAddress | None = None
    outgoing: ServerAddress | None = None
    members: tuple[str, ...] = ()
    """The users of a shared mailbox. Then it has no ``owner``."""
    provider: Provider | None = None


@dataclass(frozen=True, slots=True)
class RowChecks:
    """Checks rows for an administrator or the operator."""

    saver: AccountSaver
    services: SignInServices

    async def plan(self, row: MailboxRow, company: CompanyPolicy) -> Plan | str:
        """Return what a row says, checked. If its mailbox is connected, return in what it differs from the row; empty for in nothing.

        Raises:
            RowError, StoreError, InvalidAddressError: it cannot be connected.
        """
        store, address = self.saver.store, normal_address(row.address)
        if row.repeated:
            raise RowError("the table has this address more than once")
        named = [*([row.owner] if row.owner else []), *row.members] if row.members else [row.owner or address]
        users = dict.fromkeys([(await store.users.active(one)).email for one in named])
        owner, members = ("", tuple(users)) if row.members else (next(iter(users)), ())
        holder = await store.accounts.connected(address)
        if holder is not None and (holder.shared if members else holder.owner == owner):
            return _differences(holder, members)
        if holder is not None:
            raise RowError("it is connected for another user")
        if members:
            await refuse_personal(address, store)
        aliases = tuple(normal_address(other) for other in row.aliases)
        try:
            await proving.refuse_others({address, *aliases}, owner, store=store)
        except AlreadyExistsError as error:
            raise RowError(str(error)) from None
        policy = _policy(row.sharing, company)
        app_only = row.app_only.lower()
        if app_only in _NO:
            return await self._with_password(row, Plan(address, owner, aliases, policy, "", members=members))
        if row.password.get_secret_value() or row.host or row.username:
            raise RowError(
                "with app-only there is no password, login name or host: tokens go to the service's own server"
            )
        if self.saver.by != OPERATOR and address != owner:
            raise RowError(
                "only the operator may give a mailbox that Leadmail opens in its own name to a user of another address"
            )
        return Plan(address, owner, aliases, policy, await self._service(app_only, address), members=members)

    async def _with_password(self, row: MailboxRow, plan: Plan) -> Plan:
        if not row.password.get_secret_value():
            raise RowError("it has neither a password nor app-only")
        login = row.username or plan.address
        if row.host:
            try:
                choice = read_server(row.host)
            except ValueError as error:
                raise RowError(f"the host is wrong: {error}") from None
            incoming = choice.over(None, "imap", login)
            assert incoming is not None
            return plan._replace(incoming=incoming, provider=directory().for_server(incoming.host))
        found = await find(plan.address, None, policy=self.saver.policy, look=True)
        if found.incoming is None:
            raise RowError("its mail server was not found: name the host")
        if found.confirm:
            raise RowError(
                f"only DNS says that {', '.join(found.confirm)} serves this address: name the host if that is right"
            )
        if found.auth == ("oauth2",):
            refused = MailServerError(Code.OAUTH2_NEEDED)
            raise RowError(advice.sentence(refused, found.incoming, "imap", found.provider))
        named = {"username": login} if row.username else {}
        outgoing = found.outgoing.model_copy(update=named) if found.outgoing else None
        incoming = found.incoming.model_copy(update=named)
        return plan._replace(incoming=incoming, outgoing=outgoing, provider=found.provider)

    async def _service(self, named: str, address: str) -> str:
        """Return the service at which Leadmail opens a mailbox in its own name: the named one, or the mailbox's own.

        Raises:
            RowError: it is not set up.
        """
        known = self.services.app_only
        if named not in _YES:
            if named in known:
                return named
            raise RowError(f"Leadmail opens no mailboxes of that service in its own name: {_choose(known)}")
        if len(known) == 1:
            return next(iter(known))
        provider = (await find(address, None, policy=self.saver.policy, look=True)).provider
        if provider is not None and provider.sign_in in known:
            return provider.sign_in
        raise RowError(f"Leadmail does not open this service's mailboxes in its own name: {_choose(known)}")


def _differences(account: Account, members: Iterable[str]) -> str:
    """Say which members a connected shared mailbox lacks or has besides those of a row, and by which command it gets them."""
    lacks, besides = sorted({*members} - {*account.members}), sorted({*account.members} - {*members})
    if not members or not (lacks or besides):
        return ""
    options = " ".join([*(f"--add {one}" for one in lacks), *(f"--remove {one}" for one in besides)])
    now = ", ".join(account.members) or "no one"
    return f"its members stay {now}: `leadmail account members {account.address} {options}` changes them"


def _policy(typed: str, company: CompanyPolicy) -> SharingPolicy:
    """Return the sharing policy of a row; the company's default if it names none.

    Raises:
        RowError: there is no such mode.
        NotAllowedError: the company does not allow it.
    """
    try:
        mode = Mode(typed.lower()) if typed else company.default_mode
    except ValueError:
        raise RowError(f"sharing has to be {', '.join(one.value for one in Mode)} or empty") from None
    check_allowed(mode, company)
    return SharingPolicy(mode=mode)


def _choose(known: Iterable[str]) -> str:
    names = ", ".join(known)
    return f"choose {names}" if names else "none is set up (docs/oauth.md)"
